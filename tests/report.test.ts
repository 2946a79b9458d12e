import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Agent, request } from "undici";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { leaseStack, takeSignals } from "../local/lease.ts";
import { parseOptions } from "../local/load/options.ts";
import { chartOf } from "../local/load/report/chart.ts";
import { engineBetween } from "../local/load/report/engine.ts";
import { type Evidence, evidenceOf, type Load, type Sample } from "../local/load/report/evidence.ts";
import { watchK6 } from "../local/load/report/k6-watch.ts";
import { readingOf, watchRedis } from "../local/load/report/redis-watch.ts";
import { reportOn } from "../local/load/report/report.ts";
import { judge, type Part, thresholds } from "../local/load/report/rules.ts";
import { nothingSpent, perSecond, readSpans, type SpanLine, type Spent } from "../local/load/report/spent.ts";
import { textOf } from "../local/load/report/text.ts";
import { watchStack } from "../local/load/report/watch.ts";
import { readScripts } from "../local/load/scripts.ts";
import { leaseSlowed, type Slowed } from "../local/load/slow/slow.ts";
import { NoLoad } from "../local/load/surroundings.ts";
import { startRedis, type TestRedis } from "./setup/redis.ts";

const repo = fileURLToPath(new URL("../", import.meta.url));
const workshop = mkdtempSync(join(tmpdir(), "firstcome-report-"));
afterAll(() => rmSync(workshop, { recursive: true, force: true }));

const KEPT: Load = { requests: 1_000, dropped: 0, failedShare: 0, p95Ms: 20 };
const DROPPED: Load = { ...KEPT, dropped: 1 };

/** Where 1,000 ms of 100 invocations went. */
const spent = (more: Partial<Spent> = {}): Spent => ({
  ...nothingSpent(),
  n: 100,
  handlerMs: 1_000,
  loop: 0.3,
  ...more,
});
const engine = (busy: number, more: object = {}) => ({
  ...{ ms: 1_000, cpu: busy, held: busy, busy, commands: [], connections: 0 },
  ...more,
});
const backlog = (behindSeconds: number, consumer: Spent, seconds = 1) => ({
  ...{ queue: "Confirmations", most: 100, behindSeconds, consumer, seconds },
});
const evidence = (more: Partial<Evidence> = {}): Evidence => ({
  ...{ load: KEPT, front: spent({ ownMs: 1_000 }), engine: engine(0.1), machine: 0.5, concurrency: 4 },
  ...{ seconds: [], missing: [] },
  ...more,
});

