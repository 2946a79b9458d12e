import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Ctx } from "../core/context.ts";
import { shardKeys } from "../core/keys.ts";
import type { BoardRecord, BoardVersion } from "../core/rankings/board-records.ts";
import { firstPlaces, makeGeneration, showGeneration } from "../core/rankings/generation.ts";
import { reader } from "../core/rankings/read.ts";
import { scoresKey } from "../core/rankings/score.ts";
import { putScores, rank } from "../core/rankings/scripts.ts";
import { SHARDS, shardOf } from "../core/rankings/shards.ts";
import { compareEntries, type Entry, firstFetch, mergeHeap, topK } from "../core/rankings/top-k.ts";
import { isRefusal } from "../core/words.ts";
import { unique } from "./setup/client.ts";
import { type Parts, startParts } from "./setup/parts.ts";

/**
 * The order of a board over its shards: merging, ranks and pages against sorting everything. Boards are random, with many equal scores
 * and with names that begin other names; the order of equal scores is compared with the store's own.
 */

/** The same runs every time. */
const SEED = 20_261_124;
const runs = (numRuns: number) => ({ seed: SEED, numRuns });

// ── Boards ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Short names of few letters: many begin one another. Among them capitals, digits and signs, which bytes order otherwise than words. */
const name = fc
  .array(fc.constantFrom("a", "b", "B", "1", "-", "~", "_"), { minLength: 1, maxLength: 5 })
  .map((it) => it.join(""));
/** Beyond what a product may be called, but not beyond what the store orders: bytes, where UTF-16 would say otherwise. */
const oddName = fc.oneof(name, fc.constantFrom("é", "éa", "ａ", "😀", "a😀"));

/** Few different ones, so that most are equal to others; among them the greatest, and logarithms as trending has them. */
const score = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(1, 2, 3) },
  { weight: 1, arbitrary: fc.constantFrom(Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER - 1, 1e15) },
  { weight: 1, arbitrary: fc.constantFrom(-12.345678901234567, 0.1, 1 / 3, 1_316.0000000000002, 1_316) },
);

const entries = (names: fc.Arbitrary<string>, maxLength: number): fc.Arbitrary<Entry[]> =>
  fc.uniqueArray(fc.record({ productId: names, score }), {
    selector: ({ productId }) => productId,
    maxLength,
    // As long as they may be, and not the short ones that fast-check would rather have.
    size: "max",
  });

/** By sorting everything, and by comparing bytes one by one: nothing of what is judged is used. */
function sorted(list: readonly Entry[]): Entry[] {
  return [...list].sort((a, b) => {
    if (a.score !== b.score) return a.score > b.score ? -1 : 1;
    const [left, right] = [[...new TextEncoder().encode(a.productId)], [...new TextEncoder().encode(b.productId)]];
    for (let i = 0; i < Math.max(left.length, right.length); i++) {
      const difference = (right[i] ?? -1) - (left[i] ?? -1);
      if (difference !== 0) return difference;
    }
    return 0;
  });
}

// ── Without a store ─────────────────────────────────────────────────────────────────────────────────────────────────────

