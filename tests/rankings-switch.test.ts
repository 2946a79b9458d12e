import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Ctx } from "../core/context.ts";
import { limits } from "../core/limits.ts";
import { putBoard, switchBoard } from "../core/rankings/board.ts";
import { boards, versionsOf, type Weights } from "../core/rankings/board-records.ts";
import { editions, liveOf } from "../core/rankings/edition-records.ts";
import {
  type GenerationHead,
  makeGeneration,
  newestHead,
  type Place,
  readPage,
  showGeneration,
  snapshots,
} from "../core/rankings/generation.ts";
import { ingest, type SentEvent } from "../core/rankings/ingest.ts";
import { publisher } from "../core/rankings/publish.ts";
import { reader, type TopPage } from "../core/rankings/read.ts";
import { scoresKey } from "../core/rankings/score.ts";
import { SHARDS } from "../core/rankings/shards.ts";
import { isRefusal } from "../core/words.ts";
import { seeded } from "../local/rush/random.ts";
import { unique } from "./setup/client.ts";
import { type Parts, startParts } from "./setup/parts.ts";
import { openEventsPump } from "./setup/rankings.ts";

/**
 * Weights are changed while events are counted and pages are read without end: whoever pages sees one whole generation after another,
 * each of one version, and the version before is back in one call.
 */

/**
 * Each version counts views by a power of a prime of its own. A score by one is never a score by another, unless a product has as many
 * views as the lesser power, which none comes near.
 */
const FACTORS = [2 ** 19, 3 ** 12, 5 ** 8, 7 ** 7] as const;
const weightsOf = (factor: number): Weights => ({ view: factor, like: 0, cart: 0, sale: 0, revenue: 0 });
const PRODUCTS = 60;
const WINDOW = "1h";

let parts: Parts;
let ctx: Ctx;
let boardId: string;
beforeAll(async () => {
  parts = await startParts();
  ({ ctx } = parts);
});
afterAll(() => parts?.stop());
beforeEach(() => {
  boardId = unique("b");
});

async function put(factor: number, isToSwitch = true): Promise<number> {
  const rules = { weights: weightsOf(factor), halfLifeHours: 24, size: 50, category: boardId };
  const result = await putBoard(ctx, publisher(), boardId, rules, isToSwitch);
  if (isRefusal(result)) throw new Error(result.detail);
  const { current, next } = result.board;
  const made = [current, next].find((it) => it?.weights.view === factor);
  if (!made) throw new Error("the version is not there");
  return made.version;
}

async function switchTo(version: number): Promise<void> {
  const result = await switchBoard(ctx, publisher(), boardId, version);
  if (isRefusal(result)) throw new Error(result.detail);
}

/** What a container that has just begun shows first. */
async function shown(limit = 100): Promise<TopPage> {
  const page = await reader().top(ctx, { boardId, window: WINDOW, limit });
  if (isRefusal(page)) throw new Error(page.detail);
  return page;
}

/** A generation as it was published, whole. */
async function whole(generation: number): Promise<{ head: GenerationHead; places: Place[] }> {
  const first = await readPage(ctx, boardId, WINDOW, generation, 0);
  if (!first) throw new Error(`generation ${generation} is gone`);
  return first;
}

const random = seeded(5);

/** On the board of the test only. */
const view = (productId: string, quantity: number): SentEvent => ({
  ...{ type: "view", productId, category: boardId, quantity, amount: 0 },
});

/** Views of some products, many of some and few of most, so that places move all the time. */
const views = (): SentEvent[] =>
  Array.from({ length: 30 }, () =>
    view(`${boardId}-${random.below(PRODUCTS)}`, 1 + Math.floor(40 * random.next() ** 3)),
  );

async function count(events: readonly SentEvent[], pump: ReturnType<typeof openEventsPump>): Promise<void> {
  await ingest(ctx, { senderId: "shop", key: unique("k"), events });
  await pump.drain(() => ctx);
}

