import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Ctx } from "../core/context.ts";
import { putBoard } from "../core/rankings/board.ts";
import { editions, liveOf } from "../core/rankings/edition-records.ts";
import { newestHead, readPage, snapshots } from "../core/rankings/generation.ts";
import { ingest, resendBatches, type SentEvent } from "../core/rankings/ingest.ts";
import { publisher } from "../core/rankings/publish.ts";
import { rebuilder } from "../core/rankings/rebuild.ts";
import { halfLivesAt } from "../core/rankings/record.ts";
import type { EventType } from "../core/rankings/states.ts";
import { isRefusal } from "../core/words.ts";
import { type Random, seeded } from "../local/rush/random.ts";
import { order, Recount } from "../local/shop/recount.ts";
import { unique } from "./setup/client.ts";
import { type Parts, startParts } from "./setup/parts.ts";
import { allRecords, allTotals, Crash, crashing, openEventsPump } from "./setup/rankings.ts";

/**
 * G9 over random histories: batches come twice and late, functions are ended between any two of their steps, messages are handed to two
 * at once, time passes in leaps; at each checkpoint every window of every product is compared with a recount of all events.
 */

const SEEDS = Array.from({ length: 4 }, (_, i) => 1 + i);
const STEPS = 60;
const HOUR = 3_600_000;
const SECOND = { view: -1, like: 0, cart: 7, sale: 11, revenue: 0 };
const SECOND_HALF_LIFE = 30;
const WEIGHTS = { view: 1, like: 3, cart: 5, sale: 20, revenue: 2 };
const HALF_LIFE = 6;
/** Of trending sums against a recount: doubles, thousands of additions of logarithms. */
const TREND_ERROR = 1e-10;

