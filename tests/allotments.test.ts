import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Ctx, StoreUnavailable } from "../core/context.ts";
import { homeOf } from "../core/coupons/allotment.ts";
import { create, show } from "../core/coupons/campaign.ts";
import { campaigns } from "../core/coupons/campaign-records.ts";
import { issuer } from "../core/coupons/issue.ts";
import { coupons as ledger } from "../core/coupons/ledger.ts";
import { bucketOf, groupOf } from "../core/coupons/member.ts";
import { soldOutMemory } from "../core/coupons/sold-out.ts";
import { receiveStock, sendStock } from "../core/coupons/transfer.ts";
import { compare } from "../core/coupons/verify.ts";
import { isRefusal } from "../core/words.ts";
import { seeded } from "../local/rush/random.ts";
import { client, sharedStack, unique } from "./setup/client.ts";
import { type Parts, startParts } from "./setup/parts.ts";
import { openPump, type Pump } from "./setup/pump.ts";

/** One stock in two regions that lose sight of each other: each has its own Redis, queue and ledger. */

interface Region {
  readonly parts: Parts;
  readonly pump: Pump;
}
let regions: Region[];
beforeAll(async () => {
  regions = await Promise.all(
    [0, 1].map(async () => {
      const parts = await startParts();
      return { parts, pump: openPump(parts) };
    }),
  );
});
afterAll(async () => {
  for (const { parts, pump } of regions) {
    pump.close();
    await parts.stop();
  }
});

const at = (index: number): Region => {
  const region = regions[index];
  if (!region) throw new Error(`there is no region ${index}`);
  return region;
};

/** The same campaign in both regions, its stock split. @returns the ids, by region */
async function split(stocks: readonly [number, number]): Promise<string[]> {
  const name = unique("a");
  const now = Date.now();
  return Promise.all(
    stocks.map(async (stock, index) => {
      const campaignId = `${name}-${index}`;
      const window = { opensAt: now - 60_000, closesAt: now + 3_600_000 };
      const made = await create(at(index).parts.ctx, {
        campaignId,
        name,
        stock,
        perUser: 1,
        ...window,
        allotment: { index, of: 2 },
      });
      if (isRefusal(made)) throw new Error(made.detail);
      return campaignId;
    }),
  );
}

const facts = async (index: number, id: string) => {
  const shown = await show(at(index).parts.ctx, id);
  if (shown.word !== "found") throw new Error(shown.word);
  const { issued, remaining, stock } = shown.campaign;
  return { issued, remaining, stock };
};

/** What has been given and what may still be given, over both regions. */
async function sum(ids: readonly string[]): Promise<number> {
  const all = await Promise.all(ids.map((id, index) => facts(index, id)));
  return all.reduce((total, { issued, remaining }) => total + issued + remaining, 0);
}

class Cut extends Error {}

/** A side whose n-th write is the last that it does: the answer is lost, or the write never happened. */
function cutAt(ctx: Ctx, at: number, answerLost: boolean): Ctx {
  let writes = 0;
  const guard = async <T>(work: () => Promise<T>): Promise<T> => {
    if (++writes !== at) return work();
    if (answerLost) await work();
    throw new Cut();
  };
  return {
    ...ctx,
    table: { ...ctx.table, put: (...args) => guard(() => ctx.table.put(...args)) },
    redis: {
      ...ctx.redis,
      run: (script, scriptKeys, args) =>
        script.name === "change-campaign"
          ? guard(() => ctx.redis.run(script, scriptKeys, args))
          : ctx.redis.run(script, scriptKeys, args),
    },
  };
}

describe("a user's home", () => {
  it("is the same everywhere, evenly spread, and independent of buckets and groups", () => {
    const users = Array.from({ length: 20_000 }, (_, i) => `user-${i}`);
    const homes = users.map((user) => homeOf(user, 4));
    for (let home = 0; home < 4; home++) {
      const its = users.filter((_, i) => homes[i] === home);
      expect(its.length).toBeGreaterThan(4_700);
      expect(new Set(its.map((user) => bucketOf(user, 64))).size).toBe(64);
      expect(new Set(its.map((user) => groupOf("c", user))).size).toBe(64);
    }
    expect(homeOf("user-1", 4)).toBe(homeOf("user-1", 4));
  });

  it("is the only place where a coupon is given, and the answer says which it is", async () => {
    const ids = await split([10, 10]);
    for (const user of ["ann", "ben", "cleo", "dora"]) {
      const home = homeOf(user, 2);
      for (const index of [0, 1]) {
        const { ctx } = at(index).parts;
        const result = await issuer(soldOutMemory())(ctx, { campaignId: ids[index] ?? "", userId: user });
        expect(result.word).toBe(index === home ? "issued" : "forbidden");
        if (index !== home) expect(result).toMatchObject({ facts: { home } });
      }
    }
  });
});

