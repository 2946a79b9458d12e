import * as z from "zod/mini";
import { type Headers, readAnswer, type ToldCoupon } from "../rush/answer.ts";

/** What people ask of the API. `look`: at the room's public document; `coupon` comes with what was shown as a pass. */
export type Verb = "take" | "poll" | "leave" | "look" | "coupon";

/** What was shown when a coupon was asked for. */
export type Shown = "pass" | "expired-pass" | "no-pass" | "strangers-pass" | "damaged-pass" | "ticket-as-pass";

/**
 * What this crowd, which sends nothing but well-formed requests, may hear: status by word. Written down from the contract and
 * not taken from `functions/`: a judge does not ask the accused. What a coupon may be answered with beyond `pass-required`
 * stands in `rush/answer.ts`.
 */
const PASSING = { throttled: 429, recovering: 503, unavailable: 503 } as const;
const EARNED: Readonly<Record<Verb, Readonly<Record<string, number>>>> = {
  take: { created: 201, found: 200, "room-full": 409, ...PASSING },
  poll: { found: 200, unknown: 404, ...PASSING },
  leave: { left: 204, ...PASSING },
  look: { found: 200, ...PASSING },
  coupon: { "pass-required": 403 },
};

const seconds = z.int().check(z.gte(0));
const ticketSchema = z.object({
  number: z.int().check(z.gte(1)),
  state: z.enum(["waiting", "admitted", "expired"]),
  position: z.nullable(z.int().check(z.gte(0))),
  etaSeconds: z.object({ low: seconds, high: seconds }),
  pollAfterMs: z.int().check(z.gte(0)),
  reason: z.optional(z.string()),
  token: z.optional(z.string()),
  pass: z.optional(z.string()),
  passExpiresAt: z.optional(z.iso.datetime()),
});
const count = z.int().check(z.gte(0));
const roomSchema = z.object({
  ...{ roomId: z.string(), state: z.enum(["open", "scheduled", "closed", "recovering"]), version: count },
  ...{ waiting: count, active: count, serving: count, admitted: count, admitPerSecond: z.number() },
  serverTime: z.iso.datetime(),
});
const problemSchema = z.object({ code: z.string(), status: z.int(), title: z.string(), type: z.string() });

/** A ticket as a client was told of it, without what it proves itself with. */
export type ToldTicket = Omit<z.infer<typeof ticketSchema>, "token" | "pass">;

/** What an answer said. */
export interface Said {
  /** The API's word, or `no-answer`. */
  readonly word: string;
  /** 0 when there was no answer. */
  readonly status: number;
  readonly ticket?: ToldTicket;
  readonly coupon?: ToldCoupon;
  /** How the answer departs from the contract. */
  readonly flaw?: string;
}

/** One call of somebody, and what they were told. */
export interface Call extends Said {
  readonly user: string;
  readonly verb: Verb;
  readonly shown?: Shown;
  /** Milliseconds on this process's steady clock. */
  readonly sentAt: number;
  readonly answeredAt: number;
}

export const NO_ANSWER: Said = { word: "no-answer", status: 0 };

/** Reads an HTTP answer and holds it against the contract. */
export function readSaid(verb: Verb, status: number, headers: Headers, text: string): Said {
  if (verb === "coupon" && status !== 403) {
    const { retryAfterMs: _, ...said } = readAnswer(status, headers, text);
    return said;
  }
  const said = status < 300 ? readSuccess(verb, status, text) : readRefusal(verb, status, headers, text);
  if (said.flaw !== undefined || headers["x-request-id"]) return said;
  return { ...said, flaw: "the answer carries no x-request-id" };
}

function readSuccess(verb: Verb, status: number, text: string): Said {
  const word = Object.entries(EARNED[verb]).find(([, earned]) => earned === status)?.[0];
  if (word === undefined)
    return { word: `status ${status}`, status, flaw: `status ${status} to "${verb}" is not in the contract` };
  if (verb === "leave") return text === "" ? { word, status } : { word, status, flaw: "a 204 came with a body" };
  if (verb === "look") {
    const isRoom = z.safeParse(roomSchema, parseJson(text)).success;
    return isRoom ? { word, status } : { word, status, flaw: `no room's document: ${text.slice(0, 80)}` };
  }
  const parsed = z.safeParse(ticketSchema, parseJson(text));
  if (!parsed.success) return { word, status, flaw: `status ${status} came without a ticket: ${text.slice(0, 80)}` };
  const { token, pass, ...ticket } = parsed.data;
  const lacks =
    (ticket.state === "waiting" && token === undefined) ||
    (ticket.state === "admitted" && (pass === undefined || ticket.passExpiresAt === undefined));
  return {
    word,
    status,
    ticket,
    ...(lacks ? { flaw: `a ticket that is ${ticket.state} came without its token` } : {}),
  };
}

function readRefusal(verb: Verb, status: number, headers: Headers, text: string): Said {
  const parsed = z.safeParse(problemSchema, parseJson(text));
  if (!parsed.success || !String(headers["content-type"]).startsWith("application/problem+json")) {
    return { word: `status ${status}`, status, flaw: `status ${status} came without a problem document` };
  }
  const { code: word, status: written } = parsed.data;
  if (EARNED[verb][word] !== status || written !== status) {
    return { word, status, flaw: `"${word}" with status ${status} is no answer to "${verb}"` };
  }
  const isPassing = Object.hasOwn(PASSING, word);
  if (!isPassing || Number(headers["retry-after"]) >= 0) return { word, status };
  return { word, status, flaw: `"${word}" came without Retry-After` };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
