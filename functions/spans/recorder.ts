import { AsyncLocalStorage } from "node:async_hooks";
import { type DurationFigures, Durations, toTenths } from "./durations.ts";

/** A store, as a function waits for it. */
export const DOORS = ["redis", "queue", "ledger", "metrics"] as const;
export type Door = (typeof DOORS)[number];

/** What is read of the process. Handed in, so that a test can hold it still. */
export interface Meters {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Milliseconds of a clock that never steps. */
  readonly elapsed: () => number;
  /** Processor time of the process so far, in milliseconds. */
  readonly cpuMs: () => number;
  /** Milliseconds in which the event loop was not waiting for anything, so far. */
  readonly loopMs: () => number;
  /** Runs something after so many milliseconds, and keeps nobody waiting for it. */
  readonly later: (ms: number, run: () => void) => void;
}

/** When a period is over. */
export interface Pace {
  /** After so long, when it had many invocations … */
  readonly everyMs: number;
  /** … which are so many; … */
  readonly many: number;
  /** … and after so long, however few it had. */
  readonly quietMs: number;
}

/** Messages of a queue that an invocation was handed. */
export interface Messages {
  readonly n: number;
  /** Of these, what comes again. */
  readonly failed: number;
}

/** Where a container's time went, of all invocations that ended in a period. Doors that were not used are left out. */
export type SpanFigures = {
  /** ISO 8601. A period begins with an invocation, and ends with one. */
  readonly from: string;
  readonly to: string;
  readonly handler: DurationFigures;
  /** Only of a function that a queue feeds. */
  readonly messages?: Messages;
  /** Of the handlers' time what was not spent waiting for any door. Calls that ran side by side are one wait. */
  readonly ownMs: number;
  /** Processor time of the whole process in the period. */
  readonly cpuMs: number;
  /** Share of the period in which the event loop had something to do, 0 to 1. Longer pauses between two invocations are left out. */
  readonly loop: number;
} & { readonly [door in Door]?: DurationFigures };

type Write = (figures: SpanFigures) => void;

/** One invocation on its way. */
interface Invocation {
  /** Calls through a door that are open now, and since when there is one. */
  open: number;
  openSince: number;
  /** Time with at least one open call. */
  waitedMs: number;
  readonly doorMs: Partial<Record<Door, number>>;
}

/** An invocation's messages: how many it was handed, and how many of them its answer gives back. */
export interface Batch<T> {
  readonly n: number;
  readonly failedOf: (answer: T) => number;
}

export interface Recorder {
  /** Runs one invocation of a function. Whoever ends one also writes what the period has brought, if it is time. */
  handle<T>(work: () => Promise<T>, write: Write, batch?: Batch<T>): Promise<T>;
  /** Makes one call through a door. Outside of an invocation nothing is recorded: nobody would write it. */
  wait<T>(door: Door, call: () => Promise<T>): Promise<T>;
  /** What the invocation that asks has waited at each door so far: `{ redisMs: 1.3 }`. */
  waited(): Record<string, number>;
}

/**
 * Records how long a container's invocations take and how long they wait at each door, and writes the sums at intervals: a line for
 * each request of a crowd would cost more than the request. Whoever ends an invocation writes, if it is time. What came after that
 * is written by a timer, once nothing has been asked for `everyMs`; in a container that is frozen between two calls no timer runs, so
 * there the next call writes, if it is time by then. What a container has recorded before it is ended is lost with it.
 */
