import { type Ctx, StoreUnavailable } from "../context.ts";
import { limits } from "../limits.ts";
import type { Refusal } from "../words.ts";
import { boards, refuseBoard } from "./board-records.ts";
import { type Breaker, breaker } from "./breaker.ts";
import {
  type Contribution,
  contributionsOf,
  type Generation,
  type GenerationHead,
  metricsOf,
  newestHead,
  type Place,
  readPage,
  snapshots,
} from "./generation.ts";
import { METRICS, type Metrics } from "./record.ts";
import { scoreOf, scoresKey, trendingScore } from "./score.ts";
import { rank } from "./scripts.ts";
import { SHARDS, shardOf } from "./shards.ts";
import type { Window } from "./windows.ts";

/** Reading boards. It never goes dark: from Redis, else from the container's memory, else from the ledger, and the answer says which. */

export type Source = "live" | "snapshot";

export interface TopPage {
  readonly word: "found";
  readonly head: GenerationHead;
  readonly source: Source;
  readonly ageMs: number;
  /** Rank of the first item less one. */
  readonly offset: number;
  readonly items: readonly Place[];
  /** Where the next page begins; undefined at the end. */
  readonly next?: { readonly generation: number; readonly offset: number } | undefined;
}

export interface TopQuery {
  readonly boardId: string;
  readonly window: Window;
  readonly limit: number;
  readonly from?: { readonly generation: number; readonly offset: number } | undefined;
}

type ReadCtx = Pick<Ctx, "redis" | "table" | "now" | "log">;

/** One page of a generation. */
interface Remembered {
  readonly head: GenerationHead;
  readonly places: readonly Place[];
}

const gone: Refusal = {
  word: "unknown",
  detail: "The pages of this generation are gone. Begin again without a cursor.",
};

/** Copies from the ledger that a container remembers: each is a whole list, up to a megabyte. */
const COPIES = 20;

/** Keeps the latest used, and not more than so many. */
function keep<V>(memory: Map<string, V>, name: string, value: V, most: number = limits.rememberedPages): void {
  memory.delete(name);
  memory.set(name, value);
  const [eldest] = memory.keys();
  if (memory.size > most && eldest !== undefined) memory.delete(eldest);
}

