import { DOORS, type Door, type SpanFigures } from "../../../functions/spans/recorder.ts";

/** A line `spans` of the functions' log. */
export type SpanLine = SpanFigures & { readonly function: string };

/** Where invocations' time went: sums over functions and periods. */
export interface Spent {
  /** Invocations that ended, and the time that they took from beginning to end, in milliseconds. */
  n: number;
  handlerMs: number;
  /** Of that time, what was spent at each door, and what at none. They add up to the handlers' time. */
  redisMs: number;
  queueMs: number;
  ledgerMs: number;
  metricsMs: number;
  ownMs: number;
  /** Calls through each door. */
  redisCalls: number;
  queueCalls: number;
  ledgerCalls: number;
  metricsCalls: number;
  /** What these took, one by one: more than the time spent at the door where calls ran side by side. */
  redisCallMs: number;
  queueCallMs: number;
  ledgerCallMs: number;
  metricsCallMs: number;
  /** Messages that a queue handed out, and those of them that come again. */
  messages: number;
  failed: number;
  /**
   * Share of the time in which the event loop had something to do, 0 to 1; of several periods and processes the mean, by the
   * handlers' time: how busy it was while that time was spent.
   */
  loop: number;
}

export const nothingSpent = (): Spent => ({
  ...{ n: 0, handlerMs: 0, redisMs: 0, queueMs: 0, ledgerMs: 0, metricsMs: 0, ownMs: 0, messages: 0, failed: 0 },
  ...{ redisCalls: 0, queueCalls: 0, ledgerCalls: 0, metricsCalls: 0 },
  ...{ redisCallMs: 0, queueCallMs: 0, ledgerCallMs: 0, metricsCallMs: 0, loop: 0 },
});

const PREFIX = '{"event":"spans",';

/** The lines `spans` of a log, in which others write as well. */
export function readSpans(log: string): SpanLine[] {
  return log
    .split("\n")
    .filter((line) => line.startsWith(PREFIX) && line.endsWith("}"))
    .map((line) => JSON.parse(line) as SpanLine);
}

/** Adds a share of a line's period. */
function addLine(sum: Spent, line: SpanLine, share: number): void {
  const { handler, ownMs } = line;
  const doorMs = DOORS.map((door) => line[door]?.sumMs ?? 0);
  const allMs = doorMs.reduce((total, ms) => total + ms, 0);
  // Calls that ran side by side were one wait: each door has its part of it.
  const waitedMs = allMs === 0 ? 0 : Math.max(0, handler.sumMs - ownMs);
  const partOf = (door: Door) => (allMs === 0 ? 0 : ((line[door]?.sumMs ?? 0) / allMs) * waitedMs * share);
  sum.loop = meanLoop(sum, { loop: line.loop, handlerMs: handler.sumMs * share });
  sum.n += handler.n * share;
  sum.handlerMs += handler.sumMs * share;
  sum.ownMs += (handler.sumMs - waitedMs) * share;
  sum.messages += (line.messages?.n ?? 0) * share;
  sum.failed += (line.messages?.failed ?? 0) * share;
  for (const door of DOORS) {
    sum[`${door}Ms`] += partOf(door);
    sum[`${door}Calls`] += (line[door]?.n ?? 0) * share;
    sum[`${door}CallMs`] += (line[door]?.sumMs ?? 0) * share;
  }
}

type Loop = Pick<Spent, "loop" | "handlerMs">;

function meanLoop(one: Loop, other: Loop): number {
  const ms = one.handlerMs + other.handlerMs;
  return ms === 0 ? 0 : (one.loop * one.handlerMs + other.loop * other.handlerMs) / ms;
}

/** Adds a sum to a sum. */
export function addSpent(sum: Spent, other: Spent): void {
  sum.loop = meanLoop(sum, other);
  for (const key of Object.keys(sum) as (keyof Spent)[]) if (key !== "loop") sum[key] += other[key];
}

/**
 * Lays lines out in seconds: a period that lies in several counts in each by its part of it.
 *
 * @param startAt milliseconds since 1970
 */
export function perSecond(lines: readonly SpanLine[], startAt: number, seconds: number): Spent[] {
  const all = Array.from({ length: seconds }, nothingSpent);
  for (const line of lines) {
    const from = Date.parse(line.from) - startAt;
    const to = Math.max(Date.parse(line.to) - startAt, from + 1);
    for (const [second, sum] of all.entries()) {
      const overlapMs = Math.min(to, (second + 1) * 1_000) - Math.max(from, second * 1_000);
      if (overlapMs > 0) addLine(sum, line, overlapMs / (to - from));
    }
  }
  return all;
}
