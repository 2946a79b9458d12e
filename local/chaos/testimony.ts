import * as z from "zod/mini";
import { type Headers, readAnswer as readIssueAnswer, type Said, type ToldCoupon } from "../rush/answer.ts";

/**
 * What clients were told, as the judge will hear it. What may be said is written down from the contract and not taken from
 * `functions/`: a judge does not ask the accused. All times are on this process's steady clock.
 */

interface Timed {
  readonly sentAt: number;
  readonly answeredAt: number;
}

/** One attempt at a coupon. */
export interface Asked extends Said, Timed {
  readonly user: string;
  readonly key?: string;
}

/** One attempt to give a coupon back. */
export interface GivenBack extends Timed {
  readonly user: string;
  readonly couponId: string;
  /** `cancelled`, the API's code, or `no-answer`. */
  readonly word: string;
  /** 0 when there was no answer. */
  readonly status: number;
  readonly flaw?: string;
  readonly retryAfterMs?: number;
}

/** A look at the public campaign document. */
export interface Sighting extends Timed {
  /** Its state; undefined when it could not be seen. */
  readonly state: string | undefined;
  readonly status: number;
  readonly remaining?: number;
  readonly flaw?: string;
}

export interface Testimony {
  readonly asked: Asked[];
  readonly givenBack: GivenBack[];
  readonly sightings: Sighting[];
}

/** `POST /coupons/{couponId}/cancel`, asked by the coupon's owner. */
const CANCEL: Readonly<Record<string, number>> = {
  unknown: 404,
  conflict: 409,
  throttled: 429,
  recovering: 503,
  unavailable: 503,
};

/** `GET /campaigns/{campaignId}`. */
const SHOW: Readonly<Record<string, number>> = { throttled: 429, recovering: 503, unavailable: 503 };

const couponSchema = z.object({ couponId: z.string(), state: z.string() });
const campaignSchema = z.object({
  state: z.enum(["scheduled", "open", "sold-out", "closed", "paused", "recovering"]),
  remaining: z.int(),
});
const problemSchema = z.object({ code: z.string(), status: z.int() });

export const readAsked = readIssueAnswer;
export type { Headers, Said, ToldCoupon };

type Untimed<T extends Timed> = Omit<T, keyof Timed>;

export function readGivenBack(
  status: number,
  headers: Headers,
  text: string,
  about: Pick<GivenBack, "user" | "couponId">,
): Untimed<GivenBack> {
  if (status !== 200) return { ...about, status, ...readRefusal(CANCEL, status, headers, text) };
  const parsed = z.safeParse(couponSchema, parseJson(text));
  const isDone = parsed.success && parsed.data.couponId === about.couponId && parsed.data.state === "cancelled";
  if (isDone) return { ...about, status, word: "cancelled" };
  return { ...about, status, word: "status 200", flaw: `a cancellation was answered with ${text.slice(0, 120)}` };
}

export function readSighting(status: number, headers: Headers, text: string): Untimed<Sighting> {
  if (status !== 200) {
    const { word: _, ...refusal } = readRefusal(SHOW, status, headers, text);
    return { status, state: undefined, ...refusal };
  }
  const parsed = z.safeParse(campaignSchema, parseJson(text));
  if (parsed.success) return { status, ...parsed.data };
  return { status, state: undefined, flaw: `the campaign document is ${text.slice(0, 120)}` };
}

interface Refusal {
  readonly word: string;
  readonly flaw?: string;
  readonly retryAfterMs?: number;
}

function readRefusal(known: typeof CANCEL, status: number, headers: Headers, text: string): Refusal {
  const parsed = z.safeParse(problemSchema, parseJson(text));
  if (!parsed.success) return { word: `status ${status}`, flaw: `status ${status} came without a problem document` };
  const { code: word } = parsed.data;
  if (known[word] !== status || parsed.data.status !== status) {
    return { word, flaw: `"${word}" with status ${status} is no answer to such a request` };
  }
  if (status !== 429 && status !== 503) return { word };
  const retryAfterMs = Number(headers["retry-after"]) * 1_000;
  return retryAfterMs >= 0 ? { word, retryAfterMs } : { word, flaw: `"${word}" came without Retry-After` };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
