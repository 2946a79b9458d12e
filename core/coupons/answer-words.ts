import type { Word } from "../words.ts";

/**
 * What somebody who asks for a coupon of a campaign can hear: the words that are counted for each campaign. Not among them is what
 * names no campaign that exists: `unknown`, and a request that does not fit. In an order that answers keep, the usual ones first: a
 * chart has fewer colours than there are words.
 */
export const ANSWER_WORDS = [
  "issued",
  "accepted",
  "replayed",
  "sold-out",
  "not-open",
  "limit-reached",
  "pass-required",
  "unavailable",
  "forbidden",
  "closed",
  "paused",
  "recovering",
  "internal",
] as const satisfies readonly Word[];

export type AnswerWord = (typeof ANSWER_WORDS)[number];

const WORDS: ReadonlySet<string> = new Set(ANSWER_WORDS);

export function isAnswerWord(word: Word): word is AnswerWord {
  return WORDS.has(word);
}

/** These may be said of anything that looks like a campaign's id, while a store is away or Redis is blank. */
const OF_ANY_ID: ReadonlySet<AnswerWord> = new Set(["recovering", "unavailable", "internal"]);

/** Whether a campaign of which this was said exists: it was read by whoever said it. */
export function provesCampaign(word: AnswerWord): boolean {
  return !OF_ANY_ID.has(word);
}