describe("a transfer", () => {
  it("moves stock once, however often both halves are sent, and only with a receipt", async () => {
    const [a = "", b = ""] = await split([100, 10]);
    const wish = { transferId: "t-1", from: a, to: b, count: 30 };
    const sent = await Promise.all(Array.from({ length: 5 }, () => sendStock(at(0).parts.ctx, wish)));
    const receipts = new Set(sent.flatMap((it) => (it.word === "transferred" ? [it.receipt] : [])));
    expect(receipts.size).toBe(1);
    const [receipt = ""] = receipts;
    expect(await facts(0, a)).toMatchObject({ stock: 70 });
    for (let i = 0; i < 3; i++) expect((await receiveStock(at(1).parts.ctx, b, receipt)).word).toBe("transferred");
    expect(await facts(1, b)).toMatchObject({ stock: 40 });
    expect((await sendStock(at(0).parts.ctx, { ...wish, count: 31 })).word).toBe("exists");
    expect((await sendStock(at(0).parts.ctx, { ...wish, to: "elsewhere" })).word).toBe("exists");
    // Not another's, not a changed one, not a made-up one.
    expect((await receiveStock(at(0).parts.ctx, a, receipt)).word).toBe("conflict");
    const [payload = "", signature = ""] = receipt.split(".");
    const more = Buffer.from(JSON.stringify(["t-1", a, b, 3_000])).toString("base64url");
    for (const made of [`${more}.${signature}`, payload, `${payload}.`, `${payload}.${"A".repeat(43)}`, "", "."]) {
      expect((await receiveStock(at(1).parts.ctx, b, made)).word).toBe("conflict");
    }
    // Never more than is left.
    expect((await sendStock(at(0).parts.ctx, { transferId: "t-2", from: a, to: b, count: 70 })).word).toBe("conflict");
    expect(await sum([a, b])).toBe(110);
  });

  it("takes nothing that is issued", async () => {
    const [a = "", b = ""] = await split([50, 10]);
    const issue = issuer(soldOutMemory());
    const users = Array.from({ length: 200 }, (_, i) => `u-${i}`)
      .filter((user) => homeOf(user, 2) === 0)
      .slice(0, 40);
    for (const userId of users) await issue(at(0).parts.ctx, { campaignId: a, userId });
    expect((await sendStock(at(0).parts.ctx, { transferId: "t", from: a, to: b, count: 11 })).word).toBe("conflict");
    expect((await sendStock(at(0).parts.ctx, { transferId: "t", from: a, to: b, count: 10 })).word).toBe("transferred");
    expect(await facts(0, a)).toEqual({ issued: 40, remaining: 0, stock: 40 });
  });

  it("that is cut at any write makes and loses nothing, once both halves were sent again", async () => {
    let cuts = 0;
    for (const answerLost of [false, true]) {
      for (let write = 1; write < 10; write++) {
        const [a = "", b = ""] = await split([20, 20]);
        const wish = { transferId: "t", from: a, to: b, count: 5 };
        const attempt = async (half: "send" | "receive", receipt = "") => {
          const ctx = cutAt(at(half === "send" ? 0 : 1).parts.ctx, write, answerLost);
          const work = half === "send" ? sendStock(ctx, wish) : receiveStock(ctx, b, receipt);
          const cut = await work
            .then(() => false)
            .catch((error: unknown) => error instanceof Cut || Promise.reject(error));
          if (cut) cuts++;
          expect(await sum([a, b]), `${half}, write ${write}`).toBeLessThanOrEqual(40);
          return cut;
        };
        const first = await attempt("send");
        const sent = await sendStock(at(0).parts.ctx, wish);
        if (sent.word !== "transferred") throw new Error(sent.word);
        const second = await attempt("receive", sent.receipt);
        expect((await receiveStock(at(1).parts.ctx, b, sent.receipt)).word).toBe("transferred");
        expect([await facts(0, a), await facts(1, b)]).toMatchObject([{ stock: 15 }, { stock: 25 }]);
        expect((await campaigns.get(at(0).parts.ctx, a))?.stock).toBe(15);
        expect((await campaigns.get(at(1).parts.ctx, b))?.stock).toBe(25);
        if (!first && !second) break;
      }
    }
    // Sending writes three times (ledger, Redis, ledger), receiving twice, each with its answer lost and without.
    expect(cuts).toBe(10);
  });
});

