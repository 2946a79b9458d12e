import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { log, metrics } from "../functions/log.ts";
import { recorder } from "../functions/spans/recorder.ts";
import { capacity } from "../infra/capacity.ts";
import { costs } from "../infra/quotas.ts";
import { stages } from "../infra/stages.ts";
import { Engine } from "../local/model/engine.ts";
import { comeBy, type Event } from "../local/model/event.ts";
import { Fleet } from "../local/model/fleet.ts";
import { type KnobName, type Knobs, knobsOf, valuesOf } from "../local/model/knobs.ts";
import { together } from "../local/model/latency.ts";
import { bytesOf, LINES } from "../local/model/log-lines.ts";
import { parseOptions, USAGE } from "../local/model/options.ts";
import { type Plan, plansOf } from "../local/model/plan.ts";
import { predict } from "../local/model/predict.ts";
import { costOf } from "../local/model/prices.ts";
import { Retries } from "../local/model/retries.ts";
import type { Run } from "../local/model/run.ts";
import { headlineOf, sensitivities } from "../local/model/sensitivity.ts";
import { simulate } from "../local/model/simulate.ts";
import { predictionText } from "../local/model/text.ts";
import { workOf } from "../local/model/work.ts";

/**
 * The model of an opening in AWS: that it loses nobody, that more of something never makes it worse, and that it says of an event what
 * the capacity gate says. What AWS really does is not to be had here.
 */

const REGION = "ap-northeast-2";
const INSTANCE = stages.production.redis.instance;
const knobs = knobsOf(REGION);
const values = valuesOf(knobs);

const eventOf = (peak: number, more: Partial<Event> = {}): Event => ({
  ...{ peak, users: Math.max(peak, 100_000), stock: 10_000, watchers: 0 },
  ...more,
});
const plans = (event: Event, some: Knobs = values) =>
  plansOf({ event, region: REGION, knobs: some, instance: INSTANCE });

function planOf(event: Event, name: string, some: Knobs = values): Plan {
  const plan = plans(event, some).find((one) => one.name === name);
  if (!plan) throw new Error(`there is no way "${name}"`);
  return plan;
}

const run = (event: Event, name: string, some: Partial<Knobs> = {}) =>
  simulate(event, planOf(event, name), { ...values, ...some });

const keysOf = (line: string) => Object.keys(JSON.parse(line));

/** Who ended how, together; a crumb of a person is lost where fractions of people are added up. */
function expectConserved(event: Event, { fates, issued, accepted, quantities, seconds }: Run): void {
  const { winners, soldOut, throttled, lost } = fates;
  expect(winners + soldOut + throttled + lost).toBeCloseTo(event.users, 0);
  for (const amount of Object.values(fates)) expect(amount).toBeGreaterThanOrEqual(0);
  expect(winners).toBeLessThanOrEqual(event.stock + 1e-6);
  expect(issued + accepted).toBeCloseTo(winners, 3);
  // Whoever won is in the ledger in the end, with as many writes as a coupon takes.
  expect(quantities.ledgerWrites / costs.writesPerCoupon.value).toBeCloseTo(winners, 0);
  const over = (of: (second: (typeof seconds)[number]) => number) =>
    seconds.reduce((sum, second) => sum + of(second), 0);
  expect(over(({ come }) => come)).toBeCloseTo(event.users, 0);
  expect(over((second) => second.winners)).toBeCloseTo(winners, 3);
  expect(over((second) => second.soldOut)).toBeCloseTo(soldOut, 3);
}

