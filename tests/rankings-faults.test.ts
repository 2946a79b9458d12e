import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Ctx, StoreUnavailable } from "../core/context.ts";
import type { QueueDoor } from "../core/doors/sqs.ts";
import { shardKeys } from "../core/keys.ts";
import { limits } from "../core/limits.ts";
import { batches } from "../core/rankings/batch-records.ts";
import { switchBoard } from "../core/rankings/board.ts";
import { boards } from "../core/rankings/board-records.ts";
import { breaker, breakers } from "../core/rankings/breaker.ts";
import { beginRebuild } from "../core/rankings/edition.ts";
import { buildingOf, editions } from "../core/rankings/edition-records.ts";
import { expire } from "../core/rankings/expire.ts";
import { type Generation, newestHead, readPage, snapshots } from "../core/rankings/generation.ts";
import { resendBatches, type SentEvent } from "../core/rankings/ingest.ts";
import { publisher } from "../core/rankings/publish.ts";
import { reader } from "../core/rankings/read.ts";
import { rebuilder } from "../core/rankings/rebuild.ts";
import { claimShards } from "../core/rankings/score.ts";
import { SHARDS, shardOf } from "../core/rankings/shards.ts";
import { firstFetch, topK } from "../core/rankings/top-k.ts";
import { minuteOf, WINDOWS } from "../core/rankings/windows.ts";
import { isRefusal } from "../core/words.ts";
import { seeded } from "../local/rush/random.ts";
import { Crash } from "./setup/rankings.ts";
import { meeting, type RankingsStack, RULES, runs, startRankings, stop, writes } from "./setup/rankings-stack.ts";

/**
 * Faults that rankings once had, one test each: functions that stand still, are ended or meet each other between two of their steps,
 * stores that lose something or take nothing more, and clocks that differ.
 */

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** A slot of arrival in the ledger. */
const SLOT = 10 * MINUTE;

let stack: RankingsStack;
let ctx: Ctx;
let clock: { now: number };
/** Of further stacks that a test starts. */
let others: RankingsStack[];
beforeEach(async () => {
  stack = await startRankings();
  ({ ctx, clock } = stack);
  others = [];
});
afterEach(async () => {
  for (const one of [stack, ...others]) await one?.stop();
});

const view = (productId: string, quantity = 1): SentEvent => ({ type: "view", productId, quantity, amount: 0 });
const ended = () => {
  throw new Crash("ended");
};
/** The same quantity in all three windows. */
const everywhere = (quantity: number) => [quantity, quantity, quantity];

const silentQueue = (): QueueDoor => ({
  ...ctx.events,
  sendBatch: async () => {
    throw new StoreUnavailable("queue", "silent in a test");
  },
});
const emptyRedis = () => ctx.redis.command("FLUSHALL");

async function unsent(): Promise<string[]> {
  const names: string[] = [];
  for await (const notes of batches.unsent(ctx)) names.push(...notes.map(({ batchId }) => batchId));
  return names;
}

/** Names of products on a page, or in a copy. */
const namesOf = (list: readonly { productId: string }[] = []) => list.map(({ productId }) => productId);