describe("the rules", () => {
  const atLedger = spent({ ledgerMs: 900, ownMs: 100, ledgerCalls: 100, ledgerCallMs: 40_000, handlerMs: 1_000 });
  const working = spent({ handlerMs: 3_000, ownMs: 3_000 });
  const { engineBusy, loopBusy, behindSeconds } = thresholds;
  const cases: [what: string, part: Part, more: Partial<Evidence>][] = [
    ["an engine at its threshold", "redis-engine", { engine: engine(engineBusy) }],
    ["an engine just below it", "nothing", { engine: engine(engineBusy - 0.001) }],
    [
      "a busy engine and a busy loop: the engine's own figures come first",
      "redis-engine",
      {
        ...{ engine: engine(0.9), front: spent({ loop: 1 }) },
      },
    ],
    ["an event loop at its threshold", "handler-cpu", { front: spent({ loop: loopBusy }) }],
    ["an event loop just below it", "nothing", { front: spent({ loop: loopBusy - 0.001 }) }],
    [
      "a busy loop makes doors look slow: it comes before them",
      "handler-cpu",
      {
        ...{ load: DROPPED, front: spent({ loop: 0.95, redisMs: 900, redisCallMs: 900, redisCalls: 100 }) },
      },
    ],
    ["a queue that is behind because of the ledger", "ledger", { backlog: backlog(behindSeconds, atLedger) }],
    [
      "a ledger that takes most of the time, and keeps up",
      "nothing",
      {
        backlog: backlog(behindSeconds - 0.001, atLedger),
      },
    ],
    [
      "a consumer whose loop is busy is not slow because of the ledger",
      "consumer",
      {
        backlog: backlog(9, { ...atLedger, handlerMs: 3_000, ledgerMs: 2_900, loop: 0.95 }),
      },
    ],
    [
      "answers that wait for the ledger, and a run that lost arrivals",
      "ledger",
      {
        ...{ load: DROPPED, front: spent({ ledgerMs: 500, ownMs: 500 }) },
      },
    ],
    [
      "answers that wait for the ledger in a run that kept its rate",
      "nothing",
      {
        front: spent({ ledgerMs: 1_000 }),
      },
    ],
    ["messages wait, and consumers are idle", "queue", { backlog: backlog(9, spent({ handlerMs: 400, ownMs: 400 })) }],
    ["messages wait, and nothing takes them", "queue", { backlog: backlog(Number.POSITIVE_INFINITY, nothingSpent()) }],
    ["messages wait, and consumers work", "consumer", { backlog: backlog(9, working) }],
    ["sending takes most of the time", "queue", { load: DROPPED, front: spent({ queueMs: 600, ownMs: 400 }) }],
    [
      "waiting for a Redis that has little to do",
      "redis-client",
      {
        load: { ...KEPT, p95Ms: thresholds.answerMs },
        ...{ front: spent({ redisMs: 900, redisCalls: 100, redisCallMs: 900, ownMs: 100 }), engine: engine(0.1) },
      },
    ],
    [
      "the same in a run that kept its rate",
      "nothing",
      {
        front: spent({ redisMs: 900, redisCalls: 100, redisCallMs: 900, ownMs: 100 }),
      },
    ],
    [
      "a run that lost answers with every part well below its threshold",
      "unknown",
      {
        load: { ...KEPT, failedShare: 0.02 },
      },
    ],
    ["a run of which k6 left nothing", "unknown", { load: undefined }],
    ["a run that kept its rate", "nothing", {}],
  ];
  test.each(cases)("%s: %s", (_, part, more) => {
    expect(judge(evidence(more)).part).toBe(part);
  });

  test("show each figure with its threshold, and all rules in the order in which they are asked", () => {
    const notes = {
      slow: [
        { command: "ZUNIONSTORE", ms: 31 },
        { command: "EVALSHA", ms: 12 },
      ],
      delays: [],
    };
    const commands = [
      { name: "ZUNIONSTORE", share: 0.7, calls: 9 },
      { name: "GET", share: 0.001, calls: 900 },
    ];
    const verdict = judge(evidence({ engine: { ...engine(0.93), commands, ...notes } }));
    expect(verdict.sentence).toBe(
      "Redis engine (busy 0.93 (from 0.80); 0.93 of a core, commands held it 93 % of the time; ZUNIONSTORE 70 % of the time; slow log: 2 over 10 ms, the longest ZUNIONSTORE 31 ms)",
    );
    expect(verdict.findings.map(({ part }) => part)).toEqual([
      ...["redis-engine", "handler-cpu", "ledger", "queue", "consumer", "redis-client"],
    ]);
  });

  test("that lack their figures are not asked, and say so", () => {
    const verdict = judge(evidence({ front: undefined, engine: undefined }));
    expect(verdict.findings.map(({ isAsked }) => isAsked)).toEqual(Array(6).fill(false));
    expect(verdict.part).toBe("nothing");
  });

  test("a run that nothing bounds is told what is nearest", () => {
    expect(judge(evidence({ engine: engine(0.6) })).sentence).toContain("the nearest is Redis engine (busy 0.60");
  });
});

const line = (more: Partial<SpanLine>): SpanLine => ({
  ...{ function: "issue-coupon", from: "2026-01-01T00:00:00.000Z", to: "2026-01-01T00:00:02.000Z" },
  handler: { n: 100, sumMs: 1_000, p50Ms: 10, p95Ms: 10, p99Ms: 10, maxMs: 10 },
  ...{ ownMs: 400, cpuMs: 300, loop: 0.5 },
  ...more,
});
const figures = (n: number, sumMs: number) => ({ n, sumMs, p50Ms: 1, p95Ms: 1, p99Ms: 1, maxMs: 1 });

