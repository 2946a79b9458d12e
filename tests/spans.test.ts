import { describe, expect, test } from "vitest";
import { Durations } from "../functions/spans/durations.ts";
import { type Recorder, recorder, type SpanFigures } from "../functions/spans/recorder.ts";

/** A recorder whose clock stands still until it is moved, and what it has written. */
function newRecorder(everyMs = 1_000) {
  const written: SpanFigures[] = [];
  const timers: (() => void)[] = [];
  let elapsed = 0;
  let loopMs = 0;
  const spans = recorder(everyMs, {
    now: () => Date.UTC(2026, 0, 1) + elapsed,
    elapsed: () => elapsed,
    cpuMs: () => elapsed / 10,
    loopMs: () => loopMs,
    later: (_, run) => timers.push(run),
  });
  const pass = (ms: number, busyMs = 0) => {
    elapsed += ms;
    loopMs += busyMs;
  };
  const handle = <T>(work: () => Promise<T>) => spans.handle(work, (figures) => written.push(figures));
  return { spans, written, timers, pass, handle };
}

/** A call that ends when it is told to. */
function newCall() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return {
    wait: (spans: Recorder, door: "redis" | "queue" | "ledger") => spans.wait(door, () => promise),
    end: resolve,
  };
}

describe("a container's spans", () => {
  test("are one line a period, however many invocations it had", async () => {
    const { written, pass, handle } = newRecorder();
    for (let times = 0; times < 1_000; times++) await handle(async () => pass(5));
    expect(written).toHaveLength(5);
    expect(written[0]).toMatchObject({ handler: { n: 200, sumMs: 1_000, maxMs: 5 }, ownMs: 1_000, cpuMs: 100 });
    expect(written.map(({ from }) => from).slice(1)).toEqual(written.map(({ to }) => to).slice(0, -1));
  });

  test("hold what lies between the last line and the end, once the timer has run", async () => {
    const { written, timers, pass, handle } = newRecorder();
    await handle(async () => pass(7));
    await handle(async () => pass(7));
    expect([written.length, timers.length]).toEqual([0, 1]);
    timers[0]?.();
    expect(written).toMatchObject([{ handler: { n: 2 } }]);
  });

  test("do not take the time in which nothing was asked, or the container was frozen, for an idle loop", async () => {
    const { written, timers, pass, handle } = newRecorder();
    await handle(async () => pass(100, 80));
    pass(3_600_000);
    timers[0]?.();
    await handle(async () => pass(200, 50));
    timers[1]?.();
    expect(written.map(({ loop }) => loop)).toEqual([0.8, 0.25]);
    expect(Date.parse(written[0]?.to ?? "") - Date.parse(written[0]?.from ?? "")).toBe(100);
  });

  test("count calls side by side as one wait, and what is spent at no door as the handler's own", async () => {
    const { spans, written, timers, pass, handle } = newRecorder();
    const [put, also] = [newCall(), newCall()];
    await handle(async () => {
      pass(10);
      const both = [put.wait(spans, "ledger"), also.wait(spans, "ledger")];
      pass(30);
      put.end();
      await both[0];
      pass(20);
      also.end();
      await both[1];
      pass(5);
    });
    timers[0]?.();
    expect(written).toMatchObject([{ handler: { sumMs: 65 }, ledger: { n: 2, sumMs: 80, maxMs: 50 }, ownMs: 15 }]);
    expect(written[0]).not.toHaveProperty("redis");
  });

  test("keep invocations that run at the same time apart", async () => {
    const { spans, pass, handle } = newRecorder();
    const [slow, quick] = [newCall(), newCall()];
    const waits = async (call: ReturnType<typeof newCall>, door: "redis" | "queue") => {
      await call.wait(spans, door);
      return spans.waited();
    };
    const first = handle(() => waits(slow, "redis"));
    pass(10);
    const second = handle(() => waits(quick, "queue"));
    pass(5);
    quick.end();
    expect(await second).toEqual({ queueMs: 5 });
    pass(25);
    slow.end();
    expect(await first).toEqual({ redisMs: 40 });
  });

  test("have calls that failed as well, and leave their failure as it is", async () => {
    const { spans, written, timers, pass, handle } = newRecorder();
    const failing = handle(() =>
      spans.wait("queue", async () => {
        pass(12);
        throw new Error("away");
      }),
    );
    await expect(failing).rejects.toThrow("away");
    timers[0]?.();
    expect(written).toMatchObject([{ handler: { n: 1, sumMs: 12 }, queue: { n: 1, sumMs: 12 }, ownMs: 0 }]);
  });

  test("are not kept of calls outside of an invocation: nobody would write them", async () => {
    const { spans, written, timers, pass, handle } = newRecorder();
    await spans.wait("redis", async () => pass(50));
    await handle(async () => pass(1));
    timers[0]?.();
    expect(written[0]).not.toHaveProperty("redis");
    expect(spans.waited()).toEqual({});
  });
});

describe("durations", () => {
  test("have percentiles within 9 % of the true ones, and take nothing more for more of them", () => {
    const durations = new Durations();
    const all = Array.from({ length: 20_000 }, (_, i) => 0.05 * 1.0006 ** i);
    for (const ms of all) durations.add(ms);
    const figures = durations.take();
    for (const [share, name] of [
      [0.5, "p50Ms"],
      [0.95, "p95Ms"],
      [0.99, "p99Ms"],
    ] as const) {
      const truth = all[Math.ceil(all.length * share) - 1] ?? 0;
      expect(Math.abs((figures?.[name] ?? 0) / truth - 1)).toBeLessThan(0.095);
    }
    expect(figures).toMatchObject({ n: 20_000, maxMs: Math.round((all.at(-1) ?? 0) * 10) / 10 });
    expect(durations.take()).toBeUndefined();
  });

  test("beyond both ends are counted in the outermost buckets", () => {
    const durations = new Durations();
    durations.add(0);
    durations.add(10 ** 9);
    expect(durations.take()).toMatchObject({ n: 2, p50Ms: 0, maxMs: 10 ** 9 });
  });
});
