import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { ProductRecord } from "../core/rankings/record.ts";
import { seeded } from "../local/rush/random.ts";
import { BOARDS, SUMMED, WINDOWS } from "../local/shop/boards.ts";
import { leapingClock, realClock } from "../local/shop/clock.ts";
import { openCounting } from "../local/shop/counting.ts";
import {
  busyAt,
  FLASH_ITEM,
  openDay,
  productNames,
  type ShopBatch,
  type ShopEvent,
  VIEWS_CAP,
  zipf,
} from "../local/shop/day.ts";
import { type Options, parseOptions } from "../local/shop/options.ts";
import { type CountedEvent, order, Recount, type Sums, scoreBy } from "../local/shop/recount.ts";
import { holds, type Result, toJson, toText } from "../local/shop/report.ts";
import { openSenders, type Sent } from "../local/shop/senders.ts";
import type { Judged, Seen, SeenPages, SeenProduct } from "../local/shop/verdict/evidence.ts";
import { judge, judgeCheckpoint } from "../local/shop/verdict/judge.ts";
import { minutesAgainstMilliseconds } from "../local/shop/verdict/trending.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** The beginning of a minute, a quarter and an hour. */
const NOW = Date.UTC(2026, 5, 1, 12);

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Tampered<T> = Omit<Mutable<Seen>, keyof T> & T;

// ── The recount ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const event = (at: number, rest: Partial<CountedEvent> = {}): CountedEvent => ({
  ...{ type: "view", productId: "p", quantity: 1, amount: 0, at },
  ...rest,
});

function recountOf(...events: CountedEvent[]): Recount {
  const recount = new Recount();
  recount.add(events);
  return recount;
}

const NOTHING: Sums = { views: 0, likes: 0, carts: 0, units: 0, amount: 0 };

describe("the recount", () => {
  test("adds sales and takes refunds off, each metric by itself", () => {
    const recount = recountOf(
      event(NOW, { quantity: 3 }),
      event(NOW, { type: "like" }),
      event(NOW, { type: "cart" }),
      event(NOW, { type: "sale", quantity: 2, amount: 500 }),
      event(NOW, { type: "refund", quantity: 1, amount: 600 }),
    );
    expect(recount.window("1h", NOW).get("p")).toEqual({ views: 3, likes: 1, carts: 1, units: 1, amount: -100 });
  });

  test.each([
    ["1h", HOUR, MINUTE],
    ["24h", DAY, 15 * MINUTE],
    ["7d", 7 * DAY, HOUR],
  ] as const)("a window of %s holds what is so old, and nothing older by one bucket", (window, length, bucket) => {
    const inside = recountOf(event(NOW - length));
    expect(inside.window(window, NOW).size).toBe(1);
    // It leaves with its bucket, when that has passed altogether.
    expect(inside.window(window, NOW + bucket - 1).size).toBe(1);
    expect(inside.window(window, NOW + bucket).size).toBe(0);
    expect(recountOf(event(NOW - length - 1)).window(window, NOW).size).toBe(0);
  });

  test("trending halves with each half-life, from the beginning of the minute", () => {
    const recount = recountOf(event(NOW - 2 * HOUR + 59_999, { quantity: 8 }));
    expect(recount.trending(NOW, 1).get("p")?.views).toBe(2);
    expect(recount.trendingByMilliseconds(NOW, 1).get("p")?.views).toBeCloseTo(8 * 2 ** (-(2 * HOUR - 59_999) / HOUR));
  });

  test("knows what trending may have forgotten, and what is relative to sales and refunds together", () => {
    const recount = recountOf(
      event(NOW - 8 * DAY, { type: "sale", quantity: 1, amount: 63 }),
      event(NOW, { type: "sale", quantity: 2, amount: 10 }),
      event(NOW, { type: "refund", quantity: 2, amount: 10 }),
    );
    expect(recount.forgettable(NOW, 96).get("p")).toBe(16);
    expect(recount.trending(NOW, 96).get("p")).toEqual(NOTHING);
    expect(recount.trendingGross(NOW, 96).get("p")).toEqual({ ...NOTHING, units: 4, amount: 20 });
  });

  test("takes the category that was told last, in one minute the greater", () => {
    const recount = recountOf(
      event(NOW - MINUTE, { category: "tea" }),
      event(NOW - 10 * MINUTE, { category: "shoes" }),
      event(NOW - MINUTE + 1, { category: "hats" }),
      event(NOW),
    );
    expect(recount.categories(NOW).get("p")).toBe("tea");
  });

  test("puts equal scores in the store's order, and leaves out what is not above 0", () => {
    const sums = (views: number): Sums => ({ ...NOTHING, views });
    const weights = { view: 1, like: 0, cart: 0, sale: 0, revenue: 0 };
    const all = new Map(Object.entries({ P: sums(5), p: sums(5), "~": sums(5), a: sums(6), z: sums(0), y: sums(-1) }));
    expect(order(all, weights).map(({ productId }) => productId)).toEqual(["a", "~", "p", "P"]);
  });
});