describe("the crowd", () => {
  test("comes as a whole, its peak in the first second, and ever fewer behind it", () => {
    for (const event of [eventOf(1_000), eventOf(10_000), eventOf(100_000), eventOf(500, { users: 500 })]) {
      expect(comeBy(event, 0)).toBe(0);
      expect(comeBy(event, 1)).toBe(event.peak);
      expect(comeBy(event, 1e6)).toBe(event.users);
      const each = Array.from({ length: 3_000 }, (_, second) => comeBy(event, second + 1) - comeBy(event, second));
      for (const [second, amount] of each.entries()) {
        expect(amount).toBeGreaterThanOrEqual(0);
        if (second > 0) expect(amount).toBeLessThanOrEqual((each[second - 1] ?? 0) + 1e-6);
      }
    }
  });

  test("asks again until its patience ends, and nobody is lost between two attempts", () => {
    const retries = new Retries(3, 0.5, 0.1);
    let gaveUp = 0;
    for (let tick = 0; tick < 200; tick++) gaveUp += retries.refuse(retries.next(tick < 10 ? 100 : 0));
    expect(gaveUp).toBeCloseTo(1_000, 6);
    expect(retries.waiting).toBeCloseTo(0, 6);
  });
});

describe("conservation", () => {
  test.each([1_000, 10_000, 100_000])("nobody is made or lost, and no coupon, with %i in the first second", (peak) => {
    const event = eventOf(peak);
    for (const plan of plans(event)) expectConserved(event, simulate(event, plan, values));
  });

  test("the same for events, quotas and speeds of any kind", () => {
    const factor = fc.constantFrom(0.25, 0.5, 1, 2, 4);
    const anything = fc.record({
      peak: fc.integer({ min: 100, max: 60_000 }),
      more: fc.integer({ min: 0, max: 60_000 }),
      stock: fc.integer({ min: 1, max: 30_000 }),
      watchers: fc.integer({ min: 0, max: 100_000 }),
      way: fc.integer({ min: 0, max: 3 }),
      scaled: fc.dictionary(fc.constantFrom(...(Object.keys(knobs) as KnobName[])), factor, { maxKeys: 6 }),
    });
    fc.assert(
      fc.property(anything, ({ peak, more, stock, watchers, way, scaled }) => {
        const event = { peak, users: peak + more, stock, watchers };
        const some = { ...values };
        for (const [name, by] of Object.entries(scaled)) some[name as KnobName] *= by;
        const plan = plans(event)[way];
        if (!plan) throw new Error(`there are no ${way} ways`);
        expectConserved(event, simulate(event, plan, some));
      }),
      { seed: 6, numRuns: 40 },
    );
  });

  test("everybody wins where there is enough, and all stock is won where there is not", () => {
    const plenty = eventOf(1_000, { users: 5_000, stock: 6_000 });
    expect(run(plenty, "as deployed").fates.winners).toBeCloseTo(5_000, 3);
    expect(run(plenty, "as deployed").soldOutAt).toBeUndefined();
    expect(run(eventOf(10_000), "prepared").fates.winners).toBeCloseTo(10_000, 3);
  });

  test("an event of which no end is in sight is refused, not cut off", () => {
    expect(() => run(eventOf(1, { users: 100_000 }), "as deployed")).toThrow("hours");
  });

  test("the same arguments give the same run", () => {
    expect(run(eventOf(10_000), "as deployed")).toEqual(run(eventOf(10_000), "as deployed"));
  });
});