/** Repeats work until it is told to stop. */
function repeat(work: () => Promise<unknown>, pauseMs: number): () => Promise<void> {
  let isOn = true;
  const loop = (async () => {
    while (isOn) {
      await work();
      await sleep(pauseMs);
    }
  })();
  return () => {
    isOn = false;
    return loop;
  };
}

interface Walk {
  readonly pages: readonly TopPage[];
}

/** One reader's container, which reads page after page to the end, and begins again. */
function startReader(limit: number, walks: Walk[]): () => Promise<void> {
  const { top } = reader();
  return repeat(async () => {
    const pages: TopPage[] = [];
    let from: TopPage["next"];
    do {
      const page = await top(ctx, { boardId, window: WINDOW, limit, ...(from ? { from } : {}) });
      if (isRefusal(page)) throw new Error(page.detail);
      pages.push(page);
      from = page.next;
      // Somebody who reads takes longer than a machine: meanwhile scores move and generations follow one another.
      await sleep(10);
    } while (from);
    walks.push({ pages });
  }, 5);
}

/** What no reader may ever see. */
async function expectSoundWalks(walks: readonly Walk[], factorOf: ReadonlyMap<number, number>): Promise<void> {
  const known = new Map<number, Awaited<ReturnType<typeof whole>>>();
  for (const { pages } of walks) {
    const [first] = pages;
    if (!first) throw new Error("a walk without a page");
    const { generation, version } = first.head;
    const factor = factorOf.get(version) ?? 0;
    for (const page of pages) {
      expect(page.items.length, "places on a page").toBeGreaterThan(0);
      expect(page.source, "nothing has to stand in for Redis").toBe("live");
      expect(page.head).toEqual(first.head);
      expect(page.head.weights).toEqual(weightsOf(factor));
      for (const { productId, score } of page.items) {
        expect(score % factor, `${productId} with ${score} by version ${version}`).toBe(0);
      }
    }
    const products = pages.flatMap(({ items }) => items);
    expect(new Set(products.map(({ productId }) => productId)).size, "each product once").toBe(products.length);
    const generationNow = known.get(generation) ?? (await whole(generation));
    known.set(generation, generationNow);
    expect(products, "none is missing, and in their order").toEqual(generationNow.places);
    expect(products).toHaveLength(generationNow.head.places);
  }
}

