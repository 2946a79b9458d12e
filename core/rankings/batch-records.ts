import type { Ctx } from "../context.ts";
import type { Item } from "../doors/dynamodb.ts";
import { limits } from "../limits.ts";
import { fromText, type Packed, type Part, rowSums, toText } from "./rows.ts";

/**
 * Batches of events as the ledger keeps them, for `limits.rawDays`.
 *
 * | partition | sort key | what |
 * |---|---|---|
 * | `event-batch:<batch>` | `-` | that it came: when, how many events count, whether the queue has it |
 * | `event-raw:<slot>:<0…3>` | batch and arrival | its content, packed; by the slot of its arrival, spread over partitions |
 * | `event-unsent:<0…7>` | batch | that the queue may not have it yet; usually for milliseconds |
 * | `event-slots` | slot | that something arrived in it; `closed`: its content stands together as well |
 * | `event-closed:<slot>` | shard and chunk | all content of a slot together, packed by product and minute |
 */

type LedgerCtx = Pick<Ctx, "table" | "now">;

export interface BatchRecord {
  readonly batchId: string;
  /** Decides where its content lies, and which edition takes it from the queue. In milliseconds since 1970. */
  readonly arrivedAt: number;
  /** Events that count in a window, and those too late for any. */
  readonly accepted: number;
  readonly late: number;
  /** Whether the queue has acknowledged all of it. */
  readonly isSent: boolean;
}

/** A time of arrival in slots of ten minutes: what a rebuild reads at once, and closes at once. */
const SLOT_MS = 600_000;
export const arrivalSlot = (arrivedAt: number): number => Math.floor(arrivedAt / SLOT_MS);
export const slotEnds = (slot: number): number => (slot + 1) * SLOT_MS;

/** Partitions of one slot: a partition takes 1,000 write units a second, and a batch costs about ten. */
const SPREAD = 4;
const UNSENT_SPREAD = 8;
const RAW_PAGE = 100;
const SLOTS_PAGE = 1_000;
/** Parts of one closed item: at most 4,000 rows of the longest names, so that it stays below 400 KB. */
const CLOSED_PARTS = 16;

const spreadOf = (batchId: string, over: number) => batchId.charCodeAt(0) % over;
const batchKey = (batchId: string) => ({ pk: `event-batch:${batchId}`, sk: "-" });
const rawKey = ({ batchId, arrivedAt }: Pick<BatchRecord, "batchId" | "arrivedAt">) => ({
  pk: `event-raw:${arrivalSlot(arrivedAt)}:${spreadOf(batchId, SPREAD)}`,
  sk: `${batchId}:${arrivedAt}`,
});
const unsentKey = (batchId: string) => ({ pk: `event-unsent:${spreadOf(batchId, UNSENT_SPREAD)}`, sk: batchId });
const slotKey = (slot: number) => ({ pk: "event-slots", sk: String(slot).padStart(9, "0") });

const ttlOf = (ctx: LedgerCtx) => Math.ceil(ctx.now() / 1_000) + limits.rawDays * 86_400;

const recordOf = (batchId: string, item: Item): BatchRecord => ({
  batchId,
  arrivedAt: Number(item.arrivedAt),
  accepted: Number(item.accepted),
  late: Number(item.late),
  isSent: item.isSent === true,
});

/** Whether an item stands for a content that will never come: its batch goes by another time of arrival. */
const isAbandoned = (item: Item) => item.packed === undefined;

