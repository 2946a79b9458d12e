import type { Ctx } from "../context.ts";
import type { Item } from "../doors/dynamodb.ts";
import type { RoomRules } from "./rules.ts";

/**
 * Rooms as the ledger keeps them: partition `rooms`, sort key the room's id; beside it, partition `rooms-seen`, when the room was
 * last known to be well. Every change of a room is conditional on the version that it was made from, and raises it.
 */

type LedgerCtx = Pick<Ctx, "table">;

export interface RoomRecord extends RoomRules {
  readonly version: number;
  /** Rises when the operator revokes all passes. */
  readonly series: number;
  /** Rises each time Redis has lost the room, or may have lost some of it. */
  readonly epoch: number;
  /** The filling of Redis that the ledger has agreed to; absent until the first. */
  readonly filling?: string | undefined;
  /** No number above this was ever given. */
  readonly numbersTo: number;
  /** When it was last known to be well before the loss that people now come back from, and until when they may. */
  readonly lostAt?: number | undefined;
  readonly graceUntil?: number | undefined;
  /** 32 hexadecimal digits that the order is drawn with; secret until the opening. */
  readonly seed?: string | undefined;
}

const ROOMS = "rooms";
const SEEN = "rooms-seen";

const attributesOf = ({ version, ...rest }: RoomRecord) => ({ version, record: JSON.stringify(rest) });
const recordOf = (item: Item): RoomRecord => ({
  ...(JSON.parse(String(item.record)) as Omit<RoomRecord, "version">),
  version: Number(item.version),
});

export const rooms = {
  putNew: (ctx: LedgerCtx, record: RoomRecord): Promise<boolean> =>
    ctx.table.put({ pk: ROOMS, sk: record.roomId }, attributesOf(record), { absent: true }),

  /** Replaces the record if its version still is the one before this one's. */
  putNext: (ctx: LedgerCtx, record: RoomRecord): Promise<boolean> =>
    ctx.table.put({ pk: ROOMS, sk: record.roomId }, attributesOf(record), { equals: { version: record.version - 1 } }),

  get: async (ctx: LedgerCtx, roomId: string): Promise<RoomRecord | undefined> => {
    const item = await ctx.table.get({ pk: ROOMS, sk: roomId });
    return item && recordOf(item);
  },

  page: async (ctx: LedgerCtx, page: { limit: number; after?: string | undefined }) => {
    const { items, more } = await ctx.table.query(ROOMS, {
      limit: page.limit,
      ...(page.after === undefined ? {} : { after: page.after }),
    });
    return { records: items.map(recordOf), more };
  },

  /** Every room, a page at a time. */
  all: async function* (ctx: LedgerCtx): AsyncGenerator<RoomRecord> {
    let after: string | undefined;
    do {
      const { records, more } = await rooms.page(ctx, { limit: 100, after });
      yield* records;
      after = more ? records.at(-1)?.roomId : undefined;
    } while (after !== undefined);
  },

  /** Notes that the room was well at this time; only ever forwards. */
  noteSeen: (ctx: LedgerCtx, roomId: string, atMs: number): Promise<boolean> =>
    ctx.table.put({ pk: SEEN, sk: roomId }, { at: atMs }, { absent: true, below: { at: atMs } }),

  seenAt: async (ctx: LedgerCtx, roomId: string): Promise<number | undefined> => {
    const item = await ctx.table.get({ pk: SEEN, sk: roomId });
    return item && Number(item.at);
  },
};