// ── The day ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

const rules = { products: 200, startsAt: NOW, endsAt: NOW + 26 * HOUR, undated: true };

function wholeDay(seed: number): ShopBatch[] {
  const day = openDay(rules, seeded(seed));
  return Array.from({ length: 156 }, (_, turn) => {
    const from = NOW + turn * 10 * MINUTE;
    return day.between(from, from + 10 * MINUTE, 60);
  }).flat();
}

const eventsOf = (batches: readonly ShopBatch[]): ShopEvent[] => batches.flatMap(({ events }) => events);

describe("the day", () => {
  const batches = wholeDay(7);
  const events = eventsOf(batches);
  const dated = batches.filter(({ isUndated }) => !isUndated);
  const viewsByActor = Map.groupBy(
    events.filter(({ actorId }) => actorId !== undefined),
    ({ actorId, productId, at = 0 }) => `${actorId} ${productId} ${Math.floor(at / HOUR)}`,
  );
  const sum = (list: readonly ShopEvent[]) => list.reduce((total, { quantity = 1 }) => total + quantity, 0);

  test("is the same with the same seed, and another with another", () => {
    expect(wholeDay(7)).toEqual(batches);
    expect(wholeDay(8)).not.toEqual(batches);
  });

  test("gives every batch a key of its own and no more events than the contract takes", () => {
    expect(new Set(batches.map(({ key }) => key)).size).toBe(batches.length);
    expect(Math.max(...batches.map((batch) => batch.events.length))).toBeLessThanOrEqual(500);
    expect(batches.every((batch) => batch.events.length > 0)).toBe(true);
  });

  test("has every kind of event, of a few popular products and many others", () => {
    expect(new Set(events.map(({ type }) => type))).toEqual(new Set(["view", "like", "cart", "sale", "refund"]));
    const counts = [...Map.groupBy(events, ({ productId }) => productId)]
      .filter(([productId]) => productId !== FLASH_ITEM)
      .map(([, own]) => own.filter(({ actorId }) => !actorId?.startsWith("bot-")).length)
      .sort((a, b) => b - a);
    expect(counts.length).toBeGreaterThan(150);
    expect(counts[0]).toBeGreaterThan(5 * (counts[20] ?? 0));
  });

  test("has batches that come twice at once, again later, and held back", () => {
    expect(batches.some(({ copiesAtOnce }) => copiesAtOnce > 0)).toBe(true);
    expect(batches.some(({ copiesLater }) => copiesLater > 0)).toBe(true);
    expect(batches.some(({ turnsLate }) => turnsLate > 0)).toBe(true);
    expect(batches.some(({ isUndated, turnsLate }) => isUndated && turnsLate > 0)).toBe(false);
  });

  test("has events without a time and ahead of it, only in batches that say so", () => {
    const undated = eventsOf(batches.filter(({ isUndated }) => isUndated));
    expect(undated.some(({ at }) => at === undefined)).toBe(true);
    expect(undated.some(({ actorId }) => actorId !== undefined)).toBe(false);
    expect(eventsOf(dated).every(({ at }) => at !== undefined)).toBe(true);
    expect(openDay({ ...rules, undated: false }, seeded(7)).between(NOW, NOW + HOUR, 5_000)).toSatisfy(
      (all: ShopBatch[]) => all.every(({ isUndated }) => !isUndated),
    );
  });

  test("has late events, none of an age at which it matters when exactly they arrive", () => {
    const ages = events.flatMap(({ at }) => (at === undefined ? [] : [NOW - at]));
    expect(ages.some((age) => age > 2 * DAY && age < 6.5 * DAY)).toBe(true);
    const later = eventsOf(dated).map(({ at = 0 }) => at);
    const isClear = (at: number) => at >= NOW - 6.4 * DAY || at < NOW + 26 * HOUR - 7.6 * DAY;
    expect(later.every(isClear)).toBe(true);
  });

  test("has bots whose views of one hour are of one minute, far over the cap", () => {
    const bots = [...viewsByActor].filter(([name]) => name.startsWith("bot-"));
    expect(bots.length).toBeGreaterThan(26);
    for (const [, views] of bots) {
      expect(sum(views)).toBeGreaterThan(5 * VIEWS_CAP);
      expect(new Set(views.map(({ at = 0 }) => Math.floor(at / MINUTE))).size).toBe(1);
    }
  });

  test("says of nobody that they view while it may not", () => {
    const unnamed = eventsOf(openDay(rules, seeded(7)).between(NOW, NOW + 2 * HOUR, 2_000, false));
    expect(unnamed.length).toBe(2_000);
    expect(unnamed.some(({ actorId }) => actorId !== undefined)).toBe(false);
  });

  test("has nobody else over the cap, and somebody at it", () => {
    const others = [...viewsByActor].filter(([name]) => name.startsWith("a-")).map(([, views]) => sum(views));
    expect(Math.max(...others)).toBe(VIEWS_CAP);
    expect(others.length).toBeGreaterThan(1_000);
  });

  test("has a flash item that comes from nowhere and goes", () => {
    const times = events.filter(({ productId }) => productId === FLASH_ITEM).flatMap(({ at }) => at ?? []);
    expect(times.length).toBeGreaterThan(100);
    expect(Math.min(...times)).toBeGreaterThan(NOW + 10 * HOUR);
    expect(Math.max(...times)).toBeLessThan(NOW + 14 * HOUR);
  });

  test("tells products' categories, some of them another than before, and only of the last day", () => {
    const told = events.filter(({ category }) => category !== undefined);
    const perProduct = Map.groupBy(told, ({ productId }) => productId);
    expect([...perProduct.values()].some((own) => new Set(own.map(({ category }) => category)).size > 1)).toBe(true);
    expect(told.every(({ at = NOW }) => at > NOW - DAY)).toBe(true);
  });

  test("is busy in the afternoon and quiet at night, by Zipf's law", () => {
    expect(busyAt(16 * HOUR)).toBeGreaterThan(5 * busyAt(4 * HOUR));
    const draw = zipf(100);
    const random = seeded(3);
    const drawn = Map.groupBy(
      Array.from({ length: 20_000 }, () => draw(random)),
      (place) => place,
    );
    const times = (place: number) => drawn.get(place)?.length ?? 0;
    expect(times(0) / times(9)).toBeGreaterThan(7);
    expect(times(0) / times(9)).toBeLessThan(14);
    expect(new Set(productNames(1_000)).size).toBe(1_000);
  });
});