describe("a batch that was accepted counts, once", () => {
  beforeEach(() => stack.put("b"));

  test("when it is sent again after it was cut off before its content was written, and its note was struck", async () => {
    const weak = { ...ctx, table: meeting(ctx.table, writes("event-raw:"), ended) };
    await expect(stack.send("k", [view("p", 7)], weak)).rejects.toThrow(Crash);
    clock.now += MINUTE;
    expect(await resendBatches(ctx)).toEqual({ resent: 0, stranded: 0 });
    expect(await unsent()).toEqual([]);
    clock.now += 5 * SECOND;
    await stack.send("k", [view("p", 7)]);
    await stack.send("k", [view("p", 7)]);
    await stack.drain();
    expect(await stack.views()).toEqual({ p: everywhere(7) });
  });

  test("also when whoever took it up was cut off before the batch had another time of arrival", async () => {
    const first = { ...ctx, table: meeting(ctx.table, writes("event-raw:"), ended) };
    await expect(stack.send("k", [view("p", 7)], first)).rejects.toThrow(Crash);
    clock.now += 5 * SECOND;
    const second = { ...ctx, table: meeting(ctx.table, writes("event-raw:"), ended, "after") };
    await expect(stack.send("k", [view("p", 7)], second)).rejects.toThrow(Crash);
    clock.now += 5 * SECOND;
    await stack.send("k", [view("p", 7)]);
    await stack.drain();
    expect(await stack.views()).toEqual({ p: everywhere(7) });
  });

  test.each(["the sweep", "a retry"])(
    "by %s, where of two callers one is answered and the other's queue is silent",
    async (by) => {
      const slow = stop();
      const a = stack.send("k", [view("p", 5)], {
        ...ctx,
        table: meeting(ctx.table, writes("event-batch:"), slow.here),
      });
      await slow.reached;
      clock.now += 1_500;
      const sending = stop();
      const events = meeting(silentQueue(), (name) => name === "sendBatch", sending.here);
      const b = stack.send("k", [view("p", 5)], { ...ctx, events });
      const refused = expect(b).rejects.toThrow(StoreUnavailable);
      await sending.reached;
      slow.release();
      await a;
      sending.release();
      await refused;
      clock.now += 2 * MINUTE;
      if (by === "the sweep") await resendBatches(ctx);
      else await stack.send("k", [view("p", 5)]);
      await stack.drain();
      expect(await stack.views()).toEqual({ p: everywhere(5) });
    },
  );

  test("where the sweep strikes an old note just after a retry has noted it anew", async () => {
    const weak = { ...ctx, table: meeting(ctx.table, writes("event-raw:"), ended) };
    await expect(stack.send("k", [view("p", 3)], weak)).rejects.toThrow(Crash);
    clock.now += MINUTE;
    const slow = stop();
    const sweep = resendBatches({ ...ctx, table: meeting(ctx.table, (name) => name === "remove", slow.here) });
    await slow.reached;
    await expect(stack.send("k", [view("p", 3)], { ...ctx, events: silentQueue() })).rejects.toThrow(StoreUnavailable);
    slow.release();
    await sweep;
    clock.now += MINUTE;
    expect(await resendBatches(ctx)).toEqual({ resent: 1, stranded: 0 });
    await stack.drain();
    expect(await stack.views()).toEqual({ p: everywhere(3) });
  });

  test("where one caller stands still before it writes, and another comes in the next slot", async () => {
    clock.now = Math.ceil(clock.now / SLOT) * SLOT - SECOND;
    const slow = stop();
    const a = stack.send("k", [view("p", 7)], { ...ctx, table: meeting(ctx.table, writes("event-raw:"), slow.here) });
    const answered = a.then(() => true).catch(() => false);
    await slow.reached;
    clock.now += 3 * SECOND;
    await stack.send("k", [view("p", 7)]);
    slow.release();
    if (!(await answered)) await stack.send("k", [view("p", 7)]);
    await stack.drain();
    expect(await stack.views()).toEqual({ p: everywhere(7) });
    expect(await stack.rebuild()).toMatchObject({ rows: 1, equalShards: 16 });
    expect(await stack.views()).toEqual({ p: everywhere(7) });
  });

  test.each(["the first", "the second"])(
    "where a rebuild's cut lies between two callers, and %s writes first",
    async (who) => {
      const { cut = 0 } = (await beginRebuild(ctx, "drill")) ?? {};
      expect(Math.floor(cut / SLOT)).toBe(Math.floor((cut + 2 * SECOND) / SLOT));
      clock.now = cut - SECOND;
      const [one, two] = [stop(), stop()];
      const through = (it: typeof one) => ({ ...ctx, table: meeting(ctx.table, writes("event-raw:"), it.here) });
      const a = stack.send("k", [view("p", 5)], through(one)).catch(() => undefined);
      await one.reached;
      clock.now = cut + 2 * SECOND;
      const b = stack.send("k", [view("p", 5)], through(two)).catch(() => undefined);
      await two.reached;
      const [first, second] = who === "the first" ? [one, two] : [two, one];
      first.release();
      await (first === one ? a : b);
      second.release();
      expect([await a, await b].filter(Boolean)).not.toEqual([]);
      await stack.send("k", [view("p", 5)]);
      await stack.drain();
      expect(await stack.views()).toEqual({ p: everywhere(5) });
      await stack.publish();
      expect(await stack.rebuild()).toMatchObject({ leastOverlap: 1 });
      expect(await stack.views()).toEqual({ p: everywhere(5) });
      // The next one reads what came to either side of that cut.
      expect(await stack.rebuild()).toMatchObject({ rows: 1, equalShards: 16 });
      expect(await stack.views()).toEqual({ p: everywhere(5) });
    },
  );

  test("where it is sent again under another sequence number, two hours after it was counted", async () => {
    // Everything is sent, and nobody hears of it.
    const events = meeting(ctx.events, (name) => name === "sendBatch", ended, "after");
    await expect(stack.send("k", [view("p", 4), view("q", 2)], { ...ctx, events })).rejects.toThrow(Crash);
    await stack.drain();
    clock.now += 45 * MINUTE;
    stack.passQueue(10 * MINUTE);
    expect(await resendBatches(ctx)).toEqual({ resent: 1, stranded: 0 });
    clock.now += 70 * MINUTE;
    expect(await stack.drain()).toMatchObject({ messages: 2, rows: 0, duplicates: 2 });
    const views = await stack.views();
    expect(views).toEqual({ p: everywhere(4), q: everywhere(2) });
  });

  test("where its queue is a new one, whose sequence numbers begin lower", async () => {
    for (const key of ["1", "2", "3"]) await stack.send(key, [view("p")]);
    await stack.drain();
    const other = await startRankings();
    others.push(other);
    clock.now += MINUTE;
    await stack.send("4", [view("p")], { ...ctx, events: other.ctx.events });
    clock.now += 1;
    await stack.send("5", [view("p")], { ...ctx, events: other.ctx.events });
    expect(await other.pump.drain(() => ctx)).toMatchObject({ messages: 2, rows: 2, duplicates: 0 });
    expect(await stack.views()).toEqual({ p: everywhere(5) });
  });

  test("and is remembered in eight bytes a shard", async () => {
    const counted = await stack.live();
    for (let key = 0; key < 40; key++) await stack.send(`${key}`, [view("p")]);
    await stack.drain();
    const keys = (await ctx.redis.command("KEYS", `fc:v1:{rank:*}:${counted.id}:seen:*`)) as string[];
    const lengths = await Promise.all(keys.map((key) => ctx.redis.command("STRLEN", key)));
    expect(lengths.reduce<number>((sum, it) => sum + Number(it), 0)).toBe(8 * 40);
    const ttls = await Promise.all(keys.map((key) => ctx.redis.command("TTL", key)));
    expect(Math.min(...ttls.map(Number))).toBeGreaterThanOrEqual(limits.batchMemoryMinutes * 60);
  });
});