describe("the evidence", () => {
  const startAt = Date.parse("2026-01-01T00:00:00.000Z");

  test("lays a period out over its seconds, and calls side by side are one wait", () => {
    const [first, second, third] = perSecond(
      [line({ redis: figures(100, 300), ledger: figures(50, 900) })],
      startAt,
      3,
    );
    expect(first).toMatchObject({ n: 50, handlerMs: 500, redisMs: 75, ledgerMs: 225, ownMs: 200, loop: 0.5 });
    expect(first).toMatchObject({ redisCalls: 50, ledgerCallMs: 450 });
    expect(second).toEqual(first);
    expect(third?.n).toBe(0);
  });

  test("takes spans out of a log in which everybody writes, and half a line is none", () => {
    const told = JSON.stringify({ event: "spans", ...line({}) });
    const log = ["Server started", '{"event":"request","word":"issued"}', told, told.slice(0, 60)].join("\n");
    expect(readSpans(log)).toMatchObject([{ function: "issue-coupon", handler: { n: 100 } }]);
  });

  const info = (cpu: number, evalsha: number, hset: number, union: number) =>
    [
      `used_cpu_sys_main_thread:${cpu / 2}`,
      `used_cpu_user_main_thread:${cpu / 2}`,
      "total_connections_received:5",
      `cmdstat_evalsha:calls=10,usec=${evalsha},usec_per_call=1`,
      `cmdstat_hset:calls=99,usec=${hset},usec_per_call=1`,
      `cmdstat_zunionstore:calls=3,usec=${union},usec_per_call=1`,
      "cmdstat_config|get:calls=9,usec=900000,usec_per_call=1",
      "cmdstat_info:calls=9,usec=900000,usec_per_call=1",
    ].join("\r\n");

  test("counts what a script's commands take once, and what the report asks not at all", () => {
    const before = { ...readingOf(info(1, 0, 0, 0), 1_000), commands: new Map() };
    const it = engineBetween(before, readingOf(info(1.2, 300_000, 250_000, 100_000), 2_000));
    expect(it?.commands.map(({ name, share }) => [name, share])).toEqual([
      ...[
        ["EVALSHA", 0.3],
        ["HSET", 0.25],
        ["ZUNIONSTORE", 0.1],
      ],
    ]);
    expect(it?.cpu).toBeCloseTo(0.2);
    expect(it?.held).toBeCloseTo(0.35);
    expect(it?.busy).toBeCloseTo(0.35);
  });

  test("has no engine of a Redis that was started again in between", () => {
    expect(engineBetween(readingOf(info(9, 0, 0, 0), 1_000), readingOf(info(1, 0, 0, 0), 2_000))).toBeUndefined();
  });

  const samples = (depths: readonly number[]): Sample[] =>
    depths.map((Confirmations, second) => ({ at: startAt + second * 1_000, queues: { Confirmations }, machine: 0.5 }));
  const confirming = { consumers: { Confirmations: "confirm", Events: "apply-events" }, concurrency: 4, missing: [] };
  const batches = (second: number) =>
    line({
      ...{ function: "confirm", handler: figures(2, 900), ledger: figures(40, 800), ownMs: 100 },
      messages: { n: 22, failed: 2 },
      from: new Date(startAt + second * 1_000).toISOString(),
      to: new Date(startAt + second * 1_000 + 1_000).toISOString(),
    });

  test("says how far a queue is behind by the pace of its own consumer", () => {
    const run = {
      ...{ load: KEPT, samples: samples([0, 80, 160, 120, 60]), lines: [0, 1, 2, 3].map(batches) },
      ...confirming,
    };
    const { backlog: told, front } = evidenceOf(run);
    expect(told).toMatchObject({ queue: "Confirmations", most: 160, behindSeconds: 8, seconds: 4 });
    expect(front).toBeUndefined();
  });

  test("takes batches that fail for work by which nothing is done: the ledger that is away is named", () => {
    const failing = Array.from({ length: 60 }, (_, second) => ({
      ...batches(second),
      ...{ handler: figures(6, 9_000), ledger: figures(12, 8_900), messages: { n: 24, failed: 24 } },
    }));
    const told = evidenceOf({
      ...{ load: KEPT, samples: samples(Array(60).fill(250)), lines: failing },
      ...confirming,
    });
    const verdict = judge(told);
    expect(verdict.part).toBe("ledger");
    expect(verdict.sentence).toContain("Confirmations behind by no end");
    expect(verdict.sentence).toContain("100 % of its messages failed and come again");
  });

  test("takes a batch for as many messages as it had", () => {
    const single = [0, 1, 2, 3].map((second) => ({ ...batches(second), messages: { n: 2, failed: 0 } }));
    const run = { ...{ load: KEPT, samples: samples([0, 80, 160, 120, 60]), lines: single }, ...confirming };
    expect(evidenceOf(run).backlog).toMatchObject({ behindSeconds: 80 });
  });

  test("says that nothing takes what waits where its consumer has not written a line", () => {
    const run = { ...{ load: KEPT, samples: samples(Array(60).fill(250)), lines: [] }, ...confirming };
    const { part, sentence } = judge(evidenceOf(run));
    expect(part).toBe("queue");
    expect(sentence).toContain("nothing takes them");
  });

  test("calls no queue behind for longer than it was not empty, at whatever low rate its consumer was asked", () => {
    const few = {
      ...batches(0),
      to: new Date(startAt + 10_000).toISOString(),
      messages: { n: 5, failed: 0 },
    };
    const run = { load: KEPT, samples: samples([0, 0, 3, 0, 1, 0, 0, 1, 0, 0, 0]), lines: [few], ...confirming };
    expect(evidenceOf(run).backlog?.behindSeconds).toBe(2);
  });

  test("looks at the queue whose consumer worked most where none has waited", () => {
    const consumers = { Events: "apply-events", Confirmations: "confirm" };
    const seen = [0, 1, 2].map((second) => ({
      ...{ at: startAt + second * 1_000, queues: { Events: 0, Confirmations: 0 }, machine: 0.5 },
    }));
    const run = { load: KEPT, samples: seen, consumers, concurrency: 4, missing: [] };
    expect(evidenceOf({ ...run, lines: [batches(0)] }).backlog?.queue).toBe("Confirmations");
    const applied = { ...batches(1), function: "apply-events" };
    expect(evidenceOf({ ...run, lines: [applied] }).backlog?.queue).toBe("Events");
  });

  test("judges the seconds of the load, not those in which k6 prepares and looks back", () => {
    const busy = { handler: figures(100, 100), loop: 0.95 };
    const at = (second: number, more: Partial<SpanLine>) =>
      line({
        from: new Date(startAt + second * 1_000).toISOString(),
        to: new Date(startAt + second * 1_000 + 1_000).toISOString(),
        ...more,
      });
    const idle = { handler: figures(2, 2), loop: 0.01 };
    const lines = [at(0, idle), at(1, busy), at(2, busy), at(3, idle)];
    const run = { load: KEPT, samples: samples([0, 0, 0, 0, 0]), lines, consumers: {}, concurrency: 4, missing: [] };
    expect(evidenceOf(run).front).toMatchObject({ n: 200, loop: 0.95 });
    // At a low rate those ask for more at once than people do.
    const people = [at(1, idle), at(2, idle), at(4, { ...busy, ledger: figures(300, 90) })];
    const window = { from: startAt + 900, to: startAt + 3_400 };
    const few = { ...run, samples: samples([0, 0, 0, 0, 0, 0]), lines: people };
    expect(evidenceOf({ ...few, window }).front).toMatchObject({ n: 4, loop: 0.01, ledgerMs: 0 });
    expect(evidenceOf(few).front).toMatchObject({ n: 100, loop: 0.95 });
  });

  test("knows what was spent at the metrics from what was spent at no door, and shows them only then", () => {
    const looks = [line({ function: "show-answers", metrics: figures(100, 600), ownMs: 400 })];
    const run = { load: KEPT, samples: samples([0, 0, 0]), lines: looks, consumers: {}, concurrency: 4, missing: [] };
    const it = evidenceOf(run);
    expect(it.front).toMatchObject({ handlerMs: 1_000, metricsMs: 600, ownMs: 400 });
    expect(textOf(it, judge(it))).toMatch(/no door\n.*\n.*60 % +40 %/s);
    const without = evidenceOf({ ...run, lines: [line({ ownMs: 1_000 })] });
    expect(textOf(without, judge(without))).not.toContain("metrics");
  });
});

