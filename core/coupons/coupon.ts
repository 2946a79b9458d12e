import { createHmac } from "node:crypto";

/** One coupon as the API shows it. Times in milliseconds since 1970; the edge writes them as ISO 8601. */
export interface Coupon {
  readonly couponId: string;
  readonly campaignId: string;
  readonly userId: string;
  /** 1…stock; no two coupons of a campaign share one. */
  readonly ticket: number;
  /** The user's first, second, … coupon of this campaign. */
  readonly nth: number;
  readonly state: CouponState;
  readonly issuedAt: number;
  readonly confirmedAt?: number;
  readonly expiresAt?: number;
  /** Only while pending: when to expect the confirmation, in milliseconds from now. */
  readonly etaMs?: number;
  readonly reason?: string;
}

export const COUPON_STATES = ["pending", "confirmed", "used", "cancelled", "revoked"] as const;
export type CouponState = (typeof COUPON_STATES)[number];

/** What the deciding script has settled of a coupon; all else follows from it and the campaign. */
export interface Issuance {
  readonly campaignId: string;
  readonly userId: string;
  readonly ticket: number;
  readonly nth: number;
  /** Milliseconds since 1970, by the Redis clock. Two issuances of one ticket never share it. */
  readonly issuedAt: number;
}

const SIGNATURE_LENGTH = 22;

/**
 * The coupon's id: campaign, ticket, and 128 bits that only the holder of the secret can make. It can be computed again from
 * Redis alone, so a replay needs no store for it, and it says where in the ledger to look.
 */
export function couponIdOf(issuance: Issuance, secret: string): string {
  const { campaignId, userId, ticket, nth, issuedAt } = issuance;
  const signature = createHmac("sha256", secret)
    .update(JSON.stringify([campaignId, userId, ticket, nth, issuedAt]))
    .digest("base64url")
    .slice(0, SIGNATURE_LENGTH);
  return `${campaignId}.${ticket.toString(36)}.${signature}`;
}

const COUPON_ID = /^([a-z0-9-]{1,64})\.([0-9a-z]{1,5})\.[\w-]{22}$/;

/** Where a coupon's id says to look. It proves nothing: whoever made it up finds nothing there. @returns undefined for what is no id */
export function parseCouponId(couponId: string): { campaignId: string; ticket: number } | undefined {
  const [, campaignId = "", ticket = ""] = COUPON_ID.exec(couponId) ?? [];
  const number = Number.parseInt(ticket, 36);
  return number >= 1 ? { campaignId, ticket: number } : undefined;
}

const DAY_MS = 86_400_000;

/** When a coupon expires, if its campaign bounds its validity. Milliseconds since 1970. */
export function expiryOf(issuedAt: number, validDays: number | undefined): number | undefined {
  return validDays === undefined ? undefined : issuedAt + validDays * DAY_MS;
}