// ── What is to count ────────────────────────────────────────────────────────────────────────────────────────────────────

describe("what is to count", () => {
  const view = (at: number | undefined, rest: Partial<ShopEvent> = {}): ShopEvent => ({
    ...{ type: "view", productId: "p" },
    ...(at === undefined ? {} : { at }),
    ...rest,
  });

  test("leaves out what is older than seven days, and lets the others happen when they arrive at the latest", () => {
    const counted = openCounting()(
      [view(NOW - 7 * DAY - 1), view(NOW - 7 * DAY), view(NOW + MINUTE), view(undefined)],
      NOW,
    );
    expect(counted.late).toBe(1);
    expect(counted.events.map(({ at }) => at)).toEqual([NOW - 7 * DAY, NOW, NOW]);
  });

  test("counts so many views of one actor, product and hour, over all batches", () => {
    const count = openCounting();
    const own = { actorId: "bot" };
    expect(count([view(NOW, { ...own, quantity: 7 }), view(NOW, { ...own, quantity: 7 })], NOW)).toMatchObject({
      capped: 4,
    });
    const next = count([view(NOW, own), view(NOW, { ...own, productId: "q" }), view(NOW - 1, own), view(NOW)], NOW);
    expect(next.events.length).toBe(3);
    expect(next.capped).toBe(1);
  });
});