describe("the report", () => {
  test("of an API elsewhere has k6's view, and names what is missing", async () => {
    const run = async (more: readonly string[]) => {
      const metrics = {
        ...{ http_reqs: { count: 9 }, "http_reqs{part:burst,name:ask}": { count: 9 } },
        ...{ dropped_iterations: { count: 4 }, "http_req_duration{part:burst,name:ask}": { "p(95)": 7 } },
      };
      writeFileSync(more[1] ?? "", JSON.stringify({ metrics }));
      return 99;
    };
    const about = { script: "burst", stack: { api: "https://elsewhere.example" }, folder: workshop };
    const { status, verdict, text } = await reportOn(run, about);
    expect([status, verdict.part]).toEqual([99, "unknown"]);
    expect(text).toMatch(/9 requests, 4 arrivals dropped, 95 % of answers within 7 ms/);
    for (const what of ["Redis's own figures", "queues", "the functions' spans"])
      expect(text).toContain(`Missing: ${what}`);
    expect(existsSync(join(workshop, "load-burst-k6.json"))).toBe(false);
    expect(JSON.parse(readFileSync(join(workshop, "load-burst-report.json"), "utf8"))).toMatchObject({
      ...{ script: "burst", strain: "4 arrivals dropped (more than 0)" },
    });
  });

  test("judges what people asked for, and not what k6 asks when it prepares and judges", async () => {
    const run = async (more: readonly string[]) => {
      const metrics = {
        ...{ http_reqs: { count: 200 }, http_req_failed: { value: 0.3 }, http_req_duration: { "p(95)": 4_000 } },
        ...{ "http_reqs{part:shop,name:buy}": { count: 90 }, "http_reqs{part:shop,name:use}": { count: 10 } },
        ...{
          "http_req_failed{part:shop,name:buy}": { value: 0 },
          "http_req_failed{part:shop,name:use}": { value: 0.2 },
        },
        "http_req_duration{part:shop,name:buy}": { "p(95)": 20 },
        "http_req_duration{part:shop,name:use}": { "p(95)": 70 },
        ...{ "http_reqs{part:shop,name:rest}": { count: 0 }, "http_req_duration{part:shop,name:rest}": { "p(95)": 0 } },
        "http_req_duration{expected_response:true}": { "p(95)": 4_000 },
      };
      writeFileSync(more[1] ?? "", JSON.stringify({ metrics }));
      return 0;
    };
    const about = { script: "sustained", stack: { api: "https://elsewhere.example" }, folder: workshop };
    const { text, verdict } = await reportOn(run, about);
    expect(text).toContain("k6: 100 requests, 0 arrivals dropped, 95 % of answers within 70 ms");
    expect(verdict.sentence).toContain("2 % of requests failed");
  });

  test("asks k6 itself when people come, and judges only those seconds", async () => {
    const states = [6, 6, 7, 7, 7, 8];
    const run = async (more: readonly string[]) => {
      const [host, port] = (more[3] ?? "").split(":");
      let asked = 0;
      const { promise, resolve } = Promise.withResolvers<void>();
      const server = createServer((_, answer) => {
        answer.end(JSON.stringify({ data: { attributes: { status: states[asked++] } } }));
        if (asked === states.length) resolve();
      });
      await once(server.listen(Number(port), host), "listening");
      await promise;
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
      return 0;
    };
    const watch = await watchK6();
    const before = Date.now();
    await run(["--summary-export", "", "--address", watch.address]);
    const window = await watch.end();
    expect(window?.from).toBeGreaterThanOrEqual(before);
    expect(window?.to).toBeGreaterThan(window?.from ?? 0);
    const unseen = await watchK6();
    expect(await unseen.end()).toBeUndefined();
  });

  test("draws a chart that needs nothing else and breaks at no name", () => {
    const seconds = Array.from({ length: 400 }, () => ({
      ...{
        front: spent({ redisMs: 400, ownMs: 600 }),
        back: nothingSpent(),
        engine: engine(0.5),
        queues: { Events: 3 },
      },
    }));
    const it = evidence({ seconds });
    const chart = chartOf("<burst> & co", it, judge(it));
    expect(chart).toContain("&lt;burst&gt; &amp; co");
    expect(chart).not.toMatch(/NaN|undefined|Infinity|(?:href|src|url\()/);
    expect(chart).toContain("prefers-color-scheme: dark");
    expect(textOf(it, judge(it)).split("\n").length).toBeLessThan(60);
  });
});

describe("a watch over a Redis that is somebody's", () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());

  const NAMES = ["latency-monitor-threshold", "slowlog-log-slower-than", "slowlog-max-len"];
  const settingsNow = () => Promise.all(NAMES.map((name) => redis.door.command("CONFIG", "GET", name)));
  const setTheirs = async () => {
    for (const [place, name] of NAMES.entries()) await redis.door.command("CONFIG", "SET", name, 77 + place);
    return settingsNow();
  };
  const url = () => `redis://watcher:secret@127.0.0.1:${redis.port}`;
  const grant = (...rules: string[]) =>
    redis.door.command("ACL", "SETUSER", "watcher", "reset", "on", ">secret", "~*", "+@all", ...rules);
  /** Holds the engine for so long that it is noted. */
  const hold = (turns: number) =>
    redis.door.command("EVAL", "local n = 0 for i = 1, ARGV[1] do n = n + i % 7 end return n", 0, turns);

  test.each(["-slowlog", "-latency"])("that cannot begin (%s) leaves its settings as they were", async (denied) => {
    const theirs = await setTheirs();
    await grant(denied);
    await expect(watchRedis(url())).rejects.toThrow("NOPERM");
    expect(await settingsNow()).toEqual(theirs);
  });

  test.each(["-slowlog", "-latency"])("that is cut off (%s) puts its settings back all the same", async (denied) => {
    const theirs = await setTheirs();
    await grant();
    const watch = await watchRedis(url());
    expect(await settingsNow()).not.toEqual(theirs);
    await grant(denied);
    await expect(watch.end()).rejects.toThrow("NOPERM");
    expect(await settingsNow()).toEqual(theirs);
  });

  test("keeps what was noted before, and does not take it for the run's", async () => {
    await grant();
    await redis.door.command("CONFIG", "SET", "latency-monitor-threshold", 1);
    await hold(10_000_000);
    await redis.door.command("CONFIG", "SET", "latency-monitor-threshold", 0);
    const history = async () => (await redis.door.command("LATENCY", "HISTORY", "command")) as unknown[][];
    const noted = await history();
    const theirsMs = Math.max(...noted.map(([, ms]) => Number(ms)));
    expect(theirsMs).toBeGreaterThan(10);
    const watch = await watchRedis(url());
    const { delays } = await watch.end();
    for (const { mostMs } of delays) expect(mostMs).toBeLessThan(theirsMs);
    expect(await history()).toEqual(expect.arrayContaining(noted));
  });
});

