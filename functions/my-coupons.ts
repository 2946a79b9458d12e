import { couponTeller } from "../core/coupons/mine.ts";
import { isRefusal } from "../core/words.ts";
import { myCoupons } from "./contract/coupons.ts";
import { endpoint } from "./http/endpoint.ts";
import { couponView } from "./http/views.ts";
import { base, couponSecret } from "./stores/base.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

const mine = couponTeller();
const ctx = { ...base, redis, table, couponSecret: couponSecret() };

export const handler = endpoint(myCoupons, async ({ params, caller }) => {
  const result = await mine(ctx, { campaignId: params.campaignId, userId: caller.userId });
  return isRefusal(result) ? result : { word: result.word, body: { items: result.items.map(couponView) } };
});
