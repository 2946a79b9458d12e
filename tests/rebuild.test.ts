import { randomInt } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Ctx } from "../core/context.ts";
import { type CampaignRecord, campaigns } from "../core/coupons/campaign-records.ts";
import { messageOf } from "../core/coupons/confirmation.ts";
import { completeGiveBacks } from "../core/coupons/give-back.ts";
import { holderVerbs } from "../core/coupons/hold.ts";
import { issuer } from "../core/coupons/issue.ts";
import { coupons as ledgerOf, type TicketRow } from "../core/coupons/ledger.ts";
import { fieldOf } from "../core/coupons/member.ts";
import { type Recovery, recover } from "../core/coupons/recover.ts";
import { soldOutMemory } from "../core/coupons/sold-out.ts";
import { GATE } from "../core/coupons/tally.ts";
import { compare } from "../core/coupons/verify.ts";
import { keys } from "../core/keys.ts";
import { limits } from "../core/limits.ts";
import { memberOf } from "../core/member.ts";
import { type Random, seeded } from "../local/rush/random.ts";
import {
  type BulkLedger,
  heldBy,
  isTaken,
  keyOf,
  type LedgerChange,
  ledgerChanges,
  openCampaign,
  type Plan,
  placeOf,
  planCampaign,
  type RedisCommand,
  readFree,
  readPlaces,
  sendAll,
  setCounter,
  startLedger,
  tracesOf,
} from "./setup/filled-campaign.ts";
import { type Parts, startParts } from "./setup/parts.ts";
import { openPump, type Pump } from "./setup/pump.ts";
import { scaled } from "./setup/scale.ts";

/**
 * A campaign that Redis has lost is written anew from the ledger: holder for holder, whatever dies in the middle of it. What
 * stands in Redis afterwards is read here without the domain's readers and held against the ledger's rows, both as sets.
 * FIRSTCOME_SEED=<seed> npm test -- rebuild replays a run.
 */

const SEED = process.env.FIRSTCOME_SEED ? Number(process.env.FIRSTCOME_SEED) : randomInt(1, 2 ** 31);

let parts: Parts;
let ledger: BulkLedger;
let pump: Pump;
let ctx: Ctx;
beforeAll(async () => {
  console.log(`rebuild: seed ${SEED}`);
  parts = await startParts();
  ledger = await startLedger();
  pump = openPump(parts);
  ctx = { ...parts.ctx, table: ledger.table };
});
afterAll(async () => {
  pump.close();
  await ledger.stop();
  await parts.stop();
});

/** Redis comes back blank. */
const blank = () => ctx.redis.command("FLUSHALL");

/** A campaign that only the ledger and the queue know: what was in an outbox has been sent, and nobody has taken it yet. */
async function fillLedger(shape: {
  stock: number;
  issued: number;
  ofEachPending: number;
  ofEachGivingBack: number;
  freeShare?: number;
}): Promise<Plan> {
  const { stock, ...rest } = shape;
  const record = await openCampaign(ctx, { stock });
  const plan = planCampaign(record, ctx.couponSecret, { seed: SEED, ...rest });
  await ledger.write(plan.coupons.flatMap((coupon) => ledgerChanges(coupon, ctx.now())));
  const waiting = plan.coupons.filter(({ standing }) => tracesOf(standing).outbox);
  const messages = waiting.map(({ standing: _, former: __, replaced: ___, ...confirmation }) =>
    messageOf({ confirmation, outboxId: `${confirmation.issuedAt}-0`, epoch: record.epoch }),
  );
  for (let from = 0; from < messages.length; from += limits.queueBatch)
    await ctx.confirmations.sendBatch(messages.slice(from, from + limits.queueBatch));
  await blank();
  return plan;
}

