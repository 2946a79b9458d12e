import { show } from "../core/coupons/campaign.ts";
import { recover } from "../core/coupons/recover.ts";
import { isRefusal } from "../core/words.ts";
import { recoverCampaign } from "./contract/operations.ts";
import { endpoint } from "./http/endpoint.ts";
import { campaignView } from "./http/views.ts";
import { base, couponSecret } from "./stores/base.ts";
import { confirmations } from "./stores/confirmations.ts";
import { deadLetters } from "./stores/dead-letters.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

const ctx = { ...base, redis, table, confirmations, deadLetters, couponSecret: couponSecret() };

/** Begins a recovery, also of a campaign that seems well; the schedule takes it to its end. */
export const handler = endpoint(recoverCampaign, async ({ params }) => {
  const known = await show(ctx, params.campaignId);
  if (isRefusal(known)) return known;
  await recover(ctx, params.campaignId, { force: "an operator asked for it", deadline: ctx.now() });
  const shown = await show(ctx, params.campaignId);
  return isRefusal(shown) ? shown : { word: "accepted", body: campaignView(shown.campaign) };
});