describe("nothing is published that is empty because it was lost", () => {
  beforeEach(async () => {
    await stack.put("b");
    await stack.put("b", { weights: { ...RULES.weights, view: 2 } });
    await stack.send("k", [view("p", 9), view("q", 4)]);
    await stack.drain();
    await stack.publish();
    clock.now += MINUTE;
    await stack.publish();
  });

  const expectBoth = async () => {
    for (const window of WINDOWS) {
      expect(namesOf((await stack.top("b", window)).items), window).toEqual(["p", "q"]);
      expect(namesOf((await snapshots.get(ctx, "b", window))?.list), window).toEqual(["p", "q"]);
    }
  };

  test("by a switch or a change of a board, when Redis has been emptied", async () => {
    await emptyRedis();
    clock.now += 12 * SECOND;
    expect(isRefusal(await switchBoard(ctx, stack.publisher, "b", 1))).toBe(false);
    await expectBoth();
    await stack.put("b", { weights: { ...RULES.weights, view: 7 } });
    await expectBoth();
    await stack.put("b", { size: 10 }, false);
    await expectBoth();
  });

  test("by a publisher that has moved the windows on when Redis is emptied", async () => {
    let isEmptied = false;
    const empty = async () => {
      if (!isEmptied) await emptyRedis();
      isEmptied = true;
    };
    const isClaim = (name: string, [command]: readonly unknown[]) => name === "command" && command === "SET";
    await stack.publish({ ...ctx, redis: meeting(ctx.redis, isClaim, empty) });
    expect(isEmptied).toBe(true);
    await expectBoth();
    clock.now += MINUTE;
    await stack.publish();
    await expectBoth();
    expect(buildingOf(await editions.get(ctx))).toBeDefined();
    await stack.rebuild();
    await stack.publish();
    await expectBoth();
    expect(await stack.top("b")).toMatchObject({ source: "live", ageMs: 0 });
  });

  test("by a publisher whose edition is replaced and removed before it reads", async () => {
    const slow = stop();
    const reads = (name: string, [command]: readonly unknown[]) =>
      name === "command" && (command === "ZREVRANGE" || command === "ZCARD");
    const before = await stack.live();
    const late = { ...ctx, redis: meeting(ctx.redis, reads, slow.here) };
    const publishing = publisher().publishAll(late, clock.now + HOUR);
    await slow.reached;
    await stack.rebuild();
    clock.now += 10 * MINUTE;
    expect(await rebuilder()(ctx, clock.now + HOUR)).toEqual({ word: "idle" });
    expect(await ctx.redis.command("KEYS", `fc:v1:{rank:*}:${before.id}:scores:*`)).toEqual([]);
    slow.release();
    await publishing;
    await expectBoth();
    await stack.publish();
    await expectBoth();
  });

  test("nor shown of an edition that has been replaced, by a publisher whose clock is ahead", async () => {
    const slow = stop();
    let aheadMs = 0;
    const scoring = meeting(ctx.redis, runs("take"), () => {
      aheadMs = 5 * MINUTE;
    });
    const late = { ...ctx, now: () => clock.now + aheadMs, redis: meeting(scoring, runs("point"), slow.here) };
    const publishing = publisher().publishAll(late, clock.now + HOUR);
    await slow.reached;
    const { edition } = await stack.rebuild();
    await stack.publish();
    slow.release();
    await publishing;
    expect(await newestHead(ctx, "b", "24h")).toMatchObject({ edition, publishedAt: clock.now });
  });
});

