import { show } from "../core/coupons/campaign.ts";
import { isRefusal } from "../core/words.ts";
import { showCampaign } from "./contract/campaigns.ts";
import { endpoint } from "./http/endpoint.ts";
import { campaignView } from "./http/views.ts";
import { base } from "./stores/base.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

const ctx = { ...base, redis, table };

export const handler = endpoint(showCampaign, async ({ params }) => {
  const result = await show(ctx, params.campaignId);
  if (isRefusal(result)) return result;
  // The edge may answer the crowd: a second old is what the contract allows.
  return { word: result.word, body: campaignView(result.campaign), headers: { "cache-control": "public, max-age=1" } };
});
