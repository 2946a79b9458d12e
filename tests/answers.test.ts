import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ANSWER_WORDS, type AnswerWord } from "../core/coupons/answer-words.ts";
import { limits } from "../core/limits.ts";
import type { Word } from "../core/words.ts";
import { issueCoupon } from "../functions/contract/coupons.ts";
import { answerCounts } from "../functions/http/answer-counts.ts";
import { type Stack, startStack } from "../local/stack.ts";
import { readStackFile } from "../local/stack-file.ts";
import { client, eventually, unique } from "./setup/client.ts";

/** What an operator watches of a campaign: how far it is, how far the ledger is behind, and what those who ask are answered. */

// ── Counting ────────────────────────────────────────────────────────────────────────────────────────────────────────────

describe("the count of answers", () => {
  /** A counter whose clock and timer the test holds. */
  function counter(startsAt = 5_000) {
    const written: [campaignId: string, word: AnswerWord, times: number, second: number][] = [];
    const timers: { call: () => void; ms: number }[] = [];
    let now = startsAt;
    const count = answerCounts((...it) => written.push(it), {
      now: () => now,
      later: (call, ms) => timers.push({ call, ms }),
    });
    return { count, written, timers, set: (ms: number) => (now = ms) };
  }

  /** One that has written lately, as in a rush that is under way. */
  function busy(startsAt = 5_000) {
    const it = counter(startsAt - 1_000);
    it.count("issued", "before");
    it.set(startsAt);
    it.written.length = 0;
    return it;
  }

  test("is written once for each word of a second, when it is over, as that second's", () => {
    const { count, written, set } = busy();
    for (let n = 0; n < 1_000; n++) count("sold-out", "a");
    count("issued", "a");
    set(5_999);
    count("sold-out", "a");
    expect(written).toEqual([]);
    // Frozen for an hour: the second stays the one in which they were answered.
    set(3_600_000);
    count("paused", "a");
    expect(written).toEqual([
      ["a", "sold-out", 1_001, 5_000],
      ["a", "issued", 1, 5_000],
      // Whoever comes after a while may be the last for a while.
      ["a", "paused", 1, 3_600_000],
    ]);
  });

  test("is written at once where it is the first in a while: a crowd spread over a cold fleet asks each container once", () => {
    const { count, written, timers } = counter(5_300);
    count("sold-out", "a");
    expect(written).toEqual([["a", "sold-out", 1, 5_000]]);
    expect(timers).toEqual([]);
  });

  test("of a few is held for five seconds: a slow container has no line each", () => {
    const { count, written, set } = busy();
    for (let n = 0; n < 4; n++) {
      set(5_000 + n * 1_000);
      count("sold-out", "a");
    }
    expect(written).toEqual([]);
    set(10_000);
    count("sold-out", "a");
    expect(written).toEqual([
      ["a", "sold-out", 4, 5_000],
      ["a", "sold-out", 1, 10_000],
    ]);
  });

  test("is written by a timer where nobody asks again, and not twice", () => {
    const { count, written, timers, set } = busy(5_300);
    for (let n = 0; n < 30; n++) count("sold-out", "a");
    expect(timers).toHaveLength(1);
    expect(timers[0]?.ms).toBe(700);
    set(6_000);
    timers[0]?.call();
    expect(written).toEqual([["a", "sold-out", 30, 5_000]]);
    timers[0]?.call();
    expect(written).toHaveLength(1);
    // Fewer: the timer looks again when they have been held for long enough.
    set(6_100);
    count("sold-out", "a");
    set(7_000);
    timers[1]?.call();
    expect(written).toHaveLength(1);
    expect(timers[2]?.ms).toBe(4_000);
    set(11_000);
    timers[2]?.call();
    expect(written).toEqual([
      ["a", "sold-out", 30, 5_000],
      ["a", "sold-out", 1, 6_000],
    ]);
  });

  test("leaves to others what names no campaign that exists", () => {
    const { count, written, timers, set } = busy();
    timers.length = 0;
    for (const word of ["unknown", "invalid", "unauthorized", "too-large", "throttled"] satisfies Word[])
      expect(count(word, "made-up"), word).toBe(false);
    // Whatever the id: a store is away, Redis is blank, or there is a bug.
    for (const word of ["unavailable", "recovering", "internal"] satisfies Word[])
      expect(count(word, "made-up"), word).toBe(false);
    expect(count("sold-out", undefined)).toBe(false);
    expect(timers).toEqual([]);
    expect(count("sold-out", "real")).toBe(true);
    expect(count("unavailable", "real")).toBe(true);
    expect(count("unknown", "real")).toBe(false);
    set(10_000);
    timers[0]?.call();
    expect(written.map(([campaignId, word]) => [campaignId, word])).toEqual([
      ["real", "sold-out"],
      ["real", "unavailable"],
    ]);
  });

  test("remembers so many campaigns and no more", () => {
    const { count } = counter();
    count("issued", "first");
    for (let n = 0; n < limits.rememberedCampaigns; n++) count("issued", `c-${n}`);
    expect(count("unavailable", "first")).toBe(false);
    expect(count("unavailable", "c-1")).toBe(true);
  });

  test("has a series for every word of the route but those that name no campaign", () => {
    const said = [...Object.keys(issueCoupon.answers), ...issueCoupon.refusals, "internal"];
    expect([...ANSWER_WORDS].sort()).toEqual(said.filter((word) => word !== "unknown").sort());
  });
});