describe("a bucket that Redis has lost leads to a rebuild", () => {
  beforeEach(async () => {
    await stack.put("b");
    await stack.send("k", [view("p", 9), view("q", 4)]);
    await stack.drain();
    const { id } = await stack.live();
    for (const shard of SHARDS) await ctx.redis.command("DEL", shardKeys(shard, id).minutes(minuteOf(clock.now)));
    clock.now += 2 * HOUR;
  });

  const expectMended = async () => {
    await stack.publish();
    expect(buildingOf(await editions.get(ctx))).toMatchObject({ reason: "buckets were gone before their time" });
    await stack.rebuild();
    expect(await stack.views()).toEqual({ p: [0, 9, 9], q: [0, 4, 4] });
    await stack.publish();
    expect(buildingOf(await editions.get(ctx))).toBeUndefined();
  };

  test("also when the schedule that moves windows on has noticed it first", async () => {
    expect(await expire(ctx, (await stack.live()).id)).toMatchObject({ faults: 2 });
    await expectMended();
  });

  test("also when the publisher that noticed it was ended at once", async () => {
    let reads = 0;
    const table = meeting(ctx.table, () => reads++ > 0, ended);
    await expect(stack.publish({ ...ctx, table })).rejects.toThrow(Crash);
    expect(buildingOf(await editions.get(ctx))).toBeUndefined();
    await expectMended();
  });
});

describe("a copy in the ledger", () => {
  test("of a board of 5,000 products with the longest names fits, and other boards go on", async () => {
    const random = seeded(7);
    const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    const longName = () =>
      Array.from({ length: limits.productIdLength }, () => letters[random.below(letters.length)]).join("");
    const names = Array.from({ length: limits.boardSizeMost }, longName);
    await stack.put("long", { size: limits.boardSizeMost });
    await stack.put("small", { size: 10 });
    const types = ["sale", "view", "like", "cart"] as const;
    await Promise.all(
      types.map(async (type) => {
        for (let from = 0; from < names.length; from += limits.eventsMost) {
          const events = names.slice(from, from + limits.eventsMost).map((productId) => ({
            ...{ type, productId, quantity: 1 + random.below(1_000) },
            amount: type === "sale" ? random.below(1_000_000) : 0,
            at: clock.now - random.below(55) * MINUTE,
          }));
          await stack.send(`${type} ${from}`, events);
        }
      }),
    );
    await stack.drain();
    clock.now += limits.snapshotEveryMs;
    expect(await stack.publish()).toMatchObject({ generations: 8 });
    expect(stack.parts.logged.filter(({ event }) => event === "copy-failed")).toEqual([]);
    for (const window of WINDOWS) {
      const copy = await snapshots.get(ctx, "long", window);
      const head = await newestHead(ctx, "long", window);
      expect(copy).toMatchObject({ generation: head?.generation, of: names.length });
      expect(copy?.list.length, window).toBeGreaterThanOrEqual(1_000);
      expect(copy?.places).toBe(copy?.list.length);
      const page = await readPage(ctx, "long", window, head?.generation ?? 0, 9);
      expect(page?.head.places).toBe(names.length);
      expect(namesOf(copy?.list.slice(900, 1_000)), window).toEqual(namesOf(page?.places));
      expect((await snapshots.get(ctx, "small", window))?.list.length).toBe(10);
    }
  });

  test("of 5,000 products that are called by UUIDs fits too", async () => {
    const random = seeded(8);
    const generation: Generation = {
      ...{ generation: 1, revision: 1, version: 1, publishedAt: clock.now, edition: 1, halfLifeHours: 6, halfLife: 0 },
      ...{ places: limits.boardSizeMost, of: limits.boardSizeMost, weights: RULES.weights },
      list: Array.from({ length: limits.boardSizeMost }, () => ({
        productId: randomUUID(),
        score: 1e6 * random.next(),
        change: random.below(500),
        metrics: Array.from({ length: 5 }, () => 1e4 * random.next()),
      })),
    };
    expect(await snapshots.put(ctx, "b", "trending", generation)).toBe(true);
    const copy = await snapshots.get(ctx, "b", "trending");
    expect(copy?.list.length).toBeGreaterThanOrEqual(1_000);
    expect(namesOf(copy?.list)).toEqual(namesOf(generation.list.slice(0, copy?.list.length)));
    expect(copy?.list[0]?.score).toBe(generation.list[0]?.score);
  });
});

