import { sendStock } from "../core/coupons/transfer.ts";
import { isRefusal } from "../core/words.ts";
import { sendStock as contract } from "./contract/campaigns.ts";
import { endpoint } from "./http/endpoint.ts";
import { campaignView } from "./http/views.ts";
import { base, couponSecret } from "./stores/base.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

const ctx = { ...base, redis, table, couponSecret: couponSecret() };

export const handler = endpoint(contract, async ({ params, body }) => {
  const { transferId, to, count } = body;
  const result = await sendStock(ctx, { transferId, from: params.campaignId, to, count });
  if (isRefusal(result)) return result;
  return { word: result.word, body: { campaign: campaignView(result.campaign), receipt: result.receipt } };
});
