import { type AnswerWord, isAnswerWord, provesCampaign } from "../../core/coupons/answer-words.ts";
import { limits } from "../../core/limits.ts";
import type { Word } from "../../core/words.ts";
import { metrics } from "../log.ts";

/**
 * How often each word was answered to those who ask for a coupon, by campaign and second: what the console's chart of a rush is made
 * of. Nothing is written for a request. A second's sums are written when it is over, as metrics of that second, and so they are exact
 * for every second that was written, however late.
 *
 * One line a word, campaign and second, because the embedded metric format takes a dimension's value from the document: two words
 * are two documents, or two metrics with a name each. CloudWatch bills the same for both, 0.30 USD a month for each series and in
 * parts for the hours in which it has figures (https://aws.amazon.com/cloudwatch/pricing/): five words of one campaign cost
 * 0.002 USD an hour. A line has about 250 bytes. A container that serves a rush writes three or four of them a second, so 300 of
 * them for a minute write 18 MB, 0.01 USD at 0.76 USD/GB.
 *
 * Who asks chooses the campaign's id in the path, and a series for each of them would be theirs to grow. So an id is used only when
 * this container was told something that is said of an existing campaign only.
 */
const SECOND = 1_000;

type Write = (campaignId: string, word: AnswerWord, times: number, second: number) => void;

export interface Clock {
  readonly now: () => number;
  /** Calls back once after so many milliseconds, if the container is not frozen meanwhile. */
  readonly later: (call: () => void, ms: number) => void;
}

const clock: Clock = { now: () => Date.now(), later: (call, ms) => void setTimeout(call, ms).unref() };

/**
 * Makes a counter. A container that is not called is frozen and runs no timer, so the next call writes as well, in its first moment;
 * what a container has counted in its last second is lost with it.
 * @returns a function that counts one answer, and says whether it did: not one that cannot be put down to a campaign that exists
 */
export function answerCounts(write: Write, { now, later }: Clock = clock) {
  const known = new Set<string>();
  const held = new Map<string, Map<AnswerWord, number>>();
  let second = 0;

  const flush = () => {
    for (const [campaignId, words] of held) {
      for (const [word, times] of words) write(campaignId, word, times, second);
    }
    held.clear();
  };
  const isKnown = (campaignId: string, word: AnswerWord) => {
    if (known.has(campaignId)) return true;
    if (!provesCampaign(word)) return false;
    known.add(campaignId);
    const [oldest] = known;
    if (known.size > limits.rememberedCampaigns && oldest !== undefined) known.delete(oldest);
    return true;
  };

  return (word: Word, campaignId: string | undefined): boolean => {
    if (campaignId === undefined || !isAnswerWord(word) || !isKnown(campaignId, word)) return false;
    const at = now();
    const current = at - (at % SECOND);
    if (current !== second) flush();
    second = current;
    if (held.size === 0) later(flush, current + SECOND - at);
    const words = held.get(campaignId) ?? new Map<AnswerWord, number>();
    held.set(campaignId, words);
    words.set(word, (words.get(word) ?? 0) + 1);
    return true;
  };
}

/** Counts the answers of this container. */
export const countAnswer = answerCounts((campaignId, word, times, second) =>
  metrics({ campaignId, word }, { Answers: times }, second),
);
