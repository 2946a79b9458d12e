import type { Room } from "../documents.ts";

/** When the last in line will be inside, as a range in milliseconds; no end where nobody comes in at the moment. */
export interface Wait {
  readonly lowMs: number;
  readonly highMs: number | undefined;
}

/** The measured rate may be off by so much, one way and the other: as in the waits that people are told (core/rooms/wait.ts). */
const FASTER = 1.25;
const SLOWER = 1.3;

/**
 * Everyone in line, at the rates that were measured over shorter and longer times; before anything was measured, at the rate that is
 * allowed. Who leaves the line makes it shorter, and nobody knows how many will.
 *
 * @param measured people a second
 * @returns undefined where no wait can be told: the room is closed, or being recovered
 */
export function waitOf(room: Room, measured: readonly number[]): Wait | undefined {
  if (room.state === "closed" || room.state === "recovering") return undefined;
  const startsMs = room.state === "scheduled" ? Date.parse(room.opensAt ?? "") - Date.parse(room.serverTime) : 0;
  const pausedMs = Math.max(0, startsMs || 0);
  if (room.waiting === 0) return { lowMs: pausedMs, highMs: pausedMs };
  const limit = room.admitPerSecond * room.inflow.pace;
  const rates = measured.length === 0 || room.state === "scheduled" ? [limit] : measured;
  const best = Math.min(limit, Math.max(...rates)) || limit;
  const worst = Math.min(...rates);
  const timeMs = (rate: number) => (1_000 * room.waiting) / rate;
  return {
    lowMs: pausedMs + timeMs(best) / FASTER,
    highMs: worst > 0 ? pausedMs + timeMs(Math.min(worst, best)) * SLOWER : undefined,
  };
}