describe("a slowed part", () => {
  const scripts = readScripts(repo);
  const parse = (words: string) => parseOptions(words.split(" "), scripts, workshop);

  test("is asked for by name, and not of another's API", () => {
    expect(parse("burst --report --slow ledger")).toMatchObject({ options: { report: true, slow: "ledger" } });
    expect(parse("burst")).toMatchObject({ options: expect.not.objectContaining({ report: expect.anything() }) });
    expect(parse("burst --slow queue")).toMatchObject({ mistake: expect.stringContaining("redis, ledger, handler") });
    expect(parse("burst --slow redis --api http://127.0.0.1:1")).toMatchObject({
      mistake: expect.stringContaining("--slow"),
    });
  });

  test.each<[string, Slowed, NodeJS.ProcessEnv]>([
    ["a stack that runs", "redis", { FIRSTCOME_STACK: inject("stackFile") }],
    ["a Redis that is not the run's own", "redis", { FIRSTCOME_REDIS_URL: "redis://127.0.0.1:1" }],
    ["a ledger that is not the run's own", "ledger", { FIRSTCOME_DYNAMODB_ENDPOINT: "http://127.0.0.1:1" }],
  ])("is refused with %s", async (_, part, more) => {
    const { interrupted, release } = takeSignals();
    const env = { ...process.env, FIRSTCOME_STACK: join(workshop, "none.json"), ...more };
    const refused = leaseSlowed(part, { root: repo, env, say: () => {}, interrupted }).finally(release);
    await expect(refused).rejects.toThrow(NoLoad);
  });
});