describe("more never makes it worse", () => {
  const pairs = <T>(all: readonly T[]) => all.slice(1).map((after, index) => [all[index] as T, after] as const);

  test.each(["as deployed", "prepared", "prepared, room"])("more stock is never gone sooner (%s)", (name) => {
    const at = [500, 1_000, 2_000, 5_000, 10_000, 20_000].map(
      (stock) => run(eventOf(10_000, { stock }), name).soldOutAt ?? Number.POSITIVE_INFINITY,
    );
    for (const [less, more] of pairs(at)) expect(more).toBeGreaterThanOrEqual(less);
  });

  test.each([2_000, 10_000, 50_000])("a faster Redis never makes anyone wait longer (%i)", (peak) => {
    const waits = [4, 2, 1, 0.5, 0.25].map((nodeFactor) => run(eventOf(peak), "prepared", { nodeFactor }));
    for (const [slower, faster] of pairs(waits)) {
      expect(faster.redisWaitMostMs).toBeLessThanOrEqual(slower.redisWaitMostMs + 1e-9);
      expect(faster.redisBusyMost).toBeLessThanOrEqual(slower.redisBusyMost + 1e-9);
    }
  });

  test("a ledger that takes more is never later with the last coupon", () => {
    const last = [1_000, 2_000, 4_000, 8_000].map(
      (ledgerWritesPerSecond) => run(eventOf(10_000), "prepared", { ledgerWritesPerSecond }).lastConfirmedAt,
    );
    for (const [less, more] of pairs(last)) expect(more).toBeLessThanOrEqual(less);
  });

  test("environments kept ready refuse nobody whom they would serve, and the ramp bounds those that are not", () => {
    const event = eventOf(4_000, { stock: 1_000 });
    const plan = planOf(event, "as deployed");
    const cold = simulate(event, plan, values);
    const warm = simulate(event, { ...plan, warm: { ...plan.warm, issue: 500 } }, values);
    expect(cold.refusals).toBeGreaterThan(warm.refusals);
    const fleet = new Fleet(0, 1_000, 5);
    let begun = 0;
    for (let tick = 0; tick < 100; tick++) begun += fleet.step(1e6, 0.05, 0.1, 1e6).begun;
    // A thousand at once, and what is refilled in the ten seconds behind it.
    expect(begun).toBeLessThanOrEqual(2_000);
    expect(begun).toBeGreaterThan(1_900);
  });
});

describe("a primary", () => {
  /** Steps of a tenth of a second: seconds of work, and what each second of it takes the network. */
  function waits(works: readonly number[], sendingEach: number) {
    const engine = new Engine(0.1);
    return works.map((work) => {
      engine.step(work, 1_000 * work, sendingEach * work);
      return { wait: engine.meanWait, network: engine.networkWait, sent: engine.sent, backlog: engine.backlog };
    });
  }
  const works = [0.05, 1.92, 0.01, 0.3, ...Array<number>(30).fill(0.02)];

  test("sends what its thread has made: a network that is faster than the thread never adds a wait", () => {
    const alone = waits(works, 0).map(({ wait }) => wait);
    for (const sendingEach of [0.1, 0.5, 1]) {
      const both = waits(works, sendingEach);
      for (const [tick, wait] of both.map((it) => it.wait).entries()) expect(wait).toBeCloseTo(alone[tick] ?? 0, 9);
      for (const { network, sent } of both) {
        expect(network).toBeCloseTo(0, 9);
        // A thread that works all the time asks its network for no more than this.
        expect(sent).toBeLessThanOrEqual(sendingEach + 1e-9);
      }
    }
  });

  test("is as slow as the slower of the two, which overlap, and sends all that it makes", () => {
    for (const sendingEach of [2, 5]) {
      const both = waits([...works, ...Array<number>(200).fill(0)], sendingEach);
      // Asked for all at once, the last reply has gone when the network is through with all of them: no thread's time comes on top.
      const [first, , next] = both;
      expect(first?.network).toBe(0);
      const behind = 0.05 * sendingEach + 1.92 * sendingEach - 2 * 0.1;
      expect(next?.wait).toBeGreaterThanOrEqual(behind);
      expect(next?.wait).toBeLessThan(behind + 0.1);
      const sum = (of: readonly number[]) => of.reduce((all, one) => all + one, 0);
      expect(sum(both.map(({ sent }) => 0.1 * sent))).toBeCloseTo(sendingEach * sum(works), 6);
      expect(both.at(-1)).toMatchObject({ wait: 0, backlog: 0 });
    }
  });

  test.each([10_000, 100_000])("has no worse moment than the opening, with %i in the first second", (peak) => {
    const { seconds, strains, redisWaitMostMs } = run(eventOf(peak, { users: 500_000 }), "prepared");
    const [opening = 0, ...later] = seconds.map((second) => second.redisBusy);
    expect(Math.max(...later)).toBeLessThanOrEqual(opening);
    expect(redisWaitMostMs).toBeLessThan(1);
    expect(strains).toEqual([]);
  });

  test("that is slowed down by its thread is named, and not its network", () => {
    const event = eventOf(100_000, { users: 500_000 });
    const { strains, redisGbitMost } = run(event, "prepared", { nodeFactor: 4 });
    const named = strains.map(({ part }) => part);
    expect(named).toContain("Redis, the campaign's primary");
    expect(named).not.toContain("Redis, network");
    // What one thread can make of buckets' replies in a second, and no more.
    const { bucketMicros, bucketBytes } = values;
    expect(redisGbitMost).toBeLessThanOrEqual((8 * bucketBytes) / bucketMicros / 1_000);
    // With replies two hundred times as long it is the network.
    const longer = run(event, "prepared", { bucketBytes: 200 * bucketBytes });
    expect(longer.strains.map(({ part }) => part)).toContain("Redis, network");
  });
});

