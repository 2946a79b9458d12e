import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseOptions as parseCrowd } from "../local/crowd/options.ts";
import { killPart } from "../local/demos/kill.ts";
import { openLastLines } from "../local/demos/last-lines.ts";
import { isOwnPage } from "../local/demos/own-page.ts";
import { type Demo, programs } from "../local/demos/programs.ts";
import { readReport } from "../local/demos/report.ts";
import { parseOptions as parseRush } from "../local/rush/options.ts";
import { parseOptions as parseShop } from "../local/shop/options.ts";
import { ROOT, type Stack, startStack } from "../local/stack.ts";
import { readStackFile } from "../local/stack-file.ts";
import { readWatchLine, watchLine } from "../local/watch-line.ts";
import { client, eventually } from "./setup/client.ts";

/** The console's buttons on the laptop's stack: what they start, what they kill, and who may press them. */

const newSeed = () => 1;
const PARSERS = { rush: parseRush, crowd: parseCrowd, shop: parseShop };

describe("the options of a demo", () => {
  const read = (demo: Demo, body: unknown) => programs[demo].options["~standard"].validate(body);
  const isTaken = async (demo: Demo, body: unknown) => !("issues" in (await read(demo, body)));

  test.each<[Demo, object, object]>([
    ["rush", {}, { users: 20_000, stock: 2_000, stack: "/s.json" }],
    ["rush", { users: 50_000, stock: 10_000 }, { users: 50_000, stock: 10_000 }],
    ["crowd", {}, { people: 600, rate: 12, capacity: 30, stack: "/s.json" }],
    ["crowd", { people: 100, rate: 10, capacity: 5 }, { people: 100, rate: 10, capacity: 5 }],
    ["shop", {}, { minutes: 1 }],
    ["shop", { minutes: 0.5 }, { minutes: 0.5 }],
  ])("are words that its command takes: %s %o", async (demo, body, expected) => {
    const { options, words } = programs[demo];
    const parsed = await options["~standard"].validate(body);
    if (parsed.issues) throw new Error(JSON.stringify(parsed.issues));
    expect(PARSERS[demo]([...words(parsed.value, "/s.json"), "--json", "-"], newSeed)).toEqual({
      options: expect.objectContaining({ ...expected, json: "-" }),
    });
  });

  test("leave the shop to a stack of its own: another would have its clock leap", () => {
    expect(programs.shop.words({ minutes: 1 }, "/s.json")).toEqual(["--minutes", "1"]);
  });

  test.each<[Demo, unknown]>([
    ["rush", { users: 50_001 }],
    ["rush", { stock: 10_001 }],
    ["rush", { users: 0 }],
    ["rush", { users: 1.5 }],
    ["rush", { users: "9" }],
    ["rush", { users: 9, api: "https://elsewhere.example" }],
    ["crowd", { people: 5_001 }],
    ["crowd", { people: 600, rate: 2 }],
    ["shop", { minutes: 3.1 }],
    ["shop", { minutes: 0 }],
    ["shop", []],
    ["shop", null],
  ])("are bounded: %s %j", async (demo, body) => {
    expect(await isTaken(demo, body)).toBe(false);
  });
});

