import { issuer, needsPass } from "../core/coupons/issue.ts";
import { soldOutMemory } from "../core/coupons/sold-out.ts";
import { type PassFault, passGate } from "../core/rooms/gate.ts";
import { refuseRoom } from "../core/rooms/refusals.ts";
import { isRefusal } from "../core/words.ts";
import { issueCoupon } from "./contract/coupons.ts";
import { countAnswer } from "./http/answer-counts.ts";
import { endpoint } from "./http/endpoint.ts";
import { noteLook } from "./http/memory-hits.ts";
import { couponView } from "./http/views.ts";
import { base, couponSecret } from "./stores/base.ts";
import { confirmations } from "./stores/confirmations.ts";
import { redis } from "./stores/redis.ts";
import { roomKeys } from "./stores/room-keys.ts";

/** Faults of a pass that was this user's once: a request that is repeated after it ended still gets its first answer (G5). */
const WAS_INSIDE: ReadonlySet<PassFault> = new Set(["expired", "revoked", "earlier-epoch", "given-back"]);

const soldOut = soldOutMemory(Math.random);
const issue = issuer({
  learn: soldOut.learn,
  covers: (...asked) => {
    const isCovered = soldOut.covers(...asked);
    noteLook("sold-out", isCovered);
    return isCovered;
  },
});
const passes = passGate();
const ctx = { ...base, redis, confirmations, couponSecret: couponSecret(), roomKeys };

export const handler = endpoint(
  issueCoupon,
  async ({ params, headers, caller, trace }) => {
    const { campaignId } = params;
    const { userId } = caller;
    const idempotencyKey = headers["idempotency-key"];
    const result = await issue(ctx, {
      ...{ campaignId, userId, idempotencyKey, trace },
      stop: async (roomId) => {
        const use = `${campaignId} ${idempotencyKey ?? ""}`;
        const passed = await passes(ctx, { roomId, userId, token: headers["waiting-room-pass"], use });
        if (passed.word === "valid") return undefined;
        if (passed.word === "recovering") return { refusal: refuseRoom.recovering(roomId), mayReplay: false };
        // Somebody without a pass is an everyday thing; with one that is refused, somebody may be trying.
        if (passed.fault !== "no-pass") base.log("pass-refused", { campaignId, roomId, reason: passed.fault });
        return { refusal: needsPass(campaignId, roomId), mayReplay: WAS_INSIDE.has(passed.fault) };
      },
    });
    return isRefusal(result) ? result : { word: result.word, body: couponView(result.coupon) };
  },
  countAnswer,
);