// ── A running stack ─────────────────────────────────────────────────────────────────────────────────────────────────────

describe("a running stack", () => {
  let folder: string;
  let running: Stack;
  let shop: ReturnType<typeof client>;
  let operator: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "firstcome-answers-"));
    running = await startStack({
      ...{ port: 0, stackFile: join(folder, "stack.json"), redisServer: process.env.FIRSTCOME_REDIS_SERVER },
    });
    shop = client(running.file.api);
    operator = await shop.token("olga", "operator");
  });
  afterAll(async () => {
    await running.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const watch = (campaignId: string) => shop.call("GET", `/ops/campaigns/${campaignId}`, { token: operator });
  const show = (campaignId: string, seconds = 900) =>
    shop.call("GET", `/ops/campaigns/${campaignId}/answers?seconds=${seconds}`, { token: operator });
  const pidOf = (name: string): number => readStackFile(join(folder, "stack.json"))?.pids[name] ?? 0;
  const lines = (): Record<string, unknown>[] =>
    readFileSync(running.file.log, "utf8")
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line));
  const countsOf = (campaignId: string) =>
    lines().filter((line) => line.campaignId === campaignId && line.Answers !== undefined);

  const sumOf = (counts: readonly number[]) => counts.reduce((sum, count) => sum + count, 0);
  /** The words that were answered at all, each with how often. */
  const totals = (words: Record<string, number[]>) =>
    Object.fromEntries(
      Object.entries(words)
        .map(([word, counts]) => [word, sumOf(counts)] as const)
        .filter(([, sum]) => sum > 0),
    );

  /** So many people ask for a coupon, each twice, so many at once. @returns how often each word was told */
  async function rush(campaignId: string, people: number): Promise<Record<string, number>> {
    const tokens = Object.values(await shop.tokens(Array.from({ length: people }, (_, n) => `${campaignId}-${n}`)));
    const queue = [...tokens, ...tokens];
    const told: Record<string, number> = {};
    const worker = async () => {
      for (let token = queue.pop(); token !== undefined; token = queue.pop()) {
        const { status, body } = await shop.ask(campaignId, token);
        const word = status === 201 ? "issued" : status === 202 ? "accepted" : status === 200 ? "replayed" : body.code;
        told[word] = (told[word] ?? 0) + 1;
      }
    };
    await Promise.all(Array.from({ length: 16 }, worker));
    return told;
  }

  test("counts every answer of a rush once, by word and second, and has no line of a loser", async () => {
    const campaignId = await shop.campaign({ stock: 20 });
    const told = await rush(campaignId, 200);
    expect(told).toMatchObject({ issued: 20, replayed: expect.any(Number), "sold-out": expect.any(Number) });
    expect(sumOf(Object.values(told))).toBe(400);
    const { body, headers } = await eventually(
      () => show(campaignId, 60),
      (answer) => sumOf(Object.values(totals(answer.body.words))) === 400,
    );
    expect(totals(body.words)).toEqual(told);
    expect(headers.get("cache-control")).toBe("no-store");
    expect(Object.keys(body).sort()).toEqual(["campaignId", "from", "stepMs", "to", "words"]);
    expect(Object.keys(body.words)).toEqual([...ANSWER_WORDS]);
    for (const counts of Object.values<number[]>(body.words)) expect(counts).toHaveLength(60);
    expect(Date.parse(body.to) - Date.parse(body.from)).toBe(60 * body.stepMs);
    // The same by longer steps.
    const longer = await eventually(
      () => show(campaignId),
      (answer) => sumOf(Object.values(totals(answer.body.words))) === 400,
    );
    expect(longer.body).toMatchObject({ campaignId, stepMs: 5_000 });
    expect(totals(longer.body.words)).toEqual(told);

    const written = countsOf(campaignId);
    expect(written.length).toBeLessThan(400 / 4);
    expect(sumOf(written.map((line) => Number(line.Answers)))).toBe(400);
    const [{ _aws } = {}] = written;
    expect(_aws).toMatchObject({
      CloudWatchMetrics: [
        {
          ...{ Namespace: "firstcome", Dimensions: [["campaignId", "word"]] },
          Metrics: [{ Name: "Answers", Unit: "Count", StorageResolution: 1 }],
        },
      ],
    });
    const requests = lines().filter(
      ({ event, route }) => event === "request" && route === "POST /campaigns/{campaignId}/coupons",
    );
    expect(requests.map(({ word }) => word)).toEqual(Array(20).fill("issued"));
  });

  test("makes nothing of campaigns that somebody has made up, or of requests that do not fit", async () => {
    const user = await shop.token("eve");
    const made = Array.from({ length: 20 }, () => unique("made-up"));
    for (const campaignId of made) expect((await shop.ask(campaignId, user)).status).toBe(404);
    expect((await shop.ask("NOT-AN-ID", user)).status).toBe(400);
    const campaignId = await shop.campaign();
    const headers = { "idempotency-key": "ü" };
    expect((await shop.call("POST", `/campaigns/${campaignId}/coupons`, { token: user, headers })).status).toBe(400);
    // What is written of this one is written behind all of theirs.
    await shop.ask(campaignId, user);
    await eventually(
      async () => countsOf(campaignId),
      (counts) => counts.length > 0,
    );
    const shown = await eventually(
      () => show(campaignId, 60),
      (answer) => sumOf(answer.body.words.issued) > 0,
    );
    expect(totals(shown.body.words)).toEqual({ issued: 1 });
    for (const id of [...made, "NOT-AN-ID"]) expect(countsOf(id)).toEqual([]);
    expect((await show(made[0] ?? "")).body).toMatchObject({ status: 404, code: "unknown" });
  });

  test("says what is pending while the ledger has nothing, and that all is confirmed once it has", async () => {
    const campaignId = await shop.campaign({ stock: 30 });
    expect((await watch(campaignId)).body).toEqual({
      ...{ campaignId, at: expect.any(String), state: "open", version: expect.any(Number) },
      ...{ stock: 30, issued: 0, remaining: 30, pending: 0, confirmed: 0, oldestPendingMs: 0, expectedMs: 0 },
    });
    await running.worker.stop();
    const told = await rush(campaignId, 40);
    expect(told).toMatchObject({ issued: 30 });
    const behind = await watch(campaignId);
    expect(behind.headers.get("cache-control")).toBe("no-store");
    expect(behind.body).toMatchObject({ state: "sold-out", issued: 30, remaining: 0, pending: 30, confirmed: 0 });
    expect(behind.body.oldestPendingMs).toBeGreaterThan(0);
    expect(behind.body.expectedMs).toBeGreaterThan(0);
    await running.worker.start();
    const { body } = await eventually(
      () => watch(campaignId),
      (answer) => answer.body.pending === 0,
    );
    expect(body).toMatchObject({ issued: 30, confirmed: 30, oldestPendingMs: 0, expectedMs: 0 });
    const verified = await shop.call("POST", `/ops/campaigns/${campaignId}/verify`, { token: operator });
    expect(verified.body).toMatchObject({ consistent: true, coupons: 30, pending: 0 });
  });

  test("watches no campaign that is none", async () => {
    expect((await watch(unique("none"))).body).toMatchObject({ status: 404, code: "unknown" });
  });

  test("answers 503 while CloudWatch is away, and knows the same when it is back", async () => {
    const campaignId = await shop.campaign({ stock: 5 });
    const told = await rush(campaignId, 20);
    const whole = (answer: { body: { words?: Record<string, number[]> } }) =>
      sumOf(Object.values(totals(answer.body.words ?? {}))) === 40;
    await eventually(() => show(campaignId), whole);
    const pid = pidOf("cloudwatch");
    process.kill(pid, "SIGSTOP");
    try {
      const away = await show(campaignId);
      expect(away.status).toBe(503);
      expect(away.headers.get("content-type")).toBe("application/problem+json");
      expect(away.headers.get("retry-after")).toMatch(/^\d+$/);
      expect(away.body).toMatchObject({ status: 503, code: "unavailable" });
      // Nothing else needs it.
      expect((await watch(campaignId)).status).toBe(200);
      expect((await shop.ask(campaignId, await shop.token("late"))).body.code).toBe("sold-out");
    } finally {
      process.kill(pid, "SIGCONT");
    }
    process.kill(pid, "SIGKILL");
    const back = await eventually(
      () => show(campaignId),
      (answer) => sumOf(Object.values(totals(answer.body.words ?? {}))) === 41,
    );
    expect(totals(back.body.words)).toEqual({ ...told, "sold-out": (told["sold-out"] ?? 0) + 1 });
  });
});