describe("what a demo prints", () => {
  test("is kept to its last forty lines, none of them long, the open one included", () => {
    const ended: string[] = [];
    const lines = openLastLines((line) => ended.push(line));
    lines.add("one\ntw");
    lines.add("o\nthree");
    expect([ended, lines.read()]).toEqual([
      ["one", "two"],
      ["one", "two", "three"],
    ]);
    lines.add(`\n${"x".repeat(10_000)}`);
    for (let n = 0; n < 100; n++) lines.add(`\n${n}`);
    const kept = lines.read();
    expect([kept.length, kept.at(-1), kept[0]]).toEqual([40, "99", "60"]);
    lines.add("y".repeat(10_000));
    expect(lines.read().at(-1)).toHaveLength(400);
  });

  test.each(["campaign", "room", "board"] as const)("says where the console shows it: a %s", (kind) => {
    const line = watchLine("http://127.0.0.1:3000", kind, "rush-1a-b2");
    expect(line).toBe(`Watch it at http://127.0.0.1:3000/console/#/${kind}s/rush-1a-b2`);
    expect(readWatchLine(line)).toEqual({ kind, id: "rush-1a-b2", api: "http://127.0.0.1:3000" });
    expect(readWatchLine(`  ${line}`)).toBeUndefined();
  });

  test("is a verdict only where it is one", () => {
    const finding = { id: "G1", title: "never oversold", holds: true, note: "9 of 9", violations: 0, examples: [] };
    const { id: guarantee, title: text, holds, note } = finding;
    const json = JSON.stringify({ holds: true, seed: 1, verdict: [finding] });
    expect(readReport(json)).toEqual({ holds: true, verdict: [{ guarantee, text, holds, note }] });
    for (const other of ["", "{}", json.slice(0, -1), JSON.stringify({ holds: true, verdict: [{ id: 1 }] })])
      expect(readReport(other)).toBeUndefined();
  });
});

describe("a demo's program", () => {
  const leash = join(import.meta.dirname, "../local/demos/leash.ts");
  function start(program: string) {
    const child = spawn(process.execPath, ["--import", leash, "--input-type=module", "-e", program], {
      stdio: ["ignore", "pipe", "inherit", "ipc"],
    });
    const { stdout } = child;
    if (!stdout) throw new Error("its output is not ours");
    let said = "";
    stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    const ended = Promise.all([once(child, "exit"), once(stdout, "end")]).then(([[code]]) => ({ code, said }));
    const isUp = () =>
      eventually(
        async () => said,
        (text) => text.includes("up"),
      );
    return { child, isUp, ended };
  }

  test("is asked to end, and tidies up, when whoever has started it is gone", async () => {
    const { child, isUp, ended } = start(
      "process.once('SIGTERM', () => { console.log('tidied'); clearInterval(timer); }); const timer = setInterval(() => {}, 9e5); console.log('up');",
    );
    await isUp();
    child.disconnect();
    expect(await ended).toEqual({ code: 0, said: "up\ntidied\n" });
  });

  test("ends by itself when it has nothing more to do, tied as it is", async () => {
    expect(await start("console.log('up')").ended).toEqual({ code: 0, said: "up\n" });
  });
});

describe("the stack's own routes", () => {
  test.each([
    { host: "127.0.0.1:3000" },
    { host: "localhost:3000" },
    { host: "LOCALHOST:3000", origin: "http://localhost:3000" },
    { host: "[::1]:3000", origin: "http://[::1]:3000", "sec-fetch-site": "same-origin" as const },
    { host: "127.0.0.1:3000", "sec-fetch-site": "none" as const },
    { host: "127.0.0.1" },
  ])("serve programs on this machine and their own pages: %o", (headers) => {
    expect(isOwnPage(headers)).toBe(true);
  });

  test.each([
    {},
    { host: "" },
    { host: "attacker.example:3000" },
    { host: "127.0.0.1.attacker.example" },
    { host: "attacker.example@127.0.0.1" },
    { host: "127.0.0.1:3000", origin: "https://attacker.example" },
    { host: "127.0.0.1:3000", origin: "null" },
    { host: "127.0.0.1:3000", origin: "http://127.0.0.1:3001" },
    { host: "127.0.0.1:3000", origin: "http://localhost:3000" },
    { host: "127.0.0.1:3000", origin: "https://127.0.0.1:3000" },
    { host: "127.0.0.1:3000", "sec-fetch-site": "cross-site" as const },
    { host: "127.0.0.1:3000", "sec-fetch-site": "same-site" as const },
  ])("serve no other site's page: %o", (headers) => {
    expect(isOwnPage(headers)).toBe(false);
  });
});

test("nothing that is deployed knows of them, but the console's view of them and where it has its token from on the laptop", () => {
  const deployed = ["functions", "core", "infra", "web"].flatMap((room) =>
    readdirSync(join(ROOT, room), { recursive: true, encoding: "utf8" })
      .filter((name) => /\.(tsx?|lua|html)$/.test(name))
      .map((name) => join(room, name)),
  );
  expect(deployed.length).toBeGreaterThan(150);
  expect(deployed.filter((path) => readFileSync(join(ROOT, path), "utf8").includes("/_local")).sort()).toEqual([
    "web/console/session.ts",
    "web/console/views/demos.tsx",
  ]);
});

