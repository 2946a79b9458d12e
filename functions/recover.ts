import { setTimeout as sleep } from "node:timers/promises";
import { type Recovery, recover, recoverAll } from "../core/coupons/recover.ts";
import { metrics } from "./log.ts";
import { base, couponSecret } from "./stores/base.ts";
import { confirmations } from "./stores/confirmations.ts";
import { deadLetters } from "./stores/dead-letters.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

const ctx = { ...base, redis, table, confirmations, deadLetters, couponSecret: couponSecret() };

/** A step of a recovery that takes long ends after this and goes on in the next call; a function has 60 s. */
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
  const endsAt = base.now() + (event?.watchSeconds ?? 0) * 1_000;
  const first = await recoverAll(ctx, base.now() + STEP_MS);
  let { live } = first;
  let under = first.recoveries.filter(isUnderWay);
  let listedAt = base.now();
  metrics({}, { CampaignsRecovering: under.length });
  while (live.length > 0) {
    const pause = under.length > 0 ? LOOK_AGAIN_MS : LOOK_EVERY_MS;
    if (base.now() + pause + STEP_MS > endsAt) break;
    await sleep(pause);
    if (base.now() - listedAt < LIST_EVERY_MS) {
      under = (await Promise.all(live.map(look))).filter(isUnderWay);
    } else {
      const again = await recoverAll(ctx, base.now() + STEP_MS);
      live = again.live;
      under = again.recoveries.filter(isUnderWay);
      listedAt = base.now();
    }
  }
  return first;
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
