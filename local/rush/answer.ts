import * as z from "zod/mini";

/**
 * What `POST /campaigns/{campaignId}/coupons` may say to this crowd, which sends nothing but well-formed requests for a
 * campaign that is open. Written down from the contract and not taken from `functions/`: a judge does not ask the accused.
 */
const EARNED: Readonly<Record<string, number>> = {
  issued: 201,
  accepted: 202,
  replayed: 200,
  "sold-out": 409,
  "limit-reached": 409,
  throttled: 429,
  paused: 503,
  recovering: 503,
  unavailable: 503,
};

/** The words in the order in which people look for them. */
export const WORDS: readonly string[] = Object.keys(EARNED);

const couponSchema = z.object({
  couponId: z.string(),
  userId: z.string(),
  ticket: z.int(),
  nth: z.int(),
  state: z.enum(["pending", "confirmed", "used", "cancelled", "revoked"]),
  issuedAt: z.iso.datetime(),
});

const problemSchema = z.object({ code: z.string(), status: z.int(), title: z.string(), type: z.string() });

/** A coupon as a client was told of it. */
export type ToldCoupon = z.infer<typeof couponSchema>;

/** What an attempt came to. */
export interface Said {
  /** The API's word, or `timeout` or `transport-error` when there was no answer. */
  readonly word: string;
  /** 0 when there was no answer. */
  readonly status: number;
  readonly coupon?: ToldCoupon;
  readonly retryAfterMs?: number;
  /** How the answer departs from the contract. */
  readonly flaw?: string;
}

/** One attempt and its answer. */
export interface Answer extends Said {
  readonly user: string;
  readonly key?: string;
  /** Milliseconds on the rush's own steady clock. */
  readonly sentAt: number;
  readonly answeredAt: number;
}

export type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** Reads an HTTP answer and holds it against the contract. */
export function readAnswer(status: number, headers: Headers, text: string): Said {
  const said = status < 300 ? readCoupon(status, text) : readRefusal(status, headers, text);
  if (said.flaw !== undefined || headers["x-request-id"]) return said;
  return { ...said, flaw: "the answer carries no x-request-id" };
}

function readCoupon(status: number, text: string): Said {
  const word = ["issued", "accepted", "replayed"].find((success) => EARNED[success] === status);
  if (word === undefined) return { word: `status ${status}`, status, flaw: `status ${status} is not in the contract` };
  const parsed = z.safeParse(couponSchema, parseJson(text));
  if (parsed.success) return { word, status, coupon: parsed.data };
  return { word, status, flaw: `status ${status} came without a coupon: ${text.slice(0, 80)}` };
}

function readRefusal(status: number, headers: Headers, text: string): Said {
  const parsed = z.safeParse(problemSchema, parseJson(text));
  if (!parsed.success || !String(headers["content-type"]).startsWith("application/problem+json")) {
    return { word: `status ${status}`, status, flaw: `status ${status} came without a problem document` };
  }
  const { code: word, status: written } = parsed.data;
  if (EARNED[word] !== status || written !== status) {
    return { word, status, flaw: `"${word}" with status ${status} is no answer to such a request` };
  }
  if (status !== 429 && status !== 503) return { word, status };
  const retryAfterMs = Number(headers["retry-after"]) * 1_000;
  if (retryAfterMs >= 0) return { word, status, retryAfterMs };
  return { word, status, flaw: `"${word}" came without Retry-After` };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Whether a client asks again after it. */
export function isPassing(said: Said): boolean {
  return said.status === 0 || said.status === 429 || said.status === 503;
}

/** Whether the request may have been served although the client was not told: no answer, or one that knows no outcome. */
export function isUnclear(said: Said): boolean {
  return said.status === 0 || (said.status >= 500 && said.word !== "paused" && said.word !== "recovering");
}
