import { watch } from "../core/coupons/watch.ts";
import { isRefusal } from "../core/words.ts";
import { watchCampaign } from "./contract/operations.ts";
import { endpoint } from "./http/endpoint.ts";
import { campaignWatchView } from "./http/views.ts";
import { base } from "./stores/base.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

const ctx = { ...base, redis, table };

export const handler = endpoint(watchCampaign, async ({ params }) => {
  const result = await watch(ctx, params.campaignId);
  return isRefusal(result) ? result : { word: result.word, body: campaignWatchView(result.campaign) };
});