/** People who come at a rate, whether or not the ones before them have their answers. */
async function openLoad(api: string, { rate, seconds, stock }: { rate: number; seconds: number; stock: number }) {
  const agent = new Agent({ connections: 256 });
  const send = async (path: string, body: object, token?: string) => {
    const headers = { "content-type": "application/json", ...(token ? { authorization: `Bearer ${token}` } : {}) };
    const answer = await request(api + path, {
      method: "POST",
      headers,
      body: JSON.stringify(body),
      dispatcher: agent,
    });
    return { status: answer.statusCode, text: await answer.body.text() };
  };
  const tokensOf = async (subjects: string[], scope?: string) => {
    const { text } = await send("/_local/tokens", { subjects, ...(scope ? { scope } : {}) });
    return Object.values((JSON.parse(text) as { tokens: Record<string, string> }).tokens);
  };
  const users = await tokensOf(Array.from({ length: rate * seconds }, (_, i) => `user-${i}`));
  const [operator] = await tokensOf(["olga"], "operator");
  const now = Date.now();
  const [opensAt, closesAt] = [now - 1_000, now + 3_600_000].map((at) => new Date(at).toISOString());
  const created = await send("/campaigns", { campaignId: "load", name: "Load", stock, opensAt, closesAt }, operator);
  expect(created.status).toBe(201);
  const took: number[] = [];
  let failed = 0;
  const ask = async (token: string) => {
    const askedAt = performance.now();
    const status = await send("/campaigns/load/coupons", {}, token).then(
      (answer) => answer.status,
      () => 0,
    );
    if (![200, 201, 202, 409].includes(status)) failed++;
    took.push(performance.now() - askedAt);
  };
  const asks: Promise<void>[] = [];
  await new Promise<void>((done) => {
    const beganAt = performance.now();
    const timer = setInterval(() => {
      const due = Math.min(users.length, ((performance.now() - beganAt) / 1_000) * rate);
      while (asks.length < due) asks.push(ask(users[asks.length] ?? ""));
      if (asks.length < users.length) return;
      clearInterval(timer);
      done();
    }, 20);
  });
  await Promise.all(asks);
  await agent.close();
  const p95Ms = took.sort((a, b) => a - b)[Math.floor(took.length * 0.95)];
  return { requests: took.length, dropped: 0, failedShare: failed / took.length, p95Ms };
}