/** Takes a recovery to its end, as the schedule does; its waits pass at once. */
async function drive(by: Ctx, campaignId: string, force?: string): Promise<Recovery> {
  let now = by.now();
  const ahead: Ctx = { ...by, now: () => now };
  for (let look = 0; look < 100; look++) {
    const options = { deadline: now + 60_000, ...(look === 0 && force !== undefined ? { force } : {}) };
    const recovery = await recover(ahead, campaignId, options);
    if (recovery.word !== "recovering") return recovery;
    await pump.drain(ahead);
    now += 5_000;
  }
  throw new Error("the recovery does not come to its end");
}

async function rowsOf({ campaignId, stock }: CampaignRecord): Promise<TicketRow[]> {
  const rows: TicketRow[] = [];
  for (let from = 1; from <= stock; from += limits.ledgerPageTickets) {
    const to = Math.min(stock, from + limits.ledgerPageTickets - 1);
    for (const row of await ledgerOf.tickets(ctx, campaignId, from, to)) rows.push(row);
  }
  return rows;
}

interface Standing {
  /** Where Redis is not what the ledger's rows say. */
  readonly differences: string[];
  readonly holders: number;
  readonly free: number;
  readonly issued: number;
  /** All of it but the names of epoch and filling and what the marks say, to hold one end against another. */
  readonly print: string;
}

/** Holds all that Redis has of a campaign against the ledger's rows. */
async function judge(campaignId: string): Promise<Standing> {
  const record = await campaigns.get(ctx, campaignId);
  if (!record) throw new Error("the campaign is gone");
  const rows = await rowsOf(record);
  const live = rows.filter((row) => !row.free);
  const differences: string[] = [];
  const check = (holds: boolean, sentence: string) => {
    if (!holds) differences.push(sentence);
  };

  const nameOf = (bucket: number, field: Buffer) => `${bucket}:${field.toString("hex")}`;
  const places = await readPlaces(ctx.redis, record);
  const standing = new Map(places.map(({ bucket, field, value }) => [nameOf(bucket, field), value.toString("hex")]));
  const wanted = new Map<string, string>();
  /** What a place may keep that is nobody's: the mark of a coupon that was given back, or of nothing. */
  const marks = new Map<string, string[]>();
  const mayKeep = (name: string, mark: string) => marks.set(name, [...(marks.get(name) ?? []), mark]);
  for (const row of rows) {
    const { bucket, field } = placeOf(row, record);
    const value = heldBy(row, record).toString("hex");
    if (row.free) mayKeep(nameOf(bucket, field), `${value}00`);
    else wanted.set(nameOf(bucket, field), value);
    // What stands below a second coupon keeps that one in sight.
    for (let nth = 1; nth < row.nth; nth++) mayKeep(nameOf(bucket, fieldOf(memberOf(row.userId), nth)), "00".repeat(9));
  }
  for (const [name, value] of wanted)
    check(standing.get(name) === value, `${name} should hold ${value} and holds ${standing.get(name)}`);
  for (const [name, value] of standing) {
    const isRight = wanted.has(name) || marks.get(name)?.includes(value);
    check(isRight === true, `${name} holds ${value} and should not`);
  }
  for (const name of marks.keys()) check(standing.has(name), `${name} is empty and should be marked`);

  const highest = Math.max(0, ...live.map((row) => row.ticket));
  const taken = new Set(live.map((row) => row.ticket));
  const gaps = Array.from({ length: highest }, (_, i) => i + 1).filter((ticket) => !taken.has(ticket));
  const free = await readFree(ctx.redis, record);
  check(free.join() === gaps.join(), "the free list is not what lies between the tickets that are taken");

  const [packed, outbox] = (await ctx.redis.commands([
    ["GET", keys.tally(campaignId)],
    ["XINFO", "STREAM", keys.outbox(campaignId)],
  ])) as [Buffer, (Buffer | number)[]];
  const issued = packed.readUInt32BE(4);
  const gate = packed.readUInt8(8);
  check(packed.readUInt32BE(0) === record.stock, "the stock is another");
  check(issued === highest, `the counter is ${issued} and not ${highest}`);
  const latest = Math.max(0, ...rows.map((row) => row.issuedAt));
  // Who was issued a coupon before the opening does not show that it has been open.
  const scheduled = live.length > 0 && latest >= record.opensAt ? 0 : GATE.scheduled;
  check(gate === scheduled + (gaps.length > 0 ? GATE.freed : 0), `the gate is ${gate}`);
  check(packed.readUInt32BE(45) === record.epoch, "the epoch is another");
  check(packed.toString("latin1", 89, 105) === record.filling, "the filling is another");
  const fact = (name: string) => String(outbox[outbox.findIndex((it) => String(it) === name) + 1]);
  check(fact("length") === "0" && fact("groups") === "1", "the outbox is not empty, or has lost its group");
  check(Number.parseInt(fact("last-generated-id"), 10) >= latest, "the outbox goes on before the latest issue");
  check(Number(await ctx.redis.command("SISMEMBER", keys.campaigns, campaignId)) === 1, "its id is not registered");

  const print = JSON.stringify([[...wanted].sort(), [...marks.keys()].sort(), free, issued, gate]);
  return { differences, holders: wanted.size, free: free.length, issued, print };
}