describe("under load", () => {
  test("weights change again and again: no page is empty or of two versions, and pages miss and repeat nothing", async () => {
    const pump = openEventsPump(parts, () => {});
    const factorOf = new Map<number, number>();
    factorOf.set(await put(FACTORS[0]), FACTORS[0]);
    await count(
      Array.from({ length: PRODUCTS }, (_, i) => view(`${boardId}-${i}`, 1 + i)),
      pump,
    );
    const publish = publisher();
    await publish.publishAll(ctx, ctx.now() + 60_000);

    const walks: Walk[] = [];
    const stops = [
      repeat(() => count(views(), pump), 0),
      // The schedule, and another container's that has begun before the first has ended.
      repeat(() => publish.publishAll(ctx, ctx.now() + 60_000), 40),
      repeat(() => publisher().publishAll(ctx, ctx.now() + 60_000), 90),
      ...[7, 10, 23, 50].map((limit) => startReader(limit, walks)),
    ];
    try {
      for (let turn = 1; turn <= 12; turn++) {
        const factor = FACTORS[turn % FACTORS.length] ?? 1;
        const version = await put(factor);
        factorOf.set(version, factor);
        await sleep(150);
        const { current, previous } = (await boards.get(ctx, boardId)) ?? {};
        if (current?.version !== version || !previous) continue;
        // Back in one call, and forth again: whoever asks next sees it.
        for (const it of [previous.version, version]) {
          await switchTo(it);
          expect((await shown(1)).head.version).toBe(it);
          await sleep(50);
        }
      }
    } finally {
      await Promise.all(stops.map((stop) => stop()));
      pump.close();
    }
    await expectSoundWalks(walks, factorOf);
    // There was something to see: walks over several pages, of many generations and several versions.
    expect(walks.length).toBeGreaterThan(50);
    expect(new Set(walks.map(({ pages }) => pages[0]?.head.generation)).size).toBeGreaterThan(20);
    expect(new Set(walks.map(({ pages }) => pages[0]?.head.version)).size).toBeGreaterThan(4);
  });

  test("a cursor leads to the end of its generation, although others have followed and places have moved", async () => {
    const pump = openEventsPump(parts, () => {});
    const publish = publisher();
    const factorOf = new Map([[await put(FACTORS[1]), FACTORS[1]]]);
    const walks: Walk[] = [];
    const containers = [reader(), reader()];
    for (let round = 0; round < 3; round++) {
      const pages: TopPage[] = [];
      let from: TopPage["next"];
      do {
        await count(views(), pump);
        await publish.publishAll(ctx, ctx.now() + 60_000);
        // Each page by another container than the one before.
        const container = containers[pages.length % 2];
        const page = await container?.top(ctx, { boardId, window: WINDOW, limit: 9, ...(from ? { from } : {}) });
        if (!page || isRefusal(page)) throw new Error(page?.detail);
        pages.push(page);
        from = page.next;
      } while (from);
      const { generation } = await newestHead(ctx, boardId, WINDOW).then((it) => it ?? Promise.reject(new Error()));
      expect(pages[0]?.head.generation).toBeLessThan(generation);
      const [before, after] = [await whole(pages[0]?.head.generation ?? 0), await whole(generation)];
      expect(after.places.map(({ productId }) => productId)).not.toEqual(
        before.places.map(({ productId }) => productId),
      );
      walks.push({ pages });
    }
    pump.close();
    await expectSoundWalks(walks, factorOf);
  });
});

describe("a version that was left", () => {
  test("is not brought back by a publisher that has not heard of it, however late it comes", async () => {
    const pump = openEventsPump(parts, () => {});
    const old = await put(FACTORS[0]);
    await count(views(), pump);
    await publisher().publishAll(ctx, ctx.now() + 60_000);
    const stale = await boards.get(ctx, boardId);
    const live = liveOf(await editions.get(ctx));
    if (!stale || !live) throw new Error("no board");
    const version = await put(FACTORS[2]);
    expect((await shown()).head.version).toBe(version);
    // Later by the clock, older by the board's revision.
    const late = { ...ctx, now: () => ctx.now() + limits.publishEveryMs };
    expect(await publisher().publishBoard(late, live, stale)).toBe(false);
    const page = await shown();
    expect(page.head.version).toBe(version);
    for (const { score } of page.items) expect(score % FACTORS[2]).toBe(0);
    expect((await snapshots.get(ctx, boardId, WINDOW))?.version).toBe(version);

    // And of two of one revision the later one stays, although the other one is shown after it.
    const record = await boards.get(ctx, boardId);
    if (!record?.current) throw new Error("no version");
    const slow = await makeGeneration(ctx, live, record, record.current, WINDOW, undefined);
    expect(await publisher().publishBoard(ctx, live, record)).toBe(true);
    const newest = (await shown()).head.generation;
    expect(newest).toBeGreaterThan(slow.generation);
    expect(await showGeneration(ctx, boardId, WINDOW, slow)).toBe(false);
    expect((await shown()).head.generation).toBe(newest);

    await switchTo(old);
    expect((await shown()).head.version).toBe(old);
    pump.close();
  });

  test("is kept up: back in one call, it shows what has been counted since", async () => {
    const pump = openEventsPump(parts, () => {});
    const first = await put(FACTORS[0]);
    const productId = unique("p");
    await count([view(productId, 100_000)], pump);
    await put(FACTORS[3]);
    await count([view(productId, 1)], pump);
    await publisher().publishAll(ctx, ctx.now() + 60_000);
    await switchTo(first);
    const page = await shown(1);
    expect(page.items[0]).toMatchObject({ productId, score: 100_001 * FACTORS[0] });
    expect(page.head.version).toBe(first);
    pump.close();
  });

  test("cannot be taken when it was never built, is not kept up, or the board is not there", async () => {
    const first = await put(FACTORS[0]);
    expect(await switchBoard(ctx, publisher(), boardId, first)).toMatchObject({ word: "unchanged" });
    expect(await switchBoard(ctx, publisher(), boardId, first + 1)).toMatchObject({ word: "conflict" });
    await put(FACTORS[1]);
    await put(FACTORS[2]);
    expect(await switchBoard(ctx, publisher(), boardId, first)).toMatchObject({ word: "conflict" });
    expect(await switchBoard(ctx, publisher(), unique("none"), 1)).toMatchObject({ word: "unknown" });
  });
});

