import { setTimeout as sleep } from "node:timers/promises";
import { StoreUnavailable } from "../core/context.ts";
import { type Recovery, recover, recoverAll } from "../core/coupons/recover.ts";
import { metrics } from "./log.ts";
import { base, couponSecret } from "./stores/base.ts";
import { confirmations } from "./stores/confirmations.ts";
import { deadLetters } from "./stores/dead-letters.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

const ctx = { ...base, redis, table, confirmations, deadLetters, couponSecret: couponSecret() };

/** A step of a recovery that takes long ends after this and goes on in the next call; a function has 90 s. */
const STEP_MS = 5_000;
const LOOK_EVERY_MS = 2_000;
/** While something is being recovered, what it waits for comes within fractions of a second. */
const LOOK_AGAIN_MS = 200;

/** Campaigns that were created meanwhile are seen after this. */
const LIST_EVERY_MS = 10_000;

/**
 * Recovers what needs it. A schedule comes once a minute at most, so it asks with `watchSeconds` to stay: for as long as any
 * campaign is live, every one of them is looked at every two seconds. Without it, one look, and the result.
 */
export async function handler(event?: { watchSeconds?: number }) {
  const watchMs = (event?.watchSeconds ?? 0) * 1_000;
  const endsAt = base.now() + watchMs;
  let seen = await list(watchMs > 0);
  let listedAt = base.now();
  metrics({}, { CampaignsRecovering: seen.recoveries.filter(isUnderWay).length });
  let under = seen.recoveries.filter(isUnderWay);
  while (seen.live.length > 0 || seen.isUnclear) {
    const pause = under.length > 0 ? LOOK_AGAIN_MS : LOOK_EVERY_MS;
    if (base.now() + pause + STEP_MS > endsAt) break;
    await sleep(pause);
    if (!seen.isUnclear && base.now() - listedAt < LIST_EVERY_MS) {
      under = (await Promise.all(seen.live.map(look))).filter(isUnderWay);
      continue;
    }
    seen = await list(true);
    listedAt = base.now();
    under = seen.recoveries.filter(isUnderWay);
  }
  return seen;
}

/** Every campaign, each looked at. While a store is away nothing can be said, and a watch goes on: it may be back in a moment. */
async function list(isWatch: boolean) {
  try {
    return { ...(await recoverAll(ctx, base.now() + STEP_MS)), isUnclear: false };
  } catch (error) {
    if (!isWatch || !(error instanceof StoreUnavailable)) throw error;
    base.log("recovery-failed", { reason: error.message });
    return { looked: 0, recoveries: [], live: [], isUnclear: true };
  }
}

const isUnderWay = ({ word }: Recovery) => word === "recovering";

async function look(campaignId: string): Promise<Recovery> {
  try {
    return await recover(ctx, campaignId, { deadline: base.now() + STEP_MS });
  } catch (error) {
    // A store that is away now may be back at the next look.
    base.log("recovery-failed", { campaignId, reason: String(error) });
    return { campaignId, word: "recovering", waitingFor: String(error) };
  }
}
