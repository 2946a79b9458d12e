import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Ctx, StoreUnavailable } from "../core/context.ts";
import { show } from "../core/coupons/campaign.ts";
import type { Coupon } from "../core/coupons/coupon.ts";
import { completeGiveBacks, openGiveBacks } from "../core/coupons/give-back.ts";
import { holderVerbs } from "../core/coupons/hold.ts";
import { type IssueResult, issuer } from "../core/coupons/issue.ts";
import { coupons as ledger } from "../core/coupons/ledger.ts";
import { couponTeller } from "../core/coupons/mine.ts";
import { soldOutMemory } from "../core/coupons/sold-out.ts";
import { compare } from "../core/coupons/verify.ts";
import { keys } from "../core/keys.ts";
import { limits } from "../core/limits.ts";
import { type Parts, startParts } from "./setup/parts.ts";
import { openPump, type Pump } from "./setup/pump.ts";

/** Using a coupon and giving it back: once, whoever asks how often, and whatever dies in between. */

let parts: Parts;
let pump: Pump;
beforeAll(async () => {
  parts = await startParts();
  pump = openPump(parts);
});
afterAll(async () => {
  pump.close();
  await parts.stop();
});

const { use, cancel } = holderVerbs();
const issue = issuer(soldOutMemory());
const ask = (campaignId: string, userId: string, idempotencyKey?: string): Promise<IssueResult> =>
  issue(parts.ctx, { campaignId, userId, idempotencyKey });
const asker = (userId: string, operator = false) => ({ userId, operator });
const cancelBy = (userId: string, couponId: string, ctx: Ctx = parts.ctx) =>
  cancel(ctx, { couponId, asker: asker(userId) });
const useBy = (userId: string, couponId: string, orderId: string, ctx: Ctx = parts.ctx) =>
  use(ctx, { couponId, orderId, asker: asker(userId) });

async function get(campaignId: string, userId: string, key?: string): Promise<Coupon> {
  const result = await ask(campaignId, userId, key);
  if (!("coupon" in result)) throw new Error(`no coupon but ${result.word}`);
  return result.coupon;
}

/** A coupon that the ledger has. */
async function getConfirmed(campaignId: string, userId: string, key?: string): Promise<Coupon> {
  const coupon = await get(campaignId, userId, key);
  await pump.drain(parts.ctx);
  return coupon;
}

const issuedOf = async (campaignId: string) => {
  const shown = await show(parts.ctx, campaignId);
  return shown.word === "found" ? [shown.campaign.issued, shown.campaign.remaining, shown.campaign.state] : shown.word;
};
const free = async (campaignId: string) =>
  ((await parts.ctx.redis.command("ZRANGE", keys.free(campaignId), 0, -1)) as string[]).map(Number);
const findingsOf = async (campaignId: string) => {
  const compared = await compare(parts.ctx, campaignId);
  return "comparison" in compared ? compared.comparison.findings : compared.word;
};