describe("scoring", () => {
  test("by a publisher that has read the boards before a new version was put leaves nothing out of that version", async () => {
    await stack.put("b");
    await stack.send("1", [view("p", 1), view("q", 2)]);
    await stack.drain();
    await stack.publish();
    const slow = stop();
    const isBoards = (name: string, [partition]: readonly unknown[]) => name === "query" && partition === "boards";
    const table = meeting(ctx.table, isBoards, slow.here, "after");
    const older = publisher().publishAll({ ...ctx, table }, clock.now + HOUR);
    await slow.reached;
    const { current } = await stack.put("b", { weights: { ...RULES.weights, view: 10 } });
    await stack.send("2", [view("p", 100)]);
    await stack.drain();
    slow.release();
    await older;
    clock.now += 3 * SECOND;
    await stack.publish();
    const page = await stack.top("b");
    expect(page.head.version).toBe(current?.version);
    expect(page.items.map(({ productId, score }) => [productId, score])).toEqual([
      ["p", 1_010],
      ["q", 20],
    ]);
    // A page is right in itself; a rank goes by the sorted sets alone.
    const shown = await reader().product(ctx, { boardId: "b", window: "24h", productId: "p" });
    expect(shown).toMatchObject({ rank: 1, of: 2, score: 1_010 });
  });

  test("that is out of time or overtaken does not keep boards from being published", async () => {
    await stack.put("b");
    await stack.put("c");
    await stack.send("1", [view("p", 1)]);
    await stack.drain();
    clock.now += 5 * SECOND;
    expect(await stack.publisher.publishAll(ctx, clock.now - 1)).toMatchObject({ generations: 8, scored: 0 });
    expect(await stack.top("b")).toMatchObject({ ageMs: 0, source: "live" });
    let isOvertaken = false;
    const overtake = async () => {
      if (isOvertaken) return;
      isOvertaken = true;
      await stack.put("d");
    };
    clock.now += 5 * SECOND;
    const redis = meeting(ctx.redis, runs("take"), overtake);
    expect(await stack.publish({ ...ctx, redis })).toMatchObject({ generations: 8 });
    for (const boardId of ["b", "c"]) expect(await stack.top(boardId)).toMatchObject({ ageMs: 0, source: "live" });
  });

  test("that is overtaken while a board is put is done again, so that the answer still has the new version", async () => {
    await stack.put("b");
    await stack.send("1", [view("p", 1)]);
    await stack.drain();
    await stack.publish();
    const { id } = await stack.live();
    let claims = 0;
    const overtake = async () => {
      if (claims++ < 2) await claimShards(ctx, id);
    };
    const redis = meeting(ctx.redis, runs("fill"), overtake);
    const weights = { ...RULES.weights, view: 10 };
    const { current, next } = await stack.put("b", { weights }, true, { ...ctx, redis });
    expect(claims).toBeGreaterThan(2);
    expect([current?.version, next]).toEqual([2, undefined]);
    expect((await stack.top("b")).items.map(({ score }) => score)).toEqual([10]);
  });

  /** Versions of a board that Redis has sorted sets of. */
  const kept = async (boardId: string) => {
    const keys = (await ctx.redis.command("KEYS", `fc:v1:{rank:*}:*:scores:${boardId}:*`)) as string[];
    return [...new Set(keys.map((key) => Number(key.split(`:${boardId}:`)[1]?.split(":")[0])))].sort((a, b) => a - b);
  };

  test("leaves nothing in Redis of versions that were replaced before they took over", async () => {
    await stack.put("b");
    await stack.send("1", [view("p", 1)]);
    await stack.drain();
    for (let like = 1; like <= 5; like++) {
      await stack.put("b", { weights: { ...RULES.weights, like: 100 * like } }, false);
    }
    await stack.publish();
    expect(await kept("b")).toEqual([1, 6]);
  });

  test("nor of one that was cut off before it had listed what there is to score", async () => {
    await stack.put("b");
    await stack.send("1", [view("p", 1)]);
    await stack.drain();
    const { origin } = shardKeys(shardOf("p"), (await stack.live()).id);
    const isFill = (name: string, args: readonly unknown[]) =>
      runs("fill")(name, args) && (args[1] as { origin: string }).origin === origin;
    const redis = meeting(ctx.redis, isFill, ended);
    const likes = (like: number) => ({ weights: { ...RULES.weights, like } });
    await expect(stack.put("b", likes(100), false, { ...ctx, redis })).rejects.toThrow(Crash);
    await stack.put("b", likes(200), false);
    await stack.publish();
    expect(await kept("b")).toEqual([1, 3]);
  });
});

