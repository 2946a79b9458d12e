import { setTimeout as sleep } from "node:timers/promises";
import { StoreUnavailable } from "../core/context.ts";
import { type RebuildProgress, rebuilder } from "../core/rankings/rebuild.ts";
import { base } from "./stores/base.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

const rebuild = rebuilder();
const ctx = { ...base, redis, table };

/** A step ends after this and goes on in the next one; a function has 90 s. */
const STEP_MS = 15_000;
const LOOK_AGAIN_MS = 500;

const LOOK_EVERY_MS = 2_000;

/**
 * Goes on with the rebuild that is under way, if there is one. A schedule comes once a minute at most, so it asks with `watchSeconds`
 * to stay. Without it, one step, and how far it came.
 */
export async function handler(event?: { watchSeconds?: number }) {
  const watchMs = (event?.watchSeconds ?? 0) * 1_000;
  const endsAt = base.now() + watchMs;
  let progress = await step(watchMs > 0);
  while (base.now() + STEP_MS < endsAt) {
    const pauseMs = progress.word === "idle" ? LOOK_EVERY_MS : Math.min(progress.waitMs ?? 0, LOOK_AGAIN_MS);
    await sleep(pauseMs);
    progress = await step(true);
  }
  return progress;
}

/** While a store is away nothing moves, and a watch goes on. */
async function step(isWatch: boolean): Promise<RebuildProgress> {
  try {
    return await rebuild(ctx, base.now() + STEP_MS);
  } catch (error) {
    if (!isWatch || !(error instanceof StoreUnavailable)) throw error;
    base.log("rebuild-failed", { reason: error.message });
    return { word: "waiting", waitMs: LOOK_AGAIN_MS };
  }
}