export function recorder({ everyMs, many, quietMs }: Pace, meters: Meters): Recorder {
  const invocations = new AsyncLocalStorage<Invocation>();
  const handlers = new Durations();
  const doors = {
    ...{ redis: new Durations(), queue: new Durations() },
    ...{ ledger: new Durations(), metrics: new Durations() },
  } satisfies Record<Door, Durations>;
  let running = 0;
  let ownMs = 0;
  /** Pauses in the period that are not its own: the container was frozen, or nobody asked. */
  let pausedMs = 0;
  let messages: { n: number; failed: number } | undefined;
  let isTimed = false;
  const read = () => ({ elapsed: meters.elapsed(), cpuMs: meters.cpuMs(), loopMs: meters.loopMs() });
  const begin = () => ({ at: meters.now(), ...read() });
  let period: ReturnType<typeof begin> | undefined;
  /** When the last invocation ended and none was left: what comes after it belongs to nobody. */
  let rested = read();

  function isOver(nowMs: number): boolean {
    if (!period) return false;
    const ageMs = nowMs - period.elapsed;
    return ageMs >= quietMs || (ageMs >= everyMs && handlers.n >= many);
  }

  function flush(write: Write): void {
    const handler = handlers.take();
    if (!handler || !period) return;
    const started = period;
    // With nothing on its way the period was over with the last invocation, and the next one begins when something comes: neither a
    // frozen container nor an hour without a call is an idle loop.
    period = running > 0 ? begin() : undefined;
    const ended = period ?? rested;
    const lengthMs = ended.elapsed - started.elapsed;
    const used = DOORS.map((door) => [door, doors[door].take()] as const).filter(([, figures]) => figures);
    write({
      from: new Date(started.at).toISOString(),
      to: new Date(started.at + lengthMs).toISOString(),
      handler,
      ...(messages ? { messages } : {}),
      ...Object.fromEntries(used),
      ownMs: toTenths(ownMs),
      cpuMs: toTenths(ended.cpuMs - started.cpuMs),
      loop: shareOf(ended.loopMs - started.loopMs, lengthMs - pausedMs),
    });
    ownMs = 0;
    pausedMs = 0;
    messages = undefined;
  }

  /** Looks from time to time whether what is left is to be written. */
  function lookLater(write: Write): void {
    if (isTimed) return;
    isTimed = true;
    meters.later(everyMs, () => {
      isTimed = false;
      const nowMs = meters.elapsed();
      const isQuiet = running === 0 && nowMs - rested.elapsed >= everyMs;
      if (isQuiet || isOver(nowMs)) flush(write);
      else if (handlers.n > 0) lookLater(write);
    });
  }

  return {
    async handle(work, write, batch) {
      const invocation: Invocation = { open: 0, openSince: 0, waitedMs: 0, doorMs: {} };
      const startedAt = meters.elapsed();
      if (running === 0 && period) {
        // A container that thaws runs this before any timer that is overdue.
        if (isOver(startedAt)) flush(write);
        else if (startedAt - rested.elapsed >= everyMs) pausedMs += startedAt - rested.elapsed;
      }
      period ??= begin();
      running++;
      let failed = batch?.n ?? 0;
      try {
        const answer = await invocations.run(invocation, work);
        if (batch) failed = batch.failedOf(answer);
        return answer;
      } finally {
        running--;
        const endedAt = meters.elapsed();
        if (running === 0) rested = { elapsed: endedAt, cpuMs: meters.cpuMs(), loopMs: meters.loopMs() };
        handlers.add(endedAt - startedAt);
        // A call that nobody waits for any more may still be open.
        const openMs = invocation.open > 0 ? endedAt - invocation.openSince : 0;
        ownMs += endedAt - startedAt - invocation.waitedMs - openMs;
        if (batch) messages = { n: (messages?.n ?? 0) + batch.n, failed: (messages?.failed ?? 0) + failed };
        if (isOver(endedAt)) flush(write);
        else lookLater(write);
      }
    },

    async wait(door, call) {
      const invocation = invocations.getStore();
      if (!invocation) return call();
      const startedAt = meters.elapsed();
      if (invocation.open++ === 0) invocation.openSince = startedAt;
      try {
        return await call();
      } finally {
        const nowMs = meters.elapsed();
        if (--invocation.open === 0) invocation.waitedMs += nowMs - invocation.openSince;
        invocation.doorMs[door] = (invocation.doorMs[door] ?? 0) + nowMs - startedAt;
        doors[door].add(nowMs - startedAt);
      }
    },

    waited() {
      const { doorMs = {} } = invocations.getStore() ?? {};
      return Object.fromEntries(Object.entries(doorMs).map(([door, ms]) => [`${door}Ms`, toTenths(ms)]));
    },
  };
}

function shareOf(part: number, whole: number): number {
  return whole > 0 ? Math.round(Math.min(1, part / whole) * 1_000) / 1_000 : 0;
}
