import { create } from "../core/coupons/campaign.ts";
import { limits } from "../core/limits.ts";
import { isRefusal } from "../core/words.ts";
import { createCampaign } from "./contract/campaigns.ts";
import { endpoint } from "./http/endpoint.ts";
import { invalid } from "./http/request.ts";
import { campaignView } from "./http/views.ts";
import { base } from "./stores/base.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

const ctx = { ...base, redis, table };

export const handler = endpoint(createCampaign, async ({ body }) => {
  if (body.closesAt > ctx.now() + limits.campaignAheadMs) {
    return invalid([{ in: "body", path: "closesAt", message: "At most five years from now" }]);
  }
  const result = await create(ctx, body);
  if (isRefusal(result)) return result;
  return {
    word: result.word,
    body: campaignView(result.campaign),
    headers: { location: `/campaigns/${body.campaignId}` },
  };
});
