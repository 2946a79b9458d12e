import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { change, create, registerCampaigns, show } from "../core/coupons/campaign.ts";
import { campaigns } from "../core/coupons/campaign-records.ts";
import { type IssueResult, issuer } from "../core/coupons/issue.ts";
import { groupOf } from "../core/coupons/member.ts";
import { soldOutMemory } from "../core/coupons/sold-out.ts";
import { keys } from "../core/keys.ts";
import { limits } from "../core/limits.ts";
import { defineScript, scripts, UnexpectedReply } from "../core/lua.ts";
import { memberOf } from "../core/member.ts";
import { unique } from "./setup/client.ts";
import { type Parts, startParts } from "./setup/parts.ts";

let parts: Parts;
let issue: ReturnType<typeof issuer>;
beforeAll(async () => {
  parts = await startParts();
  issue = issuer(soldOutMemory());
});
afterAll(() => parts.stop());

const ask = (campaignId: string, userId: string, idempotencyKey?: string): Promise<IssueResult> =>
  issue(parts.ctx, { campaignId, userId, idempotencyKey });

function couponOf(result: IssueResult) {
  if (!("coupon" in result)) throw new Error(`no coupon but ${result.word}`);
  return result.coupon;
}

/** Moves the server's clock as scripts see it: the tally's window is moved the other way. */
const command = (...args: [string, ...(string | number)[]]) => parts.ctx.redis.command(...args);

