/**
 * The one vocabulary. A script's first word, a domain verb's result, a log line, a load script and the HTTP answer all use
 * these words; `functions/http/status.ts` gives each of them a status and does not compile while one is missing.
 */

/** What went as asked. */
export const SUCCESS_WORDS = [
  "issued",
  "accepted",
  "replayed",
  "created",
  "unchanged",
  "changed",
  "found",
  "listed",
  "used",
  "cancelled",
  "verified",
  "redriven",
  "transferred",
  "left",
  "healthy",
  "unhealthy",
] as const;

/** Why a request was not served: expected outcomes of a rush, returned as values and never thrown. */
export const REFUSAL_WORDS = [
  "invalid",
  "unauthorized",
  "forbidden",
  "pass-required",
  "unknown",
  "method-not-allowed",
  "exists",
  "not-open",
  "sold-out",
  "limit-reached",
  "room-full",
  "conflict",
  "closed",
  "too-large",
  "throttled",
  "internal",
  "paused",
  "recovering",
  "unavailable",
] as const;

export type SuccessWord = (typeof SUCCESS_WORDS)[number];
export type RefusalWord = (typeof REFUSAL_WORDS)[number];
export type Word = SuccessWord | RefusalWord;

/** A refusal as a value: the word, a sentence for people, and the facts a client may act on. */
export interface Refusal {
  readonly word: RefusalWord;
  readonly detail: string;
  /** Milliseconds after which asking again makes sense; the edge adds jitter and turns it into `Retry-After`. */
  readonly retryAfterMs?: number;
  /** Extra members of the problem document, such as `opensAt`. */
  readonly facts?: Readonly<Record<string, unknown>>;
}

const REFUSALS: ReadonlySet<string> = new Set(REFUSAL_WORDS);

/** Tells a refusal from a success by its word alone. */
export function isRefusal(result: { readonly word: Word }): result is Refusal {
  return REFUSALS.has(result.word);
}
