import { type Answer, WORDS } from "./answer.ts";

export interface Latency {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly most: number;
}

export interface WordCount {
  readonly word: string;
  readonly status: number;
  readonly count: number;
}

export interface Figures {
  readonly words: readonly WordCount[];
  readonly answers: number;
  /** From the first request to the last answer. */
  readonly seconds: number;
  readonly perSecond: number;
  /** Milliseconds an attempt took; undefined when there was none. */
  readonly all: Latency | undefined;
  /** The same for those that were told of a new coupon. */
  readonly winners: Latency | undefined;
}

export function figuresOf(answers: readonly Answer[]): Figures {
  const counts = Map.groupBy(answers, ({ word, status }) => `${status} ${word}`);
  const words = [...counts.values()].flatMap((same) => {
    const [first] = same;
    return first ? [{ word: first.word, status: first.status, count: same.length }] : [];
  });
  const place = ({ word }: WordCount) => (WORDS.includes(word) ? WORDS.indexOf(word) : WORDS.length);
  words.sort((left, right) => place(left) - place(right) || right.count - left.count);

  let from = Number.POSITIVE_INFINITY;
  let until = Number.NEGATIVE_INFINITY;
  for (const { sentAt, answeredAt } of answers) {
    from = Math.min(from, sentAt);
    until = Math.max(until, answeredAt);
  }
  const seconds = answers.length === 0 ? 0 : (until - from) / 1_000;
  return {
    words,
    answers: answers.length,
    seconds,
    perSecond: seconds > 0 ? answers.length / seconds : 0,
    all: latencyOf(answers),
    winners: latencyOf(answers.filter(({ word }) => word === "issued" || word === "accepted")),
  };
}

/** Percentiles by nearest rank: each is a time that some request really took. */
export function latencyOf(answers: readonly Answer[]): Latency | undefined {
  if (answers.length === 0) return undefined;
  const times = Float64Array.from(answers, ({ sentAt, answeredAt }) => answeredAt - sentAt).sort();
  const rank = (share: number) => times[Math.ceil(share * times.length) - 1] ?? 0;
  return { p50: rank(0.5), p95: rank(0.95), p99: rank(0.99), most: rank(1) };
}
