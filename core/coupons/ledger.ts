import type { Ctx } from "../context.ts";
import type { Item, ItemKey } from "../doors/dynamodb.ts";
import { limits } from "../limits.ts";
import { type Trace, traceAttributes } from "../trace.ts";
import { type Coupon, type CouponState, type Issuance, parseCouponId } from "./coupon.ts";

/**
 * The ledger in DynamoDB: the last word on who has what.
 *
 * | item | pk | sk | written |
 * |---|---|---|---|
 * | ticket | `ticket#<campaignId>#<ticket>` | `ticket` | once, and anew only after it was set `free`: a ticket is taken once |
 * | former taker | the same | `was#<couponId>` | before a ticket is set free, so that a late copy of its confirmation is known |
 * | coupon | `user#<userId>` | `<campaignId>#<nth>` | once, and anew only after it was cancelled: (user, campaign, nth) is taken once |
 * | former coupon | the same | `<campaignId>#<nth>#<issuedAt>` | before a cancelled one is replaced, and for one that was revoked |
 *
 * A ticket is a partition of its own and a user is a partition of its own, so that no partition takes more than a few writes
 * however fast a campaign sells. The ticket item goes first: a coupon item never exists without its ticket.
 */

type LedgerCtx = Pick<Ctx, "table">;

/** One coupon on its way into the ledger. */
export interface Confirmation extends Issuance {
  readonly couponId: string;
  readonly expiresAt?: number | undefined;
  /** The idempotency key's digest, so that a replay is recognised after Redis was rebuilt. */
  readonly key?: string | undefined;
}

/** `ticket-taken` and `user-taken`: somebody else's coupon stands there. Never overwritten; it must not happen. */
export type LedgerWord = "recorded" | "already-recorded" | "ticket-taken" | "user-taken";

/** A ticket's item. */
export interface TicketRow extends Issuance {
  readonly couponId: string;
  readonly key?: string | undefined;
  /** Given back: whoever is issued the ticket next takes it over. */
  readonly free: boolean;
}

/**
 * A coupon as its item says it, with what only its owner and the shop need, and with the trace of the confirmation that was recorded,
 * which only an operator needs.
 */
export interface CouponRow extends Coupon, Partial<Trace> {
  readonly orderId?: string | undefined;
}

export const ticketKey = (campaignId: string, ticket: number): ItemKey => ({
  pk: `ticket#${campaignId}#${ticket}`,
  sk: "ticket",
});
const formerTakerKey = (campaignId: string, ticket: number, couponId: string): ItemKey => ({
  pk: `ticket#${campaignId}#${ticket}`,
  sk: `was#${couponId}`,
});
export const couponKey = (userId: string, campaignId: string, nth: number): ItemKey => ({
  pk: `user#${userId}`,
  sk: `${campaignId}#${String(nth).padStart(2, "0")}`,
});
const formerCouponKey = ({ userId, campaignId, nth, issuedAt }: Issuance): ItemKey => ({
  pk: `user#${userId}`,
  sk: `${campaignId}#${String(nth).padStart(2, "0")}#${issuedAt}`,
});

const LIVE: ReadonlySet<unknown> = new Set<CouponState>(["confirmed", "used"]);

/** Whether a coupon is somebody's: neither given back nor taken back. */
export const isLive = ({ state }: Pick<Coupon, "state">): boolean => LIVE.has(state);

function ticketOf(item: Item): TicketRow {
  return {
    campaignId: String(item.campaignId),
    userId: String(item.userId),
    ticket: Number(item.ticket),
    nth: Number(item.nth),
    issuedAt: Number(item.issuedAt),
    couponId: String(item.couponId),
    ...(item.key === undefined ? {} : { key: String(item.key) }),
    free: item.free === true,
  };
}

function couponOf(item: Item): CouponRow {
  return {
    couponId: String(item.couponId),
    campaignId: String(item.campaignId),
    userId: String(item.userId),
    ticket: Number(item.ticket),
    nth: Number(item.nth),
    state: item.state as CouponState,
    issuedAt: Number(item.issuedAt),
    ...(item.confirmedAt === undefined ? {} : { confirmedAt: Number(item.confirmedAt) }),
    ...(item.expiresAt === undefined ? {} : { expiresAt: Number(item.expiresAt) }),
    ...(item.reason === undefined ? {} : { reason: String(item.reason) }),
    ...(item.orderId === undefined ? {} : { orderId: String(item.orderId) }),
    ...(item.requestId === undefined ? {} : { requestId: String(item.requestId) }),
    ...(item.traceparent === undefined ? {} : { traceparent: String(item.traceparent) }),
  };
}

