import type { Engine } from "./engine.ts";
import { engineBetween } from "./engine.ts";
import type { RedisNotes, RedisReading } from "./redis-watch.ts";
import { addSpent, nothingSpent, perSecond, type SpanLine, type Spent } from "./spent.ts";

/**
 * What k6 saw from outside: of the requests that the script's people made, and not of what k6 asks before and after, when it prepares
 * and judges.
 */
export interface Load {
  readonly requests: number;
  /** Arrivals that k6 could not even begin, because all its users were still waiting. */
  readonly dropped: number;
  /** Share of requests that failed, as the script counts failures, 0 to 1. */
  readonly failedShare: number;
  /** Of several kinds of request that of the slowest. */
  readonly p95Ms?: number | undefined;
}

/** From when to when people came. */
export interface Window {
  /** Milliseconds since 1970. */
  readonly from: number;
  readonly to: number;
}

/** Everything at one moment, about once a second. */
export interface Sample {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly redis?: RedisReading | undefined;
  /** Messages waiting or in work, by queue. */
  readonly queues: Readonly<Record<string, number>>;
  /** Share of all the machine's processors that were at work since the last sample, 0 to 1. */
  readonly machine: number;
}

/** What a run has left behind. */
export interface Run {
  /** Undefined when k6 left no summary. */
  readonly load: Load | undefined;
  /** Undefined when nobody knows. */
  readonly window?: Window | undefined;
  readonly samples: readonly Sample[];
  readonly lines: readonly SpanLine[];
  readonly notes?: RedisNotes | undefined;
  /** Functions that a queue feeds, by the queue; all others answer people. */
  readonly consumers: Readonly<Record<string, string>>;
  /** Batches of one queue that may be worked on at once. */
  readonly concurrency: number;
  readonly missing: readonly string[];
}

export interface Second {
  readonly front: Spent;
  readonly back: Spent;
  readonly engine?: Engine | undefined;
  readonly queues: Readonly<Record<string, number>>;
}

/** The figures that the rules judge. Of what is missing there is nothing, rather than a zero. */
export interface Evidence {
  readonly load?: Load | undefined;
  /** Over the seconds in which people came and requests were answered, at a quarter of the best second's number or more. */
  readonly front?: Spent | undefined;
  readonly engine?: (Engine & Partial<RedisNotes>) | undefined;
  /** Of the queue that is furthest behind. */
  readonly backlog?: Backlog | undefined;
  readonly machine: number;
  /** How many batches may be worked on at once. */
  readonly concurrency: number;
  readonly seconds: readonly Second[];
  readonly missing: readonly string[];
}

export interface Backlog {
  readonly queue: string;
  /** Messages that waited or were in work, at most. */
  readonly most: number;
  /**
   * How long its consumer needs for so many at the pace at which it got done with messages; no longer than until the queue was empty,
   * where that was seen. Without end when none was done.
   */
  readonly behindSeconds: number;
  /** Where its consumer's time went, over the seconds in which it was at work. */
  readonly consumer: Spent;
  readonly seconds: number;
}

/** A second belongs to the load when it has this share of the best one's. */
const ACTIVE_SHARE = 0.25;

function activeSeconds(amounts: readonly number[], seconds = [...amounts.keys()]): number[] {
  const most = Math.max(0, ...seconds.map((second) => amounts[second] ?? 0));
  return seconds.filter((second) => most > 0 && (amounts[second] ?? 0) >= ACTIVE_SHARE * most);
}

/**
 * Seconds in which people came. Before and after, k6 prepares and judges, and asks for much at once: a second that is only partly
 * theirs is left out, unless they had no other.
 */
function secondsIn(window: Window | undefined, startAt: number, count: number): number[] {
  const all = Array.from({ length: count }, (_, second) => second);
  if (!window) return all;
  const [from, to] = [(window.from - startAt) / 1_000, (window.to - startAt) / 1_000];
  const whole = all.filter((second) => second >= from && second + 1 <= to);
  return whole.length > 0 ? whole : all.filter((second) => second + 1 > from && second < to);
}

function sumOf(all: readonly Spent[], seconds: readonly number[]): Spent | undefined {
  if (seconds.length === 0) return undefined;
  const sum = nothingSpent();
  for (const second of seconds) addSpent(sum, all[second] ?? nothingSpent());
  return sum;
}