describe("using a coupon", () => {
  it("is idempotent by the order, and refused for another order", async () => {
    const id = await parts.campaign();
    const { couponId } = await getConfirmed(id, "ann");
    expect(await useBy("ann", couponId, "o-1")).toMatchObject({
      word: "used",
      coupon: { state: "used", orderId: "o-1" },
    });
    expect(await useBy("ann", couponId, "o-1")).toMatchObject({ word: "used", coupon: { orderId: "o-1" } });
    expect(await useBy("ann", couponId, "o-2")).toMatchObject({ word: "conflict" });
    expect((await ledger.find(parts.ctx, couponId))?.coupon).toMatchObject({ state: "used", orderId: "o-1" });
  });

  it("by thirty orders at once serves exactly one of them", async () => {
    const id = await parts.campaign();
    const { couponId } = await getConfirmed(id, "ann");
    const orders = Array.from({ length: 30 }, (_, i) => `o-${i}`);
    const results = await Promise.all(orders.map((order) => useBy("ann", couponId, order)));
    expect(results.filter(({ word }) => word === "used")).toHaveLength(1);
    expect(results.filter(({ word }) => word === "conflict")).toHaveLength(29);
  });

  it("is possible the moment that it was issued: it is brought into the ledger before its message comes, once", async () => {
    const id = await parts.campaign();
    const { couponId, ticket } = await get(id, "ann", "key");
    expect(await useBy("ann", couponId, "o-1")).toMatchObject({ word: "used" });
    await pump.drain(parts.ctx);
    expect((await ledger.find(parts.ctx, couponId))?.coupon).toMatchObject({ state: "used", ticket });
    expect((await ledger.tickets(parts.ctx, id, 1, 10)).map((row) => row.key)).toEqual([
      expect.stringMatching(/^\w{16}$/),
    ]);
    expect(await parts.ctx.redis.command("XLEN", keys.outbox(id))).toBe(0);
  });

  it("is refused after its time, for a coupon given back, for another's, and for one that never was", async () => {
    const id = await parts.campaign({ validDays: 1 });
    const { couponId } = await getConfirmed(id, "ann");
    const later: Ctx = { ...parts.ctx, now: () => Date.now() + 2 * 86_400_000 };
    expect(await useBy("ann", couponId, "o-1", later)).toMatchObject({ word: "conflict", detail: /expired/ });
    expect(await useBy("ben", couponId, "o-1")).toMatchObject({ word: "forbidden" });
    expect(await use(parts.ctx, { couponId, orderId: "o-9", asker: asker("olga", true) })).toMatchObject({
      word: "used",
    });
    const other = await getConfirmed(id, "cleo");
    await cancelBy("cleo", other.couponId);
    expect(await useBy("cleo", other.couponId, "o-1")).toMatchObject({ word: "conflict", detail: /cancelled/ });
    for (const made of [
      `${id}.1.${"x".repeat(22)}`,
      `none.1.${"x".repeat(22)}`,
      "nonsense",
      `${id}.0.${"x".repeat(22)}`,
    ]) {
      expect(await useBy("ann", made, "o-1")).toMatchObject({ word: "unknown" });
    }
  });

  it("works while Redis is away", async () => {
    const id = await parts.campaign();
    const { couponId } = await getConfirmed(id, "ann");
    expect(await useBy("ann", couponId, "o-1", withoutRedis())).toMatchObject({ word: "used" });
  });
});

function withoutRedis(): Ctx {
  const gone = async () => {
    throw new StoreUnavailable("redis", "gone");
  };
  return { ...parts.ctx, redis: { ...parts.ctx.redis, run: gone, command: gone, commands: gone } };
}

