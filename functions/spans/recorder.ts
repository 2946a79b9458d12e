import { AsyncLocalStorage } from "node:async_hooks";
import { type DurationFigures, Durations, toTenths } from "./durations.ts";

/** A store, as a function waits for it. */
export type Door = "redis" | "queue" | "ledger";
const DOORS: readonly Door[] = ["redis", "queue", "ledger"];

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

/** Where a container's time went, of all invocations that ended in a period. Doors that were not used are left out. */
export type SpanFigures = {
  /** ISO 8601. A period begins with an invocation. */
  readonly from: string;
  readonly to: string;
  readonly handler: DurationFigures;
  /** Of the handlers' time what was not spent waiting for any door. Calls that ran side by side are one wait. */
  readonly ownMs: number;
  /** Processor time of the whole process in the period. */
  readonly cpuMs: number;
  /** Share of the period in which the event loop had something to do, 0 to 1. */
  readonly loop: number;
} & { readonly [door in Door]?: DurationFigures };

/** One invocation on its way. */
interface Invocation {
  /** Calls through a door that are open now, and since when there is one. */
  open: number;
  openSince: number;
  /** Time with at least one open call. */
  waitedMs: number;
  readonly doorMs: Partial<Record<Door, number>>;
}

export interface Recorder {
  /** Runs one invocation of a function. Whoever ends one also writes what the period has brought, if it is time. */
  handle<T>(work: () => Promise<T>, write: (figures: SpanFigures) => void): Promise<T>;
  /** Makes one call through a door. Outside of an invocation nothing is recorded: nobody would write it. */
  wait<T>(door: Door, call: () => Promise<T>): Promise<T>;
  /** What the invocation that asks has waited at each door so far: `{ redisMs: 1.3 }`. */
  waited(): Record<string, number>;
}

/**
 * Records how long a container's invocations take and how long they wait at each door, and writes the sums at intervals: a line for
 * each request of a crowd would cost more than the request. Whoever ends an invocation writes, if it is time; what came after that is
 * written by a timer. In a container that is frozen it runs when the next call thaws it; what a container has recorded before it is
 * ended is lost with it.
 *
 * @param everyMs the shortest period, but for a last one
 */
export function recorder(everyMs: number, meters: Meters): Recorder {
  const invocations = new AsyncLocalStorage<Invocation>();
  const handlers = new Durations();
  const doors = { redis: new Durations(), queue: new Durations(), ledger: new Durations() };
  let running = 0;
  let ownMs = 0;
  let endedAt = 0;
  let isTimed = false;
  const begin = () => ({ at: meters.now(), elapsed: meters.elapsed(), cpuMs: meters.cpuMs(), loopMs: meters.loopMs() });
  let period: ReturnType<typeof begin> | undefined;

  function flush(write: (figures: SpanFigures) => void): void {
    const handler = handlers.take();
    if (!handler || !period) return;
    const started = period;
    const ended = begin();
    // With nothing on its way the period was over with the last invocation, and the next one begins when something comes: neither a
    // frozen container nor an hour without a call is an idle loop.
    const lengthMs = (running > 0 ? ended.elapsed : endedAt) - started.elapsed;
    period = running > 0 ? ended : undefined;
    const used = DOORS.map((door) => [door, doors[door].take()] as const).filter(([, figures]) => figures);
    write({
      from: new Date(started.at).toISOString(),
      to: new Date(started.at + lengthMs).toISOString(),
      handler,
      ...Object.fromEntries(used),
      ownMs: toTenths(ownMs),
      cpuMs: toTenths(ended.cpuMs - started.cpuMs),
      loop: shareOf(ended.loopMs - started.loopMs, lengthMs),
    });
    ownMs = 0;
  }

  return {
    async handle(work, write) {
      const invocation: Invocation = { open: 0, openSince: 0, waitedMs: 0, doorMs: {} };
      period ??= begin();
      running++;
      const startedAt = meters.elapsed();
      try {
        return await invocations.run(invocation, work);
      } finally {
        running--;
        endedAt = meters.elapsed();
        handlers.add(endedAt - startedAt);
        // A call that nobody waits for any more may still be open.
        const openMs = invocation.open > 0 ? endedAt - invocation.openSince : 0;
        ownMs += endedAt - startedAt - invocation.waitedMs - openMs;
        if (endedAt - period.elapsed >= everyMs) flush(write);
        else if (!isTimed) {
          isTimed = true;
          meters.later(everyMs, () => {
            isTimed = false;
            flush(write);
          });
        }
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