async function findingsOf(campaignId: string) {
  const result = await compare(ctx, campaignId);
  if ("word" in result) throw new Error(`no comparison: ${result.word}`);
  return result.comparison.findings;
}

/** Whether coupons are answered as they were at first: those asked for without a key, and those with. */
async function replays({ coupons, record, random }: Plan, most: number): Promise<string[]> {
  const issue = issuer(soldOutMemory());
  const wrong: string[] = [];
  const live = coupons.filter((coupon) => isTaken(coupon) || tracesOf(coupon.standing).outbox);
  for (let i = 0; i < most; i++) {
    const coupon = live[random.below(live.length)];
    if (!coupon || (coupon.key === undefined && coupon.nth > 1)) continue;
    const idempotencyKey = coupon.key === undefined ? undefined : keyOf(coupon);
    const answer = await issue(ctx, { campaignId: record.campaignId, userId: coupon.userId, idempotencyKey });
    if (answer.word !== "replayed" || answer.coupon.couponId !== coupon.couponId)
      wrong.push(`ticket ${coupon.ticket}: ${JSON.stringify(answer)}`);
  }
  return wrong;
}

// ── The tests ───────────────────────────────────────────────────────────────────────────────────────────────────────────

describe(`${scaled(100_000).toLocaleString("en-US")} coupons that Redis has lost`, () => {
  it("stand there again as the ledger has them, with what was in the queue, and nobody else", async () => {
    const plan = await fillLedger({
      stock: scaled(110_000),
      issued: scaled(104_000),
      ofEachPending: 100,
      ofEachGivingBack: 20,
    });
    const { campaignId } = plan.record;
    const begun = new Map<string, number>();
    const log: Ctx["log"] = (event, facts) => {
      const step = event === "recovered" ? "done" : String(facts.step);
      if (!begun.has(step)) begun.set(step, performance.now());
    };
    const since = performance.now();
    expect((await drive({ ...ctx, log }, campaignId)).word).toBe("recovered");
    const between = (from: string, to: string) => (((begun.get(to) ?? 0) - (begun.get(from) ?? 0)) / 1_000).toFixed(2);
    const all = ((performance.now() - since) / 1_000).toFixed(2);

    const { differences, print: _, ...figures } = await judge(campaignId);
    console.log(
      `rebuild: ${JSON.stringify(figures)} from the ledger in ${between("rebuilding", "opening")} s, ` +
        `the whole recovery ${all} s but for its waits`,
    );
    expect(differences).toEqual([]);
    const planned = plan.coupons.filter((coupon) => isTaken(coupon) || tracesOf(coupon.standing).outbox);
    expect(figures.holders).toBe(planned.length);
    expect(figures.holders).toBeGreaterThan(scaled(100_000));
    expect(await findingsOf(campaignId)).toEqual([]);
    expect(await replays(plan, 300)).toEqual([]);
  });
});

/** The process is gone: nothing behind this point happens. */
class Crash extends Error {}

type Call = "script" | "record";