/** Makes the verbs that read, with the memory of one container. */
export function reader(guard: Breaker = breaker()) {
  /** Pages by board, window, generation and number; the latest used last. */
  const pages = new Map<string, Remembered>();
  const newest = new Map<string, { head: GenerationHead; checkedAt: number }>();
  /** The generation that was shown last, whole pages of it: what to go back to. */
  const shown = new Map<string, number>();
  const copies = new Map<string, { copy: Promise<Generation | undefined>; until: number }>();
  const refused = new Map<string, { refusal: Refusal; until: number }>();

  const remembered = (boardId: string, window: Window, generation: number, page: number): Remembered | undefined => {
    const name = `${boardId} ${window} ${generation} ${page}`;
    const known = pages.get(name);
    if (known) keep(pages, name, known);
    return known;
  };

  /** The newest generation by Redis, at most a quarter of a second old. */
  const newestOf = async (
    ctx: ReadCtx,
    { boardId, window }: { boardId: string; window: Window },
    isProbe: boolean,
  ): Promise<GenerationHead | undefined> => {
    const known = newest.get(`${boardId} ${window}`);
    if (!isProbe && known && ctx.now() - known.checkedAt < limits.generationMemoryMs) return known.head;
    const head = await newestHead(ctx, boardId, window);
    if (head) newest.set(`${boardId} ${window}`, { head, checkedAt: ctx.now() });
    return head;
  };

  /** Places of a generation, by what reads a page of it; undefined where one of its pages is gone. */
  const placesOf = async (
    offset: number,
    limit: number,
    read: (page: number) => Promise<Remembered | undefined> | Remembered | undefined,
  ): Promise<{ head: GenerationHead; items: Place[] } | undefined> => {
    const size = limits.generationPageRows;
    const items: Place[] = [];
    for (let page = Math.floor(offset / size); ; page++) {
      const found = await read(page);
      if (!found) return undefined;
      items.push(...found.places.slice(Math.max(0, offset - page * size), offset + limit - page * size));
      const end = Math.min(offset + limit, found.head.places);
      if ((page + 1) * size >= end) return { head: found.head, items };
    }
  };

  const answer = (
    ctx: ReadCtx,
    { limit, from }: TopQuery,
    head: GenerationHead,
    items: readonly Place[],
    isLive: boolean,
  ): TopPage => {
    const offset = from?.offset ?? 0;
    const ageMs = Math.max(0, ctx.now() - head.publishedAt);
    const end = offset + items.length;
    return {
      word: "found",
      ...{ head, ageMs, offset, items },
      // A generation that nothing follows is old, wherever it is read.
      source: isLive && (from !== undefined || ageMs <= limits.generationStaleMs) ? "live" : "snapshot",
      ...(items.length === limit && end < head.places ? { next: { generation: head.generation, offset: end } } : {}),
    };
  };

  /** The ledger's copy, at most as old as the next one is written. */
  const copyOf = (ctx: ReadCtx, boardId: string, window: Window): Promise<Generation | undefined> => {
    const name = `${boardId} ${window}`;
    const known = copies.get(name);
    if (known && ctx.now() < known.until) return known.copy;
    const copy = snapshots.get(ctx, boardId, window);
    keep(copies, name, { copy, until: ctx.now() + limits.copyMemoryMs }, COPIES);
    copy.catch(() => copies.delete(name));
    return copy;
  };

  /** Without Redis: from memory, or from the ledger. */
  const fromCopy = async (ctx: ReadCtx, query: TopQuery): Promise<TopPage | Refusal> => {
    const { boardId, window, limit, from } = query;
    const offset = from?.offset ?? 0;
    const wanted = from?.generation ?? shown.get(`${boardId} ${window}`) ?? 0;
    const known = await placesOf(offset, limit, (page) => remembered(boardId, window, wanted, page));
    let copy: Generation | undefined;
    try {
      copy = await copyOf(ctx, boardId, window);
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      if (!known) throw error;
    }
    // The newer of the two, unless a cursor says which.
    const isCopyBetter =
      copy && (from ? copy.generation === wanted && !known : copy.generation >= (known?.head.generation ?? 0));
    if (copy && isCopyBetter) {
      const { list, ...head } = copy;
      return answer(ctx, query, head, list.slice(offset, offset + limit), false);
    }
    if (known) return answer(ctx, query, known.head, known.items, false);
    if (from) return gone;
    return refuseUnpublished(ctx, boardId);
  };

  /** Nothing was ever published of this board. Anyone may ask for any name, so the ledger is asked once a second at most. */
  const refuseUnpublished = async (ctx: ReadCtx, boardId: string): Promise<Refusal> => {
    const known = refused.get(boardId);
    if (known && ctx.now() < known.until) return known.refusal;
    const refusal = (await boards.get(ctx, boardId)) ? notYet(boardId) : refuseBoard(boardId);
    keep(refused, boardId, { refusal, until: ctx.now() + limits.unpublishedMemoryMs });
    return refusal;
  };

  return {
    /** A page of a board's first places. */
    async top(ctx: ReadCtx, query: TopQuery): Promise<TopPage | Refusal> {
      const { boardId, window, limit, from } = query;
      const asked = await guard.ask(ctx, async (isProbe) => {
        const head = from && !isProbe ? undefined : await newestOf(ctx, query, isProbe);
        const generation = from?.generation ?? head?.generation;
        if (generation === undefined) return undefined;
        return placesOf(from?.offset ?? 0, limit, async (page) => {
          const known = remembered(boardId, window, generation, page);
          if (known) return known;
          const read = await readPage(ctx, boardId, window, generation, page);
          if (read) keep(pages, `${boardId} ${window} ${generation} ${page}`, read);
          return read;
        });
      });
      if (asked?.answer) {
        const { head, items } = asked.answer;
        if (!from) shown.set(`${boardId} ${window}`, head.generation);
        return answer(ctx, query, head, items, true);
      }
      if (asked && from) return gone;
      // Redis is out of reach, or has lost what was published, or there is no such board.
      return fromCopy(ctx, query);
    },

    /** One product's rank, score, and what the score is made of. */
    async product(ctx: ReadCtx, query: ProductQuery): Promise<ProductView | Refusal> {
      const { boardId, window, productId } = query;
      const asked = await guard.ask(ctx, async (isProbe) => {
        const head = await newestOf(ctx, query, isProbe);
        return head && liveProduct(ctx, head, query);
      });
      if (asked?.answer) return asked.answer;
      const copy = await copyOf(ctx, boardId, window);
      if (!copy) return refuseUnpublished(ctx, boardId);
      const index = copy.list.findIndex((place) => place.productId === productId);
      const place = copy.list[index];
      if (!place)
        return {
          word: "unavailable",
          detail: "Only the first places are known at the moment.",
          retryAfterMs: limits.retryAfterMs,
        };
      const metrics = Object.fromEntries(METRICS.map((name, i) => [name, place.metrics[i] ?? 0])) as Metrics;
      return {
        word: "found",
        ...{ boardId, window, productId, rank: index + 1, score: place.score, of: copy.of, metrics },
        contributions: contributionsOf(metrics, copy.weights),
        ...{ version: copy.version, source: "snapshot", ageMs: Math.max(0, ctx.now() - copy.publishedAt) },
      };
    },
  };
}

