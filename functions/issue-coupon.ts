import { issuer } from "../core/coupons/issue.ts";
import { soldOutMemory } from "../core/coupons/sold-out.ts";
import { isRefusal } from "../core/words.ts";
import { issueCoupon } from "./contract/coupons.ts";
import { endpoint } from "./http/endpoint.ts";
import { couponView } from "./http/views.ts";
import { base, couponSecret } from "./stores/base.ts";
import { confirmations } from "./stores/confirmations.ts";
import { redis } from "./stores/redis.ts";

const issue = issuer(soldOutMemory());
const ctx = { ...base, redis, confirmations, couponSecret: couponSecret() };

export const handler = endpoint(issueCoupon, async ({ params, headers, caller }) => {
  const result = await issue(ctx, {
    campaignId: params.campaignId,
    userId: caller.userId,
    idempotencyKey: headers["idempotency-key"],
  });
  return isRefusal(result) ? result : { word: result.word, body: couponView(result.coupon) };
});