describe("merging", () => {
  test("gives the first of all lists, as sorting everything does", () => {
    const lists = fc.array(entries(oddName, 12), { maxLength: 9 });
    fc.assert(
      fc.property(lists, fc.integer({ min: 1, max: 60 }), (unordered, most) => {
        // A product lies in one list only.
        const seen = new Set<string>();
        const own = unordered.map((list) =>
          sorted(list.filter(({ productId }) => !seen.has(productId) && seen.add(productId))),
        );
        expect(mergeHeap(own, most)).toEqual(sorted(own.flat()).slice(0, most));
      }),
      runs(300),
    );
  });

  test("of all shards fetches what it needs, piece by piece, and never more than is wanted of one", async () => {
    // Most lies in one shard, so that the first look at it is often not enough.
    const shard = fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat({ max: 19 }) });
    const board = fc.array(fc.record({ shard, entry: fc.record({ productId: oddName, score }) }), {
      maxLength: 200,
      size: "max",
    });
    const shards = fc.integer({ min: 1, max: 20 });
    await fc.assert(
      fc.asyncProperty(board, shards, fc.integer({ min: 1, max: 100 }), async (placed, count, most) => {
        const products = new Map(
          placed.map(({ shard, entry }) => [entry.productId, { shard: shard % count, ...entry }]),
        );
        const lists = Array.from({ length: count }, (_, shard) =>
          sorted(
            [...products.values()]
              .filter((it) => it.shard === shard)
              .map(({ productId, score }) => ({ productId, score })),
          ),
        );
        const given = lists.map(() => 0);
        const found = await topK(count, most, async (shard, from, wanted) => {
          expect(from).toBe(given[shard]);
          expect(wanted).toBeGreaterThan(0);
          const piece = lists[shard]?.slice(from, from + wanted) ?? [];
          given[shard] = from + piece.length;
          expect(given[shard]).toBeLessThanOrEqual(most);
          return piece;
        });
        expect(found).toEqual(sorted(lists.flat()).slice(0, most));
      }),
      runs(300),
    );
  });

  test("asks a shard that has the whole top for more, and leaves the others alone", async () => {
    const most = 200;
    const rich = Array.from({ length: 500 }, (_, i) => ({ productId: `rich-${i}`, score: 10_000 - i }));
    const poor = Array.from({ length: 500 }, (_, i) => ({ productId: `poor-${i}`, score: 500 - i }));
    const asked: number[] = [];
    const found = await topK(16, most, async (shard, from, wanted) => {
      asked.push(shard);
      return (shard === 3 ? rich : poor.map((it) => ({ ...it, productId: `${shard}-${it.productId}` }))).slice(
        from,
        from + wanted,
      );
    });
    expect(found).toEqual(rich.slice(0, most));
    expect(asked.filter((it) => it !== 3)).toHaveLength(15);
    // Doubled each time: few round trips.
    expect(asked.filter((it) => it === 3).length).toBeLessThanOrEqual(
      1 + Math.ceil(Math.log2(most / firstFetch(most, 16))),
    );
  });
});

// ── With a store ────────────────────────────────────────────────────────────────────────────────────────────────────────