describe("tickets", () => {
  it("are given 1…stock in the order of asking, each once, and then it is sold out", async () => {
    const id = await parts.campaign({ stock: 5 });
    const tickets = [];
    for (let i = 0; i < 5; i++) tickets.push(couponOf(await ask(id, `user-${i}`)).ticket);
    expect(tickets).toEqual([1, 2, 3, 4, 5]);
    expect((await ask(id, "user-5")).word).toBe("sold-out");
  });

  it("never exceed the stock when 300 users ask at the same instant over 6 connections", async () => {
    const id = await parts.campaign({ stock: 50 });
    const doors = Array.from({ length: 6 }, () => parts.redis.connect());
    const hosts = doors.map((redis) => ({ ctx: { ...parts.ctx, redis }, issue: issuer(soldOutMemory()) }));
    const results = await Promise.all(
      Array.from({ length: 300 }, (_, i) => {
        const host = hosts[i % hosts.length];
        if (!host) throw new Error("no host");
        return host.issue(host.ctx, { campaignId: id, userId: `u${i}` });
      }),
    );
    const tickets = results.filter((result) => "coupon" in result).map((result) => couponOf(result).ticket);
    expect(tickets.sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
    expect(results.filter((result) => result.word === "sold-out")).toHaveLength(250);
  });

  it("follow the script's order on hosts whose clocks are hours apart", async () => {
    const id = await parts.campaign({ stock: 100 });
    const skews = [-6, 0, 6].map((hours) => ({ ...parts.ctx, now: () => Date.now() + hours * 3_600_000 }));
    const coupons = [];
    for (let i = 0; i < 30; i++) {
      const ctx = skews[i % 3];
      if (!ctx) throw new Error("no host");
      coupons.push(couponOf(await issue(ctx, { campaignId: id, userId: `skew-${i}` })));
    }
    expect(coupons.map((coupon) => coupon.ticket)).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
    const times = coupons.map((coupon) => coupon.issuedAt);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    for (const time of times) expect(Math.abs(time - Date.now())).toBeLessThan(60_000);
  });
});

describe("a replay", () => {
  it("without a key gets the first answer, equal in every member", async () => {
    const id = await parts.campaign({ validDays: 7 });
    const first = await ask(id, "ann");
    expect(first.word).toBe("issued");
    const again = await ask(id, "ann");
    expect(again).toEqual({ word: "replayed", coupon: couponOf(first) });
  });

  it("with a key gets the coupon of that key, and a repeat without a key the user's first", async () => {
    const id = await parts.campaign({ perUser: 3 });
    const one = couponOf(await ask(id, "ben", "key-1"));
    const two = couponOf(await ask(id, "ben", "key-2"));
    expect([one.nth, two.nth]).toEqual([1, 2]);
    expect(await ask(id, "ben", "key-2")).toEqual({ word: "replayed", coupon: two });
    expect(await ask(id, "ben", "key-1")).toEqual({ word: "replayed", coupon: one });
    expect(await ask(id, "ben")).toEqual({ word: "replayed", coupon: one });
    expect(couponOf(await ask(id, "ben", "key-3")).nth).toBe(3);
    expect((await ask(id, "ben", "key-4")).word).toBe("limit-reached");
  });

  it("of 1,000 requests at the same instant is one ticket and 1,000 equal coupons", async () => {
    const id = await parts.campaign();
    const results = await Promise.all(Array.from({ length: 1_000 }, () => ask(id, "cleo")));
    expect(results.filter((result) => result.word === "issued")).toHaveLength(1);
    expect(results.filter((result) => result.word === "replayed")).toHaveLength(999);
    expect(new Set(results.map((result) => JSON.stringify(couponOf(result)))).size).toBe(1);
  });

  it("still gets its coupon when the campaign is sold out, paused or closed", async () => {
    const id = await parts.campaign({ stock: 1 });
    const mine = couponOf(await ask(id, "dan"));
    expect((await ask(id, "eve")).word).toBe("sold-out");
    expect(await ask(id, "dan")).toEqual({ word: "replayed", coupon: mine });
    await change(parts.ctx, id, { paused: true });
    expect(await ask(id, "dan")).toEqual({ word: "replayed", coupon: mine });
    await change(parts.ctx, id, { paused: false, closesAt: Date.now() - 1 });
    expect(await ask(id, "dan")).toEqual({ word: "replayed", coupon: mine });
  });
});

describe("users", () => {
  it("of every form are told apart and get their own coupon back", async () => {
    const users = [
      "7",
      "007",
      "0e4b1c8e-6f3c-4a59-9d2f-1f4a3f6f7a10",
      "0E4B1C8E-6F3C-4A59-9D2F-1F4A3F6F7A10",
      "0e4b1c8e6f3c4a599d2f1f4a3f6f7a10",
      "auth0|5f7c8ec7c33c6c004bbafe82",
      "x".repeat(255),
      `${"x".repeat(254)}y`,
      "한국어 사용자",
      "2\u001f7",
      "\u00017",
      "emoji 🎟",
    ];
    const id = await parts.campaign({ stock: 100, perUser: 2 });
    const first = new Map<string, unknown>();
    for (const user of users) first.set(user, couponOf(await ask(id, user, "a")));
    for (const user of users) expect(await ask(id, user, "a")).toEqual({ word: "replayed", coupon: first.get(user) });
    expect(new Set(users.map((user) => memberOf(user).toString("hex"))).size).toBe(users.length);
    for (const user of users) expect(memberOf(user).length).toBeLessThanOrEqual(limits.memberBytes);
  });

  it("have a message group that depends on campaign and user alone", () => {
    expect(groupOf("sale", "ann")).toBe(groupOf("sale", "ann"));
    const groups = new Set(Array.from({ length: 5_000 }, (_, i) => groupOf("sale", `user-${i}`)));
    expect(groups.size).toBe(limits.groupsPerCampaign);
  });

  it("cannot guess a coupon id: ids of neighbouring tickets share nothing behind the ticket", async () => {
    const id = await parts.campaign();
    const [a = "", b = ""] = [couponOf(await ask(id, "a")).couponId, couponOf(await ask(id, "b")).couponId].map(
      (it) => it.split(".")[2],
    );
    expect(a).toHaveLength(22);
    expect([...a].filter((character, i) => character === b[i]).length).toBeLessThan(8);
  });
});

describe("the window", () => {
  it("refuses before opening with the opening time, and opens by the Redis clock", async () => {
    const opensAt = Date.now() + 3_600_000;
    const id = await parts.campaign({ opensAt, closesAt: opensAt + 1_000 });
    const refused = await ask(id, "ann");
    expect(refused).toMatchObject({ word: "not-open", facts: { opensAt: new Date(opensAt).toISOString() } });
    expect(refused).toHaveProperty("retryAfterMs");
    await change(parts.ctx, id, { opensAt: Date.now() - 1 });
    expect((await ask(id, "ann")).word).toBe("issued");
  });

  it("refuses after closing, and stays closed when the clock steps back", async () => {
    const id = await parts.campaign();
    await change(parts.ctx, id, { closesAt: Date.now() - 1 });
    expect((await ask(id, "ann")).word).toBe("closed");
    // Not even the entry that told the time is left: nobody confirms a coupon that was never given.
    expect(await command("XLEN", keys.outbox(id))).toBe(0);
    expect(await show(parts.ctx, id)).toMatchObject({ campaign: { state: "closed", issued: 0 } });
    // The clock steps back an hour: seen from the campaign, its closing time lies ahead again.
    const closesAt = Buffer.alloc(8);
    closesAt.writeDoubleBE(Date.now() + 3_600_000);
    await parts.ctx.redis.commands([["SETRANGE", keys.tally(id), 13, closesAt]]);
    expect((await ask(id, "ben")).word).toBe("closed");
  });

  it("stays open, and tickets keep their order in time, when the clock steps back after the opening", async () => {
    const id = await parts.campaign();
    const first = couponOf(await ask(id, "ann"));
    const opensAt = Buffer.alloc(8);
    opensAt.writeDoubleBE(Date.now() + 600_000);
    await parts.ctx.redis.commands([["SETRANGE", keys.tally(id), 33, opensAt]]);
    expect(couponOf(await ask(id, "ben")).ticket).toBe(2);
    // The outbox has seen a later time than the server shows: the next issue is not earlier than that.
    const later = first.issuedAt + 600_000;
    await command("XADD", keys.outbox(id), `${later}-0`, "0", "nobody");
    expect(couponOf(await ask(id, "cleo")).issuedAt).toBe(later);
  });
});

describe("a campaign", () => {
  it("that never was is unknown; one that Redis lost is recovering and is never filled again from its stock", async () => {
    expect((await ask("never-was", "ann")).word).toBe("unknown");
    const id = await parts.campaign({ stock: 3 });
    await ask(id, "ann");
    await parts.redis.door.command("DEL", keys.tally(id));
    expect((await issuer(soldOutMemory())(parts.ctx, { campaignId: id, userId: "ben" })).word).toBe("recovering");
    expect(await show(parts.ctx, id)).toMatchObject({ campaign: { state: "recovering" } });
  });

  it("is recovering, not unknown, when Redis has lost everything", async () => {
    const lost = await startParts();
    try {
      const id = await lost.campaign();
      await lost.ctx.redis.command("FLUSHALL");
      const fresh = issuer(soldOutMemory());
      expect((await fresh(lost.ctx, { campaignId: id, userId: "ann" })).word).toBe("recovering");
      // A new campaign on the blank server does not turn the lost one into an unknown one.
      await lost.campaign();
      expect((await fresh(lost.ctx, { campaignId: id, userId: "ann" })).word).toBe("recovering");
      expect(await registerCampaigns(lost.ctx)).toBe(0);
    } finally {
      await lost.stop();
    }
  });

  it("whose creation was cut before it was armed is not changed: the ledger must never call unarmed what Redis issues from", async () => {
    const now = Date.now();
    const draft = {
      campaignId: unique("c"),
      name: "cut",
      stock: 3,
      perUser: 1,
      opensAt: now - 60_000,
      closesAt: now + 3_600_000,
    };
    // The creation gets as far as the copy in Redis; a change comes in between; then the creation goes on.
    let changed: unknown;
    const table = {
      ...parts.ctx.table,
      put: async (...args: Parameters<typeof parts.ctx.table.put>) => {
        const [, , when] = args;
        if (!when.absent) changed ??= (await change(parts.ctx, draft.campaignId, { name: "in between" })).word;
        return parts.ctx.table.put(...args);
      },
    };
    await create({ ...parts.ctx, table }, draft);
    expect(changed).toBe("recovering");
    expect(await campaigns.get(parts.ctx, draft.campaignId)).toMatchObject({
      filling: expect.stringMatching(/^[0-9a-f]{16}$/),
      name: "cut",
    });
    expect((await ask(draft.campaignId, "ann")).word).toBe("issued");
  });

  it("behind a waiting room is refused without a pass", async () => {
    const id = await parts.campaign({ roomId: "lobby" });
    expect((await ask(id, "ann")).word).toBe("pass-required");
  });

  it("cannot have less stock than is issued; a smaller stock that fits sells out at once, a larger one opens again", async () => {
    const id = await parts.campaign({ stock: 10 });
    for (const user of ["a", "b", "c"]) await ask(id, user);
    expect(await change(parts.ctx, id, { stock: 2, name: "smaller" })).toMatchObject({ word: "conflict" });
    expect(await show(parts.ctx, id)).toMatchObject({ campaign: { stock: 10, name: "test" } });
    expect(await campaigns.get(parts.ctx, id)).toMatchObject({ stock: 10, name: "test" });
    expect(await change(parts.ctx, id, { stock: 3 })).toMatchObject({ campaign: { state: "sold-out", remaining: 0 } });
    expect((await ask(id, "d")).word).toBe("sold-out");
    expect(await change(parts.ctx, id, { stock: 4 })).toMatchObject({ campaign: { state: "open" } });
    expect(couponOf(await issuer(soldOutMemory())(parts.ctx, { campaignId: id, userId: "d" })).ticket).toBe(4);
  });

  it("changed by twenty operators at once ends with one of their wishes, the same in Redis and in the ledger", async () => {
    const id = await parts.campaign({ stock: 1_000 });
    const wishes = Array.from({ length: 20 }, (_, i) => 900 - 10 * i);
    const results = await Promise.all(wishes.map((stock) => change(parts.ctx, id, { stock, name: `stock ${stock}` })));
    expect(results.some((result) => result.word === "changed")).toBe(true);
    const shown = await show(parts.ctx, id);
    if (shown.word !== "found") throw new Error(shown.word);
    expect(shown.campaign.name).toBe(`stock ${shown.campaign.stock}`);
    expect(await campaigns.get(parts.ctx, id)).toMatchObject({
      name: shown.campaign.name,
      stock: shown.campaign.stock,
    });
  });
});

describe("a loser", () => {
  it("writes nothing: not in Redis, not in the queue, not in the log", async () => {
    const id = await parts.campaign({ stock: 3 });
    for (const user of ["a", "b", "c"]) await ask(id, user);
    const changes = async () => {
      const info = String(await command("INFO", "persistence"));
      return Number(/rdb_changes_since_last_save:(\d+)/.exec(info)?.[1]);
    };
    const before = {
      changes: await changes(),
      keys: await command("DBSIZE"),
      logged: parts.logged.length,
      depth: await parts.ctx.confirmations.depth(),
    };
    for (let i = 0; i < 300; i++) {
      // A new memory each time, so that every one of them asks Redis.
      const result = await issuer(soldOutMemory())(parts.ctx, { campaignId: id, userId: `late-${i}` });
      expect(result.word).toBe("sold-out");
    }
    const after = {
      changes: await changes(),
      keys: await command("DBSIZE"),
      logged: parts.logged.length,
      depth: await parts.ctx.confirmations.depth(),
    };
    expect(after).toEqual(before);
  });

  it("is answered from memory for a second, while a holder still gets the coupon, and new stock is seen after that second", async () => {
    const id = await parts.campaign({ stock: 40 });
    const holders = Array.from({ length: 40 }, (_, i) => `holder-${i}`);
    for (const user of holders) await ask(id, user);
    let now = Date.now();
    const ctx = { ...parts.ctx, now: () => now };
    const oneHost = issuer(soldOutMemory());
    const scriptCalls = async () => {
      const info = String(await command("INFO", "commandstats"));
      return [/cmdstat_evalsha:calls=(\d+)/, /cmdstat_eval:calls=(\d+)/].reduce(
        (sum, calls) => sum + Number(calls.exec(info)?.[1] ?? 0),
        0,
      );
    };
    expect((await oneHost(ctx, { campaignId: id, userId: "late" })).word).toBe("sold-out");
    const before = await scriptCalls();
    for (let i = 0; i < 2_000; i++)
      expect((await oneHost(ctx, { campaignId: id, userId: `late-${i}` })).word).toBe("sold-out");
    // The filter takes one stranger in a hundred for a holder.
    expect((await scriptCalls()) - before).toBeLessThan(100);
    for (const user of holders) expect((await oneHost(ctx, { campaignId: id, userId: user })).word).toBe("replayed");

    await change(parts.ctx, id, { stock: 41 });
    now += limits.soldOutMemoryMs;
    expect((await oneHost(ctx, { campaignId: id, userId: "late-1" })).word).toBe("issued");
    expect((await oneHost(ctx, { campaignId: id, userId: "late-2" })).word).toBe("sold-out");
    expect((await oneHost(ctx, { campaignId: id, userId: "late-1" })).word).toBe("replayed");
  });

  it("has its holders read by a container when that is dearer no more than what it has asked, by lot a little sooner or later", async () => {
    const buckets = 10;
    const id = await parts.campaign({ stock: buckets * limits.holdersPerBucket });
    const users = Array.from({ length: buckets * limits.holdersPerBucket }, (_, i) => `holder-${i}`);
    for (let from = 0; from < users.length; from += 20)
      await Promise.all(users.slice(from, from + 20).map((user) => ask(id, user)));
    const bucketsRead = async () => {
      const info = String(await command("INFO", "commandstats"));
      return Number(/cmdstat_hkeys:calls=(\d+)/.exec(info)?.[1] ?? 0);
    };
    const middle = buckets * limits.soldOutAsksPerBucket;
    for (const [lot, asks] of [
      [0, Math.ceil(0.5 * middle)],
      [0.999, Math.ceil(1.499 * middle)],
    ] as const) {
      const host = issuer(soldOutMemory(() => lot));
      const before = await bucketsRead();
      for (let nth = 1; nth <= asks + 3; nth++) {
        expect((await host(parts.ctx, { campaignId: id, userId: `late-${nth}` })).word).toBe("sold-out");
        expect([lot, nth, (await bucketsRead()) - before]).toEqual([lot, nth, nth < asks ? 0 : buckets]);
      }
    }
    // Containers that are each asked twice at the moment of selling out read nothing, however many there are.
    const before = await bucketsRead();
    for (let host = 0; host < 100; host++) {
      const few = issuer(soldOutMemory(Math.random));
      for (const user of ["late-1", "late-2"]) await few(parts.ctx, { campaignId: id, userId: user });
    }
    expect((await bucketsRead()) - before).toBe(0);
  });
});

describe("the door to Redis", () => {
  it("throws a reply that no header lists as what it is, a bug, and not as a store out of reach", async () => {
    const odd = defineScript("show-campaign", "return 'odd'", [], [], (raw) => {
      throw new UnexpectedReply("odd", raw);
    });
    scripts.pop();
    await expect(parts.ctx.redis.run(odd, {}, {})).rejects.toThrow(UnexpectedReply);
  });
});
