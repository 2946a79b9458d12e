import { holderVerbs } from "../core/coupons/hold.ts";
import { isRefusal } from "../core/words.ts";
import { cancelCoupon } from "./contract/coupons.ts";
import { endpoint } from "./http/endpoint.ts";
import { askerOf } from "./http/request.ts";
import { couponView } from "./http/views.ts";
import { base, couponSecret } from "./stores/base.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

const { cancel } = holderVerbs();
const ctx = { ...base, redis, table, couponSecret: couponSecret() };

export const handler = endpoint(cancelCoupon, async ({ params, caller }) => {
  const result = await cancel(ctx, { couponId: params.couponId, asker: askerOf(caller) });
  return isRefusal(result) ? result : { word: result.word, body: couponView(result.coupon) };
});
