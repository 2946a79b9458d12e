import { limits } from "../limits.ts";

/** What a wait is estimated from. Rates are people per second. */
export interface Line {
  readonly ahead: number;
  /** Everyone in line. */
  readonly line: number;
  /** What rate and backend allow now. */
  readonly limit: number;
  /** So many come in at the least while people wait, because passes end; zero where they can be prolonged. */
  readonly least: number;
  /** Admitted, averaged over some seconds and over some ten seconds; below zero before the first measurement. */
  readonly fast: number;
  readonly slow: number;
  /** Dropped, anywhere in line. */
  readonly drops: number;
  /** Nobody is admitted before this has passed. */
  readonly pausedMs: number;
}

/** In seconds from now. */
export interface Eta {
  readonly low: number;
  readonly high: number;
}

/** The measured rate may be off by so much, one way and the other; calibrated with `npm run crowd`. */
const FASTER = 1.25;
const SLOWER = 1.3;
/** Nobody knows how slow a room can be whose passes are prolonged: not slower than this part of what it may do. */
const LEAST_SHARE = 50;
/** How much later than the turn a poll finds it, at most. */
const POLL_GAP_SECONDS = 2;

/**
 * When somebody in line will be inside, as a range: all before and this one, at the rate that was measured lately. Abandoners
 * make it shorter in proportion to how much of the line is ahead. Before anything was measured the room's own rate has to do.
 */
export function etaOf(it: Line): Eta {
  const people = it.ahead + 1;
  const limit = Math.max(it.limit, 0.001);
  const measured = it.fast >= 0;
  const share = it.line > 0 ? Math.min(1, people / it.line) : 1;
  const best = (measured ? Math.min(limit, Math.max(it.fast, it.slow)) : limit) + it.drops * share;
  const least = it.least > 0 ? it.least : limit / LEAST_SHARE;
  const worst = Math.max(measured ? Math.min(it.fast, it.slow) : 0, least);
  const pausedSeconds = it.pausedMs / 1_000;
  const bound = (seconds: number) => Math.min(seconds, limits.roomEtaMostSeconds);
  const low = bound(pausedSeconds + people / Math.max(best, 0.001) / FASTER - 1);
  const high = bound(pausedSeconds + (people / worst) * SLOWER + POLL_GAP_SECONDS);
  return { low: Math.max(0, Math.floor(low)), high: Math.ceil(Math.max(low, high)) };
}

/** Spread evenly over 0…1, and the same for the same number: neighbours in line must not poll together. */
const spreadOf = (number: number) => (number * 0.618_033_988_749_895) % 1;

/**
 * When to poll again: the further from the turn, the later, but well before the heartbeat runs out, and spread so that those
 * who came together do not ask together.
 */
export function pollAfterMsOf(it: { eta: Eta; number: number; heartbeatMs: number; pausedMs: number }): number {
  const most = it.heartbeatMs / 2;
  const wish = Math.min(most, Math.max(limits.pollLeastMs, (it.eta.low * 1_000) / 3));
  const spread = 0.8 + 0.4 * spreadOf(it.number);
  const after = wish * spread;
  // At the opening everyone is curious: soon after it, over a second.
  if (it.pausedMs > 0 && it.pausedMs < after) return Math.ceil(it.pausedMs + 1_000 * spreadOf(it.number));
  return Math.ceil(after);
}

/** A poll that was asked for at this distance is late after this: the network may take its time, and a phone may sleep a moment. */
export const dueAfterMs = (pollAfterMs: number): number => 1.5 * pollAfterMs + 1_000;