describe("in Redis", () => {
  let parts: Parts;
  let ctx: Ctx;
  beforeAll(async () => {
    parts = await startParts();
    ({ ctx } = parts);
  });
  afterAll(() => parts?.stop());

  const edition = { id: 1, halfLives: [24], state: "live", cut: 0, openedAt: 0, reason: "test" } as const;
  const version = 1;

  /** Writes a board as the scorer does: by its script, from JSON. @returns the board's id */
  async function fill(list: readonly Entry[]): Promise<string> {
    const boardId = unique("b");
    await Promise.all(
      [...Map.groupBy(list, ({ productId }) => shardOf(productId))].map(async ([shard, own]) => {
        const { claim, scores } = shardKeys(shard, edition.id);
        await ctx.redis.command("SET", claim, "test");
        const windows = { hour: "1h", day: "24h", week: "7d", trending: "trending" } as const;
        const keys = Object.fromEntries(
          Object.entries(windows).map(([key, window]) => [key, scores(boardId, version, window)]),
        ) as Record<keyof typeof windows, string>;
        const rows = own.map(({ productId, score }) => [productId, score, false, false, score]);
        await ctx.redis.run(putScores, { claim, ...keys }, { scorer: "test", rows: JSON.stringify(rows) });
      }),
    );
    return boardId;
  }

  const keyOf = (boardId: string, shard: number) => scoresKey(shard, edition.id, boardId, version, "1h");

  test("ZREVRANGE orders equal scores as compareEntries does: the greater name by its bytes first", async () => {
    await fc.assert(
      fc.asyncProperty(entries(oddName, 60), async (list) => {
        const key = `order:${unique("z")}`;
        for (const { productId, score } of list) await ctx.redis.command("ZADD", key, score, productId);
        const names = (await ctx.redis.command("ZREVRANGE", key, 0, -1)) as string[];
        expect(names).toEqual([...list].sort(compareEntries).map(({ productId }) => productId));
        expect(names).toEqual(sorted(list).map(({ productId }) => productId));
      }),
      runs(60),
    );
  });

  test("the first places over all shards are those of the whole board sorted, scores to the last bit", async () => {
    await fc.assert(
      fc.asyncProperty(entries(oddName, 150), fc.integer({ min: 1, max: 170 }), async (list, most) => {
        const boardId = await fill(list);
        const found = await firstPlaces(ctx, edition, boardId, version, "1h", most);
        expect(found).toEqual(sorted(list).slice(0, most));
      }),
      runs(60),
    );
  });

  test("the rank of every product, equal scores or not, is its place in the whole board", async () => {
    await fc.assert(
      fc.asyncProperty(entries(oddName, 50), async (list) => {
        const boardId = await fill(list);
        const ranks = await Promise.all(
          sorted(list).map(async ({ productId, score }) => {
            const counted = await Promise.all(
              SHARDS.map((shard) =>
                ctx.redis.run(rank, { scores: keyOf(boardId, shard) }, { score: String(score), product: productId }),
              ),
            );
            const of = counted.reduce((sum, it) => sum + it.of, 0);
            return [1 + counted.reduce((sum, it) => sum + it.ahead, 0), of];
          }),
        );
        expect(ranks).toEqual(list.map((_, index) => [index + 1, list.length]));
      }),
      runs(60),
    );
  });

  test("a product that stands nowhere would stand where its score and name say", async () => {
    await fc.assert(
      fc.asyncProperty(entries(oddName, 40), oddName, score, async (list, productId, own) => {
        const others = list.filter((it) => it.productId !== productId);
        const boardId = await fill(others);
        const counted = await Promise.all(
          SHARDS.map((shard) =>
            ctx.redis.run(rank, { scores: keyOf(boardId, shard) }, { score: String(own), product: productId }),
          ),
        );
        const place = sorted([...others, { productId, score: own }]).findIndex((it) => it.productId === productId);
        expect(counted.reduce((sum, it) => sum + it.ahead, 0)).toBe(place);
      }),
      runs(60),
    );
  });

  test("pages of a generation, of any lengths, give every place of the board once and in order", async () => {
    const limits = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 4 });
    const size = fc.constantFrom(1, 7, 99, 100, 101, 250);
    await fc.assert(
      fc.asyncProperty(entries(oddName, 230), limits, size, async (list, lengths, most) => {
        const boardId = await fill(list);
        const board: BoardRecord = { boardId, revision: 1 };
        const weights = { view: 1, like: 1, cart: 1, sale: 1, revenue: 1 };
        const rules: BoardVersion = { version, createdAt: 0, weights, halfLifeHours: 24, size: most };
        const generation = await makeGeneration(ctx, edition, board, rules, "1h", undefined);
        expect(await showGeneration(ctx, boardId, "1h", generation)).toBe(true);
        const expected = sorted(list).slice(0, most);
        expect(generation).toMatchObject({ places: expected.length, of: list.length });

        const { top } = reader();
        const pages: Entry[] = [];
        let from: { generation: number; offset: number } | undefined;
        for (let turn = 0; ; turn++) {
          const limit = lengths[turn % lengths.length] ?? 1;
          const page = await top(ctx, { boardId, window: "1h", limit, ...(from ? { from } : {}) });
          if (isRefusal(page)) throw new Error(page.detail);
          expect(page.offset).toBe(pages.length);
          expect(page.head.generation).toBe(generation?.generation);
          pages.push(...page.items.map(({ productId, score }) => ({ productId, score })));
          from = page.next;
          if (!from) break;
          expect(page.items).toHaveLength(limit);
        }
        expect(pages).toEqual(expected);
      }),
      runs(25),
    );
  });
});
