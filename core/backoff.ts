import { limits } from "./limits.ts";

/** Seconds until a failed message should come again: doubles with each time it came, up to `limits.backoffMostSeconds`. */
export function backoffSeconds(receiveCount: number): number {
  const doublings = Math.min(Math.max(0, receiveCount - 1), 16);
  return Math.min(limits.backoffFirstSeconds * 2 ** doublings, limits.backoffMostSeconds);
}