/** Stores that are gone at the n-th call of a kind, just before it is done or just after. `seen` counts them. */
function mortal(base: Ctx, counts: Call, at: number, when: "before" | "after") {
  const life = { seen: 0 };
  let dead = false;
  const call = async <T>(isCounted: boolean, work: () => Promise<T>): Promise<T> => {
    if (dead) throw new Crash();
    const isLast = isCounted && ++life.seen === at;
    if (isLast && when === "before") {
      dead = true;
      throw new Crash();
    }
    if (isLast) dead = true;
    const result = await work();
    if (isLast) throw new Crash();
    return result;
  };
  const { redis, table } = base;
  const writes = new Set(["rebuild", "refill", "arm-campaign"]);
  const by: Ctx = {
    ...base,
    redis: {
      ...redis,
      run: (script, ...its) => call(counts === "script" && writes.has(script.name), () => redis.run(script, ...its)),
      command: (...its) => call(false, () => redis.command(...its)),
      commands: (...its) => call(false, () => redis.commands(...its)),
    },
    table: {
      ...table,
      get: (...its) => call(false, () => table.get(...its)),
      getBatch: (...its) => call(false, () => table.getBatch(...its)),
      query: (...its) => call(false, () => table.query(...its)),
      put: (key, ...its) => {
        const isRecord = counts === "record" && (key.pk === "recoveries" || key.pk === "campaigns");
        return call(isRecord, () => table.put(key, ...its));
      },
    },
  };
  return { by, life };
}

/** @returns whether it died */
async function dies(work: Promise<unknown>): Promise<boolean> {
  try {
    await work;
    return false;
  } catch (error) {
    if (error instanceof Crash) return true;
    throw error;
  }
}

describe("a recovery that dies", () => {
  const when = (random: Random) => random.pick(["before", "after"] as const);
  let plan: Plan;
  let good: string;
  const isGood = async (what: string) => {
    const { differences, print } = await judge(plan.record.campaignId);
    expect(differences, what).toEqual([]);
    expect(print === good, `${what}: the same end`).toBe(true);
  };
  beforeAll(async () => {
    plan = await fillLedger({ stock: 400, issued: 380, ofEachPending: 5, ofEachGivingBack: 3 });
    expect((await drive(ctx, plan.record.campaignId)).word).toBe("recovered");
    good = (await judge(plan.record.campaignId)).print;
    await isGood("undisturbed");
  });

  it("at any of the records that it writes comes to the same end with the next run", async () => {
    const { campaignId } = plan.record;
    const random = seeded(SEED);
    let deaths = 0;
    for (let at = 1; ; at++) {
      await blank();
      const moment = when(random);
      const { by } = mortal(ctx, "record", at, moment);
      if (!(await dies(drive(by, campaignId)))) break;
      deaths++;
      await drive(ctx, campaignId);
      await isGood(`${moment} record ${at}`);
    }
    console.log(`rebuild: died at each of ${deaths} records`);
    expect(deaths).toBeGreaterThan(12);
    expect(await findingsOf(campaignId)).toEqual([]);
  });

  /** What the ledger says when the rebuilding begins. */
  async function beforeRebuilding(campaignId: string): Promise<LedgerChange[]> {
    await blank();
    const { by } = mortal(ctx, "script", 1, "before");
    expect(await dies(drive(by, campaignId))).toBe(true);
    const itemKeys = [
      { pk: "recoveries", sk: campaignId },
      { pk: "campaigns", sk: campaignId },
    ];
    return Promise.all(
      itemKeys.map(async (key) => {
        const { pk: _, sk: __, ...attributes } = (await ctx.table.get(key)) ?? {};
        return { key, attributes };
      }),
    );
  }

  it("between any two script calls of the rebuilding comes to the same end with the next run", async () => {
    const { campaignId } = plan.record;
    const start = await beforeRebuilding(campaignId);
    await drive(ctx, campaignId);
    let deaths = 0;
    for (const moment of ["before", "after"] as const) {
      for (let at = 1; ; at++) {
        // Redis blank, or with what is not the ledger's: nothing of it may be left.
        if (at % 2 === 0) await blank();
        else await spoil(plan.record);
        await ledger.write(start);
        const { by } = mortal(ctx, "script", at, moment);
        if (!(await dies(drive(by, campaignId)))) break;
        deaths++;
        expect((await drive(ctx, campaignId)).word).toBe("recovered");
        await isGood(`${moment} script call ${at}`);
      }
    }
    console.log(`rebuild: died at ${deaths} script calls`);
    expect(deaths).toBeGreaterThan(30);
  });

  it("between two pages of the ledger goes on behind the page that is done", async () => {
    const stock = limits.ledgerPageTickets + 500;
    const { record } = await fillLedger({ stock, issued: 300, ofEachPending: 0, ofEachGivingBack: 0 });
    const last = planCampaign(record, ctx.couponSecret, {
      seed: SEED + 1,
      issued: 1,
      ofEachPending: 0,
      ofEachGivingBack: 0,
      freeShare: 0,
    }).newCoupon({ userId: "last", ticket: stock - 7, nth: 1 });
    await ledger.write(ledgerChanges({ ...last, standing: "confirmed" }, ctx.now()));
    // An hour passes with every look at the clock, so each call does one piece.
    const calls: string[] = [];
    for (let look = 0; look < 200; look++) {
      let now = Date.now() + look * 3_600_000;
      const by: Ctx = { ...ctx, now: () => (now += 60_000) };
      const { word, step } = await recover(by, record.campaignId, { deadline: 0 });
      if (word === "recovered") break;
      calls.push(step ?? "");
      await pump.drain(ctx);
    }
    expect(calls.filter((step) => step === "rebuilding").length).toBeGreaterThanOrEqual(3);
    const { differences, issued, free } = await judge(record.campaignId);
    expect([differences, issued]).toEqual([[], stock - 7]);
    expect(free).toBeGreaterThan(stock - 400);
  });
});