describe("windows move on", () => {
  test("and let go of what has left while Redis takes nothing more", async () => {
    await stack.put("b");
    for (let batch = 0; batch < 6; batch++) {
      await stack.send(
        `${batch}`,
        Array.from({ length: limits.eventsMost }, (_, i) => view(`p-${batch}-${i}`)),
      );
    }
    await stack.drain();
    const { id } = await stack.live();
    const info = String(await ctx.redis.command("INFO", "memory"));
    await ctx.redis.command("CONFIG", "SET", "maxmemory", Number(/used_memory:(\d+)/.exec(info)?.[1]) - 100_000);
    await expect(ctx.redis.command("SET", "more", "more")).rejects.toThrow("OOM");
    clock.now += 3 * HOUR;
    const first = await expire(ctx, id);
    expect(first).toMatchObject({ rows: 3_000, faults: 0 });
    const views = Object.values(await stack.views());
    expect(views.length).toBe(3_000);
    expect(views.filter(([hour, day, week]) => hour !== 0 || day !== 1 || week !== 1)).toEqual([]);
    clock.now += 8 * DAY;
    expect(await expire(ctx, id)).toMatchObject({ faults: 0 });
    expect(await stack.views()).toEqual({});
  });
});

describe("the breaker", () => {
  const dead = () => {
    throw new StoreUnavailable("redis", "dead in a test");
  };

  beforeEach(async () => {
    await stack.put("b");
    await stack.send("1", [view("p", 1)]);
    await stack.drain();
    clock.now += limits.snapshotEveryMs;
    await stack.publish();
  });

  test("that is open costs the ledger no write for each question of a crowd", async () => {
    let attempts = 0;
    const isTurn = (name: string, [key]: readonly unknown[]) =>
      name === "put" && (key as { pk: string; sk: string }).pk === "breaker" && (key as { sk: string }).sk === "probe";
    const table = meeting(ctx.table, isTurn, () => attempts++);
    const weak = { ...ctx, table, redis: meeting(ctx.redis, () => true, dead) };
    const readers = Array.from({ length: 50 }, () => reader(breaker()));
    const ask = (one: ReturnType<typeof reader>) => one.top(weak, { boardId: "b", window: "24h", limit: 10 });
    for (let i = 0; i < limits.breakerFailures; i++) await ask(readers[0] ?? reader());
    expect(await breakers.get(ctx)).toMatchObject({ state: "open" });
    // All have heard that it is open.
    clock.now += limits.breakerLookMs;
    await Promise.all(readers.map(ask));
    attempts = 0;
    const seconds = 4;
    let answered = 0;
    for (let second = 0; second < seconds; second++) {
      for (let i = 0; i < 20; i++) {
        clock.now += SECOND / 20;
        const pages = await Promise.all(readers.map(ask));
        answered += pages.filter((page) => page.word === "found" && page.items.length === 1).length;
      }
    }
    expect(answered).toBe(50 * 20 * seconds);
    expect(attempts).toBeGreaterThan(0);
    expect(attempts).toBeLessThanOrEqual(50 * (seconds + 1));
  });

  test("that is open lets through again when Redis is well, although the ledger is away", async () => {
    const one = reader(breaker());
    let isLedgerAway = false;
    const table = meeting(
      ctx.table,
      () => isLedgerAway,
      () => {
        throw new StoreUnavailable("ledger", "away in a test");
      },
    );
    const weak = { ...ctx, table };
    const ask = (redis = ctx.redis) => one.top({ ...weak, redis }, { boardId: "b", window: "24h", limit: 10 });
    const deadRedis = meeting(ctx.redis, () => true, dead);
    await ask();
    for (let i = 0; i < limits.breakerFailures; i++) {
      clock.now += SECOND / 2;
      expect(await ask(deadRedis)).toMatchObject({ source: "snapshot" });
    }
    expect(await breakers.get(ctx)).toMatchObject({ state: "open" });
    isLedgerAway = true;
    clock.now += 2 * limits.breakerProbeEveryMs;
    await ask();
    for (let i = 0; i < 20; i++) {
      clock.now += SECOND;
      expect(await ask(), `after ${i} s`).toMatchObject({ source: "live", items: [{ productId: "p" }] });
    }
    isLedgerAway = false;
    for (let i = 0; i < 10; i++) {
      clock.now += SECOND;
      await ask();
    }
    expect(await breakers.get(ctx)).toMatchObject({ state: "closed" });
  });
});

