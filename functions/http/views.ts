import type { CampaignView } from "../../core/coupons/campaign.ts";
import type { Coupon } from "../../core/coupons/coupon.ts";
import type { Letter } from "../../core/coupons/letters.ts";
import type { Verification } from "../../core/operations/verify.ts";

/** Domain values as the contract writes them: times in ISO 8601, only the contract's members. */

const iso = (ms: number) => new Date(ms).toISOString();

export function couponView(coupon: Coupon) {
  const { confirmedAt, expiresAt } = coupon;
  return {
    ...coupon,
    issuedAt: iso(coupon.issuedAt),
    ...(confirmedAt === undefined ? {} : { confirmedAt: iso(confirmedAt) }),
    ...(expiresAt === undefined ? {} : { expiresAt: iso(expiresAt) }),
  };
}

export function campaignView(campaign: CampaignView) {
  const { buckets: _buckets, base: _base, opensAt, closesAt, serverTime, recovery, ...rest } = campaign;
  return {
    ...rest,
    opensAt: iso(opensAt),
    closesAt: iso(closesAt),
    serverTime: iso(serverTime),
    ...(recovery === undefined ? {} : { recovery: { ...recovery, startedAt: iso(recovery.startedAt) } }),
  };
}

export function verificationView({ verifiedAt, ...rest }: Verification) {
  return { ...rest, verifiedAt: iso(verifiedAt) };
}

export function letterView({ body: _body, groupId: _group, ttl: _ttl, firstAt, decidedAt, ...rest }: Letter) {
  return { ...rest, firstAt: iso(firstAt), decidedAt: iso(decidedAt) };
}

/** A cursor is the key of a page's last row. It names a row of the caller's own list, so it carries no secret. */
export const cursorOf = (after: string | undefined) =>
  after === undefined ? {} : { cursor: Buffer.from(after).toString("base64url") };

export const afterOf = (cursor: string | undefined) =>
  cursor === undefined ? undefined : Buffer.from(cursor, "base64url").toString("utf8");
