import type { Ctx } from "../context.ts";
import type { Refusal } from "../words.ts";
import { admit } from "./admit.ts";
import { aboutOf, type CampaignAbout, refuse } from "./campaign.ts";
import { campaigns } from "./campaign-records.ts";
import { confirmationOf } from "./confirmation.ts";
import { couponIdOf, parseCouponId } from "./coupon.ts";
import { epochMemory } from "./epoch-memory.ts";
import { giveBack } from "./give-back.ts";
import { readHolding } from "./holding.ts";
import { type CouponRow, coupons as ledger } from "./ledger.ts";

/** What a holder does with a coupon: use it, or give it back. */

type HoldCtx = Pick<Ctx, "redis" | "table" | "couponSecret" | "now">;

export interface Asker {
  readonly userId: string;
  /** May act for every holder. */
  readonly operator: boolean;
}

/** Of a coupon that is still on its way only its holder can be told that it exists: the id does not say whose it is. */
const unknown = (): Refusal => ({
  word: "unknown",
  detail: "There is no such coupon, or it is another's and not confirmed yet.",
});

/** Makes the verbs. What they remember of campaigns is made here and owned by the caller's container. */
export function holderVerbs() {
  const recall = epochMemory();

  /** The coupon of an id, if the asker may act on it. A coupon that is still on its way is brought into the ledger first. */
  async function take(
    ctx: HoldCtx,
    couponId: string,
    asker: Asker,
  ): Promise<{ coupon: CouponRow; about: CampaignAbout } | Refusal> {
    const place = parseCouponId(couponId);
    const record = place && (await campaigns.get(ctx, place.campaignId));
    if (!record) return unknown();
    // From the ledger, so that what is there can be used and given back while Redis is away.
    const about = aboutOf(record);
    let found = await ledger.find(ctx, couponId);
    if (!found?.coupon) {
      const refused = await admitPending(ctx, about, couponId, found?.ticket.userId ?? asker.userId);
      if (refused) return refused;
      found = await ledger.find(ctx, couponId);
    }
    if (!found?.coupon) return unknown();
    if (found.coupon.userId !== asker.userId && !asker.operator) {
      return { word: "forbidden", detail: 'This coupon is another\'s; acting on it needs the scope "operator".' };
    }
    return { coupon: found.coupon, about };
  }

  /** Does what the persister would do a moment later. @returns a refusal when that is not possible now */
  async function admitPending(
    ctx: HoldCtx,
    about: CampaignAbout,
    couponId: string,
    userId: string,
  ): Promise<Refusal | undefined> {
    const { campaignId } = about;
    const held = await readHolding(ctx, about, userId);
    // Whether it is on its way cannot be told until Redis is well again.
    if (held.word !== "found") return refuse.recovering(campaignId);
    for (const { nth, ticket, issuedAt, pending, key } of held.coupons) {
      const issuance = { campaignId, userId, ticket, nth, issuedAt };
      if (!pending || couponIdOf(issuance, ctx.couponSecret) !== couponId) continue;
      const confirmation = confirmationOf(issuance, about, ctx.couponSecret, key);
      const [result] = await admit(ctx, recall, [{ confirmation, epoch: held.epoch }]);
      if (typeof result === "object") throw result.error;
      if (result === "recorded" || result === "already-recorded") return undefined;
      return { word: "conflict", detail: "This coupon could not be confirmed; look it up again in a moment." };
    }
    return undefined;
  }

  return {
    /**
     * Marks a coupon as used for an order. Idempotent by the order.
     * @returns `used`, or `conflict` when it was used for another order, is cancelled or revoked, or has expired
     */
    async use(
      ctx: HoldCtx,
      request: { couponId: string; orderId: string; asker: Asker },
    ): Promise<{ word: "used"; coupon: CouponRow } | Refusal> {
      const { couponId, orderId, asker } = request;
      const taken = await take(ctx, couponId, asker);
      if ("word" in taken) return taken;
      const { coupon } = taken;
      if (coupon.state === "confirmed") {
        if (coupon.expiresAt !== undefined && coupon.expiresAt <= ctx.now()) {
          return { word: "conflict", detail: "This coupon has expired." };
        }
        const used: CouponRow = { ...coupon, state: "used", orderId };
        if (await ledger.move(ctx, coupon, used)) return { word: "used", coupon: used };
      }
      // Whoever was faster has moved it: what stands there now decides.
      const now = (await ledger.find(ctx, couponId))?.coupon ?? coupon;
      if (now.state === "used" && now.orderId === orderId) return { word: "used", coupon: now };
      const why = now.state === "used" ? "was used for another order" : `is ${now.state}`;
      return { word: "conflict", detail: `This coupon ${why}.` };
    },

    /**
     * Gives a coupon back: its ticket goes back to stock. Idempotent.
     * @returns `cancelled`, or `conflict` when it was used or revoked
     */
    async cancel(
      ctx: HoldCtx,
      request: { couponId: string; asker: Asker },
    ): Promise<{ word: "cancelled"; coupon: CouponRow } | Refusal> {
      const { couponId, asker } = request;
      const taken = await take(ctx, couponId, asker);
      if ("word" in taken) return taken;
      const { coupon, about } = taken;
      const cancelled: CouponRow = { ...coupon, state: "cancelled" };
      if (coupon.state === "cancelled" || (await giveBack(ctx, about, coupon)) !== "not-live") {
        return { word: "cancelled", coupon: cancelled };
      }
      const now = (await ledger.find(ctx, couponId))?.coupon ?? coupon;
      return { word: "conflict", detail: `This coupon is ${now.state}.` };
    },
  };
}
