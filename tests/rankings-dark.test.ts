import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Ctx, StoreUnavailable } from "../core/context.ts";
import type { TableDoor } from "../core/doors/dynamodb.ts";
import type { RedisDoor } from "../core/doors/redis.ts";
import { limits } from "../core/limits.ts";
import { putBoard } from "../core/rankings/board.ts";
import { breakers, setBreaker } from "../core/rankings/breaker.ts";
import { editions, liveOf } from "../core/rankings/edition-records.ts";
import { ingest, type SentEvent } from "../core/rankings/ingest.ts";
import { publisher } from "../core/rankings/publish.ts";
import { reader, type Source, type TopPage } from "../core/rankings/read.ts";
import { rebuilder } from "../core/rankings/rebuild.ts";
import type { BreakerMode } from "../core/rankings/states.ts";
import { isRefusal, type Refusal } from "../core/words.ts";
import { type Stack, startStack } from "../local/stack.ts";
import { client, eventually, unique } from "./setup/client.ts";
import { type Node, type Nodes, startNodes } from "./setup/nodes.ts";
import { type Parts, startParts } from "./setup/parts.ts";
import { openEventsPump } from "./setup/rankings.ts";

/**
 * Boards never go dark: Redis is killed and paused under read load, with twenty containers that each have a breaker, a memory and
 * connections of their own. Every read is answered, and says truly what it shows and how old that is.
 */

const CONTAINERS = 20;
/** Reads that each container is asked at the same time. */
const READERS = 2;
/** Between two reads of one of them: a few thousand reads a second in all would only test this machine. */
const PAUSE_MS = 15;
const WEIGHTS = { view: 1, like: 0, cart: 0, sale: 0, revenue: 0 };

// ── What is watched ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** A call to Redis by one of the containers. */
interface Asked {
  readonly container: number;
  readonly from: number;
  until: number;
}

/** A door that writes down every call. */
function watched(door: RedisDoor, container: number, asked: Asked[]): RedisDoor {
  const note = async <T>(work: () => Promise<T>): Promise<T> => {
    const call: Asked = { container, from: performance.now(), until: Number.POSITIVE_INFINITY };
    asked.push(call);
    try {
      return await work();
    } finally {
      call.until = performance.now();
    }
  };
  return {
    run: (script, keys, args) => note(() => door.run(script, keys, args)),
    command: (name, ...args) => note(() => door.command(name, ...args)),
    commands: (batch) => note(() => door.commands(batch)),
    close: () => door.close(),
  };
}

/** A ledger that can be put out of reach. */
function breakable(table: TableDoor): TableDoor & { isOut: boolean } {
  const door = {
    isOut: false,
    ...Object.fromEntries(
      (["get", "getBatch", "put", "remove", "query"] as const).map((name) => [
        name,
        async (...args: unknown[]) => {
          if (door.isOut) throw new StoreUnavailable("ledger", "put out of reach by a test");
          return (table[name] as (...given: unknown[]) => Promise<unknown>)(...args);
        },
      ]),
    ),
    close: () => table.close(),
  } as TableDoor & { isOut: boolean };
  return door;
}

interface Seen {
  readonly container: number;
  readonly at: number;
  readonly source: Source;
  readonly ageMs: number;
  readonly publishedAt: number;
}

interface Line {
  readonly event: string;
  readonly at: number;
  readonly facts: Readonly<Record<string, unknown>>;
}

// ── The ground ──────────────────────────────────────────────────────────────────────────────────────────────────────────

let parts: Parts;
let nodes: Nodes;
let node: Node;
/** The containers' and the publisher's time: the real one, and what a test has let pass at once. */
let leapMs: number;
const now = () => Date.now() + leapMs;
let table: ReturnType<typeof breakable>;
/** What writes and publishes: with a connection of its own. */
let back: Ctx;
let lines: Line[];
let asked: Asked[];
let boardId: string;
/** What ends the loops of a test, whatever became of it. */
let running: (() => Promise<void>)[];

beforeEach(async () => {
  running = [];
  leapMs = 0;
  lines = [];
  asked = [];
  nodes = startNodes();
  [parts, node] = await Promise.all([startParts(), nodes.add("--appendonly", "yes")]);
  table = breakable(parts.ctx.table);
  const log: Ctx["log"] = (event, facts) => lines.push({ event, at: performance.now(), facts });
  back = { ...parts.ctx, redis: node.door, table, now, log };
  boardId = unique("b");
});
afterEach(async () => {
  await Promise.all(running.map((stop) => stop()));
  await nodes.stop();
  await parts.stop();
});