function engineOver(samples: readonly Sample[], startAt: number, seconds: readonly number[]): Engine | undefined {
  const readings = samples.flatMap(({ redis }) => (redis ? [redis] : []));
  const [first, last] = [seconds[0], seconds.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  const from = readings.findLast(({ at }) => at <= startAt + first * 1_000) ?? readings[0];
  const to = readings.find(({ at }) => at >= startAt + (last + 1) * 1_000) ?? readings.at(-1);
  return from && to ? engineBetween(from, to) : undefined;
}

function backlogOf(queue: string, samples: readonly Sample[], spent: readonly Spent[]): Backlog {
  const most = Math.max(0, ...samples.map(({ queues }) => queues[queue] ?? 0));
  const seconds = activeSeconds(spent.map(({ handlerMs }) => handlerMs));
  const consumer = sumOf(spent, seconds) ?? nothingSpent();
  // Batches that fail are work, and nothing is done by them.
  const donePerSecond = Math.max(0, consumer.messages - consumer.failed) / Math.max(1, seconds.length);
  const behindSeconds = most === 0 ? 0 : Math.min(most / donePerSecond, waitedSeconds(queue, most, samples));
  return { queue, most, behindSeconds, consumer, seconds: seconds.length };
}

/** How long a queue was not empty around the time when it had most: nothing waited longer. No end when its end was not seen. */
function waitedSeconds(queue: string, most: number, samples: readonly Sample[]): number {
  const peak = samples.findIndex(({ queues }) => queues[queue] === most);
  const isEmpty = ({ queues }: Sample) => queues[queue] === 0;
  const end = samples.slice(peak).find(isEmpty);
  if (!end) return Number.POSITIVE_INFINITY;
  const start = samples.slice(0, peak).findLast(isEmpty) ?? samples[0];
  return (end.at - (start?.at ?? end.at)) / 1_000;
}

/** The queue that is furthest behind; where that says nothing, the one whose consumer worked most. */
function furthestBehind(backlogs: readonly Backlog[]): Backlog | undefined {
  const isFurther = (a: Backlog, b: Backlog) =>
    a.behindSeconds === b.behindSeconds
      ? a.consumer.handlerMs > b.consumer.handlerMs
      : a.behindSeconds > b.behindSeconds;
  return backlogs.reduce<Backlog | undefined>((far, it) => (!far || isFurther(it, far) ? it : far), undefined);
}

/** Puts together what a run has left behind. */
export function evidenceOf(run: Run): Evidence {
  const { load, window, samples, lines, notes, consumers, concurrency, missing } = run;
  const startAt = samples[0]?.at ?? 0;
  const count = Math.max(0, Math.ceil(((samples.at(-1)?.at ?? startAt) - startAt) / 1_000));
  const secondsOf = (isOne: (name: string) => boolean) =>
    perSecond(
      lines.filter((line) => isOne(line.function)),
      startAt,
      count,
    );
  const isConsumer = (name: string) => Object.values(consumers).includes(name);
  const front = secondsOf((name) => !isConsumer(name));
  const back = secondsOf(isConsumer);
  const under = secondsIn(window, startAt, count);
  const frontActive = activeSeconds(
    front.map(({ n }) => n),
    under,
  );
  const backlogs = Object.entries(consumers)
    .filter(([queue]) => samples.some(({ queues }) => queue in queues))
    .map(([queue, consumer]) =>
      backlogOf(
        queue,
        samples,
        secondsOf((name) => name === consumer),
      ),
    );
  const active = frontActive.length > 0 ? frontActive : under;
  const engine = engineOver(samples, startAt, active);
  const machine = samples.filter(({ at }) => active.includes(Math.floor((at - startAt) / 1_000)));
  return {
    load,
    front: sumOf(front, frontActive),
    engine: engine && { ...engine, ...notes },
    backlog: furthestBehind(backlogs),
    machine: machine.reduce((sum, sample) => sum + sample.machine, 0) / Math.max(1, machine.length),
    concurrency,
    seconds: front.map((spent, second) => ({
      front: spent,
      back: back[second] ?? nothingSpent(),
      engine: engineOver(samples, startAt, [second]),
      queues: samples.findLast(({ at }) => at <= startAt + (second + 1) * 1_000)?.queues ?? {},
    })),
    missing,
  };
}
