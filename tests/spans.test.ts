import { describe, expect, test } from "vitest";
import { Durations } from "../functions/spans/durations.ts";
import { type Door, type Recorder, recorder, type SpanFigures } from "../functions/spans/recorder.ts";
import { timed } from "../functions/stores/timed.ts";

/** A recorder whose clock stands still until it is moved, and what it has written. */
function newRecorder(pace = { everyMs: 1_000, many: 20, quietMs: 10_000 }) {
  const written: SpanFigures[] = [];
  const timers: (() => void)[] = [];
  let elapsed = 0;
  let loopMs = 0;
  const spans = recorder(pace, {
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
  const write = (figures: SpanFigures) => written.push(figures);
  const handle = <T>(work: () => Promise<T>) => spans.handle(work, write);
  /** The timer that is overdue runs, as it does in a container that goes on. */
  const runTimer = () => timers.shift()?.();
  /** Nobody asks any more, and the last line is written. */
  const rest = () => {
    pass(pace.everyMs);
    runTimer();
  };
  return { spans, written, pass, write, handle, runTimer, rest };
}

/** A call that ends when it is told to. */
function newCall() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return {
    wait: (spans: Recorder, door: Door) => spans.wait(door, () => promise),
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

  test("hold what lies between the last line and the end, once nothing was asked for a while", async () => {
    const { written, pass, handle, runTimer } = newRecorder();
    await handle(async () => pass(7));
    pass(990);
    await handle(async () => pass(7));
    runTimer();
    expect(written).toEqual([]);
    pass(1_000);
    runTimer();
    expect(written).toMatchObject([{ handler: { n: 2 } }]);
  });

  test("are few where a container has few invocations a second, as in AWS, and where it has one now and then", async () => {
    const { written, pass, handle, runTimer } = newRecorder();
    // In a container that is frozen between two calls, a timer that is overdue runs while the next one is at work.
    const ask = () =>
      handle(async () => {
        runTimer();
        pass(10);
      });
    for (let times = 0; times < 300; times++) {
      await ask();
      pass(190);
    }
    expect(written.map(({ handler }) => handler.n)).toEqual(Array(15).fill(20));
    for (let times = 0; times < 30; times++) {
      await ask();
      pass(2_490);
    }
    expect(written.slice(15).map(({ handler }) => handler.n)).toEqual(Array(7).fill(4));
  });

  test("of one that is at work for long come all the same", async () => {
    const { spans, written, pass, handle, runTimer } = newRecorder();
    const { wait, end } = newCall();
    const long = handle(() => wait(spans, "ledger"));
    await handle(async () => pass(10));
    for (let seconds = 1; seconds <= 10; seconds++) {
      pass(1_000);
      runTimer();
    }
    expect(written).toMatchObject([{ handler: { n: 1, sumMs: 10 } }]);
    end();
    await long;
  });

  test("do not take the time in which nothing was asked, or the container was frozen, for an idle loop", async () => {
    const { written, pass, handle, runTimer, rest } = newRecorder();
    await handle(async () => pass(100, 80));
    pass(3_600_000);
    // A container that thaws is given the next call first; what was due in the meantime runs after that has begun.
    await handle(async () => {
      runTimer();
      pass(200, 50);
    });
    pass(5_000);
    await handle(async () => {
      runTimer();
      pass(200, 50);
    });
    rest();
    expect(written.map(({ loop }) => loop)).toEqual([0.8, 0.25]);
    expect(written.map(({ handler }) => handler.n)).toEqual([1, 2]);
    expect(written[0]).toMatchObject({ cpuMs: 10 });
    expect(Date.parse(written[0]?.to ?? "") - Date.parse(written[0]?.from ?? "")).toBe(100);
  });

  test("end with the last invocation, whatever else the process did until they were written", async () => {
    const { written, pass, handle, rest } = newRecorder();
    await handle(async () => pass(100, 40));
    pass(500, 500);
    rest();
    expect(written).toMatchObject([{ loop: 0.4, cpuMs: 10 }]);
  });

  test("say how many messages a queue's consumer was handed, and how many of them come again", async () => {
    const { spans, written, pass, write, rest } = newRecorder();
    const batch = { n: 10, failedOf: (failed: number) => failed };
    await spans.handle(async () => 0, write, batch);
    await spans.handle(async () => 3, write, batch);
    const broken = spans.handle(() => Promise.reject<number>(new Error("broken")), write, batch);
    await expect(broken).rejects.toThrow("broken");
    pass(1);
    rest();
    expect(written).toMatchObject([{ messages: { n: 30, failed: 13 } }]);
  });

  test("count calls side by side as one wait, and what is spent at no door as the handler's own", async () => {
    const { spans, written, pass, handle, rest } = newRecorder();
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
    rest();
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
    const { spans, written, pass, handle, rest } = newRecorder();
    const failing = handle(() =>
      spans.wait("queue", async () => {
        pass(12);
        throw new Error("away");
      }),
    );
    await expect(failing).rejects.toThrow("away");
    rest();
    expect(written).toMatchObject([{ handler: { n: 1, sumMs: 12 }, queue: { n: 1, sumMs: 12 }, ownMs: 0 }]);
  });

  test("are not kept of calls outside of an invocation: nobody would write them", async () => {
    const { spans, written, pass, handle, rest } = newRecorder();
    await spans.wait("redis", async () => pass(50));
    await handle(async () => pass(1));
    rest();
    expect(written[0]).not.toHaveProperty("redis");
    expect(spans.waited()).toEqual({});
  });
});

describe("a door that is timed", () => {
  test("passes on what it is asked and what it answers", async () => {
    let isClosed = false;
    const door = timed("metrics", {
      sum: async (a: number, b: number) => a + b,
      close() {
        isClosed = true;
      },
    });
    expect(await door.sum(1, 2)).toBe(3);
    door.close();
    expect(isClosed).toBe(true);
  });

  test("is a plain object: of a class's instance the methods would be missing", () => {
    class Store {
      async get() {}
      close() {}
    }
    expect(() => timed("redis", new Store())).toThrow('The door "redis" is not a plain object.');
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
