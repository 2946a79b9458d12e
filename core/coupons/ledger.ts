import type { Ctx } from "../context.ts";
import type { Attributes, Item } from "../doors/dynamodb.ts";
import type { CampaignDraft } from "./campaign.ts";
import type { Coupon, CouponState, Issuance } from "./coupon.ts";

/**
 * The ledger in DynamoDB: the last word on who has what.
 *
 * | item | pk | sk | written |
 * |---|---|---|---|
 * | campaign | `campaigns` | campaignId | by operators, conditional on its version |
 * | ticket | `ticket#<campaignId>#<ticket>` | `ticket` | once: a ticket is taken once |
 * | coupon | `user#<userId>` | `<campaignId>#<nth>` | once: (user, campaign, nth) is taken once |
 *
 * A ticket is a partition of its own and a user is a partition of its own, so that no partition takes more than a few writes
 * however fast a campaign sells. The ticket item goes first: a coupon item never exists without its ticket.
 */

type LedgerCtx = Pick<Ctx, "table">;

/** A campaign as the ledger keeps it. */
export interface CampaignRecord extends CampaignDraft {
  readonly buckets: number;
  /** Milliseconds since 1970 that issue times in Redis count from. */
  readonly base: number;
  readonly paused: boolean;
  /** Whether Redis has had it: from then on a campaign missing there was lost. */
  readonly armed: boolean;
  readonly version: number;
  /** The content it was created with, as text. */
  readonly original: string;
}

const CAMPAIGNS = "campaigns";

function campaignAttributes(record: CampaignRecord): Attributes {
  const { armed, version, ...rest } = record;
  return { armed, version, record: JSON.stringify(rest) };
}

function campaignOf(item: Item): CampaignRecord {
  const rest = JSON.parse(String(item.record)) as Omit<CampaignRecord, "armed" | "version">;
  return { ...rest, armed: item.armed === true, version: Number(item.version) };
}

export const campaigns = {
  putNew: (ctx: LedgerCtx, record: CampaignRecord): Promise<boolean> =>
    ctx.table.putNew({ pk: CAMPAIGNS, sk: record.campaignId }, campaignAttributes(record)),

  putVersion: (ctx: LedgerCtx, record: CampaignRecord, version: number): Promise<boolean> =>
    ctx.table.putVersion({ pk: CAMPAIGNS, sk: record.campaignId }, campaignAttributes(record), version),

  /** Marks that Redis has the campaign. Repeating it is harmless; so is losing against a later change, which only an armed campaign takes. */
  arm: async (ctx: LedgerCtx, record: CampaignRecord): Promise<void> => {
    await campaigns.putVersion(ctx, { ...record, armed: true }, record.version);
  },

  get: async (ctx: LedgerCtx, campaignId: string): Promise<CampaignRecord | undefined> => {
    const item = await ctx.table.get({ pk: CAMPAIGNS, sk: campaignId });
    return item && campaignOf(item);
  },

  page: async (
    ctx: LedgerCtx,
    page: { limit: number; after?: string | undefined },
  ): Promise<{ records: CampaignRecord[]; more: boolean }> => {
    const { items, more } = await ctx.table.query(CAMPAIGNS, {
      limit: page.limit,
      ...(page.after === undefined ? {} : { after: page.after }),
    });
    return { records: items.map(campaignOf), more };
  },

  /** Every campaign, a page at a time. */
  all: async function* (ctx: LedgerCtx): AsyncGenerator<CampaignRecord> {
    let after: string | undefined;
    do {
      const { records, more } = await campaigns.page(ctx, { limit: 100, after });
      yield* records;
      after = more ? records.at(-1)?.campaignId : undefined;
    } while (after !== undefined);
  },
};

/** One coupon on its way into the ledger. */
export interface Confirmation extends Issuance {
  readonly couponId: string;
  readonly expiresAt?: number | undefined;
  /** The idempotency key's digest, so that a replay is recognised after Redis was rebuilt. */
  readonly key?: string | undefined;
}

/** `ticket-taken` and `user-taken`: somebody else's coupon stands there. Never overwritten; it must not happen. */
export type LedgerWord = "recorded" | "already-recorded" | "ticket-taken" | "user-taken";

const ticketKey = (campaignId: string, ticket: number) => ({ pk: `ticket#${campaignId}#${ticket}`, sk: "ticket" });
const couponKey = (userId: string, campaignId: string, nth: number) => ({
  pk: `user#${userId}`,
  sk: `${campaignId}#${String(nth).padStart(2, "0")}`,
});

async function record(ctx: LedgerCtx & Pick<Ctx, "now">, confirmation: Confirmation): Promise<LedgerWord> {
  const { campaignId, userId, ticket, nth, issuedAt, couponId, expiresAt, key } = confirmation;
  const ofTicket = ticketKey(campaignId, ticket);
  if (!(await ctx.table.putNew(ofTicket, { campaignId, ticket, userId, nth, issuedAt, couponId, key }))) {
    const standing = await ctx.table.get(ofTicket);
    if (standing?.couponId !== couponId) return "ticket-taken";
  }
  const ofUser = couponKey(userId, campaignId, nth);
  const coupon = {
    campaignId,
    userId,
    ticket,
    nth,
    issuedAt,
    couponId,
    expiresAt,
    state: "confirmed",
    confirmedAt: ctx.now(),
  };
  if (await ctx.table.putNew(ofUser, coupon)) return "recorded";
  const standing = await ctx.table.get(ofUser);
  return standing?.couponId === couponId ? "already-recorded" : "user-taken";
}

function couponOf(item: Item): Coupon {
  return {
    couponId: String(item.couponId),
    campaignId: String(item.campaignId),
    userId: String(item.userId),
    ticket: Number(item.ticket),
    nth: Number(item.nth),
    state: item.state as CouponState,
    issuedAt: Number(item.issuedAt),
    confirmedAt: Number(item.confirmedAt),
    ...(item.expiresAt === undefined ? {} : { expiresAt: Number(item.expiresAt) }),
  };
}

export const coupons = {
  /**
   * Takes a batch of confirmations; each is idempotent and two conditional writes, so no transaction and half its price.
   * @returns for each, in order, a word, or the error that kept it from being known
   */
  record: async (
    ctx: LedgerCtx & Pick<Ctx, "now">,
    batch: readonly Confirmation[],
  ): Promise<(LedgerWord | { error: unknown })[]> => {
    const results = await Promise.allSettled(batch.map((confirmation) => record(ctx, confirmation)));
    return results.map((result) => (result.status === "fulfilled" ? result.value : { error: result.reason }));
  },

  /** A user's coupons of one campaign, first to last. */
  ofCampaign: async (ctx: LedgerCtx, userId: string, campaignId: string): Promise<Coupon[]> => {
    const { items } = await ctx.table.query(`user#${userId}`, { prefix: `${campaignId}#`, limit: 100 });
    return items.map(couponOf);
  },

  /** A user's coupons over all campaigns, a page at a time. */
  ofUser: async (
    ctx: LedgerCtx,
    userId: string,
    page: { limit: number; after?: string | undefined },
  ): Promise<{ items: Coupon[]; after?: string }> => {
    const { items, more } = await ctx.table.query(`user#${userId}`, {
      limit: page.limit,
      ...(page.after === undefined ? {} : { after: page.after }),
    });
    const last = items.at(-1);
    return { items: items.map(couponOf), ...(more && last ? { after: String(last.sk) } : {}) };
  },
};
