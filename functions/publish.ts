import { setTimeout as sleep } from "node:timers/promises";
import { StoreUnavailable } from "../core/context.ts";
import { limits } from "../core/limits.ts";
import { type Published, publisher } from "../core/rankings/publish.ts";
import { metrics } from "./log.ts";
import { base } from "./stores/base.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

const { publishAll } = publisher();
const ctx = { ...base, redis, table };

/** Scoring stops after this, and goes on in the next round; a function has 90 s. */
const SCORE_MS = 15_000;

/**
 * Publishes the next generation of every board. A schedule comes once a minute at most, so it asks with `watchSeconds` to stay: for
 * as long as there are boards, one every few seconds. Without it, one, and the result.
 */
export async function handler(event?: { watchSeconds?: number }) {
  const watchMs = (event?.watchSeconds ?? 0) * 1_000;
  const endsAt = base.now() + watchMs;
  let published = await publish(watchMs > 0);
  while (published.boards > 0) {
    if (base.now() + limits.publishEveryMs > endsAt) break;
    await sleep(limits.publishEveryMs);
    published = await publish(true);
  }
  return published;
}

/** While a store is away nothing can be published, and a watch goes on: it may be back in a moment. */
async function publish(isWatch: boolean): Promise<Published> {
  const startedAt = performance.now();
  try {
    const published = await publishAll(ctx, base.now() + SCORE_MS);
    const { generations, scored, expired } = published;
    if (generations > 0) {
      metrics(
        {},
        {
          GenerationsPublished: generations,
          ProductsScored: scored,
          PublishMs: Math.round(performance.now() - startedAt),
          RowsExpired: expired?.rows ?? 0,
        },
      );
    }
    return published;
  } catch (error) {
    if (!isWatch || !(error instanceof StoreUnavailable)) throw error;
    base.log("publish-failed", { reason: error.message });
    return { boards: 1, generations: 0, scored: 0, switched: 0 };
  }
}
