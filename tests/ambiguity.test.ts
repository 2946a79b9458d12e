import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Ctx, StoreUnavailable } from "../core/context.ts";
import { create, show } from "../core/coupons/campaign.ts";
import type { Coupon } from "../core/coupons/coupon.ts";
import { holderVerbs } from "../core/coupons/hold.ts";
import { issuer } from "../core/coupons/issue.ts";
import { coupons as ledger } from "../core/coupons/ledger.ts";
import { couponTeller } from "../core/coupons/mine.ts";
import { soldOutMemory } from "../core/coupons/sold-out.ts";
import { sweeper } from "../core/coupons/sweep.ts";
import { keys } from "../core/keys.ts";
import { limits } from "../core/limits.ts";
import { isRefusal } from "../core/words.ts";
import { unique } from "./setup/client.ts";
import { type Parts, startParts } from "./setup/parts.ts";
import { openPump, type Pump } from "./setup/pump.ts";

/** An answer that does not come is not a failure: nothing is released on it, and nothing happens twice because of it. */

let queueNow = Date.now();
let parts: Parts;
let pump: Pump;
beforeAll(async () => {
  parts = await startParts(() => queueNow);
  pump = openPump(parts);
});
afterAll(async () => {
  pump.close();
  await parts.stop();
});

const couponOf = (result: { word: string }): Coupon => {
  if (!("coupon" in result)) throw new Error(`no coupon but ${result.word}`);
  return result.coupon as Coupon;
};
const rowsOf = async (id: string) => (await ledger.tickets(parts.ctx, id, 1, 100)).length;

describe("a publish whose reply is dropped", () => {
  it("although SQS has the message: the ticket stays with its holder, the answer is 202, and the ledger gets one row", async () => {
    const id = await parts.campaign();
    const dropped: Ctx = {
      ...parts.ctx,
      confirmations: {
        ...parts.ctx.confirmations,
        send: async (message) => {
          await parts.ctx.confirmations.send(message);
          throw new StoreUnavailable("queue", "the reply was dropped");
        },
      },
    };
    const result = await issuer(soldOutMemory())(dropped, { campaignId: id, userId: "ann" });
    expect(result.word).toBe("accepted");
    expect(await show(parts.ctx, id)).toMatchObject({ campaign: { issued: 1, remaining: 9 } });
    expect(await parts.ctx.redis.command("ZCARD", keys.free(id))).toBe(0);
    // The shopper asks again, the sweep sends again, the first message arrives after all: one coupon.
    const replay = await issuer(soldOutMemory())(parts.ctx, { campaignId: id, userId: "ann" });
    expect(replay).toMatchObject({ word: "replayed", coupon: { couponId: couponOf(result).couponId } });
    await sweepNow(id);
    await pump.drain(parts.ctx);
    expect(await rowsOf(id)).toBe(1);
    expect(await parts.ctx.redis.command("XLEN", keys.outbox(id))).toBe(0);
  });

  it("that comes too late to be told with 201 is told with 202: a recovery does not wait for it", async () => {
    const id = await parts.campaign();
    let now = Date.now();
    const slow: Ctx = {
      ...parts.ctx,
      now: () => now,
      confirmations: {
        ...parts.ctx.confirmations,
        send: async (message) => {
          now += limits.toldWithinMs + 1;
          await parts.ctx.confirmations.send(message);
        },
      },
    };
    expect((await issuer(soldOutMemory())(slow, { campaignId: id, userId: "ann" })).word).toBe("accepted");
    await pump.drain(parts.ctx);
  });
});

/** The sweep, for one campaign and at once. */
function sweepNow(id: string) {
  const eager: Ctx = {
    ...parts.ctx,
    redis: {
      ...parts.ctx.redis,
      command: async (name, ...args) => (name === "SMEMBERS" ? [id] : parts.ctx.redis.command(name, ...args)),
      run: (script, scriptKeys, args) =>
        parts.ctx.redis.run(script, scriptKeys, script.name === "sweep" ? { ...args, ageMs: -1_000, idleMs: 0 } : args),
    },
  };
  return sweeper()(eager);
}