/** Makes a board of 30 products, counted through the queue, and publishes it. */
async function fill(): Promise<void> {
  const put = await putBoard(back, publisher(), boardId, { weights: WEIGHTS, halfLifeHours: 24, size: 100 }, true);
  if (isRefusal(put)) throw new Error(put.detail);
  const events = Array.from(
    { length: 30 },
    (_, i): SentEvent => ({ type: "view", productId: `p-${i}`, quantity: 100 - i, amount: 0 }),
  );
  await ingest(back, { senderId: "shop", key: unique("k"), events });
  await drain();
  await publisher().publishAll(back, now() + 60_000);
}

async function drain(): Promise<void> {
  const pump = openEventsPump(parts, () => {});
  await pump.drain(() => back);
  pump.close();
}

interface Container {
  readonly ctx: Ctx;
  top(query?: Partial<Parameters<ReturnType<typeof reader>["top"]>[1]>): Promise<TopPage | Refusal>;
}

function startContainers(count = CONTAINERS): Container[] {
  return Array.from({ length: count }, (_, container) => {
    const { top } = reader();
    const ctx = { ...back, redis: watched(nodes.connect(node), container, asked) };
    return { ctx, top: (query = {}) => top(ctx, { boardId, window: "1h", limit: 10, ...query }) };
  });
}

interface Load {
  readonly seen: Seen[];
  readonly faults: unknown[];
  stop(): Promise<void>;
}

/** Reads the first page with every container, without end. What is not answered, or not truly, is a fault. */
function startLoad(containers: readonly Container[]): Load {
  const seen: Seen[] = [];
  const faults: unknown[] = [];
  let isOn = true;
  const read = async (container: number, { top }: Container) => {
    while (isOn) {
      const before = now();
      try {
        const page = await top();
        const at = now();
        if (isRefusal(page)) faults.push(page);
        else {
          const { source, ageMs, head, items } = page;
          seen.push({ container, at, source, ageMs, publishedAt: head.publishedAt });
          const isTrue = ageMs >= before - head.publishedAt && ageMs <= at - head.publishedAt;
          if (!isTrue || items.length !== 10) faults.push({ before, at, ageMs, publishedAt: head.publishedAt, items });
        }
      } catch (error) {
        faults.push(error);
      }
      await sleep(PAUSE_MS);
    }
  };
  const loops = containers.flatMap((it, i) => Array.from({ length: READERS }, () => read(i, it)));
  const stop = async () => {
    isOn = false;
    await Promise.all(loops);
  };
  running.push(stop);
  return { seen, faults, stop };
}

/** Publishes every now and then, as the schedule does, and lets failures of stores pass. */
function startPublishing(): () => Promise<void> {
  const publish = publisher();
  let isOn = true;
  const loop = (async () => {
    while (isOn) {
      await publish.publishAll(back, now() + 60_000).catch((error: unknown) => {
        if (!(error instanceof StoreUnavailable)) throw error;
      });
      await sleep(200);
    }
  })();
  const stop = () => {
    isOn = false;
    return loop;
  };
  running.push(stop);
  return stop;
}

/** Waits until every container has been answered from one source since a time. */
const allFrom = (load: Load, source: Source, since = now()) =>
  eventually(
    async () => {
      const late = load.seen.filter(({ at }) => at > since);
      return Array.from(
        { length: CONTAINERS },
        (_, container) => late.findLast((it) => it.container === container)?.source,
      );
    },
    (sources) => sources.every((it) => it === source),
  );

/** Waits until there are generations that the ledger has no copy of. */
const severalSeen = (load: Load) =>
  eventually(
    async () => new Set(load.seen.map(({ publishedAt }) => publishedAt)).size,
    (generations) => generations >= 4,
  );

const transitions = () => lines.filter(({ event }) => event === "breaker").map(({ facts }) => facts.state);
const probes = () => lines.filter(({ event }) => event === "breaker-probe");
const lineOf = (state: "open" | "closed") =>
  lines.find(({ event, facts }) => event === "breaker" && facts.state === state);

/** The most calls to Redis at one moment, of those that began in a time. */
function mostAtOnce(from: number, until: number): number {
  const calls = asked.filter((it) => it.from > from && it.from < until);
  return Math.max(
    0,
    ...calls.map((it) => calls.filter((other) => other.from <= it.from && other.until > it.from).length),
  );
}