/** Redis has holders, free tickets and a counter that the ledger knows nothing of. */
async function spoil({ campaignId, buckets }: CampaignRecord): Promise<void> {
  const commands: RedisCommand[] = [["ZADD", keys.free(campaignId), 1, 1, 2, 2, 3, 3], setCounter(campaignId, 399)];
  for (let bucket = 0; bucket < buckets; bucket++)
    commands.push(["HSET", keys.holders(campaignId, bucket), `nobody-${bucket}`, Buffer.alloc(8, 1)]);
  await sendAll(ctx.redis, commands);
}

describe("two recoveries at once", () => {
  it("come to the same end as one, ten times", async () => {
    const plan = await fillLedger({ stock: 400, issued: 380, ofEachPending: 5, ofEachGivingBack: 3 });
    const { campaignId } = plan.record;
    await drive(ctx, campaignId);
    const { print: good } = await judge(campaignId);
    for (let round = 0; round < 10; round++) {
      await blank();
      const both = await Promise.all([drive(ctx, campaignId), drive(ctx, campaignId)]);
      for (const { word } of both) expect(["recovered", "attached"]).toContain(word);
      const { differences, print } = await judge(campaignId);
      expect(differences, `round ${round}`).toEqual([]);
      expect(print === good, `round ${round}: the same end`).toBe(true);
    }
    expect(await findingsOf(campaignId)).toEqual([]);
  });
});

describe("a campaign that was rebuilt", () => {
  it("issues the rest of its stock, each ticket once, and all of it is recorded", async () => {
    const plan = await fillLedger({ stock: 500, issued: 420, ofEachPending: 5, ofEachGivingBack: 4 });
    const { record, newUser } = plan;
    const { campaignId, stock } = record;
    await drive(ctx, campaignId);
    const before = (await rowsOf(record)).filter((row) => !row.free).length;
    while ((await completeGiveBacks({ ...ctx, now: () => Date.now() + 2 * limits.releaseAgeMs })) > 0);
    const issue = issuer(soldOutMemory());
    const tickets: number[] = [];
    for (;;) {
      const result = await issue(ctx, { campaignId, userId: newUser() });
      if (result.word === "sold-out") break;
      if (!("coupon" in result)) throw new Error(`not to be issued: ${result.word}`);
      tickets.push(result.coupon.ticket);
    }
    const letters = await pump.drain(ctx);
    expect(Object.values(letters).filter((count) => count > 0)).toEqual([]);
    expect(new Set(tickets).size).toBe(tickets.length);
    expect(tickets.length).toBeGreaterThanOrEqual(stock - before);
    const live = (await rowsOf(record)).filter((row) => !row.free);
    expect(live.length).toBe(stock);
    expect(await findingsOf(campaignId)).toEqual([]);
  });
});