describe("a relay that stood still for six minutes, past the deduplication window", () => {
  it("sends copies that SQS does not know any more, and there is one row for each user", async () => {
    const id = await parts.campaign({ stock: 40 });
    const issue = issuer(soldOutMemory());
    const users = Array.from({ length: 40 }, (_, i) => `u-${i}`);
    for (const userId of users) await issue(parts.ctx, { campaignId: id, userId });
    // Nobody takes them; the sweep sends them again after six minutes, twice.
    queueNow += 6 * 60_000;
    expect(await sweepNow(id)).toMatchObject({ sent: 40 });
    queueNow += 6 * 60_000;
    await sweepNow(id);
    expect((await parts.ctx.confirmations.depth()).waiting).toBe(120);
    await pump.drain(parts.ctx);
    expect(await rowsOf(id)).toBe(40);
    for (const userId of users) expect(await ledger.ofCampaign(parts.ctx, userId, id)).toHaveLength(1);
    expect(await parts.ctx.redis.command("XLEN", keys.outbox(id))).toBe(0);
  });
});

describe("a ledger whose reply is dropped", () => {
  it("after each of its writes: the record comes again, is found to be there, and nothing is taken back", async () => {
    for (const lost of [1, 2]) {
      const id = await parts.campaign();
      await issuer(soldOutMemory())(parts.ctx, { campaignId: id, userId: "ann" });
      let writes = 0;
      const dropping: Ctx = {
        ...parts.ctx,
        table: {
          ...parts.ctx.table,
          put: async (...args) => {
            const done = await parts.ctx.table.put(...args);
            if (++writes === lost) throw new StoreUnavailable("ledger", "the reply was dropped");
            return done;
          },
        },
      };
      await pump.drain(dropping);
      queueNow += 60_000;
      await pump.drain(parts.ctx);
      expect(await rowsOf(id), `write ${lost}`).toBe(1);
      expect(await couponTeller()(parts.ctx, { campaignId: id, userId: "ann" })).toMatchObject({
        items: [{ state: "confirmed", ticket: 1 }],
      });
    }
  });
});

describe("a script whose reply is dropped", () => {
  it("gives the user the same coupon when they ask again", async () => {
    const id = await parts.campaign();
    const dropped: Ctx = {
      ...parts.ctx,
      redis: {
        ...parts.ctx.redis,
        run: async (...args) => {
          await parts.ctx.redis.run(...args);
          throw new StoreUnavailable("redis", "the reply was dropped");
        },
      },
    };
    await expect(issuer(soldOutMemory())(dropped, { campaignId: id, userId: "ann" })).rejects.toThrow("out of reach");
    const again = await issuer(soldOutMemory())(parts.ctx, { campaignId: id, userId: "ann" });
    expect(again).toMatchObject({ word: "replayed", coupon: { ticket: 1 } });
    // Nobody has published it yet; the sweep does.
    expect(await sweepNow(id)).toMatchObject({ sent: 1 });
    await pump.drain(parts.ctx);
    expect(await rowsOf(id)).toBe(1);
  });
});

