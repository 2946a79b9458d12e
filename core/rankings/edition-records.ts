import type { Ctx } from "../context.ts";
import { limits } from "../limits.ts";

/**
 * Editions as the ledger keeps them: which sets of ranking keys there are in Redis. Usually one, which is live. A rebuild opens a
 * second beside it, fills it, and lets it take the first one's place.
 *
 * What an edition counts is told by when a batch arrived: all that came before `cut` is loaded from the raw batches, all that
 * came later is taken from the queue. So each batch counts once in it, whatever is under way meanwhile.
 */

export interface Edition {
  readonly id: number;
  readonly state: "live" | "building";
  /** Batches that arrived before this, in milliseconds since 1970, are loaded from the raw batches. */
  readonly cut: number;
  /** In hours; their places in the records never change, new ones come at the end. */
  readonly halfLives: readonly number[];
  /** Of these, the ones that came later: their trending lacks what was counted before, until a rebuild. */
  readonly young?: readonly number[] | undefined;
  readonly openedAt: number;
  /** Why it was built. */
  readonly reason: string;
  /** How far the loading of a building one has come. */
  readonly step?: "waiting" | "loading" | "scoring" | undefined;
  /** Of the loading: the slot of arrival that is done, and the first one. */
  readonly loadedSlot?: number | undefined;
  readonly firstSlot?: number | undefined;
  /** Rows that were loaded. */
  readonly rows?: number | undefined;
}

export interface Editions {
  readonly version: number;
  readonly editions: readonly Edition[];
  /** Editions that were replaced, and when: their keys are removed when nobody goes by them any more. */
  readonly dropped: readonly { readonly id: number; readonly at: number }[];
  /** How the last rebuild went. */
  readonly lastRebuild?: RebuildReport | undefined;
}

export interface RebuildReport {
  readonly edition: number;
  readonly reason: string;
  readonly startedAt: number;
  readonly finishedAt: number;
  /** Rows that were loaded from raw batches and closed slots. */
  readonly rows: number;
  /** Shards whose sums were compared with the edition before at the same point, and of these the equal ones. */
  readonly comparedShards: number;
  readonly equalShards: number;
  /** The least share of products that a board's first hundred have in common with the edition before; 1 where there was none. */
  readonly leastOverlap: number;
}

type LedgerCtx = Pick<Ctx, "table">;

const KEY = { pk: "rankings", sk: "editions" } as const;
const NONE: Editions = { version: 0, editions: [], dropped: [] };

export const editions = {
  get: async (ctx: LedgerCtx): Promise<Editions> => {
    const item = await ctx.table.get(KEY);
    if (!item) return NONE;
    return { ...(JSON.parse(String(item.record)) as Omit<Editions, "version">), version: Number(item.version) };
  },

  /** Replaces what is there if nobody else has since it was read. @returns the new state, or undefined */
  put: async (ctx: LedgerCtx, before: Editions, next: Omit<Editions, "version">): Promise<Editions | undefined> => {
    const version = before.version + 1;
    const { editions: list, dropped, lastRebuild } = next;
    const record = JSON.stringify({ editions: list, dropped, lastRebuild });
    const when = before.version === 0 ? { absent: true } : { equals: { version: before.version } };
    return (await ctx.table.put(KEY, { version, record }, when)) ? { ...next, version } : undefined;
  },
};

export const liveOf = (state: Editions): Edition | undefined => state.editions.find((it) => it.state === "live");
export const buildingOf = (state: Editions): Edition | undefined =>
  state.editions.find((it) => it.state === "building");

/** A container's memory of the editions, for `limits.editionMemoryMs`. */
export interface EditionMemory {
  read(ctx: Pick<Ctx, "table" | "now">): Promise<Editions>;
  /** The next reading asks the ledger. */
  forget(): void;
}

export function editionMemory(): EditionMemory {
  let known: { state: Promise<Editions>; until: number } | undefined;
  return {
    read(ctx) {
      if (known && ctx.now() < known.until) return known.state;
      const state = editions.get(ctx);
      const mine = { state, until: ctx.now() + limits.editionMemoryMs };
      known = mine;
      state.catch(() => {
        if (known === mine) known = undefined;
      });
      return state;
    },
    forget() {
      known = undefined;
    },
  };
}