/** A campaign whose recovery is about to be rebuilt. */
async function aboutToBeRebuilt() {
  const shape = { stock: 100, issued: 60, ofEachPending: 0, ofEachGivingBack: 0, freeShare: 0 };
  const { record, coupons } = await fillLedger(shape);
  expect(await dies(drive(mortal(ctx, "script", 1, "before").by, record.campaignId))).toBe(true);
  return { record, campaignId: record.campaignId, coupons };
}

describe("a rebuilding", () => {
  it("is not undone by another that was paused while it emptied the buckets", async () => {
    const { campaignId } = await aboutToBeRebuilt();
    let wake = () => {};
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    let sleeps = () => {};
    const asleep = new Promise<void>((resolve) => {
      sleeps = resolve;
    });
    // One process is paused at the first bucket that it is about to empty…
    const slow: Ctx["redis"]["run"] = async (script, scriptKeys, args) => {
      if (script.name === "refill") {
        sleeps();
        await woken;
      }
      return ctx.redis.run(script, scriptKeys, args);
    };
    const slowDone = drive({ ...ctx, redis: { ...ctx.redis, run: slow } }, campaignId);
    await asleep;
    // …and goes on when the other has filled them and is about to open.
    const quick: Ctx["redis"]["run"] = async (script, scriptKeys, args) => {
      if (script.name === "rebuild" && "step" in args && args.step === "finish") {
        wake();
        await pause(200);
      }
      return ctx.redis.run(script, scriptKeys, args);
    };
    await drive({ ...ctx, redis: { ...ctx.redis, run: quick } }, campaignId);
    await slowDone;
    expect((await judge(campaignId)).differences).toEqual([]);
  });

  it("that reads a page twice notices who gave a coupon back in between", async () => {
    const { campaignId, coupons } = await aboutToBeRebuilt();
    // It dies when the page is written into Redis and before that is written down.
    const put: Ctx["table"]["put"] = async (key, attributes, when) => {
      const isNext = key.pk === "recoveries" && JSON.parse(String(attributes.record)).next > 1;
      if (isNext) throw new Crash();
      return ctx.table.put(key, attributes, when);
    };
    expect(await dies(drive({ ...ctx, table: { ...ctx.table, put } }, campaignId))).toBe(true);
    const coupon = coupons.find(({ standing }) => standing === "confirmed");
    if (!coupon) throw new Error("no coupon to give back");
    const { couponId, userId, ticket } = coupon;
    expect((await holderVerbs().cancel(ctx, { couponId, asker: { userId, operator: false } })).word).toBe("cancelled");
    await drive(ctx, campaignId);
    expect((await judge(campaignId)).differences).toEqual([]);
    // Otherwise the ticket would go to somebody now, and to the next one when the give-back is completed.
    const issue = issuer(soldOutMemory());
    const given: number[] = [];
    for (const userId of ["bob", "cyd"]) {
      const result = await issue(ctx, { campaignId, userId });
      if ("coupon" in result) given.push(result.coupon.ticket);
      await completeGiveBacks({ ...ctx, now: () => Date.now() + 2 * limits.releaseAgeMs });
    }
    expect(given[0]).toBe(ticket);
    expect(given[1]).not.toBe(ticket);
    await pump.drain(ctx);
    expect(await findingsOf(campaignId)).toEqual([]);
  });
});