describe("a region that is cut off", () => {
  const SEEDS = process.env.FIRSTCOME_SEED ? [Number(process.env.FIRSTCOME_SEED)] : [1, 2, 3, 4, 5, 6];
  it.each(SEEDS)(
    "goes on with its own allotment; at every step the sum is at most the total, and after the heal it is the ledgers' (seed %s)",
    async (seed) => {
      const random = seeded(seed);
      const total = 120;
      const first = 40 + random.below(40);
      const ids = await split([first, total - first]);
      const issues = [issuer(soldOutMemory()), issuer(soldOutMemory())];
      const users = Array.from({ length: 400 }, (_, i) => `s${seed}-${i}`);
      const receipts: { to: number; receipt: string }[] = [];
      const wishes: { transferId: string; from: number; count: number }[] = [];
      let isCut = false;
      let samples = 0;
      let lowest = total;

      const ask = async () => {
        const userId = users[random.below(users.length)] ?? "";
        const home = homeOf(userId, 2);
        const result = await issues[home]?.(at(home).parts.ctx, { campaignId: ids[home] ?? "", userId });
        expect(["issued", "replayed", "sold-out"]).toContain(result?.word);
      };
      const send = async (wish: (typeof wishes)[number]) => {
        const { transferId, from, count } = wish;
        const transfer = { transferId, from: ids[from] ?? "", to: ids[1 - from] ?? "", count };
        const ctx =
          random.below(3) === 0
            ? cutAt(at(from).parts.ctx, 1 + random.below(3), random.below(2) === 0)
            : at(from).parts.ctx;
        try {
          const sent = await sendStock(ctx, transfer);
          if (sent.word === "transferred") receipts.push({ to: 1 - from, receipt: sent.receipt });
        } catch (error) {
          if (!(error instanceof Cut)) throw error;
        }
      };
      const receive = async () => {
        const [pending] = receipts;
        if (!pending) return;
        // The other region does not hear it; the receipt is kept and sent again.
        if (isCut) return;
        const { ctx } = at(pending.to).parts;
        const side = random.below(3) === 0 ? cutAt(ctx, 1 + random.below(2), random.below(2) === 0) : ctx;
        try {
          if ((await receiveStock(side, ids[pending.to] ?? "", pending.receipt)).word === "transferred")
            receipts.shift();
        } catch (error) {
          if (!(error instanceof Cut) && !(error instanceof StoreUnavailable)) throw error;
        }
      };

      for (let step = 0; step < 220; step++) {
        if (step === 60) isCut = true;
        if (step === 160) isCut = false;
        const dice = random.next();
        if (dice < 0.75) await ask();
        else if (dice < 0.85) {
          const wish = { transferId: `t-${step}`, from: random.below(2), count: 1 + random.below(8) };
          wishes.push(wish);
          await send(wish);
        } else if (dice < 0.95) await receive();
        else {
          const { parts, pump } = at(random.below(2));
          await pump.drain(parts.ctx);
        }
        const now = await sum(ids);
        samples++;
        lowest = Math.min(lowest, now);
        expect(now, `step ${step}`).toBeLessThanOrEqual(total);
      }

      // Heal: whoever does not know how a transfer ended sends it again; every receipt arrives.
      for (const wish of wishes) {
        const transfer = {
          transferId: wish.transferId,
          from: ids[wish.from] ?? "",
          to: ids[1 - wish.from] ?? "",
          count: wish.count,
        };
        const sent = await sendStock(at(wish.from).parts.ctx, transfer);
        if (sent.word === "transferred") {
          const to = 1 - wish.from;
          expect((await receiveStock(at(to).parts.ctx, ids[to] ?? "", sent.receipt)).word).toBe("transferred");
        }
      }
      expect(await sum(ids)).toBe(total);
      // Containers that have not heard "sold out" a moment ago.
      const fresh = [issuer(soldOutMemory()), issuer(soldOutMemory())];
      for (const userId of users) {
        const home = homeOf(userId, 2);
        await fresh[home]?.(at(home).parts.ctx, { campaignId: ids[home] ?? "", userId });
      }
      const holders = new Set<string>();
      let rows = 0;
      for (const [index, id] of ids.entries()) {
        await at(index).pump.drain(at(index).parts.ctx);
        const { issued, stock, remaining } = await facts(index, id);
        const tickets = await ledger.tickets(at(index).parts.ctx, id, 1, stock);
        expect(tickets.length).toBe(issued);
        expect(remaining).toBe(0);
        rows += tickets.length;
        for (const { userId } of tickets) holders.add(userId);
        const compared = await compare(at(index).parts.ctx, id);
        expect("comparison" in compared && compared.comparison.findings).toEqual([]);
      }
      expect(rows).toBe(total);
      expect(holders.size).toBe(total);
      console.log(
        `seed ${seed}: ${samples} samples, sum between ${lowest} and ${total}, ${wishes.length} transfers, ${rows} coupons in two ledgers`,
      );
    },
  );
});

describe("over HTTP", () => {
  it("an operator moves stock between two allotments; a shopper is told their home", async () => {
    const shop = client(sharedStack().api);
    const operator = await shop.token("operator", "operator");
    const ids = [0, 1].map(() => unique("a"));
    for (const [index, id] of ids.entries())
      await shop.campaign({ campaignId: id, stock: 10, allotment: { index, of: 2 } });
    const path = `/ops/campaigns/${ids[0]}/transfers`;
    const sent = await shop.call("POST", path, { token: operator, body: { transferId: "t", to: ids[1], count: 4 } });
    expect(sent).toMatchObject({
      status: 200,
      body: { campaign: { stock: 6, remaining: 6 }, receipt: expect.any(String) },
    });
    const body = { receipt: sent.body.receipt };
    const received = await shop.call("POST", `/ops/campaigns/${ids[1]}/transfers/receive`, { token: operator, body });
    expect(received).toMatchObject({ status: 200, body: { campaign: { stock: 14, remaining: 14 } } });
    const home = homeOf("ann", 2);
    const away = await shop.ask(ids[1 - home] ?? "", await shop.token("ann"));
    expect(away).toMatchObject({ status: 403, body: { code: "forbidden", home } });
  });
});