describe("a rebuild", () => {
  test("keeps a category that was told longer ago than the raw batches reach", async () => {
    await stack.put("hats", { category: "hats" });
    await stack.send("told", [{ ...view("hat"), category: "hats" }]);
    await stack.drain();
    for (let day = 0; day < 11; day++) {
      clock.now += DAY;
      await stack.send(`${day}`, [{ type: "sale", productId: "hat", quantity: 1, amount: 5 }]);
      await stack.drain();
      await stack.publish();
    }
    await stack.rebuild();
    await stack.publish();
    for (const window of ["24h", "7d", "trending"] as const) {
      expect(namesOf((await stack.top("hats", window)).items), window).toEqual(["hat"]);
    }
  });

  test("keeps no sums of half-lives that no board has any more", async () => {
    await stack.send("1", [view("p")]);
    await stack.drain();
    for (const halfLifeHours of [5, 7, 9, 11]) await stack.put("b", { halfLifeHours });
    expect((await stack.live()).halfLives).toEqual([5, 7, 9, 11]);
    await stack.rebuild();
    // That of the version which is published, and that of the one which waits for the rebuild.
    expect([...(await stack.live()).halfLives].sort((a, b) => a - b)).toEqual([5, 11]);
    await stack.publish();
    expect((await boards.get(ctx, "b"))?.current?.halfLifeHours).toBe(11);
    expect(namesOf((await stack.top("b", "trending")).items)).toEqual(["p"]);
  });

  test("that begins while a board with a new half-life is being put keeps sums for it", async () => {
    await stack.put("b");
    await stack.send("1", [view("p")]);
    await stack.drain();
    const slow = stop();
    const table = meeting(ctx.table, writes("boards"), slow.here);
    const putting = stack.put("c", { halfLifeHours: 24 }, true, { ...ctx, table });
    await slow.reached;
    // A publisher finds that trending lacks what was counted before, and begins a rebuild.
    await stack.publish();
    expect(buildingOf(await editions.get(ctx))).toBeDefined();
    slow.release();
    await putting;
    await stack.rebuild();
    // At the latest another rebuild has them, which nobody has to ask for: one look finds what is lacking, the next one begins it.
    await stack.publish();
    await stack.publish();
    if (buildingOf(await editions.get(ctx))) await stack.rebuild();
    await stack.publish();
    expect(namesOf((await stack.top("c", "trending")).items)).toEqual(["p"]);
  });
});

describe("a ledger that is new at the same Redis", () => {
  test("begins anew: it shows nothing of before, and counts", async () => {
    await stack.put("b");
    for (let i = 0; i < 5; i++) await stack.send(`${i}`, [view("p", 100), view("old", 1)]);
    await stack.drain();
    await stack.publish();
    const other = await startRankings();
    others.push(other);
    const anew: Ctx = { ...other.ctx, redis: ctx.redis };
    other.clock.now = clock.now + MINUTE;
    await other.put("b", {}, true, anew);
    await other.send("n", [view("p")], anew);
    expect(await other.pump.drain(() => anew)).toMatchObject({ messages: 1, rows: 1, duplicates: 0 });
    other.clock.now += 3 * SECOND;
    expect(await other.publish(anew)).toMatchObject({ generations: 4 });
    for (const window of ["1h", "24h", "7d"] as const) {
      const page = await reader().top(anew, { boardId: "b", window, limit: 10 });
      if (isRefusal(page)) throw new Error(page.detail);
      expect(page).toMatchObject({ source: "live", ageMs: 0 });
      expect(page.items.map(({ productId, score }) => [productId, score])).toEqual([["p", 1]]);
    }
  });
});

describe("publishers", () => {
  test("take over from one whose clock is an hour ahead", async () => {
    await stack.put("b");
    await stack.send("1", [view("p", 1)]);
    await stack.drain();
    await publisher().publishAll({ ...ctx, now: () => clock.now + HOUR }, clock.now + 2 * HOUR);
    for (let i = 0; i < 3; i++) {
      clock.now += 30 * SECOND;
      await stack.send(`after ${i}`, [view("q", 2)]);
      await stack.drain();
      expect(await stack.publish()).toMatchObject({ generations: 4 });
      const page = await stack.top("b");
      expect(page).toMatchObject({ source: "live", ageMs: 0 });
      expect(namesOf(page.items)).toEqual(["q", "p"]);
      expect((await snapshots.get(ctx, "b", "24h"))?.publishedAt).toBe(clock.now);
    }
  });

  test("of which two are at work at once behind such a clock never write under one number", async () => {
    await stack.put("b");
    await stack.send("1", [view("p", 1)]);
    await stack.drain();
    await publisher().publishAll({ ...ctx, now: () => clock.now + HOUR }, clock.now + 2 * HOUR);
    const slow = stop();
    const late = { ...ctx, redis: meeting(ctx.redis, (name, [batch]) => isPages(name, batch), slow.here) };
    const publishing = publisher().publishAll(late, clock.now + HOUR);
    await slow.reached;
    await stack.send("2", [view("q", 2)]);
    await stack.drain();
    await stack.publish();
    const head = await newestHead(ctx, "b", "24h");
    const before = await readPage(ctx, "b", "24h", head?.generation ?? 0, 0);
    slow.release();
    await publishing;
    expect(await readPage(ctx, "b", "24h", head?.generation ?? 0, 0)).toEqual(before);
  });

  /** Whether it writes a generation's pages. */
  const isPages = (name: string, batch: unknown) =>
    name === "commands" && String((batch as string[][])[0]?.[1]).includes(":generation:");
});