test("a part that the stack has not started is not killed", () => {
  const file = { pids: { worker: 1 } } as unknown as Parameters<typeof killPart>[1];
  expect(killPart("redis", file)).toEqual({ reason: expect.stringContaining("has not started redis") });
  expect(killPart("redis", undefined)).toEqual({ reason: expect.stringContaining("not ready") });
});

describe("on a running stack", () => {
  let folder: string;
  let stackFile: string;
  let stack: Stack;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "firstcome-demos-"));
    stackFile = join(folder, "stack.json");
    const redisServer = process.env.FIRSTCOME_REDIS_SERVER;
    stack = await startStack({ port: 0, stackFile, restartMs: 300, redisServer });
  });
  afterAll(async () => {
    await stack.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const call = (method: string, path: string, body?: unknown, headers?: Record<string, string>) =>
    client(stack.file.api).call(method, path, {
      ...(body === undefined ? {} : { body }),
      ...(headers === undefined ? {} : { headers }),
    });
  const runOf = async (demo: Demo) => {
    const { body } = await call("GET", "/_local/demos");
    return body.items.find((item: { demo: Demo }) => item.demo === demo);
  };
  const ended = (demo: Demo) =>
    eventually(
      () => runOf(demo),
      ({ state }) => state !== "running",
      100_000,
    );

  test("a rush is started, can be watched at once, outlives a kill of Redis, and ends with its verdict", async () => {
    const started = await call("POST", "/_local/demos/rush", { users: 3_000, stock: 300 });
    expect([started.status, started.body]).toEqual([
      202,
      { demo: "rush", state: "running", startedAt: expect.any(String), lines: [], verdict: [] },
    ]);
    // One demo at a time: they would take the machine from each other.
    for (const demo of ["rush", "crowd", "shop"]) {
      const { status, body } = await call("POST", `/_local/demos/${demo}`);
      expect([status, body.code, body.detail]).toEqual([409, "conflict", expect.stringContaining("rush")]);
    }

    const running = await eventually(
      () => runOf("rush"),
      ({ subject }) => subject !== undefined,
    );
    expect(running.subject).toEqual({ kind: "campaign", id: expect.stringMatching(/^rush-/) });
    expect((await call("GET", `/campaigns/${running.subject.id}`)).body.stock).toBe(300);

    const before = readStackFile(stackFile)?.pids.redis;
    const killed = await call("POST", "/_local/kill/redis");
    expect([killed.status, killed.body]).toEqual([202, { part: "redis", pid: before }]);
    await eventually(
      async () => readStackFile(stackFile)?.pids.redis,
      (pid) => pid !== before,
    );
    await eventually(
      () => call("GET", "/health"),
      ({ status }) => status === 200,
    );

    const { state, endedAt, lines, verdict } = await ended("rush");
    const held = verdict.map(({ guarantee, holds }: { guarantee: string; holds: boolean }) => [guarantee, holds]);
    expect({ state, held, lines }).toMatchObject({
      state: "held",
      held: ["G1", "G2", "G3", "G4", "G5", "API"].map((guarantee) => [guarantee, true]),
    });
    expect(Date.parse(endedAt)).toBeGreaterThan(Date.parse(started.body.startedAt));
    expect(lines.length).toBeLessThanOrEqual(40);
    expect(lines).toContainEqual(expect.stringMatching(/^G1 .*holds/));
  });

  test("a crowd outlives a kill of Redis too: nothing is given twice, and nobody is called a liar for what was lost", async () => {
    await call("POST", "/_local/demos/crowd", { people: 120, rate: 6, capacity: 12 });
    const { subject } = await eventually(
      () => runOf("crowd"),
      (run) => run.subject !== undefined,
    );
    expect(subject).toEqual({ kind: "room", id: expect.stringMatching(/^crowd-/) });
    await eventually(
      () => call("GET", `/rooms/${subject.id}`),
      ({ body }) => body.admitted >= 10,
    );
    expect((await call("POST", "/_local/kill/redis")).status).toBe(202);
    const { verdict, lines } = await ended("crowd");
    // How well a wait is foretold depends on what else the machine of a test does.
    const judged = verdict.filter(({ guarantee }: { guarantee: string }) => guarantee !== "ETA");
    expect({ judged: judged.filter(({ holds }: { holds: boolean }) => !holds), lines }).toMatchObject({ judged: [] });
    expect(judged.length).toBe(11);
    expect(lines).toContainEqual(expect.stringMatching(/^Redis lost the room +1 times/));
  });

  test("a demo is stopped when it is asked to, and only then can another be started", async () => {
    expect((await call("POST", "/_local/demos/crowd/stop")).status).toBe(409);
    expect((await call("POST", "/_local/demos/crowd")).status).toBe(202);
    await eventually(
      () => runOf("crowd"),
      ({ subject }) => subject !== undefined,
    );
    expect((await call("POST", "/_local/demos/crowd/stop")).status).toBe(202);
    expect(await ended("crowd")).toMatchObject({ state: "stopped", verdict: [] });
    expect((await call("POST", "/_local/demos/crowd", { people: 20, rate: 20 })).status).toBe(202);
    await call("POST", "/_local/demos/crowd/stop");
    await ended("crowd");
  });

  test.each<[method: string, path: string, body: unknown, status: number, code: string]>([
    ["POST", "/_local/demos/flood", {}, 404, "unknown"],
    ["POST", "/_local/demos/flood/stop", {}, 404, "unknown"],
    ["POST", "/_local/demos/toString", {}, 404, "unknown"],
    ["POST", "/_local/demos/rush", { users: 50_001 }, 400, "invalid"],
    ["POST", "/_local/demos/rush", { crowd: 1 }, 400, "invalid"],
    ["POST", "/_local/demos/rush", "text", 400, "invalid"],
    ["POST", "/_local/demos/shop/stop", {}, 409, "conflict"],
    ["GET", "/_local/demos/rush", undefined, 405, "method-not-allowed"],
    ["POST", "/_local/demos", {}, 405, "method-not-allowed"],
    ["POST", "/_local/kill/api", {}, 404, "unknown"],
    ["GET", "/_local/kill/redis", undefined, 405, "method-not-allowed"],
  ])("%s %s with %j is refused with a problem document: %i", async (method, path, body, status, code) => {
    const answer = await call(method, path, body);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
  });

  /** `fetch` does not let a page, or a test, choose these headers. */
  const sent = (method: string, path: string, headers: Record<string, string>) =>
    new Promise<number | undefined>((resolve, reject) => {
      const outgoing = request(new URL(path, stack.file.api), { method, headers }, (incoming) => {
        incoming.resume().once("end", () => resolve(incoming.statusCode));
      });
      outgoing.once("error", reject);
      outgoing.end(method === "GET" ? undefined : JSON.stringify({ subjects: ["ann"] }));
    });

  test.each([
    ["POST", "/_local/tokens"],
    ["POST", "/_local/schedules/sweep/run"],
    ["GET", "/_local/demos"],
    ["POST", "/_local/demos/rush"],
    ["POST", "/_local/kill/redis"],
  ])("%s %s is not served to another site's page, or under a foreign name", async (method, path) => {
    const before = readStackFile(stackFile)?.pids.redis;
    const { host } = new URL(stack.file.api);
    expect(await sent(method, path, { origin: "https://attacker.example" })).toBe(403);
    expect(await sent(method, path, { host: "attacker.example" })).toBe(403);
    expect(await sent(method, path, { "sec-fetch-site": "cross-site" })).toBe(403);
    expect(readStackFile(stackFile)?.pids.redis).toBe(before);
    expect(await sent("POST", "/_local/tokens", { origin: `http://${host}`, "sec-fetch-site": "same-origin" })).toBe(
      200,
    );
    expect(await sent("POST", "/_local/tokens", {})).toBe(200);
  });
});
