import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Ctx } from "../core/context.ts";
import { create, show } from "../core/coupons/campaign.ts";
import type { Coupon } from "../core/coupons/coupon.ts";
import { holderVerbs } from "../core/coupons/hold.ts";
import { type IssueResult, issuer, issueScript } from "../core/coupons/issue.ts";
import { coupons as ledger } from "../core/coupons/ledger.ts";
import { couponTeller } from "../core/coupons/mine.ts";
import { recover } from "../core/coupons/recover.ts";
import { soldOutMemory } from "../core/coupons/sold-out.ts";
import { compare } from "../core/coupons/verify.ts";
import type { RedisDoor } from "../core/doors/redis.ts";
import { keys } from "../core/keys.ts";
import { isRefusal } from "../core/words.ts";
import { unfencedIssue } from "../local/bench/campaign.ts";
import { freePort } from "../local/child.ts";
import { eventually, unique } from "./setup/client.ts";
import { type Node, type Nodes, startNodes } from "./setup/nodes.ts";
import { type Parts, startParts } from "./setup/parts.ts";
import { openPump, type Pump } from "./setup/pump.ts";
import { scaled } from "./setup/scale.ts";

/**
 * G10 on real servers: primaries that die, replicas that are promoted without the last writes, servers that come back, there and
 * back again. Whatever was issued and told must be kept, and nothing may be issued twice.
 */

let parts: Parts;
let nodes: Nodes;
let pump: Pump;
beforeAll(async () => {
  parts = await startParts();
  nodes = startNodes();
  pump = openPump(parts);
});
afterAll(async () => {
  pump.close();
  await nodes.stop();
  await parts.stop();
});

const at = (redis: RedisDoor): Ctx => ({ ...parts.ctx, redis });

async function campaignOn(redis: RedisDoor, content: { stock: number; perUser?: number }): Promise<string> {
  const campaignId = unique("f");
  const now = Date.now();
  const window = { opensAt: now - 60_000, closesAt: now + 3_600_000 };
  const made = await create(at(redis), { campaignId, name: "fence", perUser: 1, ...window, ...content });
  if (isRefusal(made)) throw new Error(made.detail);
  return campaignId;
}

/** Few enough that each is published in time also on a machine that is busy: a 202 would be no promise. */
const AT_ONCE = 25;

/** One container's verb, asked by many users at once. */
function container(redis: RedisDoor) {
  const issue = issuer(soldOutMemory());
  const ask = (campaignId: string, userId: string): Promise<IssueResult> => issue(at(redis), { campaignId, userId });
  const askAll = async (campaignId: string, users: readonly string[]): Promise<IssueResult[]> => {
    const results: IssueResult[] = [];
    for (let from = 0; from < users.length; from += AT_ONCE) {
      results.push(...(await Promise.all(users.slice(from, from + AT_ONCE).map((user) => ask(campaignId, user)))));
    }
    return results;
  };
  return { ask, askAll };
}