const attributesOf = (row: TicketRow | CouponRow) => ({ ...row });

async function record(
  ctx: LedgerCtx & Pick<Ctx, "now">,
  confirmation: Confirmation,
  trace?: Trace,
): Promise<LedgerWord> {
  const { campaignId, userId, ticket, nth, issuedAt, couponId, expiresAt, key } = confirmation;
  const ofTicket = ticketKey(campaignId, ticket);
  const taking = { campaignId, ticket, userId, nth, issuedAt, couponId, key };
  if (!(await ctx.table.put(ofTicket, taking, { absent: true }))) {
    const standing = await ctx.table.get(ofTicket);
    if (standing?.couponId === couponId) {
      if (standing.free === true) return "already-recorded";
    } else {
      // A late copy of what was recorded, or taken back, and whose ticket is somebody else's by now, or free again.
      if (await ctx.table.get(formerTakerKey(campaignId, ticket, couponId))) return "already-recorded";
      const isFree = standing?.free === true && Number(standing.issuedAt) < issuedAt;
      const when = { equals: { couponId: String(standing?.couponId), free: true } };
      if (!isFree || !(await ctx.table.put(ofTicket, taking, when))) return "ticket-taken";
    }
  }
  const ofUser = couponKey(userId, campaignId, nth);
  const coupon = { campaignId, userId, ticket, nth, issuedAt, couponId, expiresAt, state: "confirmed" };
  const written = { ...coupon, confirmedAt: ctx.now(), ...traceAttributes(trace) };
  if (await ctx.table.put(ofUser, written, { absent: true })) return "recorded";
  const standing = await ctx.table.get(ofUser);
  if (standing?.couponId === couponId) return "already-recorded";
  if (!standing || LIVE.has(standing.state)) return "user-taken";
  // A cancelled coupon makes room for the next one of its place, and stays readable as a former one.
  const former = couponOf(standing);
  await ctx.table.put(formerCouponKey(former), attributesOf(former), { absent: true });
  const replaced = await ctx.table.put(ofUser, written, {
    equals: { couponId: former.couponId, state: former.state },
  });
  if (replaced) return "recorded";
  return (await ctx.table.get(ofUser))?.couponId === couponId ? "already-recorded" : "user-taken";
}

/** Where a coupon's id leads: the issuance, and the coupon itself unless its confirmation was cut off half-way. */
export interface Found {
  readonly ticket: TicketRow;
  readonly coupon: CouponRow | undefined;
}