export const batches = {
  get: async (ctx: LedgerCtx, batchId: string): Promise<BatchRecord | undefined> => {
    const item = await ctx.table.get(batchKey(batchId));
    return item && recordOf(batchId, item);
  },

  /** @returns whether no batch of this id was there */
  putNew: (ctx: LedgerCtx, { batchId, ...rest }: BatchRecord): Promise<boolean> =>
    ctx.table.put(batchKey(batchId), { ...rest, ttl: ttlOf(ctx) }, { absent: true }),

  /** Replaces it where it still has this time of arrival. @returns whether it had */
  putAgain: (ctx: LedgerCtx, { batchId, ...rest }: BatchRecord, arrivedAt: number): Promise<boolean> =>
    ctx.table.put(batchKey(batchId), { ...rest, ttl: ttlOf(ctx) }, { equals: { arrivedAt } }),

  /** @returns "abandoned" where nobody may write it any more, undefined where nobody has */
  raw: async (ctx: LedgerCtx, record: BatchRecord): Promise<Packed | "abandoned" | undefined> => {
    const item = await ctx.table.get(rawKey(record));
    if (!item) return undefined;
    return isAbandoned(item) ? "abandoned" : fromText(String(item.packed));
  },

  /** @returns false where it stands already, or was abandoned */
  putRaw: (ctx: LedgerCtx, record: BatchRecord, packed: Packed): Promise<boolean> =>
    ctx.table.put(
      rawKey(record),
      { arrivedAt: record.arrivedAt, packed: toText(packed), ttl: ttlOf(ctx) },
      { absent: true },
    ),

  /** Sees to it that nobody writes this content any more. @returns false where it stands already */
  abandon: (ctx: LedgerCtx, record: BatchRecord): Promise<boolean> =>
    ctx.table.put(rawKey(record), { arrivedAt: record.arrivedAt, ttl: ttlOf(ctx) }, { absent: true }),

  /** Content of one partition of a slot, a page at a time. */
  rawOf: async function* (
    ctx: LedgerCtx,
    slot: number,
    partition: number,
  ): AsyncGenerator<{ arrivedAt: number; packed: Packed }> {
    let after: string | undefined;
    do {
      const page = await ctx.table.query(`event-raw:${slot}:${partition}`, {
        limit: RAW_PAGE,
        ...(after === undefined ? {} : { after }),
      });
      for (const item of page.items) {
        if (!isAbandoned(item)) yield { arrivedAt: Number(item.arrivedAt), packed: fromText(String(item.packed)) };
      }
      after = page.more ? String(page.items.at(-1)?.sk) : undefined;
    } while (after !== undefined);
  },

  /** Notes that the queue may not have a batch; a later note takes the place of an earlier one. */
  noteUnsent: (ctx: LedgerCtx, batchId: string, notedAt: number): Promise<boolean> =>
    ctx.table.put(unsentKey(batchId), { notedAt }, { absent: true, below: { notedAt } }),

  /** Strikes a note, unless somebody has noted it anew. */
  strikeUnsent: (ctx: LedgerCtx, batchId: string, notedAt: number): Promise<boolean> =>
    ctx.table.remove(unsentKey(batchId), { equals: { notedAt } }),

  /** Every note, a page at a time. */
  unsent: async function* (ctx: LedgerCtx): AsyncGenerator<{ batchId: string; notedAt: number }[]> {
    for (let partition = 0; partition < UNSENT_SPREAD; partition++) {
      let after: string | undefined;
      do {
        const page = await ctx.table.query(`event-unsent:${partition}`, {
          limit: 100,
          ...(after === undefined ? {} : { after }),
        });
        yield page.items.map((item) => ({ batchId: String(item.sk), notedAt: Number(item.notedAt) }));
        after = page.more ? String(page.items.at(-1)?.sk) : undefined;
      } while (after !== undefined);
    }
  },

  /** Notes that something arrives in a slot: before its content, or a rebuild would not look for it. */
  noteSlot: (ctx: LedgerCtx, slot: number): Promise<boolean> =>
    ctx.table.put(slotKey(slot), { ttl: ttlOf(ctx) }, { absent: true }),

  /** Slots from one on in which something arrived, in order. */
  slots: async (ctx: LedgerCtx, from: number): Promise<{ slot: number; isClosed: boolean }[]> => {
    const found: { slot: number; isClosed: boolean }[] = [];
    let after: string | undefined = slotKey(from - 1).sk;
    do {
      const page: { items: Item[]; more: boolean } = await ctx.table.query("event-slots", { limit: SLOTS_PAGE, after });
      found.push(...page.items.map((item) => ({ slot: Number(item.sk), isClosed: item.closed === true })));
      after = page.more ? String(page.items.at(-1)?.sk) : undefined;
    } while (after !== undefined);
    return found;
  },

  /** Content of a closed slot. */
  closed: async function* (ctx: LedgerCtx, slot: number): AsyncGenerator<{ shard: number; parts: readonly Part[] }> {
    let after: string | undefined;
    do {
      const page = await ctx.table.query(`event-closed:${slot}`, {
        limit: 10,
        ...(after === undefined ? {} : { after }),
      });
      for (const item of page.items) {
        for (const [shard, parts] of fromText(String(item.packed))) yield { shard, parts };
      }
      after = page.more ? String(page.items.at(-1)?.sk) : undefined;
    } while (after !== undefined);
  },

  /** Writes all content of a slot together. Writing it again writes the same. */
  close: async (ctx: LedgerCtx, slot: number, shards: ReadonlyMap<number, readonly Part[]>): Promise<void> => {
    const ttl = ttlOf(ctx);
    for (const [shard, parts] of shards) {
      for (let from = 0; from < parts.length; from += CLOSED_PARTS) {
        await ctx.table.put(
          {
            pk: `event-closed:${slot}`,
            sk: `${String(shard).padStart(3, "0")}:${String(from).padStart(6, "0")}`,
          },
          { packed: toText(new Map([[shard, parts.slice(from, from + CLOSED_PARTS)]])), ttl },
          { absent: true },
        );
      }
    }
    await ctx.table.put(slotKey(slot), { closed: true, ttl }, { absent: true, below: { ttl: ttl + 1 } });
  },
};

/** All content of a slot of arrival that came before a time, by shard, summed by product and minute. */
export async function contentOf(
  ctx: LedgerCtx,
  { slot, isClosed }: { slot: number; isClosed: boolean },
  before: number,
): Promise<Map<number, readonly Part[]>> {
  const sums = new Map<number, ReturnType<typeof rowSums>>();
  const add = (shard: number, parts: readonly Part[]) => {
    const own = sums.get(shard) ?? rowSums();
    sums.set(shard, own);
    for (const { minute, rows } of parts) for (const row of rows) own.addRow(minute, row);
  };
  if (isClosed && slotEnds(slot) <= before) {
    for await (const { shard, parts } of batches.closed(ctx, slot)) add(shard, parts);
  } else {
    const read = async (partition: number) => {
      for await (const { arrivedAt, packed } of batches.rawOf(ctx, slot, partition)) {
        if (arrivedAt < before) for (const [shard, parts] of packed) add(shard, parts);
      }
    };
    await Promise.all(Array.from({ length: SPREAD }, (_, partition) => read(partition)));
  }
  return new Map([...sums].sort(([a], [b]) => a - b).map(([shard, own]) => [shard, own.parts()]));
}