const notYet = (boardId: string): Refusal => ({
  word: "unavailable",
  detail: `Board "${boardId}" is being built. It has not been published yet.`,
  retryAfterMs: limits.publishEveryMs,
});

export interface ProductQuery {
  readonly boardId: string;
  readonly window: Window;
  readonly productId: string;
}

export interface ProductView {
  readonly word: "found";
  readonly boardId: string;
  readonly window: Window;
  readonly productId: string;
  /** Null where it is not listed: its score is not above 0. */
  readonly rank: number | null;
  readonly score: number;
  /** Products that are listed. */
  readonly of: number;
  readonly metrics: Metrics;
  readonly contributions: readonly Contribution[];
  readonly version: number;
  readonly source: Source;
  readonly ageMs: number;
}

async function liveProduct(
  ctx: ReadCtx,
  head: GenerationHead,
  { boardId, window, productId }: ProductQuery,
): Promise<ProductView | Refusal> {
  const { edition, version, weights } = head;
  const key = (shard: number) => scoresKey(shard, edition, boardId, version, window);
  const [found, stored] = await Promise.all([
    metricsOf(ctx, head, window, ctx.now(), [productId]),
    ctx.redis.command("ZSCORE", key(shardOf(productId)), productId) as Promise<string | null>,
  ]);
  const metrics = found.get(productId);
  if (!metrics) return { word: "unknown", detail: `Nothing is known of product "${productId}" in these seven days.` };
  // Of what has just been counted and not been scored yet, the score is shown already.
  const score = window === "trending" ? trendingScore(metrics, weights) : scoreOf(metrics, { weights });
  // It stands where it was scored last: among the others' scores of then.
  const counted = await Promise.all(
    SHARDS.map((shard) => ctx.redis.run(rank, { scores: key(shard) }, { score: stored ?? "0", product: productId })),
  );
  const of = counted.reduce((sum, it) => sum + it.of, 0);
  const ahead = counted.reduce((sum, it) => sum + it.ahead, 0);
  return {
    word: "found",
    ...{ boardId, window, productId, rank: stored === null ? null : ahead + 1, score, of, metrics },
    contributions: contributionsOf(metrics, weights),
    ...{ version, source: "live", ageMs: 0 },
  };
}