// ── The verdict ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const BEGINNING = Date.UTC(2026, 0, 1);
const HALF_LIVES = BOARDS.map(({ halfLifeHours }) => halfLifeHours);

/** What a faultless system would show of these events, still open to tampering. */
interface Scene {
  recount: Recount;
  seen: Tampered<{
    records: Map<string, ProductRecord>;
    totals: Mutable<Sums>[];
    pages: Mutable<SeenPages>[];
    products: Mutable<SeenProduct>[];
  }>;
}

function sceneOf(): Scene {
  const random = seeded(5);
  const events = Array.from({ length: 600 }, (): CountedEvent => {
    const type = random.pick(["view", "view", "like", "cart", "sale", "sale", "refund"] as const);
    const isMoney = type === "sale" || type === "refund";
    const productId = `p-${random.below(40)}`;
    return {
      ...{ type, productId, quantity: 1 + random.below(3), amount: isMoney ? random.below(9_000) : 0 },
      category: Number(productId.slice(2)) % 2 ? "shoes" : "hats",
      at: NOW - Math.floor(random.pick([HOUR, DAY, 6 * DAY]) * random.next()),
    };
  });
  const recount = recountOf(...events);
  const records = new Map<string, ProductRecord>();
  for (const productId of recount.window("7d", NOW).keys())
    records.set(productId, recordOf(events, recount, productId));
  const totals = SUMMED.map((window) => {
    const total = { ...NOTHING };
    for (const sums of recount.window(window, NOW).values()) {
      for (const name of Object.keys(total) as (keyof Sums)[]) total[name] += sums[name];
    }
    return total;
  });
  const pages = BOARDS.flatMap((board) =>
    WINDOWS.map((window) => {
      const all = ranking(recount, board, window);
      const items = all
        .slice(0, board.size)
        .map(({ productId, score }, index) => ({ rank: index + 1, productId, score }));
      return { board, window, generations: [7, 7], sources: ["live"], of: all.length, publishedAt: NOW, items };
    }),
  );
  const products = BOARDS.flatMap((board) =>
    WINDOWS.flatMap((window) =>
      ["p-1", "p-2", "nobody"].map((productId) => productOf(recount, board, window, productId)),
    ),
  );
  return { recount, seen: { from: NOW, until: NOW, halfLives: HALF_LIVES, records, totals, pages, products } };
}

function recordOf(events: readonly CountedEvent[], recount: Recount, productId: string): ProductRecord {
  const own = events.filter((it) => it.productId === productId);
  return {
    newestMinute: 0,
    category: "",
    windows: SUMMED.map((window) => recount.window(window, NOW).get(productId) ?? NOTHING),
    trends: HALF_LIVES.map((halfLife) => {
      const log = (type: CountedEvent["type"], of: "quantity" | "amount" = "quantity") => {
        const decayed = recountOf(
          ...own.filter((it) => it.type === type).map((it) => ({ ...it, type: "view" as const, quantity: it[of] })),
        );
        return (
          Math.log2(decayed.trending(NOW, halfLife).get(productId)?.views ?? 0) + (NOW - BEGINNING) / HOUR / halfLife
        );
      };
      return {
        ...{ views: log("view"), likes: log("like"), carts: log("cart") },
        sold: { units: log("sale"), amount: log("sale", "amount") },
        refunded: { units: log("refund"), amount: log("refund", "amount") },
      };
    }),
  };
}

function ranking(recount: Recount, board: (typeof BOARDS)[number], window: (typeof WINDOWS)[number]) {
  const sums = window === "trending" ? recount.trending(NOW, board.halfLifeHours) : recount.window(window, NOW);
  const categories = recount.categories(NOW);
  const listed = [...sums].filter(([it]) => board.category === undefined || categories.get(it) === board.category);
  return order(new Map(listed), board.weights);
}

function productOf(
  recount: Recount,
  board: (typeof BOARDS)[number],
  window: (typeof WINDOWS)[number],
  productId: string,
): Mutable<SeenProduct> {
  const sums = window === "trending" ? recount.trending(NOW, board.halfLifeHours) : recount.window(window, NOW);
  const known = recount.window("7d", NOW).has(productId);
  const metrics = sums.get(productId) ?? NOTHING;
  const score = scoreBy(metrics, board.weights);
  const all = ranking(recount, board, window);
  const place = all.findIndex((it) => it.productId === productId);
  const answer = {
    ...{ rank: place < 0 ? null : place + 1, score, of: all.length, metrics, source: "live" },
    contributions: [{ metric: "views", score }],
  };
  return { board, window, productId, from: NOW, until: NOW, answer: known ? answer : undefined };
}

