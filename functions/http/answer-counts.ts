import { type AnswerWord, isAnswerWord, provesCampaign } from "../../core/coupons/answer-words.ts";
import { limits } from "../../core/limits.ts";
import type { Word } from "../../core/words.ts";
import { metrics } from "../log.ts";

/**
 * How often each word was answered to those who ask for a coupon, by campaign and second: what the console's chart of a rush is made
 * of. Nothing is written for a request: sums are, as metrics of the second in which the first of them was answered, however late they
 * are written. A container that answers many has a second's sums for itself. One that answers a few holds them for up to five
 * seconds, since a fleet of a thousand such containers would otherwise write nearly a line for each of a crowd of losers; their
 * answers may stand up to five seconds early.
 *
 * One line a word and campaign, because the embedded metric format takes a dimension's value from the document: two words are two
 * documents, or two metrics with a name each. CloudWatch bills the same for both, 0.30 USD a month for each series and in parts for
 * the hours in which it has figures (https://aws.amazon.com/cloudwatch/pricing/): five words of one campaign cost 0.002 USD an hour,
 * and so does each campaign that somebody asks of after its end: as many as there are, whoever asks. A line has about 250 bytes. A
 * container that serves a rush writes three or four of them a second, so 300 of them for a minute write 18 MB, 0.01 USD at
 * 0.76 USD/GB.
 *
 * Who asks chooses the campaign's id in the path, and a series for each of them would be theirs to grow. So an id is used only when
 * this container was told something that is said of an existing campaign only. What a container hears before that, of a store that is
 * away or of a Redis that is blank, it can put down to no campaign: an outage that a cold fleet meets shows in the alarms and the
 * gateway's figures, not here.
 */
const SECOND = 1_000;
/** Answers that make a second worth lines of its own. */
const MANY = 20;
/** How long fewer than that are held. */
const HELD_MS = 5_000;

type Write = (campaignId: string, word: AnswerWord, times: number, second: number) => void;

export interface Clock {
  readonly now: () => number;
  /** Calls back once after so many milliseconds, if the container is not frozen meanwhile. */
  readonly later: (call: () => void, ms: number) => void;
}

const clock: Clock = { now: () => Date.now(), later: (call, ms) => void setTimeout(call, ms).unref() };

/**
 * Makes a counter. A container that is not called is frozen and runs no timer, so whoever is counted also writes: the first after a
 * while at once, as a crowd that is spread over a cold fleet may ask each container once. What a container has counted in its last
 * seconds is lost with it.
 * @returns a function that counts one answer, and says whether it did: not one that cannot be put down to a campaign that exists
 */
export function answerCounts(write: Write, { now, later }: Clock = clock) {
  const known = new Set<string>();
  const held = new Map<string, Map<AnswerWord, number>>();
  /** The second of the first that is held. */
  let second = 0;
  let count = 0;
  let writtenAt = Number.NEGATIVE_INFINITY;
  /** Which timer is the one that counts. */
  let turn = 0;

  const flush = () => {
    for (const [campaignId, words] of held) {
      for (const [word, times] of words) write(campaignId, word, times, second);
    }
    held.clear();
    count = 0;
    turn++;
    writtenAt = now();
  };
  /** Whether what is held is to be written: its second is over and was worth it, or it was held for long enough. */
  const isDue = (at: number) => count > 0 && at - second >= (count >= MANY ? SECOND : HELD_MS);
  const watch = (at: number) => {
    const mine = turn;
    later(
      () => {
        if (mine !== turn) return;
        if (isDue(now())) flush();
        else watch(now());
      },
      second + (at < second + SECOND ? SECOND : HELD_MS) - at,
    );
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
    const isLate = at - writtenAt >= HELD_MS;
    if (isDue(at)) flush();
    const isFirst = count === 0;
    if (isFirst) second = at - (at % SECOND);
    const words = held.get(campaignId) ?? new Map<AnswerWord, number>();
    held.set(campaignId, words);
    words.set(word, (words.get(word) ?? 0) + 1);
    count++;
    if (isLate) flush();
    else if (isFirst) watch(at);
    return true;
  };
}

/** Counts the answers of this container. */
export const countAnswer = answerCounts((campaignId, word, times, second) =>
  metrics({ campaignId, word }, { Answers: times }, second),
);
