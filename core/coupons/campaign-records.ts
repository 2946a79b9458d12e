import type { Ctx } from "../context.ts";
import type { Attributes, Item } from "../doors/dynamodb.ts";
import type { CampaignDraft } from "./campaign.ts";

/**
 * Campaigns as the ledger keeps them: partition `campaigns`, sort key the campaign's id. Every change is conditional on the
 * version that it was made from, and raises it, so that operators, creations and recoveries never overwrite one another.
 */

type LedgerCtx = Pick<Ctx, "table">;

export interface CampaignRecord extends CampaignDraft {
  readonly buckets: number;
  /** Milliseconds since 1970 that issue times in Redis count from. */
  readonly base: number;
  readonly paused: boolean;
  /**
   * The filling of Redis that the ledger has agreed to. Absent until Redis has had the campaign; from then on a campaign that
   * is missing there, or stands there in another filling, was lost and must be recovered.
   */
  readonly filling?: string | undefined;
  /** Rises with every recovery. A confirmation of an earlier epoch that is not recorded yet is refused: its ticket may be another's. */
  readonly epoch: number;
  readonly version: number;
  /** Transfers that this stock took part in, by their id behind `>` for what went and `<` for what came. */
  readonly transfers?: Readonly<Record<string, Moved>> | undefined;
  /** The content it was created with, as text. */
  readonly original: string;
}

/** Tickets that came from another campaign's stock, or went to it. */
export interface Moved {
  readonly count: number;
  /** The campaign at the other end. */
  readonly other: string;
}

const CAMPAIGNS = "campaigns";

function attributesOf(record: CampaignRecord): Attributes {
  const { filling, epoch, version, ...rest } = record;
  return { filling, epoch, version, record: JSON.stringify(rest) };
}

function recordOf(item: Item): CampaignRecord {
  const rest = JSON.parse(String(item.record)) as Omit<CampaignRecord, "filling" | "epoch" | "version">;
  return {
    ...rest,
    ...(item.filling === undefined ? {} : { filling: String(item.filling) }),
    epoch: Number(item.epoch),
    version: Number(item.version),
  };
}

export const campaigns = {
  putNew: (ctx: LedgerCtx, record: CampaignRecord): Promise<boolean> =>
    ctx.table.put({ pk: CAMPAIGNS, sk: record.campaignId }, attributesOf(record), { absent: true }),

  /** Replaces the record if its version still is the given one. */
  putVersion: (ctx: LedgerCtx, record: CampaignRecord, version: number): Promise<boolean> =>
    ctx.table.put({ pk: CAMPAIGNS, sk: record.campaignId }, attributesOf(record), { equals: { version } }),

  get: async (ctx: LedgerCtx, campaignId: string): Promise<CampaignRecord | undefined> => {
    const item = await ctx.table.get({ pk: CAMPAIGNS, sk: campaignId });
    return item && recordOf(item);
  },

  page: async (
    ctx: LedgerCtx,
    page: { limit: number; after?: string | undefined },
  ): Promise<{ records: CampaignRecord[]; more: boolean }> => {
    const { items, more } = await ctx.table.query(CAMPAIGNS, {
      limit: page.limit,
      ...(page.after === undefined ? {} : { after: page.after }),
    });
    return { records: items.map(recordOf), more };
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
