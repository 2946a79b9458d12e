import type { Ctx } from "../context.ts";
import { keys } from "../keys.ts";
import { limits } from "../limits.ts";
import { memberOf } from "../member.ts";
import type { CampaignAbout } from "./campaign.ts";
import { bucketOf } from "./member.ts";
import { holding } from "./scripts.ts";

/** What Redis says a user holds of a campaign, without a write. */
export function readHolding(ctx: Pick<Ctx, "redis">, about: CampaignAbout, userId: string) {
  const { campaignId, buckets, perUser } = about;
  return ctx.redis.run(
    holding,
    {
      tally: keys.tally(campaignId),
      bucket: keys.holders(campaignId, bucketOf(userId, buckets)),
      outbox: keys.outbox(campaignId),
      flow: keys.flow(campaignId),
    },
    { member: memberOf(userId), perUser, scan: limits.outboxScanEntries },
  );
}
