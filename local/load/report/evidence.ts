import type { Engine } from "./engine.ts";
import { engineBetween } from "./engine.ts";
import type { RedisNotes, RedisReading } from "./redis-watch.ts";
import { addSpent, nothingSpent, perSecond, type SpanLine, type Spent } from "./spent.ts";

/** What k6 saw from outside. */
export interface Load {
  readonly requests: number;
  /** Arrivals that k6 could not even begin, because all its users were still waiting. */
  readonly dropped: number;
  /** Share of requests that failed, as the script counts failures, 0 to 1. */
  readonly failedShare: number;
  readonly p95Ms?: number | undefined;
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
  /** Over the seconds in which requests were answered, at a quarter of the best second's number or more. */
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
  /** How long its consumer needs for so many at the pace that it showed. */
  readonly behindSeconds: number;
  /** Where its consumer's time went, over the seconds in which it was at work. */
  readonly consumer: Spent;
  readonly seconds: number;
}

/** A second belongs to the load when it has this share of the best one's. Before and after, k6 prepares and judges. */
const ACTIVE_SHARE = 0.25;
/** Messages of a batch when enough are waiting: SQS hands out no more at once. */
const BATCH = 10;

function activeSeconds(amounts: readonly number[]): number[] {
  const most = Math.max(0, ...amounts);
  return [...amounts.keys()].filter((second) => most > 0 && (amounts[second] ?? 0) >= ACTIVE_SHARE * most);
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
  const messagesPerSecond = (consumer.n * BATCH) / Math.max(1, seconds.length);
  const behindSeconds = most === 0 ? 0 : most / messagesPerSecond;
  return { queue, most, behindSeconds, consumer, seconds: seconds.length };
}

/** Puts together what a run has left behind. */
export function evidenceOf(run: Run): Evidence {
  const { load, samples, lines, notes, consumers, concurrency, missing } = run;
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
  const frontActive = activeSeconds(front.map(({ n }) => n));
  const backlogs = Object.entries(consumers)
    .filter(([queue]) => samples.some(({ queues }) => queue in queues))
    .map(([queue, consumer]) =>
      backlogOf(
        queue,
        samples,
        secondsOf((name) => name === consumer),
      ),
    )
    .sort((a, b) => b.behindSeconds - a.behindSeconds);
  const active = frontActive.length > 0 ? frontActive : [...front.keys()];
  const engine = engineOver(samples, startAt, active);
  const machine = samples.filter(({ at }) => active.includes(Math.floor((at - startAt) / 1_000)));
  return {
    load,
    front: sumOf(front, frontActive),
    engine: engine && { ...engine, ...notes },
    backlog: backlogs[0],
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