describe("beside the capacity gate", () => {
  const cases = [1_000, 10_000, 100_000];

  test.each(cases)("what is short in a run as deployed, the gate breaks as well (%i a second)", (peak) => {
    const event = eventOf(peak, { users: 500_000 });
    const { lines } = capacity(
      { expectedPeakPerSecond: peak, stock: event.stock, watchers: 0, region: REGION },
      stages.production,
    );
    const broken = lines.filter(({ breaks }) => breaks).map(({ part }) => part);
    // The gate counts everybody once; what people ask again comes on top, at the edge first of all.
    const strained = run(event, "as deployed", { tries: 1 }).strains.map(({ part }) => part as string);
    expect(broken).toEqual(expect.arrayContaining(strained));
  });

  test("where the gate breaks nothing, nobody is refused; what it breaks first, the run is short of", () => {
    for (const peak of cases) {
      const event = eventOf(peak, { users: 500_000 });
      const plan = planOf(event, "as deployed");
      const { refusals, strains } = simulate(event, plan, values);
      const first = plan.verdict.breaksFirst?.part;
      if (first === undefined) expect({ refusals, strains }).toEqual({ refusals: 0, strains: [] });
      else expect(strains.map(({ part }) => part as string)).toContain(first);
    }
  });

  test("what the gate asks for suffices it, but for what loses nobody or stands on several primaries", () => {
    for (const peak of cases) {
      const { verdict } = planOf(eventOf(peak), "prepared");
      const broken = verdict.lines.filter(({ breaks }) => breaks).map(({ part }) => part);
      expect(["SQS FIFO, confirmations", "Redis, the campaign's primary"]).toEqual(expect.arrayContaining(broken));
    }
  });

  test("counts with the gate's figures: a primary runs as many winners' scripts", () => {
    const { redis } = workOf(values, 10_000, 1_024);
    expect(1 / redis.winner).toBeCloseTo(costs.scriptsPerPrimary.value, 6);
    expect(redis.loser).toBeLessThan(redis.winner);
    expect(knobs.issueSeconds).toMatchObject(costs.issueSeconds);
  });
});

describe("times", () => {
  test("of one kind of answer are its median and its 99th percentile", () => {
    const quantiles = together([{ weight: 3, median: 0.05, tail: 0.2 }]);
    expect(quantiles?.p50).toBeCloseTo(0.05, 2);
    expect(quantiles?.p99).toBeCloseTo(0.2, 1);
    expect(together([])).toBeUndefined();
    expect(together([{ weight: 0, median: 1, tail: 2 }])).toBeUndefined();
  });

  test("of two kinds lie between them", () => {
    const [fast, slow] = [
      { weight: 90, median: 0.01, tail: 0.02 },
      { weight: 10, median: 1, tail: 2 },
    ];
    const both = together([fast, slow]);
    expect(both?.p50).toBeLessThan(0.02);
    expect(both?.p99).toBeGreaterThan(1);
  });
});

