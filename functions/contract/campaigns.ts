import * as z from "zod/mini";
import { RECOVERY_STEPS } from "../../core/coupons/recovery-records.ts";
import { limits } from "../../core/limits.ts";
import { contract } from "./contract.ts";
import { campaignId, cursorOut, name, pageQuery, roomId, timeIn, timeOut } from "./fields.ts";

const stock = z.int().check(z.gte(1), z.lte(limits.stockMost));
const perUser = z.int().check(z.gte(1), z.lte(limits.perUserMost));
const text = z.string().check(z.maxLength(limits.discountTextLength));
const discountValue = z.union([text, z.number(), z.boolean()]);
/** What the coupon is worth: passed through to the shop as it is. */
const discount = z.union([
  text,
  z.number(),
  z
    .record(text, discountValue)
    .check(
      z.refine(
        (it) => Object.keys(it).length <= limits.discountFieldCount,
        `At most ${limits.discountFieldCount} fields`,
      ),
    ),
]);

/** Where one stock is split into several campaigns, each with the users whose home it is. */
const allotment = z
  .strictObject({ index: z.int().check(z.gte(0)), of: z.int().check(z.gte(2), z.lte(limits.allotmentsMost)) })
  .check(z.refine((it) => it.index < it.of, { path: ["index"], error: "Must be below of" }));

export const campaign = z.object({
  campaignId,
  name: z.string(),
  state: z.enum(["scheduled", "open", "sold-out", "closed", "paused", "recovering"]),
  stock,
  issued: z.int().check(z.gte(0)),
  remaining: z.int().check(z.gte(0)),
  perUser,
  opensAt: timeOut,
  closesAt: timeOut,
  roomId: z.optional(roomId),
  discount: z.optional(discount),
  validDays: z.optional(z.int()),
  allotment: z.optional(allotment),
  serverTime: timeOut,
  version: z.int(),
  /** Only while it is being recovered. */
  recovery: z.optional(
    z.object({
      step: z.enum(RECOVERY_STEPS),
      reason: z.string(),
      startedAt: timeOut,
      ticketsRead: z.int(),
      waitingFor: z.optional(z.string()),
    }),
  ),
});

export const createCampaign = contract({
  method: "POST",
  path: "/campaigns",
  who: "operator",
  summary: "Create a campaign; the same content again changes nothing",
  body: z
    .strictObject({
      campaignId,
      name,
      stock,
      perUser: z._default(perUser, 1),
      opensAt: timeIn,
      closesAt: timeIn,
      roomId: z.optional(roomId),
      discount: z.optional(discount),
      validDays: z.optional(z.int().check(z.gte(1), z.lte(limits.validDaysMost))),
      allotment: z.optional(allotment),
    })
    .check(z.refine((it) => it.closesAt > it.opensAt, { path: ["closesAt"], error: "Must be after opensAt" })),
  answers: { created: campaign, unchanged: campaign },
  refusals: ["exists", "recovering", "unavailable"],
});

export const changeCampaign = contract({
  method: "PATCH",
  path: "/campaigns/{campaignId}",
  who: "operator",
  summary: "Change a campaign's name, stock, window, or pause it",
  params: z.object({ campaignId }),
  body: z
    .strictObject({
      name: z.optional(name),
      stock: z.optional(stock),
      opensAt: z.optional(timeIn),
      closesAt: z.optional(timeIn),
      paused: z.optional(z.boolean()),
    })
    .check(z.refine((it) => Object.keys(it).length > 0, "At least one field")),
  answers: { changed: campaign },
  refusals: ["unknown", "conflict", "recovering", "unavailable"],
});

export const listCampaigns = contract({
  method: "GET",
  path: "/campaigns",
  who: "operator",
  summary: "All campaigns, a page at a time",
  query: pageQuery,
  answers: { listed: z.object({ items: z.array(campaign), cursor: cursorOut }) },
  refusals: ["unavailable"],
});

export const showCampaign = contract({
  method: "GET",
  path: "/campaigns/{campaignId}",
  who: "anyone",
  summary: "One campaign, live; cacheable for a second",
  params: z.object({ campaignId }),
  answers: { found: campaign },
  refusals: ["unknown", "unavailable"],
});

const transferId = z.string().check(z.regex(/^[a-z0-9-]{1,64}$/, "1 to 64 of a-z, 0-9 and -"));

export const sendStock = contract({
  method: "POST",
  path: "/ops/campaigns/{campaignId}/transfers",
  who: "operator",
  summary: "Take stock from a campaign for another one; idempotent by the transfer's id. Answers with a receipt for it",
  params: z.object({ campaignId }),
  body: z.strictObject({ transferId, to: campaignId, count: stock }),
  answers: { transferred: z.object({ campaign, receipt: z.string() }) },
  refusals: ["unknown", "exists", "conflict", "recovering", "unavailable"],
});

export const receiveStock = contract({
  method: "POST",
  path: "/ops/campaigns/{campaignId}/transfers/receive",
  who: "operator",
  summary: "Add the stock that a receipt proves to have been taken elsewhere; once, however often it is sent",
  params: z.object({ campaignId }),
  body: z.strictObject({ receipt: z.string().check(z.minLength(1), z.maxLength(1_000)) }),
  answers: { transferred: z.object({ campaign }) },
  refusals: ["unknown", "exists", "conflict", "recovering", "unavailable"],
});