const OF_BOTS = new Set(["p-3"]);
const violated = ({ seen, recount }: Scene): string[] =>
  [...judgeCheckpoint(seen, recount, OF_BOTS)]
    .filter(([, { violations }]) => violations.length > 0)
    .map(([title]) => title);

/** Changes one product's record. */
function alter(scene: Scene, productId: string, change: (record: ProductRecord) => ProductRecord): void {
  const record = scene.seen.records.get(productId);
  if (!record) throw new Error(`${productId} has no record`);
  scene.seen.records.set(productId, change(record));
}

const withWindow = (place: number, by: Partial<Sums>) => (record: ProductRecord) => ({
  ...record,
  windows: record.windows.map((sums, index) => (index === place ? { ...sums, ...by } : sums)),
});

function pagesOf(scene: Scene, boardId: string, window: string): Mutable<SeenPages> {
  const pages = scene.seen.pages.find((it) => it.board.boardId === boardId && it.window === window);
  if (!pages) throw new Error(`no pages of ${boardId}`);
  return pages;
}

describe("the verdict", () => {
  test("finds nothing against a system that counts right", () => {
    expect(violated(sceneOf())).toEqual([]);
  });

  test.each([...SUMMED.entries()])("sees one event too many or too few in window %i, %s", (place, window) => {
    const scene = sceneOf();
    const { likes = 0 } = scene.seen.records.get("p-5")?.windows[place] ?? {};
    alter(scene, "p-5", withWindow(place, { likes: likes + 1 }));
    expect(violated(scene)).toContain(`${window}: every sum equals the recount`);
  });

  test("sees a product that is missing, one that should be gone, and a total that is off", () => {
    const missing = sceneOf();
    missing.seen.records.delete("p-5");
    expect(violated(missing)).toContain("7d: every sum equals the recount");

    const leftover = sceneOf();
    leftover.seen.records.set("ghost", {
      newestMinute: 0,
      category: "",
      windows: [{ ...NOTHING, carts: 1 }],
      trends: [],
    });
    expect(violated(leftover)).toContain("1h: every sum equals the recount");

    const total = sceneOf();
    for (const sums of total.seen.totals.slice(1, 2)) sums.amount++;
    expect(violated(total)).toEqual(["24h: every sum equals the recount"]);
  });

  test("sees a trending sum that is off by more than is stated, and none that is not", () => {
    const by = (share: number) => {
      const scene = sceneOf();
      alter(scene, "p-5", (record) => ({
        ...record,
        trends: record.trends.map((sums) => ({ ...sums, views: sums.views + Math.log2(1 + share) })),
      }));
      return violated(scene);
    };
    expect(by(1e-9)).toEqual(["trending: sums within the stated error"]);
    expect(by(1e-11)).toEqual([]);
  });

  test.each(WINDOWS)("sees two places of %s exchanged, a product left out, and one twice", (window) => {
    const title = `${window}: pages in the recount's order`;
    const change = (items: SeenPages["items"], how: (list: SeenPages["items"][number][]) => void) => {
      const list = [...items];
      how(list);
      return list.map((item, index) => ({ ...item, rank: index + 1 }));
    };
    for (const how of [
      (list: SeenPages["items"][number][]) => list.reverse(),
      (list: SeenPages["items"][number][]) => list.shift(),
      (list: SeenPages["items"][number][]) => list.splice(1, 0, ...list.slice(0, 1)),
    ]) {
      const scene = sceneOf();
      const pages = pagesOf(scene, "popular", window);
      pages.items = change(pages.items, how);
      expect(violated(scene)).toEqual([title]);
    }
  });

  test.each(WINDOWS)(
    "sees a score of %s that is off, a rank that is not its place, and a wrong number of products",
    (window) => {
      const title = `${window}: pages in the recount's order`;
      const changes: ((pages: Mutable<SeenPages>) => void)[] = [
        (pages) => {
          pages.items = pages.items.map((item, index) => (index === 0 ? { ...item, score: item.score * 1.01 } : item));
        },
        (pages) => {
          pages.items = pages.items.map((item) => ({ ...item, rank: item.rank + 1 }));
        },
        (pages) => {
          pages.of++;
        },
        (pages) => {
          pages.generations = [7, 8];
        },
        (pages) => {
          pages.sources = ["snapshot"];
        },
      ];
      for (const change of changes) {
        const scene = sceneOf();
        change(pagesOf(scene, "shoes", window));
        expect(violated(scene)).toEqual([title]);
      }
      const none = sceneOf();
      none.seen.pages = none.seen.pages.filter((pages) => pages.window !== window);
      expect(violated(none)).toEqual([title]);
    },
  );

  test("sees a single product's answer that is off in any part", () => {
    const changes: ((answer: Mutable<NonNullable<SeenProduct["answer"]>>) => void)[] = [
      (answer) => {
        answer.score++;
      },
      (answer) => {
        answer.rank = (answer.rank ?? 0) + 1;
      },
      (answer) => {
        answer.of++;
      },
      (answer) => {
        answer.metrics = { ...answer.metrics, carts: answer.metrics.carts + 1 };
      },
      (answer) => {
        answer.contributions = [];
      },
    ];
    for (const change of changes) {
      const scene = sceneOf();
      const one = scene.seen.products.find(({ productId, window }) => productId === "p-1" && window === "24h");
      if (!one?.answer) throw new Error("p-1 is not there");
      change(one.answer);
      expect(violated(scene)).toEqual(["one product: sums, score, rank, shares"]);
    }
    const unknown = sceneOf();
    for (const one of unknown.seen.products) one.answer = undefined;
    expect(violated(unknown)).toEqual(["one product: sums, score, rank, shares"]);
  });

  test("sees a trending score of a single product that was never its score while it was asked for", () => {
    const scene = sceneOf();
    const one = scene.seen.products.find(({ productId, window }) => productId === "p-1" && window === "trending");
    if (!one?.answer) throw new Error("p-1 is not there");
    one.answer = { ...one.answer, score: one.answer.score * 1.0001 };
    expect(violated(scene)).toEqual(["one product: sums, score, rank, shares"]);
    // A minute earlier it was.
    one.from = NOW - MINUTE;
    expect(violated(scene)).toEqual([]);
  });

  test("tells bots that got through from others who did not", () => {
    const through = sceneOf();
    const { views = 0 } = through.seen.records.get("p-3")?.windows[2] ?? {};
    alter(through, "p-3", withWindow(2, { views: views + 1 }));
    expect(violated(through)).toEqual(["7d: every sum equals the recount", "bots: no view over the cap counts"]);
    alter(through, "p-3", withWindow(2, { views: views - 1 }));
    expect(violated(through)).toEqual([
      "7d: every sum equals the recount",
      "others: no view is taken for one too many",
    ]);
  });

  test("knows by how much minutes differ from milliseconds: less than is stated", () => {
    const { seen, recount } = sceneOf();
    const { worst, ofStated } = minutesAgainstMilliseconds(seen, recount);
    expect(worst).toBeGreaterThan(0);
    expect(ofStated).toBeLessThanOrEqual(1);
    expect(ofStated).toBeGreaterThan(0.5);
  });

  test("holds nothing against a day but what it finds, and something against one without checkpoints", () => {
    const { seen, recount } = sceneOf();
    const checkpoints = [judgeCheckpoint(seen, recount, OF_BOTS)];
    const calm = { flaws: [], restless: [], rebuilds: [] };
    const failing = (...args: Parameters<typeof judge>) =>
      judge(...args)
        .filter((it) => !it.holds)
        .map(({ title }) => title);
    const rebuild = { edition: 2, reason: "drill", rows: 9, comparedShards: 16, equalShards: 15, leastOverlap: 1 };
    expect(failing(checkpoints, calm)).toEqual([]);
    expect(failing([], calm)).toEqual(["it comes to rest"]);
    expect(failing(checkpoints, { ...calm, restless: ["5 messages wait"] })).toEqual(["it comes to rest"]);
    expect(failing(checkpoints, { ...calm, flaws: ["400"] })).toEqual(["each batch is answered, and alike"]);
    expect(failing(checkpoints, { ...calm, rebuilds: [rebuild] })).toEqual(["a rebuild comes to the same"]);
    expect(failing(checkpoints, { ...calm, rebuilds: [{ ...rebuild, equalShards: 16 }] })).toEqual([]);
    const red = new Map<string, Judged>([
      ["1h: every sum equals the recount", { violations: [{ what: "x" }], compared: 1 }],
    ]);
    expect(failing([...checkpoints, red], calm)).toEqual(["1h: every sum equals the recount"]);
  });
});