/** Every container showed one old generation for so long, and its age grew by that. That each age is true is looked at by the load. */
function expectGrowingAges({ seen }: Load, byMs: number): void {
  const stale = seen.filter(({ source }) => source === "snapshot");
  for (let container = 0; container < CONTAINERS; container++) {
    const own = stale.filter((it) => it.container === container);
    const growths = [...Map.groupBy(own, ({ publishedAt }) => publishedAt).values()].map((same) => {
      const ages = same.map(({ ageMs }) => ageMs);
      return Math.max(...ages) - Math.min(...ages);
    });
    expect(Math.max(...growths), `container ${container}`).toBeGreaterThan(byMs);
  }
}

/** While it was open, and every container knew it: one question at a time, and no more than one a second. */
function expectOneProbeAtATime(): void {
  const [opened, closed] = [lineOf("open"), lineOf("closed")];
  if (!opened || !closed) throw new Error(`no outage: ${JSON.stringify(lines)}`);
  // What a container had begun to ask before it looked may still be under way for as long as a question takes.
  const from = opened.at + limits.breakerLookMs + limits.redisConnectMs + limits.redisCommandMs;
  expect(closed.at, "the outage was long enough to see anything").toBeGreaterThan(from + 1_000);
  expect(mostAtOnce(from, closed.at)).toBeLessThanOrEqual(1);
  const turns = probes().map(({ at }) => at);
  expect(turns.length).toBeGreaterThanOrEqual(2);
  for (const [i, at] of turns.slice(1).entries()) {
    expect(at - (turns[i] ?? 0)).toBeGreaterThan(limits.breakerProbeEveryMs - 50);
  }
  // Nobody asks but who has the turn: no more questions than turns, of at most two calls each.
  const questions = asked.filter((it) => it.from > from && it.from < closed.at);
  expect(questions.length).toBeLessThanOrEqual(2 * turns.filter((at) => at > from - 1_000).length);
}

// ── Outages ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

describe("with twenty containers that read all the time", () => {
  const OUTAGE_MS = 5_500;

  test("Redis is killed: all are answered, from snapshots that say so, and from Redis again when it is back with its data", async () => {
    await fill();
    const stopPublishing = startPublishing();
    const load = startLoad(startContainers());
    await allFrom(load, "live");
    await severalSeen(load);
    await node.kill();
    const killedAt = now();
    await sleep(OUTAGE_MS);
    await allFrom(load, "snapshot");
    expect(transitions()).toEqual(["open"]);
    const backAt = now();
    await node.start();
    await allFrom(load, "live");
    await stopPublishing();
    await load.stop();

    expect(load.faults.slice(0, 3)).toEqual([]);
    expect(transitions()).toEqual(["open", "closed"]);
    expectOneProbeAtATime();
    expectGrowingAges(load, OUTAGE_MS - 2_000);
    // What was shown at the end of the outage is as old as the outage.
    const stale = load.seen.filter(
      ({ source, at }) => source === "snapshot" && at > killedAt + OUTAGE_MS - 500 && at < backAt,
    );
    expect(stale.length).toBeGreaterThan(CONTAINERS);
    for (const { ageMs } of stale) expect(ageMs).toBeGreaterThan(OUTAGE_MS - 1_000);
    // It is the newest that the container had shown, and not the ledger's older copy.
    for (const { container, publishedAt } of stale) {
      const shown = load.seen.filter((it) => it.container === container && it.source === "live" && it.at < backAt);
      expect(publishedAt).toBeGreaterThanOrEqual(Math.max(...shown.map((it) => it.publishedAt)));
    }
  });

  test("Redis stands still, so that calls time out: the same", async () => {
    await fill();
    const stopPublishing = startPublishing();
    const load = startLoad(startContainers());
    await allFrom(load, "live");
    await severalSeen(load);
    const pid = Number(await node.info("server", "process_id"));
    process.kill(pid, "SIGSTOP");
    try {
      await sleep(OUTAGE_MS);
      await allFrom(load, "snapshot");
    } finally {
      process.kill(pid, "SIGCONT");
    }
    await allFrom(load, "live");
    await stopPublishing();
    await load.stop();

    expect(load.faults.slice(0, 3)).toEqual([]);
    expect(transitions()).toEqual(["open", "closed"]);
    expectOneProbeAtATime();
    expectGrowingAges(load, OUTAGE_MS - 2_000);
  });

  test("Redis comes back with nothing: snapshots until a rebuild has brought everything back", async () => {
    await fill();
    const stopPublishing = startPublishing();
    const load = startLoad(startContainers());
    await allFrom(load, "live");
    const { editions: before } = await editions.get(back);
    await node.kill();
    await eventually(
      async () => transitions(),
      (states) => states.includes("open"),
    );
    await allFrom(load, "snapshot");
    await node.start();
    await eventually(
      () =>
        node.door.command("FLUSHALL").then(
          () => true,
          () => false,
        ),
      Boolean,
    );
    await eventually(
      async () => transitions(),
      (states) => states.includes("closed"),
    );
    // It answers, and has nothing.
    await eventually(
      async () => (await editions.get(back)).editions,
      (list) => list.some(({ state }) => state === "building"),
    );
    await allFrom(load, "snapshot");
    leapMs += limits.editionAheadMs + limits.rawSettleMs;
    const rebuild = rebuilder();
    await eventually(
      () => rebuild(back, now() + 60_000),
      ({ word }) => word === "switched",
    );
    await allFrom(load, "live");
    await stopPublishing();
    await load.stop();

    expect(load.faults.slice(0, 3)).toEqual([]);
    expect(transitions()).toEqual(["open", "closed"]);
    expect(liveOf(await editions.get(back))?.id).not.toBe(before[0]?.id);
    expectGrowingAges(load, limits.editionAheadMs);
  });
});

