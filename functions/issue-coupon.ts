import { issuer, needsPass } from "../core/coupons/issue.ts";
import { soldOutMemory } from "../core/coupons/sold-out.ts";
import { passGate } from "../core/rooms/gate.ts";
import { refuseRoom } from "../core/rooms/refusals.ts";
import { isRefusal } from "../core/words.ts";
import { issueCoupon } from "./contract/coupons.ts";
import { endpoint } from "./http/endpoint.ts";
import { couponView } from "./http/views.ts";
import { base, couponSecret } from "./stores/base.ts";
import { confirmations } from "./stores/confirmations.ts";
import { redis } from "./stores/redis.ts";
import { roomKeys } from "./stores/room-keys.ts";

const issue = issuer(soldOutMemory());
const passes = passGate();
const ctx = { ...base, redis, confirmations, couponSecret: couponSecret(), roomKeys };

export const handler = endpoint(issueCoupon, async ({ params, headers, caller }) => {
  const { campaignId } = params;
  const { userId } = caller;
  const idempotencyKey = headers["idempotency-key"];
  const result = await issue(ctx, {
    ...{ campaignId, userId, idempotencyKey },
    stop: async (roomId) => {
      const use = `${campaignId} ${idempotencyKey ?? ""}`;
      const passed = await passes(ctx, { roomId, userId, token: headers["waiting-room-pass"], use });
      if (passed.word === "valid") return undefined;
      if (passed.word === "recovering") return refuseRoom.recovering(roomId);
      // Somebody without a pass is an everyday thing; with one that is refused, somebody may be trying.
      if (passed.fault !== "no-pass") base.log("pass-refused", { campaignId, roomId, reason: passed.fault });
      return needsPass(campaignId, roomId);
    },
  });
  return isRefusal(result) ? result : { word: result.word, body: couponView(result.coupon) };
});