describe.each(SEEDS)("with seed %i", (seed) => {
  let parts: Parts;
  let queueNow = Date.now();
  // Stores of its own: a rebuild finds everything that the ledger has.
  beforeAll(async () => {
    parts = await startParts(() => queueNow);
  });
  afterAll(() => parts?.stop());

  test("every window equals a recount of its events, whatever came between", async () => {
    const random = seeded(seed);
    let now = Date.now();
    const ctx: Ctx = { ...parts.ctx, now: () => now };
    const recount = new Recount();
    const passVisibility = () => {
      queueNow += 60_000;
    };
    const pump = openEventsPump(parts, passVisibility, () => random.next() < 0.1);
    const publish = publisher();
    const boardId = unique("b");
    const put = await putBoard(ctx, publish, boardId, { weights: WEIGHTS, halfLifeHours: HALF_LIFE, size: 25 }, true);
    expect(isRefusal(put)).toBe(false);
    const shoesId = unique("shoes");
    const tag = unique("batch");

    const sendBatch = async (index: number) => {
      const events = Array.from({ length: 1 + random.below(40) }, () => eventOf(random, now));
      const batch = { senderId: "shop", key: `${tag}-${index}`, events };
      const at = now;
      // Ended between any two steps, then sent again until it is answered.
      for (let tries = 0; ; tries++) {
        const weak = crashing(ctx, tries < 3 ? random.below(12) : 1_000, random.next() < 0.5);
        try {
          const result = await ingest(weak, batch);
          if (isRefusal(result)) throw new Error(result.detail);
          break;
        } catch (error) {
          if (!(error instanceof Crash)) throw error;
        }
      }
      // Again, although it was answered.
      if (random.next() < 0.2) await ingest(ctx, batch);
      recount.add(
        events
          .filter((it) => it.at === undefined || it.at >= at - 7 * 24 * HOUR)
          .map((it) => ({ ...it, at: Math.min(it.at ?? at, at) })),
      );
    };

    const check = async () => {
      await resendBatches(ctx);
      await pump.drain(() => (random.next() < 0.2 ? crashing(ctx, random.below(8), random.next() < 0.5) : ctx));
      // Publishing too is ended anywhere, and goes on.
      for (let tries = 0; tries < 2; tries++) {
        await publish.publishAll(crashing(ctx, random.below(400), random.next() < 0.5), now + HOUR).catch((error) => {
          if (!(error instanceof Crash)) throw error;
        });
      }
      now += 1;
      await publish.publishAll(ctx, now + HOUR);
      const live = liveOf(await editions.get(ctx));
      if (!live) throw new Error("no live edition");
      const records = await allRecords(ctx, live.id);
      const totals = await allTotals(ctx, live.id);
      for (const [index, window] of (["1h", "24h", "7d"] as const).entries()) {
        const expected = recount.window(window, now);
        const found = new Map([...records].map(([productId, { windows }]) => [productId, windows[index]]));
        const nothing = { views: 0, likes: 0, carts: 0, units: 0, amount: 0 };
        for (const productId of new Set([...expected.keys(), ...found.keys()])) {
          expect(found.get(productId) ?? nothing, `${window} of ${productId}`).toEqual(
            expected.get(productId) ?? nothing,
          );
        }
        const total = { ...nothing };
        for (const sums of expected.values()) {
          for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += sums[name];
        }
        expect(totals[index], `total of ${window}`).toEqual(total);

        const head = await newestHead(ctx, boardId, window);
        const page = head && (await readPage(ctx, boardId, window, head.generation, 0));
        const ordered = order(expected, WEIGHTS);
        expect(page?.places.map(({ productId, score }) => ({ productId, score }))).toEqual(ordered.slice(0, 25));
        expect(head?.of).toBe(ordered.length);
      }
      // A half-life that came later is complete after the rebuild that it brings about.
      for (const halfLife of live.halfLives.filter((it) => !live.young?.includes(it))) {
        const forgettable = recount.forgettable(now, halfLife);
        for (const [productId, sums] of recount.trending(now, halfLife)) {
          const trend = records.get(productId)?.trends[live.halfLives.indexOf(halfLife)];
          const at = (log = Number.NEGATIVE_INFINITY) => 2 ** (log - halfLivesAt(now, halfLife));
          const close = (found: number, wanted: number, scale: number) =>
            expect(Math.abs(found - wanted), `trending of ${productId}`).toBeLessThanOrEqual(
              (forgettable.get(productId) ?? 0) + TREND_ERROR * Math.max(1, scale),
            );
          close(at(trend?.views), sums.views, sums.views);
          const sold = at(trend?.sold.amount);
          const refunded = at(trend?.refunded.amount);
          close(sold - refunded, sums.amount, sold + refunded);
        }
      }
      if (await newestHead(ctx, shoesId, "7d")) {
        const [told, toldEver] = [recount.categories(now), recount.categories(now, true)];
        const isClear = (productId: string) => told.get(productId) === toldEver.get(productId);
        const shoes = [...recount.window("7d", now)].filter(([productId]) => told.get(productId) === "shoes");
        const head = await newestHead(ctx, shoesId, "7d");
        const page = head && (await readPage(ctx, shoesId, "7d", head.generation, 0));
        const shown = page?.places.map(({ productId, score }) => ({ productId, score }));
        const ordered = order(new Map(shoes), SECOND);
        expect(shown?.filter(({ productId }) => isClear(productId))).toEqual(
          ordered.filter(({ productId }) => isClear(productId)),
        );
      }
      expect(await snapshots.get(ctx, boardId, "1h")).toBeDefined();
    };

    try {
      for (let index = 0; index < STEPS; index++) {
        await sendBatch(index);
        if (index === STEPS / 2) {
          const rules = { weights: SECOND, halfLifeHours: SECOND_HALF_LIFE, size: 50, category: "shoes" };
          expect(isRefusal(await putBoard(ctx, publish, shoesId, rules, true))).toBe(false);
        }
        now += random.pick([1_000, 60_000, 600_000, HOUR, 5 * HOUR, 30 * HOUR]) * random.next();
        now = Math.floor(now);
        if (index % 6 === 5) await check();
      }
      // A rebuild from what the ledger keeps comes to the same.
      const live = liveOf(await editions.get(ctx));
      const { beginRebuild } = await import("../core/rankings/edition.ts");
      await beginRebuild(ctx, "drill");
      now += 10_000;
      await sendBatch(STEPS);
      now += 16_000;
      const rebuild = rebuilder();
      let progress = await rebuild(ctx, now + HOUR);
      for (let looks = 0; progress.word !== "switched" && looks < 40; looks++) {
        await pump.drain(() => ctx);
        now += 1_000;
        progress = await rebuild(ctx, now + HOUR);
      }
      expect(progress.word).toBe("switched");
      const state = await editions.get(ctx);
      expect(liveOf(state)?.id).not.toBe(live?.id);
      expect(state.lastRebuild).toMatchObject({ comparedShards: 16, equalShards: 16 });
      // The old one may still count, in trending and categories, what is more than seven days old.
      expect(state.lastRebuild?.leastOverlap).toBeGreaterThan(0.8);
      await check();
      expect(liveOf(await editions.get(ctx))).toMatchObject({ halfLives: [HALF_LIFE, SECOND_HALF_LIFE] });
      expect(liveOf(await editions.get(ctx))?.young).toBeUndefined();
    } finally {
      pump.close();
    }
  });
});

function eventOf(random: Random, now: number): SentEvent {
  const type = random.pick<EventType>(["view", "view", "view", "like", "cart", "sale", "sale", "refund"]);
  const isMoney = type === "sale" || type === "refund";
  const age = random.pick([0, 0, 60_000, HOUR, 24 * HOUR, 8 * 24 * HOUR]) * random.next();
  return {
    type,
    productId: `p-${Math.floor(40 * random.next() ** 2)}`,
    ...(random.next() < 0.3 ? { category: random.pick(["shoes", "hats"]) } : {}),
    quantity: isMoney ? 1 + random.below(3) : 1,
    amount: isMoney ? random.below(100_000) : 0,
    ...(random.next() < 0.8 ? { at: Math.floor(now - age) } : {}),
  };
}