describe("what is told", () => {
  const parsed = parseOptions(["--peak", "2000,4000", "--users", "20000", "--stock", "500"]);
  if (!("options" in parsed)) throw new Error("the options do not fit");
  const predictions = predict(parsed.options);

  test("as JSON has every way with its fates, seconds and cost, and a sensitivity for every figure", () => {
    const told = JSON.parse(JSON.stringify(predictions));
    expect(told).toHaveLength(2);
    for (const { event, region, instance, ways, sensitivity } of told) {
      expect(event).toMatchObject({ users: 20_000, stock: 500, watchers: 0 });
      expect([region, instance]).toEqual([REGION, INSTANCE]);
      expect(ways.map(({ plan }: { plan: { name: string } }) => plan.name)).toEqual([
        "as deployed",
        "as deployed, room",
        "prepared",
        "prepared, room",
      ]);
      for (const { run: of, cost, plan } of ways) {
        expect(Object.keys(of.fates)).toEqual(["winners", "soldOut", "throttled", "lost"]);
        expect(of.seconds.length).toBeGreaterThan(1);
        expect(of.winnerMs).toEqual({ p50: expect.any(Number), p99: expect.any(Number) });
        expect(cost.usd).toBeGreaterThan(0);
        expect(plan.verdict.lines.length).toBeGreaterThan(0);
      }
      for (const { figures } of sensitivity) {
        expect(figures.map(({ knob }: { knob: string }) => knob)).toEqual(Object.keys(knobs));
      }
    }
  });

  test("as text names every figure with its source, every way and every price's source", () => {
    const [first] = predictions;
    if (!first) throw new Error("nothing was predicted");
    const text = predictionText(first);
    for (const { what, source } of Object.values(knobs)) {
      expect(source).not.toBe("");
      expect(text).toContain(`${what}: `);
      expect(text).toContain(`(${source})`);
    }
    for (const { plan } of first.ways) expect(text).toContain(plan.name);
    const prepared = first.ways.find(({ plan }) => plan.name === "prepared");
    for (const { what, source } of prepared?.cost.lines ?? []) {
      expect(text).toContain(what);
      expect(text).toContain(source);
    }
  });

  test("as cost is the sum of its lines, and says where a price is missing", () => {
    const event = eventOf(10_000);
    const plan = planOf(event, "prepared");
    const it = simulate(event, plan, values);
    const { lines, usd, unpriced } = costOf(it, plan, values, REGION);
    expect(lines.reduce((sum, line) => sum + line.usd, 0)).toBeCloseTo(usd, 9);
    expect(unpriced).toEqual([]);
    const larger = { ...plan, sizes: { ...plan.sizes, redis: { ...plan.sizes.redis, instance: "r7g.4xlarge" } } };
    expect(costOf(it, larger, values, REGION).unpriced).toEqual(["Redis nodes, r7g.4xlarge"]);
  });

  test("as cost grows with refusals, which are lines in the gateway's log", () => {
    const event = eventOf(10_000, { users: 500_000 });
    const plan = planOf(event, "as deployed");
    const it = simulate(event, plan, values);
    const logs = (of: Run) =>
      costOf(of, plan, values, REGION).lines.find(({ what }) => what === "CloudWatch logs")?.quantity ?? 0;
    const { refusedRequests } = it.quantities;
    expect(refusedRequests).toBeGreaterThan(event.users);
    const none: Run = { ...it, quantities: { ...it.quantities, refusedRequests: 0 } };
    expect(logs(it) - logs(none)).toBeCloseTo((refusedRequests * values.refusedLogBytes) / 1e9, 9);
    // A crowd that gives up at its first refusal is refused less often.
    expect(logs(run(event, "as deployed", { tries: 1 }))).toBeLessThan(logs(it) / 2);
    // Every line that is written has a price.
    for (const lines of ["requests", "invocations", "requestLines", "answersLines", "spansLines"] as const) {
      expect(it.quantities[lines]).toBeGreaterThan(0);
      expect(logs({ ...it, quantities: { ...it.quantities, [lines]: 0 } })).toBeLessThan(logs(it));
    }
  });

  test("as a container's lines are at most one a word and second, and no more than it had answers", () => {
    const event = eventOf(10_000, { users: 500_000 });
    const { quantities, seconds } = run(event, "as deployed");
    const busySeconds = seconds.reduce((sum, { environments }) => sum + environments, 0);
    expect(quantities.answersLines).toBeLessThanOrEqual(3 * busySeconds);
    expect(quantities.spansLines).toBeLessThanOrEqual(busySeconds);
    expect(quantities.spansLines).toBeLessThanOrEqual(quantities.invocations);
    expect(quantities.requestLines).toBeCloseTo(10_000, 3);
  });

  test("as long as the lines are that the functions write", async () => {
    const written: string[] = [];
    const stdout = vi.spyOn(process.stdout, "write").mockImplementation((text) => written.push(String(text)) > 0);
    try {
      let elapsed = 0;
      const { handle, wait } = recorder(
        { everyMs: 1_000, many: 1, quietMs: 10_000 },
        {
          ...{ now: () => Date.now(), elapsed: () => elapsed, cpuMs: () => 0.3 * elapsed, loopMs: () => 0.4 * elapsed },
          later: () => {},
        },
      );
      const pass = (ms: number) => async () => {
        elapsed += ms;
      };
      for (let index = 0; index < 60; index++) {
        await handle(
          async () => {
            await wait("redis", pass(2.1));
            await wait("queue", pass(21.9));
          },
          (figures) => log("spans", { function: "firstcome-production-issue-coupon", ...figures }),
        );
      }
      metrics({ campaignId: "spring-sale-2026", word: "sold-out" }, { Answers: 123 }, Date.now());
    } finally {
      stdout.mockRestore();
    }
    const [spans = "", answers = ""] = written.map((line) => line.trim());
    expect(keysOf(spans)).toEqual(keysOf(LINES.spans));
    expect(Math.abs(bytesOf(spans) - bytesOf(LINES.spans))).toBeLessThan(0.1 * bytesOf(spans));
    expect(keysOf(answers)).toEqual(keysOf(LINES.answers));
    expect(bytesOf(answers)).toBe(bytesOf(LINES.answers));
  });

  test("as sensitivity is what the model says when it is run again", () => {
    const event = eventOf(10_000);
    const plan = planOf(event, "prepared");
    const all = sensitivities({ event, plan, region: REGION, knobs, values });
    const of = all.find(({ knob }) => knob === "ledgerWritesPerSecond");
    const halved = { ...values, ledgerWritesPerSecond: values.ledgerWritesPerSecond / 2 };
    const after = headlineOf(simulate(event, plan, halved), plan, halved, REGION);
    expect(of?.halved).toContainEqual(expect.objectContaining({ of: "lastConfirmedAt", to: after.lastConfirmedAt }));
  });
});

describe("options", () => {
  test("have defaults, and name what does not fit", () => {
    expect(parseOptions([])).toMatchObject({
      options: { peaks: [10_000, 100_000], stock: 10_000, watchers: 0, region: REGION, instances: [INSTANCE] },
    });
    expect(parseOptions(["--help"])).toEqual({ help: true });
    for (const [words, mistake] of [
      [["--peak", "many"], "--peak takes a number"],
      [["--redis", "abacus"], "--redis takes"],
      [["--region", "seoul"], '"seoul" is no AWS region'],
      [["--sold-out"], "--sold-out"],
    ] as const) {
      expect(parseOptions(words)).toEqual({ mistake: expect.stringContaining(mistake) });
    }
    expect(USAGE).toContain("npm run model");
  });
});