describe("a new version", () => {
  test("waits until it is told to take over, and lacks nothing then", async () => {
    const pump = openEventsPump(parts, () => {});
    const first = await put(FACTORS[0]);
    await count(views(), pump);
    await publisher().publishAll(ctx, ctx.now() + 60_000);
    const next = await put(FACTORS[1], false);
    await count(views(), pump);
    await publisher().publishAll(ctx, ctx.now() + 60_000);
    const before = await shown();
    expect(before.head.version).toBe(first);
    await switchTo(next);
    const after = await shown();
    expect(after.head.version).toBe(next);
    const byViews = (page: TopPage, factor: number) =>
      page.items.map(({ productId, score }) => [productId, score / factor]);
    expect(byViews(after, FACTORS[1])).toEqual(byViews(before, FACTORS[0]));
    pump.close();
  });

  test("that another replaces before it has taken over leaves nothing in Redis", async () => {
    const pump = openEventsPump(parts, () => {});
    await put(FACTORS[0]);
    await count(views(), pump);
    for (const factor of FACTORS.slice(1)) {
      await put(factor, false);
      await publisher().publishAll(ctx, ctx.now() + 60_000);
    }
    const live = liveOf(await editions.get(ctx));
    const kept = versionsOf((await boards.get(ctx, boardId)) ?? { boardId, revision: 0 }).map(({ version }) => version);
    expect(kept).toEqual([1, 4]);
    const found = new Set<number>();
    for (const shard of SHARDS) {
      for (const version of [1, 2, 3, 4]) {
        const key = scoresKey(shard, live?.id ?? 0, boardId, version, WINDOW);
        if ((await ctx.redis.command("EXISTS", key)) === 1) found.add(version);
      }
    }
    expect([...found].sort()).toEqual(kept);
    pump.close();
  });

  test("misses nothing that a schedule scores meanwhile which has not heard of it", async () => {
    const pump = openEventsPump(parts, () => {});
    await put(FACTORS[0]);
    const productId = unique("p");
    await count([view(productId, 50_000)], pump);
    await publisher().publishAll(ctx, ctx.now() + 60_000);
    // A schedule has read the boards, and is slow from there on.
    let goOn = () => {};
    const held = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    let isHeld = () => {};
    const reached = new Promise<void>((resolve) => {
      isHeld = resolve;
    });
    const slow: Ctx = {
      ...ctx,
      redis: {
        ...ctx.redis,
        command: async (name, ...args) => {
          if (name === "SET") {
            isHeld();
            await held;
          }
          return ctx.redis.command(name, ...args);
        },
      },
    };
    const scheduled = publisher().publishAll(slow, ctx.now() + 60_000);
    await reached;
    const version = await put(FACTORS[1]);
    await count([view(productId, 7)], pump);
    goOn();
    await scheduled;
    await publisher().publishAll(ctx, ctx.now() + 60_000);
    const page = await shown(1);
    expect(page.head.version).toBe(version);
    expect(page.items[0]).toMatchObject({ productId, score: 50_007 * FACTORS[1] });
    pump.close();
  });
});