describe("with one container", () => {
  const sourceOf = async (container: Container) => {
    const page = await container.top();
    if (isRefusal(page)) throw new Error(page.detail);
    return page.source;
  };

  test("the ledger is out of reach too: what the container remembers is shown", async () => {
    await fill();
    const containers = startContainers(3);
    for (const it of containers) expect(await sourceOf(it)).toBe("live");
    await node.kill();
    table.isOut = true;
    leapMs += limits.generationMemoryMs;
    for (let round = 0; round < 4; round++) {
      for (const it of containers) expect(await sourceOf(it)).toBe("snapshot");
      leapMs += 1_500;
    }
    // By itself, and nobody could write down that it opened.
    expect(transitions()).toEqual([]);
    await node.start();
    leapMs += limits.breakerProbeEveryMs;
    await publisher().publishAll({ ...back, table: parts.ctx.table }, now() + 60_000);
    for (const it of containers)
      await eventually(
        () => sourceOf(it),
        (source) => source === "live",
      );
  });

  test("a new container, which remembers nothing, shows the ledger's copy", async () => {
    await fill();
    await node.kill();
    const [container] = startContainers(1);
    if (!container) throw new Error("no container");
    const page = await container.top({ limit: 100 });
    expect(page).toMatchObject({ word: "found", source: "snapshot" });
    if (isRefusal(page)) throw new Error(page.detail);
    expect(page.items.map(({ productId }) => productId)).toEqual(Array.from({ length: 30 }, (_, i) => `p-${i}`));
    // Pages go on in the copy too.
    const first = await container.top({ limit: 20 });
    if (isRefusal(first) || !first.next) throw new Error("no cursor");
    expect(await container.top({ limit: 20, from: first.next })).toMatchObject({ offset: 20, source: "snapshot" });
    expect(await container.top({ boardId: unique("none") })).toMatchObject({ word: "unknown" });
  });

  test("the operator's switch overrides the breaker, either way", async () => {
    await fill();
    const [container] = startContainers(1);
    if (!container) throw new Error("no container");
    const set = async (mode: BreakerMode) => {
      expect(await setBreaker(back, mode)).toMatchObject({ word: "changed", breaker: { mode } });
      // A container looks every now and then, and goes by what it has seen while it looks.
      leapMs += limits.breakerLookMs;
      await container.top();
      await eventually(
        async () => (await breakers.get(back)).mode,
        (it) => it === mode,
      );
      leapMs += limits.generationMemoryMs;
    };
    expect(await sourceOf(container)).toBe("live");
    await set("snapshot");
    await eventually(
      () => sourceOf(container),
      (source) => source === "snapshot",
    );
    const calls = asked.length;
    for (let i = 0; i < 20; i++) expect(await sourceOf(container)).toBe("snapshot");
    expect(asked.length).toBe(calls);

    await set("live");
    await eventually(
      () => sourceOf(container),
      (source) => source === "live",
    );
    await node.kill();
    leapMs += limits.generationMemoryMs;
    for (let i = 0; i < limits.breakerFailures + 2; i++) {
      const before = asked.length;
      expect(await sourceOf(container)).toBe("snapshot");
      expect(asked.length).toBeGreaterThan(before);
    }
    // It asks on and on: that is what was asked for.
    expect(transitions()).toEqual([]);

    await set("auto");
    await eventually(
      async () => {
        await container.top();
        return transitions();
      },
      (states) => states.length > 0,
    );
    expect(transitions()).toEqual(["open"]);
    expect(lines.filter(({ event }) => event === "breaker-mode").map(({ facts }) => facts.mode)).toEqual([
      "snapshot",
      "live",
      "auto",
    ]);
  });

  test("a page that is remembered is no answer of Redis: it does not close the breaker", async () => {
    await fill();
    const [container] = startContainers(1);
    if (!container) throw new Error("no container");
    const first = await container.top({ limit: 10 });
    if (isRefusal(first) || !first.next) throw new Error("no cursor");
    const from = first.next;
    expect(await container.top({ from })).toMatchObject({ source: "live", offset: 10 });
    await node.kill();
    leapMs += limits.generationMemoryMs;
    for (let i = 0; i < limits.breakerFailures; i++) await container.top();
    expect(transitions()).toEqual(["open"]);
    for (let i = 0; i < 5; i++) {
      leapMs += limits.breakerProbeEveryMs;
      expect(await container.top({ from })).toMatchObject({ word: "found", offset: 10 });
    }
    expect(transitions()).toEqual(["open"]);
  });

  test("the newest generation is told and then Redis is gone, and the ledger too: the one before is shown", async () => {
    await fill();
    const [container] = startContainers(1);
    if (!container) throw new Error("no container");
    expect(await sourceOf(container)).toBe("live");
    leapMs += 3_000;
    await publisher().publishAll(back, now() + 60_000);
    // Between the look at the pointer and the look at its pages.
    const { ctx } = container;
    const command = ctx.redis.command;
    Object.assign(ctx.redis, {
      command: async (name: string, ...args: Parameters<typeof command> extends [string, ...infer A] ? A : never) => {
        if (name === "HMGET") throw new StoreUnavailable("redis", "gone");
        return command(name, ...args);
      },
    });
    table.isOut = true;
    expect(await sourceOf(container)).toBe("snapshot");
  });
});