describe("a clock that is ten minutes behind on the server that takes over", () => {
  it("gives no earlier time and no earlier ticket than the one before it, and opens nothing early", async () => {
    const id = await parts.campaign({ stock: 20 });
    const issue = issuer(soldOutMemory());
    // The first server's clock is ten minutes ahead: its outbox has seen that time.
    const ahead = Date.now() + 600_000;
    await parts.ctx.redis.command("XSETID", keys.outbox(id), `${ahead}-0`);
    const before = [];
    for (let i = 0; i < 5; i++) before.push(couponOf(await issue(parts.ctx, { campaignId: id, userId: `a-${i}` })));
    expect(before.every(({ issuedAt }) => issuedAt >= ahead)).toBe(true);
    const closed = await parts.campaign({ opensAt: Date.now() + 300_000, closesAt: Date.now() + 900_000 });
    await pump.drain(parts.ctx);
    // Everything is gone; the server that is there now has the true time.
    for (const key of [keys.tally(id), keys.outbox(id), keys.tally(closed), keys.outbox(closed)]) {
      await parts.ctx.redis.command("DEL", key);
    }
    for (const it of [id, closed]) expect((await pump.recover(parts.ctx, it)).word).toBe("recovered");
    const after = [];
    for (let i = 0; i < 5; i++) after.push(couponOf(await issue(parts.ctx, { campaignId: id, userId: `b-${i}` })));
    const all = [...before, ...after];
    expect(all.map(({ ticket }) => ticket)).toEqual(all.map((_, i) => i + 1));
    for (const [i, coupon] of all.entries()) expect(coupon.issuedAt).toBeGreaterThanOrEqual(all[i - 1]?.issuedAt ?? 0);
    expect((await issue(parts.ctx, { campaignId: closed, userId: "early" })).word).toBe("not-open");
    // What is sent again is not held back by times that lie ahead.
    expect(await sweepNow(id)).toMatchObject({ sent: 5 });
    await pump.drain(parts.ctx);
    expect(await rowsOf(id)).toBe(10);
  });
});

describe("a clock that stands still for the outbox", () => {
  it("does not make two issuances of one ticket one: given back and issued again in what looks like the same millisecond, both are kept apart", async () => {
    const id = await parts.campaign({ stock: 2 });
    const issue = issuer(soldOutMemory());
    const ahead = Date.now() + 600_000;
    await parts.ctx.redis.command("XSETID", keys.outbox(id), `${ahead}-0`);
    const { cancel } = holderVerbs();
    const seen: Coupon[] = [];
    for (const userId of ["ann", "ann", "ben", "ann", "cleo"]) {
      const coupon = couponOf(await issue(parts.ctx, { campaignId: id, userId }));
      expect(coupon.ticket).toBe(1);
      seen.push(coupon);
      await pump.drain(parts.ctx);
      expect((await ledger.find(parts.ctx, coupon.couponId))?.coupon?.state).toBe("confirmed");
      expect((await cancel(parts.ctx, { couponId: coupon.couponId, asker: { userId, operator: false } })).word).toBe(
        "cancelled",
      );
    }
    expect(new Set(seen.map(({ couponId }) => couponId)).size).toBe(seen.length);
    for (const [i, coupon] of seen.entries()) expect(coupon.issuedAt).toBeGreaterThan(seen[i - 1]?.issuedAt ?? 0);
    // The same over a recovery on a server whose clock is behind.
    await parts.ctx.redis.command("DEL", keys.tally(id), keys.outbox(id));
    expect((await pump.recover(parts.ctx, id)).word).toBe("recovered");
    const last = couponOf(await issue(parts.ctx, { campaignId: id, userId: "ann" }));
    expect(last.issuedAt).toBeGreaterThan(seen.at(-1)?.issuedAt ?? 0);
    expect(await pump.drain(parts.ctx)).toEqual({});
    expect((await ledger.find(parts.ctx, last.couponId))?.coupon?.state).toBe("confirmed");
  });
});

describe("a campaign's creation", () => {
  it("whose ledger reply is dropped at any write is completed by the same request", async () => {
    for (const lost of [1, 2]) {
      const now = Date.now();
      const window = { opensAt: now - 1_000, closesAt: now + 3_600_000 };
      const draft = { campaignId: unique("c"), name: "cut", stock: 3, perUser: 1, ...window };
      let writes = 0;
      const dropping: Ctx = {
        ...parts.ctx,
        table: {
          ...parts.ctx.table,
          put: async (...args) => {
            const done = await parts.ctx.table.put(...args);
            if (++writes === lost) throw new StoreUnavailable("ledger", "the reply was dropped");
            return done;
          },
        },
      };
      await expect(create(dropping, draft)).rejects.toThrow("out of reach");
      const again = await create(parts.ctx, draft);
      expect(isRefusal(again) ? again.word : again.campaign.state).toBe("open");
    }
  });
});
