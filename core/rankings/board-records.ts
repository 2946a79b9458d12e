import type { Ctx } from "../context.ts";
import type { Item } from "../doors/dynamodb.ts";
import type { Refusal } from "../words.ts";
import type { Metrics } from "./record.ts";
import type { Window } from "./windows.ts";

/** Boards as the ledger keeps them: partition `boards`, sort key the board's id. Every change raises the revision it was made from. */

/** Integers; a metric's sum times its weight is its part of the score. */
export interface Weights {
  readonly view: number;
  readonly like: number;
  readonly cart: number;
  readonly sale: number;
  readonly revenue: number;
}

/** What an operator says of a board. */
export interface BoardRules {
  readonly weights: Weights;
  readonly halfLifeHours: number;
  /** Products that a generation lists. */
  readonly size: number;
  /** Only products of this category. */
  readonly category?: string | undefined;
}

export interface BoardVersion extends BoardRules {
  readonly version: number;
  readonly createdAt: number;
}

/** How a version's first places differ from those of the version before it, in one window. */
export interface Displacement {
  readonly window: Window;
  /** Places that were compared. */
  readonly compared: number;
  /** Share of products that stand in both. */
  readonly overlap: number;
  /** Places that the products in both moved by, on average and at most. */
  readonly meanMove: number;
  readonly mostMove: number;
}

export interface BoardRecord {
  readonly boardId: string;
  readonly revision: number;
  /** The version that is published; absent until the first is built. */
  readonly current?: BoardVersion | undefined;
  /** The one before: its scores are kept up, so that it can be switched back to. */
  readonly previous?: BoardVersion | undefined;
  /** One that is being built beside them, and whether it is to take over by itself. */
  readonly next?: (BoardVersion & { readonly isToSwitch: boolean; readonly isBuilt: boolean }) | undefined;
  /** Of the newest version that was built. */
  readonly displacement?: { readonly version: number; readonly windows: readonly Displacement[] } | undefined;
}

/** The versions whose scores are kept up. */
export function versionsOf({ current, previous, next }: BoardRecord): BoardVersion[] {
  return [current, previous, next].filter((version) => version !== undefined);
}

/** Names a version in the sets of Redis. */
export const versionName = (boardId: string, version: number): string => `${boardId}:${version}`;

const NAMES: readonly [keyof Weights, keyof Metrics][] = [
  ["view", "views"],
  ["like", "likes"],
  ["cart", "carts"],
  ["sale", "units"],
  ["revenue", "amount"],
];

/** Each metric with its weight, in one order everywhere. */
export const weighted = (weights: Weights): readonly { metric: keyof Metrics; weight: number }[] =>
  NAMES.map(([name, metric]) => ({ metric, weight: weights[name] }));

type LedgerCtx = Pick<Ctx, "table">;

const BOARDS = "boards";
const recordOf = (item: Item): BoardRecord => ({
  ...(JSON.parse(String(item.record)) as Omit<BoardRecord, "revision">),
  revision: Number(item.revision),
});

export const boards = {
  get: async (ctx: LedgerCtx, boardId: string): Promise<BoardRecord | undefined> => {
    const item = await ctx.table.get({ pk: BOARDS, sk: boardId });
    return item && recordOf(item);
  },

  /** Writes a record whose revision is one above what is there. @returns whether it was */
  put: (ctx: LedgerCtx, { revision, ...rest }: BoardRecord): Promise<boolean> =>
    ctx.table.put(
      { pk: BOARDS, sk: rest.boardId },
      { revision, record: JSON.stringify(rest) },
      revision === 1 ? { absent: true } : { equals: { revision: revision - 1 } },
    ),

  page: async (ctx: LedgerCtx, page: { limit: number; after?: string | undefined }) => {
    const { items, more } = await ctx.table.query(BOARDS, {
      limit: page.limit,
      ...(page.after === undefined ? {} : { after: page.after }),
    });
    return { records: items.map(recordOf), more };
  },

  /** Every board. */
  all: async (ctx: LedgerCtx): Promise<BoardRecord[]> => {
    const all: BoardRecord[] = [];
    let after: string | undefined;
    do {
      const { records, more } = await boards.page(ctx, { limit: 100, after });
      all.push(...records);
      after = more ? records.at(-1)?.boardId : undefined;
    } while (after !== undefined);
    return all;
  },
};

export const refuseBoard = (boardId: string): Refusal => ({
  word: "unknown",
  detail: `There is no board "${boardId}".`,
});