describe("giving a coupon back", () => {
  it("by thirty requests at once frees its ticket once; it is issued again, once, and the first holder may ask again", async () => {
    const id = await parts.campaign({ stock: 2 });
    const first = await getConfirmed(id, "ann");
    await getConfirmed(id, "ben");
    expect((await ask(id, "cleo")).word).toBe("sold-out");
    const results = await Promise.all(Array.from({ length: 30 }, () => cancelBy("ann", first.couponId)));
    expect(new Set(results.map(({ word }) => word))).toEqual(new Set(["cancelled"]));
    expect(await free(id)).toEqual([1]);
    expect(await issuedOf(id)).toEqual([1, 1, "open"]);

    const again = await Promise.all(
      ["cleo", "dora", "emil"].map((user) => issuer(soldOutMemory())(parts.ctx, { campaignId: id, userId: user })),
    );
    expect(again.filter(({ word }) => word === "issued")).toHaveLength(1);
    expect(again.find((it) => "coupon" in it)).toMatchObject({ coupon: { ticket: 1, nth: 1 } });
    expect(await free(id)).toEqual([]);
    expect(await issuedOf(id)).toEqual([2, 0, "sold-out"]);
    await pump.drain(parts.ctx);
    expect(await findingsOf(id)).toEqual([]);

    // A late cancel of the coupon that is gone touches neither the ticket's new holder nor anything else.
    expect((await cancelBy("ann", first.couponId)).word).toBe("cancelled");
    expect(await issuedOf(id)).toEqual([2, 0, "sold-out"]);
    expect((await ledger.find(parts.ctx, first.couponId))?.coupon?.state).toBe("cancelled");
  });

  it("and being issued another within five minutes: both are in the ledger, none is swallowed as a duplicate", async () => {
    const id = await parts.campaign({ stock: 1 });
    const seen: Coupon[] = [];
    for (let round = 0; round < 4; round++) {
      const coupon = await getConfirmed(id, "ann");
      expect(coupon).toMatchObject({ ticket: 1, nth: 1 });
      expect((await ledger.find(parts.ctx, coupon.couponId))?.coupon?.state).toBe("confirmed");
      seen.push(coupon);
      expect((await cancelBy("ann", coupon.couponId)).word).toBe("cancelled");
    }
    expect(new Set(seen.map(({ couponId }) => couponId)).size).toBe(4);
    const mine = await couponTeller()(parts.ctx, { campaignId: id, userId: "ann" });
    expect("items" in mine && mine.items.map(({ state }) => state)).toEqual(Array(4).fill("cancelled"));
    expect(await issuedOf(id)).toEqual([0, 1, "open"]);
  });

  it("under a key keeps the first answer for that key; a later key gets the place, and the others keep theirs", async () => {
    const id = await parts.campaign({ perUser: 2 });
    const [one, two] = [await getConfirmed(id, "ann", "k1"), await getConfirmed(id, "ann", "k2")];
    expect([one.nth, two.nth]).toEqual([1, 2]);
    await cancelBy("ann", one.couponId);
    expect(await ask(id, "ann", "k1")).toMatchObject({ word: "replayed", coupon: { couponId: one.couponId } });
    expect(await ask(id, "ann", "k2")).toMatchObject({ word: "replayed", coupon: { couponId: two.couponId } });
    expect(await ask(id, "ann", "k3")).toMatchObject({ word: "issued", coupon: { nth: 1, ticket: 1 } });
    expect((await ask(id, "ann", "k4")).word).toBe("limit-reached");
    await pump.drain(parts.ctx);
    expect(await findingsOf(id)).toEqual([]);
    // A recovery keeps the places: what a key was told is told again.
    await parts.ctx.redis.command("DEL", keys.tally(id));
    expect((await pump.recover(parts.ctx, id)).word).toBe("recovered");
    expect(await ask(id, "ann", "k2")).toMatchObject({ word: "replayed", coupon: { couponId: two.couponId } });
    expect((await ask(id, "ann", "k4")).word).toBe("limit-reached");
  });

  it("of a used one is refused, and of two who are at once with a use exactly one succeeds", async () => {
    const id = await parts.campaign({ stock: 60 });
    for (let round = 0; round < 20; round++) {
      const user = `u-${round}`;
      const { couponId } = await getConfirmed(id, user);
      const [used, cancelled] = await Promise.all([useBy(user, couponId, "o"), cancelBy(user, couponId)]);
      const words = [used.word, cancelled.word].sort().join();
      expect(["conflict,used", "cancelled,conflict"]).toContain(words);
      const state = (await ledger.find(parts.ctx, couponId))?.coupon?.state;
      expect(state).toBe(used.word === "used" ? "used" : "cancelled");
    }
    await completeGiveBacks({ ...parts.ctx, now: () => Date.now() + 60_000 });
    expect(await findingsOf(id)).toEqual([]);
  });

  it("while Redis is away is done in the ledger, and the sweep brings the ticket back to stock", async () => {
    const id = await parts.campaign({ stock: 1 });
    const { couponId } = await getConfirmed(id, "ann");
    expect((await cancelBy("ann", couponId, withoutRedis())).word).toBe("cancelled");
    expect(await issuedOf(id)).toEqual([1, 0, "sold-out"]);
    // On its way is no finding.
    expect(await findingsOf(id)).toEqual([]);
    expect(await completeGiveBacks({ ...parts.ctx, now: () => Date.now() + limits.releaseAgeMs + 1 })).toBe(1);
    expect(await issuedOf(id)).toEqual([0, 1, "open"]);
    expect(await openGiveBacks(parts.ctx, 0)).toEqual([]);
  });

  it("that dies after any of its writes is completed by the sweep, once", async () => {
    class Crash extends Error {}
    let crashes = 0;
    for (let at = 1; at < 20; at++) {
      const id = await parts.campaign({ stock: 1 });
      const { couponId } = await getConfirmed(id, "ann");
      let writes = 0;
      const count = async <T>(work: Promise<T>): Promise<T> => {
        const done = await work;
        if (++writes === at) throw new Crash();
        return done;
      };
      const dying: Ctx = {
        ...parts.ctx,
        table: {
          ...parts.ctx.table,
          put: (...args) => count(parts.ctx.table.put(...args)),
          remove: (...args) => count(parts.ctx.table.remove(...args)),
        },
        redis: { ...parts.ctx.redis, run: (...args) => count(parts.ctx.redis.run(...args)) },
      };
      const died = await cancelBy("ann", couponId, dying).then(
        () => false,
        (error) => error instanceof Crash,
      );
      if (died) crashes++;
      await completeGiveBacks({ ...parts.ctx, now: () => Date.now() + 60_000 });
      await completeGiveBacks({ ...parts.ctx, now: () => Date.now() + 60_000 });
      expect((await ledger.find(parts.ctx, couponId))?.coupon?.state, `write ${at}`).toBe("cancelled");
      expect(await free(id), `write ${at}`).toEqual([1]);
      expect(await findingsOf(id), `write ${at}`).toEqual([]);
      expect(await get(id, "ben")).toMatchObject({ ticket: 1 });
      if (!died) break;
    }
    // The to-do, the state, the former taker, the ticket, the script, the removal.
    expect(crashes).toBe(6);
  });

  it("does not come back to life by a late copy of its confirmation, also after the ticket went to somebody else", async () => {
    const id = await parts.campaign({ stock: 1 });
    const ann = await get(id, "ann");
    const row = { ...ann, key: undefined };
    await pump.drain(parts.ctx);
    await cancelBy("ann", ann.couponId);
    expect(await ledger.record(parts.ctx, row)).toBe("already-recorded");
    expect((await ledger.find(parts.ctx, ann.couponId))?.coupon?.state).toBe("cancelled");
    await getConfirmed(id, "ben");
    expect(await ledger.record(parts.ctx, row)).toBe("already-recorded");
    expect(await findingsOf(id)).toEqual([]);
  });

  it("is seen within a second by a container that answers sold-out from memory", async () => {
    const id = await parts.campaign({ stock: 2 });
    const coupon = await getConfirmed(id, "ann");
    await getConfirmed(id, "ben");
    let now = Date.now();
    let calls = 0;
    const ctx: Ctx = {
      ...parts.ctx,
      now: () => now,
      redis: {
        ...parts.ctx.redis,
        run: (...args) => {
          calls++;
          return parts.ctx.redis.run(...args);
        },
      },
    };
    const crowd = issuer(soldOutMemory());
    const late = (user: string) => crowd(ctx, { campaignId: id, userId: user });
    expect((await late("x-0")).word).toBe("sold-out");
    calls = 0;
    for (let i = 1; i < 50; i++) expect((await late(`x-${i}`)).word).toBe("sold-out");
    // One stranger in a hundred is taken for a holder and asks.
    expect(calls).toBeLessThan(10);
    await cancelBy("ann", coupon.couponId);
    now += limits.soldOutMemoryMs;
    expect(await late("x-50")).toMatchObject({ word: "issued", coupon: { ticket: 1 } });
    // Its replay must not be refused from what the container remembers from before.
    expect((await late("x-51")).word).toBe("sold-out");
    expect(await late("x-50")).toMatchObject({ word: "replayed", coupon: { ticket: 1 } });
  });
});