// ── Options, report, clock, senders ─────────────────────────────────────────────────────────────────────────────────────

const read = (...argv: string[]): Options => {
  const parsed = parseOptions(argv, () => 42);
  if (!("options" in parsed)) throw new Error(JSON.stringify(parsed));
  return parsed.options;
};

describe("options", () => {
  test("let 26 hours pass, with three checkpoints a minute", () => {
    expect(read()).toEqual({
      ...{ minutes: 3, speed: 520, products: 2_000, rate: 500, checkpoints: 9, chaos: true, seed: 42 },
    });
    expect(read("--minutes", "0.5")).toMatchObject({ speed: 3_120, checkpoints: 2 });
    expect(read("--chaos", "off", "--json", "--seed", "7")).toMatchObject({ chaos: false, json: "-", seed: 7 });
  });

  test.each([
    [["--chaos", "maybe"], "--chaos takes on or off"],
    [["--products", "20.5"], "--products takes a whole number"],
    [["--minutes", "0"], "--minutes takes a number"],
    [["--api", "http://example.com", "--speed", "1"], "--api takes an http:// address of this machine"],
    [["--stack", "x.json"], "add --speed 1"],
    [["--nonsense"], "nonsense"],
  ])("%j are a mistake", (argv, said) => {
    const parsed = parseOptions(argv, () => 42);
    expect("mistake" in parsed && parsed.mistake).toContain(said);
  });

  test("take a given stack at its own speed only", () => {
    expect(read("--stack", "x.json", "--speed", "1")).toMatchObject({ stack: "x.json", speed: 1 });
    expect(parseOptions(["--help"], () => 42)).toEqual({ help: true });
  });
});

