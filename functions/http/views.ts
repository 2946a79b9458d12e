import type { CampaignView } from "../../core/coupons/campaign.ts";
import type { Coupon } from "../../core/coupons/coupon.ts";
import type { CouponRow } from "../../core/coupons/ledger.ts";
import type { Letter } from "../../core/coupons/letters.ts";
import type { CampaignWatch } from "../../core/coupons/watch.ts";
import type { Answers } from "../../core/operations/answers.ts";
import type { Verification } from "../../core/operations/verify.ts";
import type { RoomDetails, RoomView } from "../../core/rooms/room.ts";
import type { TicketView, Visitor } from "../../core/rooms/ticket.ts";
import type { Caller } from "./request.ts";

/** Domain values as the contract writes them: times in ISO 8601, only the contract's members. */

const iso = (ms: number) => new Date(ms).toISOString();

export function couponView(coupon: Coupon | CouponRow) {
  // What a coupon came from is for operators, in the ledger and in the logs.
  const { requestId: _, traceparent: _parent, ...shown } = coupon as CouponRow;
  const { confirmedAt, expiresAt } = coupon;
  return {
    ...shown,
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

export function campaignWatchView({ at, refusedAt, ...rest }: CampaignWatch) {
  return { ...rest, at: iso(at), ...(refusedAt === undefined ? {} : { refusedAt: iso(refusedAt) }) };
}

export function answersView({ from, to, ...rest }: Answers) {
  return { ...rest, from: iso(from), to: iso(to) };
}

export function roomView({ opensAt, serverTime, ...rest }: RoomView) {
  return { ...rest, ...(opensAt === undefined ? {} : { opensAt: iso(opensAt) }), serverTime: iso(serverTime) };
}

export function roomDetailsView({ rules, ...room }: RoomDetails) {
  const { roomId: _, opensAt, override, ...rest } = rules;
  const { from, until, ...values } = override ?? {};
  return {
    ...roomView(room),
    rules: {
      ...rest,
      ...(opensAt === undefined ? {} : { opensAt: iso(opensAt) }),
      ...(until === undefined
        ? {}
        : { override: { ...values, ...(from === undefined ? {} : { from: iso(from) }), until: iso(until) } }),
    },
  };
}

export function ticketView({ passExpiresAt, ...rest }: TicketView) {
  return { ...rest, ...(passExpiresAt === undefined ? {} : { passExpiresAt: iso(passExpiresAt) }) };
}

/** Who comes to a room, with what they show. */
export function visitorOf(
  roomId: string,
  caller: Caller,
  headers: { "waiting-room-ticket"?: string | undefined; "waiting-room-pass"?: string | undefined },
): Visitor {
  const { "waiting-room-ticket": ticket, "waiting-room-pass": pass } = headers;
  return { roomId, userId: caller.userId, ticket, pass };
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