/** Share of all processors at work from which a few requests a second may have to wait for one. */
const CROWDED = 0.75;

describe("a real stack, named by what bounds it", () => {
  const own = { FIRSTCOME_REDIS_URL: "", FIRSTCOME_SQS_ENDPOINT: "", FIRSTCOME_DYNAMODB_ENDPOINT: "" };

  test.each<[string, Slowed | undefined, Part, { rate: number; seconds: number; stock: number }]>([
    ["as it is", undefined, "nothing", { rate: 15, seconds: 3, stock: 20 }],
    ["with an engine that unites big sets", "redis", "redis-engine", { rate: 50, seconds: 4, stock: 100 }],
    ["with a ledger behind a slow line", "ledger", "ledger", { rate: 100, seconds: 4, stock: 1_000 }],
    ["with handlers that compute", "handler", "handler-cpu", { rate: 50, seconds: 4, stock: 100 }],
  ])("%s (%s): %s", async (_, slow, part, load) => {
    const { interrupted, release } = takeSignals();
    const env = { ...process.env, ...own, FIRSTCOME_STACK: join(workshop, "none.json") };
    const terms = { root: repo, env, say: () => {}, interrupted };
    const lease = await (slow ? leaseSlowed(slow, terms) : leaseStack(terms));
    try {
      const watch = await watchStack(lease.stack);
      const seen = await openLoad(lease.stack.api, load).then(
        async (done) => ({ ...(await watch.end()), load: done }),
        async (error: unknown) => {
          await watch.end();
          throw error;
        },
      );
      const told = evidenceOf(seen);
      const verdict = judge(told);
      // On a machine that others keep busy a stack may be short of processor time as it is, but of nothing else.
      const isCrowded = slow === undefined && told.machine >= CROWDED;
      const right: Part[] = isCrowded ? [part, "handler-cpu", "unknown"] : [part];
      expect(right, textOf(told, verdict)).toContain(verdict.part);
      expect(told.missing).toEqual([]);
    } finally {
      await lease.stop();
      release();
    }
  });
});
