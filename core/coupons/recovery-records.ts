import type { Ctx } from "../context.ts";
import type { Item } from "../doors/dynamodb.ts";
import { limits } from "../limits.ts";

/**
 * How far each campaign's recovery is: partition `recoveries`, sort key the campaign's id. Whoever goes on with a recovery
 * replaces the record conditionally on its version, so two at once cannot both take one step for their own.
 */

type LedgerCtx = Pick<Ctx, "table">;

/** In the order in which they are taken; what each waits for stands in `recover.ts`. */
export const RECOVERY_STEPS = [
  "fenced",
  "draining",
  "draining-letters",
  "closing",
  "rebuilding",
  "opening",
  "done",
] as const;
export type RecoveryStep = (typeof RECOVERY_STEPS)[number];

export interface RecoveryRecord {
  readonly step: RecoveryStep;
  /** The epoch that it makes. */
  readonly epoch: number;
  /** Why it was begun. */
  readonly reason: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly stepAt: number;
  /** When this step's drain markers were sent last; 0 for not yet. */
  readonly markedAt: number;
  /** Whether all that waited in the outbox is in the ledger. */
  readonly outboxDone: boolean;
  /** The filling that is being written; empty before that. */
  readonly filling: string;
  /** Buckets that are empty of what was there before. */
  readonly cleared: number;
  /** The next ticket to read from the ledger. */
  readonly next: number;
  /** The highest ticket found in the ledger so far, the latest issue time, and how many holders. */
  readonly highest: number;
  readonly lastIssuedAt: number;
  readonly held: number;
  /** What is being waited for that does not come, for people. */
  readonly waitingFor: string;
  readonly version: number;
}

/** The part that everyone may see. */
export interface Progress {
  readonly step: RecoveryStep;
  readonly reason: string;
  readonly startedAt: number;
  readonly ticketsRead: number;
  readonly waitingFor?: string;
}

const keyOf = (campaignId: string) => ({ pk: "recoveries", sk: campaignId });

function recordOf(item: Item): RecoveryRecord {
  return { ...(JSON.parse(String(item.record)) as Omit<RecoveryRecord, "version">), version: Number(item.version) };
}

function attributesOf({ version, ...rest }: RecoveryRecord) {
  return { version, record: JSON.stringify(rest) };
}

export const recoveries = {
  get: async (ctx: LedgerCtx, campaignId: string): Promise<RecoveryRecord | undefined> => {
    const item = await ctx.table.get(keyOf(campaignId));
    return item && recordOf(item);
  },

  /** Replaces the record that was read, or puts the first one. @returns the record as it stands now, or undefined when somebody else was faster */
  replace: async (
    ctx: LedgerCtx,
    campaignId: string,
    before: RecoveryRecord | undefined,
    next: Omit<RecoveryRecord, "version">,
  ): Promise<RecoveryRecord | undefined> => {
    const version = (before?.version ?? 0) + 1;
    const when = before ? { equals: { version: before.version } } : { absent: true };
    const put = await ctx.table.put(keyOf(campaignId), attributesOf({ ...next, version }), when);
    return put ? { ...next, version } : undefined;
  },
};

/** How far a campaign's recovery is. @returns undefined when none is under way */
export async function progressOf(ctx: LedgerCtx, campaignId: string): Promise<Progress | undefined> {
  const record = await recoveries.get(ctx, campaignId);
  if (!record || record.step === "done") return undefined;
  const { step, reason, startedAt, next, waitingFor } = record;
  return { step, reason, startedAt, ticketsRead: next - 1, ...(waitingFor === "" ? {} : { waitingFor }) };
}

/** Days that DynamoDB keeps the traces of markers at most. */
const MARKER_DAYS = 1;

const markerPartition = (campaignId: string, marker: string) => `drained#${campaignId}#${marker}`;

export const markers = {
  /** Notes that a group's marker came out of the queue. Repeating it changes nothing. */
  note: async (
    ctx: LedgerCtx & Pick<Ctx, "now">,
    { campaignId, marker, group }: { campaignId: string; marker: string; group: number },
  ): Promise<void> => {
    const ttl = Math.ceil(ctx.now() / 1_000) + MARKER_DAYS * 86_400;
    const key = { pk: markerPartition(campaignId, marker), sk: String(group) };
    await ctx.table.put(key, { ttl }, { absent: true });
  },

  /** In how many groups the marker has come out. */
  count: async (ctx: LedgerCtx, campaignId: string, marker: string): Promise<number> => {
    const { items } = await ctx.table.query(markerPartition(campaignId, marker), { limit: limits.groupsPerCampaign });
    return items.length;
  },
};
