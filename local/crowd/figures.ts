import { type Latency, latencyOf } from "../rush/figures.ts";
import type { Verb } from "./calls.ts";
import type { Habit } from "./people.ts";
import { type Evidence, quantile, stintsOf } from "./verdict/evidence.ts";

export interface AnswerCount {
  readonly verb: Verb;
  readonly word: string;
  readonly status: number;
  readonly count: number;
}

export interface Figures {
  readonly answers: readonly AnswerCount[];
  /** Milliseconds that an answer took; undefined when there was none. */
  readonly latencies: { readonly take: Latency | undefined; readonly poll: Latency | undefined };
  /** Answers in a second, over the time in which there were any. */
  readonly perSecond: number;
  /** Seconds until people were in: half of them, nine of ten, and all. */
  readonly waits: { readonly half: number; readonly most: number; readonly last: number } | undefined;
  readonly habits: Readonly<Partial<Record<Habit, number>>>;
  /** How often the public document was looked at; the answers say how often it was asked for. */
  readonly looks: number;
  readonly samples: {
    readonly count: number;
    readonly missed: number;
    /** Milliseconds from one to the next, by Redis's clock: half, and nearly all of them. */
    readonly halfMs: number;
    readonly nearlyAllMs: number;
  };
  /** How often Redis lost the room, and for how many seconds the line stood still in all. */
  readonly losses: { readonly count: number; readonly seconds: number };
  readonly dropped: number;
  readonly mostWaiting: number;
  /** The smallest share of the rate that was in force: below 1 admission followed the backend. */
  readonly leastPace: number;
}

const VERBS: readonly Verb[] = ["take", "poll", "look", "leave", "coupon"];

export function figuresOf(evidence: Evidence, looks: number, missed: number): Figures {
  const { calls, samples, losses, endings } = evidence;
  const counts = Map.groupBy(calls, ({ verb, word, status }) => `${verb} ${status} ${word}`);
  const answers = [...counts.values()].flatMap((same): AnswerCount[] => {
    const [first] = same;
    return first ? [{ verb: first.verb, word: first.word, status: first.status, count: same.length }] : [];
  });
  answers.sort((a, b) => VERBS.indexOf(a.verb) - VERBS.indexOf(b.verb) || b.count - a.count);

  const waits = [...stintsOf(calls).values()]
    .flat()
    .flatMap(({ told: [first], admitted }) =>
      first && admitted ? [(admitted.answeredAt - first.answeredAt) / 1_000] : [],
    )
    .sort((a, b) => a - b);
  const gaps = samples.map(({ now }, index) => now - (samples[index - 1]?.now ?? now)).sort((a, b) => a - b);
  const first = calls.reduce((least, { sentAt }) => Math.min(least, sentAt), Number.POSITIVE_INFINITY);
  const last = calls.reduce((most, { answeredAt }) => Math.max(most, answeredAt), 0);
  const [half, most, longest] = [quantile(waits, 0.5), quantile(waits, 0.9), quantile(waits, 1)];
  const habits = Map.groupBy(endings, ({ habit }) => habit);
  return {
    answers,
    latencies: {
      take: latencyOf(calls.filter(({ verb }) => verb === "take")),
      poll: latencyOf(calls.filter(({ verb }) => verb === "poll")),
    },
    perSecond: calls.length > 0 ? calls.length / Math.max(0.001, (last - first) / 1_000) : 0,
    waits:
      half === undefined || most === undefined || longest === undefined ? undefined : { half, most, last: longest },
    habits: Object.fromEntries([...habits].map(([habit, same]) => [habit, same.length])),
    looks,
    samples: {
      count: samples.length,
      missed,
      halfMs: quantile(gaps, 0.5) ?? 0,
      nearlyAllMs: quantile(gaps, 0.99) ?? 0,
    },
    losses: { count: losses.length, seconds: losses.reduce((sum, { from, to }) => sum + to - from, 0) / 1_000 },
    dropped: (samples.at(-1)?.dropped ?? 0) - (samples[0]?.dropped ?? 0),
    mostWaiting: samples.reduce((largest, { waiting }) => Math.max(largest, waiting), 0),
    leastPace: samples.reduce((least, { pace }) => Math.min(least, pace), 1),
  };
}