describe("a list of first places", () => {
  test.each([
    ["once", 1],
    ["all the time", Number.POSITIVE_INFINITY],
  ])("names nobody twice, although scores move %s while it is read", async (_, moves) => {
    const most = 100;
    const first = firstFetch(most, 16);
    for (const seed of [1, 2, 3]) {
      const random = seeded(seed);
      const list = Array.from({ length: 300 }, (_, i) => ({ productId: `p${i}`, score: 1_000 - i }));
      let moved = 0;
      const fetch = async (shard: number, from: number, count: number) => {
        if (shard !== 0) return [];
        if (from > 0 && moved++ < moves) {
          // One that has been read falls behind what is still to be read.
          const [fallen] = list.splice(random.below(10), 1);
          const behind = list[first + 3];
          if (fallen && behind) list.splice(first + 3, 0, { ...fallen, score: behind.score });
        }
        return list.slice(from, from + count);
      };
      const names = namesOf(await topK(16, most, fetch));
      expect(new Set(names).size).toBe(names.length);
      if (moves === 1) expect(names.toSorted()).toEqual(namesOf(list.slice(0, most)).toSorted());
    }
  });
});

describe("a product", () => {
  test("that is the best stays the first also when its newest events are not scored yet", async () => {
    const sale = (productId: string, amount: number): SentEvent => ({ type: "sale", productId, quantity: 1, amount });
    await stack.put("b");
    await stack.send("1", [sale("first", 100_000), sale("second", 10)]);
    await stack.drain();
    await stack.publish();
    await stack.send("2", [{ type: "refund", productId: "first", quantity: 0, amount: 50_000 }]);
    await stack.drain();
    for (const window of WINDOWS) {
      const shown = await reader().product(ctx, { boardId: "b", window, productId: "first" });
      expect(shown, window).toMatchObject({ word: "found", rank: 1, of: 2, source: "live" });
    }
    const second = await reader().product(ctx, { boardId: "b", window: "24h", productId: "second" });
    expect(second).toMatchObject({ rank: 2, of: 2 });
  });
});

describe("views of actors", () => {
  test("of long ago take no more sketches than those of a day", async () => {
    await stack.put("b");
    const events = Array.from({ length: 160 }, (_, hours) => ({
      ...view("p"),
      actorId: `actor-${hours}`,
      at: clock.now - hours * HOUR,
    }));
    await stack.send("1", events);
    const sketches = (await ctx.redis.command("KEYS", `fc:v1:{rank:${shardOf("p")}}:actors:*`)) as string[];
    expect(sketches.length).toBeGreaterThan(1);
    expect(sketches.length).toBeLessThanOrEqual(limits.actorHoursMost + 1);
    const ttls = await Promise.all(sketches.map((key) => ctx.redis.command("TTL", key)));
    expect(Math.min(...ttls.map(Number))).toBeGreaterThan(0);
    await stack.drain();
    expect((await stack.views()).p?.[2]).toBe(160);
  });
});

describe("messages of one group", () => {
  test("that meet a bug do not keep other groups' messages from being counted", async () => {
    await stack.put("b");
    const products = Array.from({ length: 40 }, (_, i) => `p-${i}`);
    await stack.send(
      "1",
      products.map((productId) => view(productId)),
    );
    const { fence } = shardKeys(shardOf("p-0"), (await stack.live()).id);
    let bugs = 0;
    const isOfGroup = (name: string, args: readonly unknown[]) =>
      runs("apply")(name, args) && (args[1] as { fence: string }).fence === fence && bugs === 0;
    const redis = meeting(ctx.redis, isOfGroup, () => {
      bugs++;
      throw new TypeError("a bug");
    });
    await stack.pump.drain(() => ({ ...ctx, redis }));
    expect(bugs).toBe(1);
    expect(stack.parts.logged.filter(({ event }) => event === "bug")).toHaveLength(1);
    expect(await stack.views()).toEqual(Object.fromEntries(products.map((name) => [name, everywhere(1)])));
  });
});