export const coupons = {
  /** Takes one confirmation, with the trace of whoever sent it; idempotent, and two conditional writes, so no transaction and half its price. */
  record,

  /** The coupon of an id, whatever has become of it. @returns undefined when the ledger has never taken one with this id */
  find: async (ctx: LedgerCtx, couponId: string): Promise<Found | undefined> => {
    const place = parseCouponId(couponId);
    if (!place) return undefined;
    const { campaignId } = place;
    const taker = await ctx.table.get(ticketKey(campaignId, place.ticket));
    const item =
      taker?.couponId === couponId ? taker : await ctx.table.get(formerTakerKey(campaignId, place.ticket, couponId));
    if (!item) return undefined;
    const ticket = ticketOf(item);
    const current = await ctx.table.get(couponKey(ticket.userId, campaignId, ticket.nth));
    if (current?.couponId === couponId) return { ticket, coupon: couponOf(current) };
    const former = await ctx.table.get(formerCouponKey(ticket));
    return { ticket, coupon: former?.couponId === couponId ? couponOf(former) : undefined };
  },

  /** Moves a coupon from one state to another, once. @returns whether this call did it */
  move: (ctx: LedgerCtx, from: CouponRow, to: CouponRow): Promise<boolean> =>
    ctx.table.put(couponKey(from.userId, from.campaignId, from.nth), attributesOf(to), {
      equals: { couponId: from.couponId, state: from.state },
    }),

  /** Sets a ticket free that this issuance has, and remembers the issuance. Repeating it changes nothing. */
  setFree: async (ctx: LedgerCtx, issuance: Issuance & { readonly couponId: string }): Promise<void> => {
    const { campaignId, ticket, couponId } = issuance;
    const key = ticketKey(campaignId, ticket);
    const standing = await ctx.table.get(key);
    if (standing?.couponId !== couponId || standing.free === true) return;
    const row = ticketOf(standing);
    await coupons.remember(ctx, row);
    await ctx.table.put(key, attributesOf({ ...row, free: true }), { equals: { couponId } });
  },

  /** Remembers an issuance that has no ticket item of its own (any more), so that its id still leads to it. */
  remember: async (ctx: LedgerCtx, issuance: Issuance & { readonly couponId: string }): Promise<void> => {
    const { campaignId, ticket, userId, nth, issuedAt, couponId } = issuance;
    const former = { campaignId, ticket, userId, nth, issuedAt, couponId, free: true };
    await ctx.table.put(formerTakerKey(campaignId, ticket, couponId), former, { absent: true });
  },

  /** Writes down that an issuance was taken back from its holder, and why. Repeating it changes nothing. */
  revoke: async (ctx: LedgerCtx, confirmation: Confirmation, reason: string): Promise<void> => {
    const { campaignId, userId, ticket, nth, issuedAt, couponId, expiresAt } = confirmation;
    const coupon = { campaignId, userId, ticket, nth, issuedAt, couponId, expiresAt, state: "revoked", reason };
    await ctx.table.put(formerCouponKey(confirmation), coupon, { absent: true });
    await coupons.remember(ctx, confirmation);
  },

  /** Tickets from…to of a campaign that were ever taken, in no order. At most `limits.ledgerPageTickets` at once. */
  tickets: async (ctx: LedgerCtx, campaignId: string, from: number, to: number): Promise<TicketRow[]> => {
    const keys = Array.from({ length: to - from + 1 }, (_, i) => ticketKey(campaignId, from + i));
    return (await getMany(ctx, keys)).map(ticketOf);
  },

  /** The current coupon items in these places, those that exist, in no order. */
  inPlaces: async (
    ctx: LedgerCtx,
    places: readonly Pick<Issuance, "userId" | "campaignId" | "nth">[],
  ): Promise<CouponRow[]> => {
    const keys = places.map(({ userId, campaignId, nth }) => couponKey(userId, campaignId, nth));
    // DynamoDB refuses a key that comes twice.
    const unique = new Map(keys.map((key) => [`${key.pk}\n${key.sk}`, key]));
    return (await getMany(ctx, [...unique.values()])).map(couponOf);
  },

  /** A user's coupons of one campaign, first to last; a place's former ones behind its present one. */
  ofCampaign: async (ctx: LedgerCtx, userId: string, campaignId: string): Promise<CouponRow[]> => {
    const { items } = await ctx.table.query(`user#${userId}`, { prefix: `${campaignId}#`, limit: 100 });
    return items.map(couponOf);
  },

  /** A user's coupons over all campaigns, a page at a time. */
  ofUser: async (
    ctx: LedgerCtx,
    userId: string,
    page: { limit: number; after?: string | undefined },
  ): Promise<{ items: CouponRow[]; after?: string }> => {
    const { items, more } = await ctx.table.query(`user#${userId}`, {
      limit: page.limit,
      ...(page.after === undefined ? {} : { after: page.after }),
    });
    const last = items.at(-1);
    return { items: items.map(couponOf), ...(more && last ? { after: String(last.sk) } : {}) };
  },
};

/** AWS: at most 100 keys in one batch read. */
const KEYS_PER_READ = 100;

async function getMany(ctx: LedgerCtx, keys: readonly ItemKey[]): Promise<Item[]> {
  const items: Item[] = [];
  let next = 0;
  const work = async () => {
    while (next < keys.length) {
      const from = next;
      next += KEYS_PER_READ;
      items.push(...(await ctx.table.getBatch(keys.slice(from, from + KEYS_PER_READ))));
    }
  };
  await Promise.all(Array.from({ length: limits.ledgerReadsAtOnce }, work));
  return items;
}
