import { verifyAll } from "../core/operations/verify.ts";
import { metrics } from "./log.ts";
import { base, couponSecret } from "./stores/base.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

const ctx = { ...base, redis, table, couponSecret: couponSecret() };

/** Campaigns are begun to be verified until this long after the start; a function has 90 s. */
const BEGIN_MS = 30_000;

/** Compares the stores of every live campaign, keeps each result and says how many differences there are. */
export async function handler() {
  const { verified, skipped } = await verifyAll(ctx, base.now() + BEGIN_MS);
  for (const { campaignId, findings } of verified) metrics({ campaignId }, { VerifierFindings: findings.length });
  const inconsistent = verified.filter(({ consistent }) => !consistent);
  for (const { campaignId, findings } of inconsistent)
    base.log("inconsistent", { campaignId, findings: findings.length });
  return { verified, skipped };
}