const names = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}-${i}`);
const toldOf = (results: readonly IssueResult[]): Coupon[] =>
  results.flatMap((result) => (result.word === "issued" && "coupon" in result ? [result.coupon] : []));
const wordsOf = (results: readonly { word: string }[]) => [...new Set(results.map(({ word }) => word))];

/** Which of the coupons that were told the ledger has for the user who was told. */
async function keptOf(told: readonly Coupon[]): Promise<Coupon[]> {
  const wanted = new Set(told.map(({ couponId }) => couponId));
  const rows = await ledger.inPlaces(parts.ctx, told);
  return rows.filter(({ couponId, state }) => state === "confirmed" && wanted.has(couponId));
}

async function pair(): Promise<{ a: Node; b: Node }> {
  const [a, b] = await Promise.all([nodes.add(), nodes.add()]);
  await b.follow(a);
  return { a, b };
}

/** A door that runs the deciding script without its fence, under the same name, so that nothing else is different. */
function unfenced(door: RedisDoor): RedisDoor {
  const bare = { ...issueScript, text: unfencedIssue() };
  return {
    ...door,
    run: (script, scriptKeys, args) =>
      script.name === "issue"
        ? (door.run(bare as never, scriptKeys, args) as never)
        : door.run(script, scriptKeys, args),
  };
}

describe("a replica that is promoted without the last k writes", () => {
  for (const k of [1, 100, scaled(5_000)]) {
    it(`k = ${k}: without the fence tickets are told twice; with it nothing is issued until the recovery, and nothing is lost`, async () => {
      const before = Math.min(k, 50);
      const stock = k + before + 100;
      const told: Coupon[] = [];

      // Without the fence: the same failover, the same people.
      const bad = await pair();
      const lost = await campaignOn(bad.a.door, { stock });
      const first = container(unfenced(bad.a.door));
      const early = toldOf(await first.askAll(lost, names("early", before)));
      await eventually(
        async () => [
          await bad.a.info("replication", "master_repl_offset"),
          await bad.b.info("replication", "slave_repl_offset"),
        ],
        ([there, here]) => there === here,
      );
      await bad.b.cutOff();
      const unreplicated = toldOf(await first.askAll(lost, names("late", k)));
      await bad.b.promote();
      await bad.a.kill();
      const second = container(unfenced(bad.b.door));
      const again = toldOf(await second.askAll(lost, names("new", Math.min(k, 1_000))));
      const twice = toldOf(await second.askAll(lost, names("late", Math.min(k, 50))));
      const all = [...early, ...unreplicated, ...again, ...twice];
      const decisions = await pump.drain(at(bad.b.door));
      const kept = await keptOf(all);
      const oversold = all.length - new Set(all.map(({ ticket }) => ticket)).size;
      const users = new Map<string, number>();
      for (const { userId } of all) users.set(userId, (users.get(userId) ?? 0) + 1);
      const duplicated = [...users.values()].filter((count) => count > 1).length;
      console.log(
        `k = ${k}, without the fence: ${all.length} told with 201, ${oversold} tickets told twice, ${duplicated} users told two coupons, ` +
          `${all.length - kept.length} told and not kept (${decisions.compensated ?? 0} revoked)`,
      );
      expect(oversold).toBeGreaterThan(0);
      expect(all.length - kept.length).toBeGreaterThan(0);
      // Even then the ledger holds no ticket and no user twice (G1, G2).
      expect(new Set(kept.map(({ ticket }) => ticket)).size).toBe(kept.length);

      // With it.
      const good = await pair();
      const id = await campaignOn(good.a.door, { stock });
      const onA = container(good.a.door);
      told.push(...toldOf(await onA.askAll(id, names("early", before))));
      await eventually(
        async () => [
          await good.a.info("replication", "master_repl_offset"),
          await good.b.info("replication", "slave_repl_offset"),
        ],
        ([there, here]) => there === here,
      );
      await good.b.cutOff();
      told.push(...toldOf(await onA.askAll(id, names("late", k))));
      await good.b.promote();
      await good.a.kill();
      const onB = container(good.b.door);
      expect(wordsOf(await onB.askAll(id, names("new", 20)))).toEqual(["recovering"]);
      expect(await show(at(good.b.door), id)).toMatchObject({ campaign: { state: "recovering" } });
      expect((await pump.recover(at(good.b.door), id)).word).toBe("recovered");
      told.push(...toldOf(await onB.askAll(id, names("new", 100))));
      // Who was told before is told the same again.
      const replays = await onB.askAll(id, names("late", Math.min(k, 50)));
      expect(wordsOf(replays)).toEqual(["replayed"]);
      await pump.drain(at(good.b.door));
      expect(told).toHaveLength(stock);
      expect((await keptOf(told)).length).toBe(told.length);
      expect(new Set(told.map(({ ticket }) => ticket)).size).toBe(stock);
      expect(new Set(told.map(({ userId }) => userId)).size).toBe(stock);
      const compared = await compare(at(good.b.door), id);
      expect("comparison" in compared && compared.comparison.findings).toEqual([]);
      console.log(
        `k = ${k}, with the fence: ${told.length} told with 201, 0 tickets told twice, 0 users told two coupons, 0 told and not kept`,
      );
    });
  }
});

describe("the fence", () => {
  it("sees a primary that was replaced and comes back, where the script cache as alarm is blind", async () => {
    const { a, b } = await pair();
    const id = await campaignOn(a.door, { stock: 100 });
    const onA = container(a.door);
    const told = toldOf(await onA.askAll(id, names("u", 10)));
    await eventually(
      async () => [await a.info("replication", "master_repl_offset"), await b.info("replication", "slave_repl_offset")],
      ([there, here]) => there === here,
    );
    await b.cutOff();
    told.push(...toldOf(await onA.askAll(id, names("v", 10))));
    // There: the replica is promoted without the last ten, and nobody asks it anything. And back, with the same process.
    await b.promote();
    await a.follow(b);
    await a.promote();
    const digest = createHash("sha1").update(issueScript.text).digest("hex");
    expect(await a.door.command("SCRIPT", "EXISTS", digest)).toEqual([1]);
    // The ten are gone from it, and a client that waited for NOSCRIPT would go on as if nothing had been.
    expect(await a.door.command("XLEN", keys.outbox(id))).toBe(10);
    expect((await onA.ask(id, "w")).word).toBe("recovering");
    expect((await pump.recover(at(a.door), id)).word).toBe("recovered");
    expect((await keptOf(told)).length).toBe(20);
    expect(await onA.ask(id, "w")).toMatchObject({ word: "issued", coupon: { ticket: 21 } });
  });

  it("keeps a promoted server from saying that a coupon is not there, also before anyone has asked it for one", async () => {
    const { a, b } = await pair();
    const id = await campaignOn(a.door, { stock: 10 });
    await b.cutOff();
    const [coupon] = toldOf(await container(a.door).askAll(id, ["ann"]));
    await b.promote();
    await a.kill();
    expect((await couponTeller()(at(b.door), { campaignId: id, userId: "ann" })).word).toBe("recovering");
    const asker = { userId: "ann", operator: false };
    const request = { couponId: coupon?.couponId ?? "", asker };
    expect((await holderVerbs().cancel(at(b.door), request)).word).toBe("recovering");
    expect((await pump.recover(at(b.door), id)).word).toBe("recovered");
    expect((await couponTeller()(at(b.door), { campaignId: id, userId: "ann" })).word).toBe("found");
  });

  it("stays with the campaign when it is promoted on: a fenced one that reaches the next server is fenced there", async () => {
    const { a, b } = await pair();
    const id = await campaignOn(a.door, { stock: 10 });
    await b.promote();
    expect((await container(b.door).ask(id, "ann")).word).toBe("recovering");
    const c = await nodes.add();
    await c.follow(b);
    await c.promote();
    expect((await container(c.door).ask(id, "ann")).word).toBe("recovering");
    expect((await pump.recover(at(c.door), id)).word).toBe("recovered");
    expect((await container(c.door).ask(id, "ann")).word).toBe("issued");
  });

  it("an old primary that nobody demoted can still tell a few, and the ledger takes none of them after the recovery: they are revoked, with the reason", async () => {
    const { a, b } = await pair();
    const id = await campaignOn(a.door, { stock: 10 });
    const onA = container(a.door);
    const kept = toldOf(await onA.askAll(id, ["ann", "ben"]));
    await b.cutOff();
    await b.promote();
    expect((await pump.recover(at(b.door), id)).word).toBe("recovered");
    // Here the client's connection leads to the server that everyone else has left. Nothing in Redis can tell it.
    const [cleo] = toldOf(await onA.askAll(id, ["cleo"]));
    expect(cleo).toBeDefined();
    const onB = container(b.door);
    const [dora] = toldOf(await onB.askAll(id, ["dora"]));
    expect(dora?.ticket).toBe(cleo?.ticket);
    expect(await pump.drain(at(b.door))).toMatchObject({ compensated: 1 });
    expect((await keptOf([...kept, ...(dora ? [dora] : [])])).length).toBe(3);
    const mine = await couponTeller()(at(b.door), { campaignId: id, userId: "cleo" });
    expect(mine).toMatchObject({
      items: [{ state: "revoked", reason: expect.stringContaining("server that was lost") }],
    });
    // Demoted, as a failover does with it, it takes nothing more.
    await a.follow(b);
    await expect(onA.ask(id, "emil")).rejects.toThrow("redis is out of reach");
  });

  it("a server that comes back with its append-only file, without it, or flushed, is recovered and keeps all that was told", async () => {
    const kept: Record<string, number> = {};
    for (const [how, args] of [
      ["with its append-only file", ["--appendonly", "yes", "--appendfsync", "always"]],
      ["empty", ["--appendonly", "no"]],
    ] as const) {
      const node = await nodes.add(...args);
      const id = await campaignOn(node.door, { stock: 100 });
      const told = toldOf(await container(node.door).askAll(id, names("u", 60)));
      await node.kill();
      await node.start();
      const door = nodes.connect(node);
      expect((await container(door).ask(id, "x")).word).toBe("recovering");
      expect((await pump.recover(at(door), id)).word).toBe("recovered");
      kept[how] = (await keptOf(told)).length;
      expect(kept[how]).toBe(60);
      expect(await container(door).ask(id, "x")).toMatchObject({ word: "issued", coupon: { ticket: 61 } });

      await door.command("FLUSHALL");
      expect((await container(door).ask(id, "y")).word).toBe("recovering");
      expect((await pump.recover(at(door), id)).word).toBe("recovered");
      expect(await container(door).ask(id, "x")).toMatchObject({ word: "replayed", coupon: { ticket: 61 } });
      expect(await container(door).ask(id, "y")).toMatchObject({ word: "issued", coupon: { ticket: 62 } });
    }
    console.log(
      `60 told: ${Object.entries(kept)
        .map(([how, count]) => `${how} ${count} kept`)
        .join(", ")}`,
    );
  });

  it("a creator that comes late, after its campaign was sold and lost, opens nothing", async () => {
    const node = await nodes.add();
    const campaignId = unique("f");
    const now = Date.now();
    const draft = { campaignId, name: "late", stock: 5, perUser: 1, opensAt: now - 60_000, closesAt: now + 3_600_000 };
    // The late one has read that nothing is there yet; then everything happens; then it goes on.
    let held = false;
    const late: Ctx = {
      ...at(node.door),
      redis: {
        ...node.door,
        run: async (script, scriptKeys, args) => {
          if (script.name === "arm-campaign" && !held) {
            held = true;
            await create(at(node.door), draft);
            toldOf(await container(node.door).askAll(campaignId, names("u", 5)));
            await pump.drain(at(node.door));
            await node.door.command("FLUSHALL");
          }
          return node.door.run(script, scriptKeys, args);
        },
      },
    };
    await create(late, draft);
    expect(held).toBe(true);
    expect((await container(node.door).ask(campaignId, "late-comer")).word).toBe("recovering");
    expect((await pump.recover(at(node.door), campaignId)).word).toBe("recovered");
    expect((await container(node.door).ask(campaignId, "late-comer")).word).toBe("sold-out");
  });
});

describe("a creation", () => {
  it("that was cut off before its last step is completed at the next look, without a recovery", async () => {
    const node = await nodes.add();
    const campaignId = unique("f");
    const now = Date.now();
    const draft = { campaignId, name: "cut", stock: 5, perUser: 1, opensAt: now - 60_000, closesAt: now + 3_600_000 };
    const dying: Ctx = {
      ...at(node.door),
      redis: {
        ...node.door,
        run: async (script, scriptKeys, args) => {
          if (script.name === "arm-campaign" && "step" in args && args.step === "arm") throw new Error("dies here");
          return node.door.run(script, scriptKeys, args);
        },
      },
    };
    await expect(create(dying, draft)).rejects.toThrow("dies here");
    expect((await container(node.door).ask(campaignId, "ann")).word).toBe("recovering");
    expect((await recover(at(node.door), campaignId, { deadline: now })).word).toBe("attached");
    expect((await container(node.door).ask(campaignId, "ann")).word).toBe("issued");
  });
});

describe("a recovery", () => {
  it("waits while the queue does not give its markers back, says so, and the campaign stays closed", async () => {
    const node = await nodes.add();
    const id = await campaignOn(node.door, { stock: 10 });
    const told = toldOf(await container(node.door).askAll(id, ["ann"]));
    await node.door.command("FLUSHALL");
    let now = Date.now();
    const ctx: Ctx = { ...at(node.door), now: () => now };
    const look = () => recover(ctx, id, { deadline: now + 10_000 });
    await look();
    now += 10_000;
    await look();
    for (let i = 0; i < 5; i++) {
      now += 60_000;
      expect(await look()).toMatchObject({ word: "recovering", step: "draining" });
    }
    now += 20_000;
    expect((await look()).waitingFor).toMatch(/64 groups of the confirmations/);
    expect(await show(ctx, id)).toMatchObject({
      campaign: {
        state: "recovering",
        recovery: { step: "draining", waitingFor: expect.stringContaining("confirmations") },
      },
    });
    expect((await container(node.door).ask(id, "ben")).word).toBe("recovering");
    expect((await pump.recover(ctx, id)).word).toBe("recovered");
    expect((await keptOf(told)).length).toBe(1);
  });

  it("an operator may ask for one of a campaign that is well: it is closed meanwhile, and nothing changes", async () => {
    const node = await nodes.add();
    const id = await campaignOn(node.door, { stock: 10 });
    const on = container(node.door);
    const told = toldOf(await on.askAll(id, ["ann", "ben"]));
    expect(await recover(at(node.door), id, { force: "an operator asked for it", deadline: 0 })).toMatchObject({
      word: "recovering",
      step: "fenced",
    });
    expect((await on.ask(id, "cleo")).word).toBe("recovering");
    expect((await pump.recover(at(node.door), id)).word).toBe("recovered");
    expect((await on.ask(id, "ann")).word).toBe("replayed");
    expect(await on.ask(id, "cleo")).toMatchObject({ word: "issued", coupon: { ticket: 3 } });
    expect((await keptOf(told)).length).toBe(2);
  });

  it("rebuilds with messages in flight: at every look, what may still be issued is the stock less ledger and messages on their way", async () => {
    const node = await nodes.add();
    const inFlight = scaled(5_000);
    const left = scaled(1_000);
    const id = await campaignOn(node.door, { stock: inFlight + left });
    const on = container(node.door);
    const told = toldOf(await on.askAll(id, names("u", inFlight)));
    expect(told).toHaveLength(inFlight);
    // All in the queue, none in the ledger, nothing in Redis.
    await node.door.command("FLUSHALL");
    const looks: string[] = [];
    let now = Date.now();
    const ctx: Ctx = { ...at(node.door), now: () => now };
    for (let look = 0; look < 60; look++) {
      const recovery = await recover(ctx, id, { deadline: now + 60_000 });
      if (recovery.word === "recovered") break;
      const shown = await show(ctx, id);
      looks.push(`${recovery.step}`);
      expect(shown).toMatchObject({ campaign: { state: "recovering" } });
      expect(wordsOf(await on.askAll(id, ["x", "y"]))).toEqual(["recovering"]);
      await pump.drain(ctx);
      now += 5_000;
    }
    expect(looks.length).toBeGreaterThan(3);
    expect(await show(ctx, id)).toMatchObject({ campaign: { state: "open", issued: inFlight, remaining: left } });
    expect((await keptOf(told)).length).toBe(inFlight);
    const rest = toldOf(await on.askAll(id, names("v", left + 100)));
    expect(rest.map(({ ticket }) => ticket).sort((x, y) => x - y)).toEqual(
      Array.from({ length: left }, (_, i) => inFlight + 1 + i),
    );
  });
});

/** Whether a node's list of the cluster's nodes has another one in this role, with its connection up. */
const isConnected = (list: string, node: Node, role: "master" | "slave"): boolean =>
  list.split("\n").some((line) => line.includes(`:${node.port}@`) && line.includes(role) && / connected/.test(line));

describe("Redis Cluster", () => {
  it("fences the campaigns of the shard that failed over, and no other", async () => {
    const cluster = async (...args: string[]) => {
      const bus = await freePort();
      return nodes.add(
        "--cluster-enabled",
        "yes",
        "--cluster-port",
        `${bus}`,
        "--cluster-node-timeout",
        "5000",
        ...args,
      );
    };
    const [a, b, replica] = [await cluster(), await cluster(), await cluster()];
    const busOf = async (node: Node) =>
      String(await node.door.command("CONFIG", "GET", "cluster-port")).split(",")[1] ?? "";
    for (const node of [b, replica]) await a.door.command("CLUSTER", "MEET", "127.0.0.1", node.port, await busOf(node));
    await a.door.command("CLUSTER", "ADDSLOTSRANGE", 0, 8_191);
    await b.door.command("CLUSTER", "ADDSLOTSRANGE", 8_192, 16_383);
    const idOfA = String(await a.door.command("CLUSTER", "MYID"));
    await eventually(
      async () => String(await replica.door.command("CLUSTER", "NODES")),
      (seen) => seen.includes(idOfA) && !seen.includes("handshake"),
    );
    await replica.door.command("CLUSTER", "REPLICATE", idOfA);
    await eventually(
      async () => [
        String(await a.door.command("CLUSTER", "INFO")).includes("cluster_state:ok"),
        String(await b.door.command("CLUSTER", "INFO")).includes("cluster_state:ok"),
        (await replica.info("replication", "master_link_status")) === "up",
        // Who does not know the replica as such yet would not hear that it has taken over.
        isConnected(String(await b.door.command("CLUSTER", "NODES")), replica, "slave"),
        isConnected(String(await replica.door.command("CLUSTER", "NODES")), b, "master"),
      ],
      (seen) => seen.every(Boolean),
    );

    const door = nodes.connect(b, true);
    const slotOf = async (id: string) => Number(await a.door.command("CLUSTER", "KEYSLOT", keys.tally(id)));
    const made: Record<"a" | "b", string[]> = { a: [], b: [] };
    while (made.a.length === 0 || made.b.length === 0) {
      const id = await campaignOn(door, { stock: 20 });
      made[(await slotOf(id)) < 8_192 ? "a" : "b"].push(id);
    }
    const [onA = "", onB = ""] = [made.a[0], made.b[0]];
    const shop = container(door);
    const told = toldOf([...(await shop.askAll(onA, names("u", 5))), ...(await shop.askAll(onB, names("u", 5)))]);
    expect(told).toHaveLength(10);

    await a.kill();
    await replica.door.command("CLUSTER", "FAILOVER", "TAKEOVER");
    await eventually(
      async () => String(await b.door.command("CLUSTER", "NODES")),
      (seen) => isConnected(seen, replica, "master"),
    );
    const fresh = container(nodes.connect(b, true));
    const words = await eventually(
      () =>
        fresh.ask(onA, "v").then(
          ({ word }) => word,
          () => "unavailable",
        ),
      (word) => word !== "unavailable",
    );
    expect(words).toBe("recovering");
    expect((await fresh.ask(onB, "v")).word).toBe("issued");
    const healed = nodes.connect(b, true);
    expect((await pump.recover(at(healed), onA)).word).toBe("recovered");
    expect(await fresh.ask(onA, "v")).toMatchObject({ word: "issued", coupon: { ticket: 6 } });
    await pump.drain(at(healed));
    expect((await keptOf(told)).length).toBe(10);
  });
});
