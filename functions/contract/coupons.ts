import * as z from "zod/mini";
import { COUPON_STATES } from "../../core/coupons/coupon.ts";
import { limits } from "../../core/limits.ts";
import { contract } from "./contract.ts";
import { campaignId, cursorOut, idempotencyKey, pageQuery, timeOut } from "./fields.ts";

export const coupon = z.object({
  couponId: z.string(),
  campaignId,
  userId: z.string(),
  ticket: z.int().check(z.gte(1)),
  nth: z.int().check(z.gte(1)),
  state: z.enum(COUPON_STATES),
  issuedAt: timeOut,
  confirmedAt: z.optional(timeOut),
  expiresAt: z.optional(timeOut),
  etaMs: z.optional(z.int().check(z.gte(0))),
  reason: z.optional(z.string()),
  orderId: z.optional(z.string()),
});

const couponId = z.string().check(z.regex(/^[\w.-]{1,100}$/, "1 to 100 of letters, digits, point, - and _"));

export const issueCoupon = contract({
  method: "POST",
  path: "/campaigns/{campaignId}/coupons",
  who: "shopper",
  summary: "Ask for a coupon; first come, first served",
  params: z.object({ campaignId }),
  headers: z.object({
    "idempotency-key": z.optional(idempotencyKey),
    "waiting-room-pass": z.optional(z.string().check(z.maxLength(4_096))),
  }),
  body: z.optional(z.strictObject({})),
  answers: { issued: coupon, accepted: coupon, replayed: coupon },
  refusals: [
    "unknown",
    "forbidden",
    "pass-required",
    "not-open",
    "sold-out",
    "limit-reached",
    "closed",
    "paused",
    "recovering",
    "unavailable",
  ],
});

export const myCoupons = contract({
  method: "GET",
  path: "/campaigns/{campaignId}/coupons/me",
  who: "shopper",
  summary: "The caller's coupons of one campaign",
  params: z.object({ campaignId }),
  answers: { found: z.object({ items: z.array(coupon) }) },
  refusals: ["unknown", "recovering", "unavailable"],
});

export const listCoupons = contract({
  method: "GET",
  path: "/coupons",
  who: "shopper",
  summary: "The caller's coupons over all campaigns, from the ledger",
  query: pageQuery,
  answers: { listed: z.object({ items: z.array(coupon), cursor: cursorOut }) },
  refusals: ["unavailable"],
});

export const useCoupon = contract({
  method: "POST",
  path: "/coupons/{couponId}/use",
  who: "shopper",
  summary: "Use a coupon for an order; by its owner or an operator, once, idempotent by the order",
  params: z.object({ couponId }),
  body: z.strictObject({
    orderId: z
      .string()
      .check(
        z.regex(
          new RegExp(`^[\\x21-\\x7e]{1,${limits.orderIdLength}}$`),
          `1 to ${limits.orderIdLength} printable ASCII characters without blanks`,
        ),
      ),
  }),
  answers: { used: coupon },
  refusals: ["unknown", "forbidden", "conflict", "recovering", "unavailable"],
});

export const cancelCoupon = contract({
  method: "POST",
  path: "/coupons/{couponId}/cancel",
  who: "shopper",
  summary: "Give a coupon back; by its owner or an operator, idempotent. Its ticket goes back to stock",
  params: z.object({ couponId }),
  body: z.optional(z.strictObject({})),
  answers: { cancelled: coupon },
  refusals: ["unknown", "forbidden", "conflict", "recovering", "unavailable"],
});