function resultOf(change: Partial<Result> = {}): Result {
  const { seen, recount } = sceneOf();
  return {
    ...{ options: read(), api: "http://127.0.0.1:1", hours: 26.1, checkpoints: 1 },
    sent: { batches: 3, events: 600, copies: 1, attempts: 5, again: [{ status: 0, count: 1 }] },
    counted: { events: 600, late: 2, capped: 3 },
    printed: {
      ...{ rowsApplied: 5, duplicates: 1, rowsLate: 0, rowsExpired: 4, batchesResent: 0 },
      ...{ generations: 12, rebuilds: [], rebuildsBegun: 0, uncapped: 0, bugs: [] },
    },
    ...{
      expired: { buckets: 1, rows: 2 },
      kills: { worker: 9, api: 2, redis: 1 },
      minutes: { worst: 0.01, ofStated: 0.9 },
    },
    findings: judge([judgeCheckpoint(seen, recount, OF_BOTS)], { flaws: [], restless: [], rebuilds: [] }),
    ...change,
  };
}

describe("the report", () => {
  test("says of each window that it holds, and how often what was killed", () => {
    const text = toText(resultOf());
    for (const window of WINDOWS) expect(text).toMatch(new RegExp(`G9 +${window}: .*holds`));
    expect(text).toContain("9 worker, 2 API, 1 Redis");
    expect(text).not.toContain("VIOLATED");
    expect(holds(resultOf())).toBe(true);
    expect(JSON.parse(toJson(resultOf()))).toMatchObject({ holds: true, kills: { worker: 9 } });
  });

  test("shows examples of what is violated", () => {
    const findings = judge([], { flaws: ["one", "two", "three", "four"], restless: [], rebuilds: [] });
    const result = resultOf({ findings });
    expect(holds(result)).toBe(false);
    expect(toText(result)).toMatch(/VIOLATED[\s\S]*one[\s\S]*and 1 more/);
  });

  test("holds nothing that proved nothing", () => {
    expect(holds(resultOf({ checkpoints: 0 }))).toBe(false);
    expect(holds(resultOf({ counted: { events: 0, late: 0, capped: 0 } }))).toBe(false);
  });
});

