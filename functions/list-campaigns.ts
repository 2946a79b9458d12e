import { list } from "../core/coupons/campaign.ts";
import { limits } from "../core/limits.ts";
import { listCampaigns } from "./contract/campaigns.ts";
import { endpoint } from "./http/endpoint.ts";
import { afterOf, campaignView, cursorOf } from "./http/views.ts";
import { base } from "./stores/base.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

const ctx = { ...base, redis, table };

export const handler = endpoint(listCampaigns, async ({ query }) => {
  const page = { limit: query.limit ?? limits.pageRowsDefault, after: afterOf(query.cursor) };
  const { word, items, after } = await list(ctx, page);
  return { word, body: { items: items.map(campaignView), ...cursorOf(after) } };
});
