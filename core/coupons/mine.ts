import { type Ctx, StoreUnavailable } from "../context.ts";
import type { Refusal } from "../words.ts";
import type { CampaignAbout } from "./campaign.ts";
import { aboutMemory, refuseMissing } from "./campaign.ts";
import { type Coupon, couponIdOf, expiryOf } from "./coupon.ts";
import { etaOf } from "./eta.ts";
import { readHolding } from "./holding.ts";
import { coupons as ledger } from "./ledger.ts";
import type { Holding } from "./scripts.ts";

type MineCtx = Pick<Ctx, "redis" | "table" | "couponSecret" | "now">;

/**
 * Makes the verb that tells what a user holds, and has held, of a campaign: pending coupons from Redis with an ETA, all others from the
 * ledger. While everything is pending the ledger is not asked; while Redis is out of reach the ledger alone answers, and
 * only a user it knows nothing of is turned away, because a pending coupon cannot be excluded.
 */
export function couponTeller() {
  const recall = aboutMemory();

  return async (
    ctx: MineCtx,
    request: { campaignId: string; userId: string },
  ): Promise<{ word: "found"; items: Coupon[] } | Refusal> => {
    const { campaignId, userId } = request;
    let about: CampaignAbout | undefined;
    let held: Holding | undefined;
    let lost: StoreUnavailable | undefined;
    try {
      about = await recall(ctx, campaignId);
      const reply = about && (await readHolding(ctx, about, userId));
      held = reply?.word === "found" ? reply : undefined;
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      lost = error;
    }

    const pending = about && held ? pendingOf(ctx, about, userId, held) : [];
    const allPending = held !== undefined && held.coupons.length > 0 && pending.length === held.coupons.length;
    const recorded = allPending ? [] : await ledger.ofCampaign(ctx, userId, campaignId);
    // The ledger's word stands: a coupon that it has is no longer pending, whatever the outbox says.
    const known = new Set(recorded.map(({ couponId }) => couponId));
    const items = [...recorded, ...pending.filter(({ couponId }) => !known.has(couponId))];
    items.sort((a, b) => a.nth - b.nth || a.issuedAt - b.issuedAt);
    if (items.length > 0) return { word: "found", items };
    if (lost) throw lost;
    if (!held) return refuseMissing(ctx, campaignId);
    return { word: "unknown", detail: `You hold no coupon of campaign "${campaignId}".` };
  };
}

function pendingOf(ctx: Pick<Ctx, "couponSecret">, about: CampaignAbout, userId: string, held: Holding): Coupon[] {
  const { campaignId, validDays } = about;
  return held.coupons
    .filter((coupon) => coupon.pending)
    .map(({ nth, ticket, issuedAt }) => {
      const issuance = { campaignId, userId, ticket, nth, issuedAt };
      const expiresAt = expiryOf(issuedAt, validDays);
      // Those behind this one in the outbox do not hold it up.
      const behind = held.issued - ticket;
      const etaMs = etaOf({ ahead: held.backlog - behind, perSecond: held.perSecond, quietMs: held.quietMs });
      return {
        couponId: couponIdOf(issuance, ctx.couponSecret),
        ...issuance,
        state: "pending",
        ...(expiresAt === undefined ? {} : { expiresAt }),
        etaMs,
      };
    });
}