const folder = mkdtempSync(join(tmpdir(), "firstcome-shop-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the clock", () => {
  test("leaps, stands still in a minute that has just begun, and goes on from there", async () => {
    const clock = leapingClock(join(folder, "clock-1"));
    const before = clock.now();
    await clock.pass(DAY + 0.4);
    expect(clock.now()).toBeGreaterThanOrEqual(before + DAY);
    await clock.stand();
    const stood = clock.now();
    expect(stood % MINUTE).toBe(1_000);
    await clock.pass(10);
    expect(clock.now()).toBe(stood + 10);
    clock.go();
    expect(clock.now()).toBeGreaterThanOrEqual(stood + 10);
    expect(Number.isInteger(clock.now())).toBe(true);
    expect(realClock.isFast).toBe(false);
  });

  test("is the same in a process that loads its module, in every way to ask for the time", async () => {
    const path = join(folder, "clock-2");
    const clock = leapingClock(path);
    await clock.pass(100 * DAY);
    await clock.stand();
    const script =
      "console.log(JSON.stringify([Date.now(), new Date().getTime(), Date.parse(new Date(5).toISOString())]))";
    const module = join(import.meta.dirname, "../local/shop/clock.mjs");
    const env = { ...process.env, FIRSTCOME_SHOP_CLOCK: path };
    const said = execFileSync(process.execPath, ["--import", module, "-e", script], { env, encoding: "utf8" });
    expect(JSON.parse(said)).toEqual([clock.now(), clock.now(), 5]);
  });
});

describe("senders", () => {
  const batch = (change: Partial<ShopBatch> = {}): ShopBatch => ({
    ...{ key: "k", events: [{ type: "view", productId: "p" }], isUndated: false, isActed: false },
    ...{ copiesAtOnce: 0, copiesLater: 0, turnsLate: 0 },
    ...change,
  });

  async function against(
    answers: readonly (number | "none")[],
    work: (send: ReturnType<typeof openSenders>) => Promise<void>,
  ) {
    const keys: string[] = [];
    const server = createServer((request, response) => {
      keys.push(String(request.headers["idempotency-key"]));
      const status = answers[keys.length - 1] ?? 202;
      request.resume();
      if (status === "none") request.socket.destroy();
      else {
        response.writeHead(status, { "content-type": "application/json" });
        response.end(JSON.stringify({ batchId: "b", accepted: 1, late: 0 }));
      }
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
    const api = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const sent: Sent[] = [];
    const token = async () => "token";
    const senders = openSenders({ api, clock: realClock, token, random: seeded(1), onSent: (one) => sent.push(one) });
    try {
      await work(senders);
      await senders.idle();
      return { keys, sent, flaws: senders.flaws, figures: senders.figures };
    } finally {
      await senders.close();
      server.close();
    }
  }

  test("send a batch again under its key until it is answered, and tell of it once", async () => {
    const { keys, sent, flaws, figures } = await against(["none", 503], (senders) => senders.send(batch()));
    expect(keys).toEqual(["k", "k", "k"]);
    expect(sent.length).toBe(1);
    expect(flaws).toEqual([]);
    expect([...figures.again]).toEqual([
      [0, 1],
      [503, 1],
    ]);
  });

  test("send copies at once and later, and hold a refusal against the API", async () => {
    const { keys, sent, flaws } = await against([202, 202, 202, 400], async (senders) => {
      await senders.send(batch({ copiesAtOnce: 1 }));
      await senders.again(batch());
      await senders.send(batch({ key: "bad" }));
    });
    expect(keys).toEqual(["k", "k", "k", "bad"]);
    expect(sent.length).toBe(1);
    expect(flaws).toHaveLength(1);
  });

  test("have nothing under way while the clock leaps, and keep back who is named while Redis is away", async () => {
    const order: string[] = [];
    const { keys } = await against([], async (senders) => {
      await senders.holdActed();
      const held = senders.send(batch({ key: "acted", isActed: true })).then(() => order.push("acted"));
      await senders.send(batch({ key: "plain" }));
      order.push("plain");
      await senders.between(async () => {
        senders.send(batch({ key: "next" })).then(() => order.push("next"));
        order.push("leapt");
      });
      senders.releaseActed();
      await held;
    });
    expect(order.slice(0, 2)).toEqual(["plain", "leapt"]);
    expect(keys[0]).toBe("plain");
    expect(new Set(keys)).toEqual(new Set(["plain", "acted", "next"]));
  });
});