// ── Over HTTP ───────────────────────────────────────────────────────────────────────────────────────────────────────────

describe("over HTTP", () => {
  let folder: string;
  let stack: Stack;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "firstcome-dark-"));
    stack = await startStack({
      port: 0,
      stackFile: join(folder, "stack.json"),
      redisServer: process.env.FIRSTCOME_REDIS_SERVER,
      restartMs: 3_000,
    });
  });
  afterAll(async () => {
    await stack?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test("Redis is killed under read load: never a 5xx, a snapshot with its age, then live again by itself", async () => {
    const shop = client(stack.file.api);
    const [operator, sender] = await Promise.all([shop.token("olga", "operator"), shop.token("shop", "events")]);
    await shop.call("PUT", "/boards/sales", { token: operator, body: { weights: WEIGHTS, halfLifeHours: 24 } });
    const events = Array.from({ length: 20 }, (_, i) => ({ type: "view", productId: `p-${i}`, quantity: 50 - i }));
    await shop.call("POST", "/events", { token: sender, body: { events }, headers: { "idempotency-key": "one" } });
    const top = () => shop.call("GET", "/boards/sales/top?window=1h&limit=10");
    await eventually(top, ({ body }) => body.items?.length === 10);

    const statuses = new Map<number, number>();
    const faults: unknown[] = [];
    let last: Awaited<ReturnType<typeof top>> | undefined;
    let isOn = true;
    const loops = Array.from({ length: 4 }, async () => {
      while (isOn) {
        const answer = await top();
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
        const { publishedAt, ageMs, items } = answer.body;
        if (items?.length !== 10 || ageMs > Date.now() - Date.parse(publishedAt)) faults.push(answer);
        last = answer;
        await sleep(PAUSE_MS);
      }
    });
    const isFrom = (source: Source) =>
      eventually(
        async () => last?.body.source,
        (it) => it === source,
      );
    await isFrom("live");
    process.kill(Number(stack.file.redisPid), "SIGKILL");
    await isFrom("snapshot");
    const first = last?.body;
    // The same is shown, and grows older.
    await eventually(
      async () => last?.body,
      (body) => body.source === "snapshot" && body.generation === first.generation && body.ageMs > first.ageMs + 1_000,
    );
    await isFrom("live");
    isOn = false;
    await Promise.all(loops);
    expect(faults.slice(0, 3)).toEqual([]);
    expect([...statuses.keys()]).toEqual([200]);
    const logged = readFileSync(stack.file.log, "utf8")
      .split("\n")
      .filter((line) => line.includes('"breaker"'))
      .map((line) => JSON.parse(line.slice(line.indexOf("{"))));
    expect(logged.map(({ state }) => state)).toEqual(["open", "closed"]);
  });
});
