import { setTimeout as sleep } from "node:timers/promises";

const POLL_MS = 50;

/** Something that must come did not: the run cannot go on, which says nothing about the system's guarantees. */
export class NotReady extends Error {}

/**
 * Waits until something holds. An attempt that throws counts as "not yet".
 *
 * @throws {NotReady} When it does not within the time; names what was waited for, and the last error.
 */
export async function until(what: string, holds: () => Promise<boolean>, withinMs: number): Promise<void> {
  const deadline = performance.now() + withinMs;
  let why = "";
  while (true) {
    try {
      if (await holds()) return;
      why = "";
    } catch (error) {
      why = ` (${error instanceof Error ? error.message : error})`;
    }
    if (performance.now() > deadline) throw new NotReady(`Waited ${withinMs / 1_000} s for this: ${what}${why}.`);
    await sleep(POLL_MS);
  }
}
