import { limits } from "../../core/limits.ts";
import type { Call } from "./rankings-calls.ts";
import { letMinutesPass, type Steps } from "./rankings-step.ts";
import { sizeThatBlocks, type UnionRow, unionBySize } from "./rankings-union.ts";
import { median, medianOf } from "./rounds.ts";
import type { Bar, Section } from "./section.ts";
import { table, whole } from "./table.ts";

/** The worst single call, against the union that does the step at once. */
const PAUSE_MOST = 0.1;
const JUDGED = 100_000;

const micros = (value: number) => (value < 100 ? value.toFixed(1) : whole(value));
const allCalls = ({ steps }: Steps): readonly Call[] => steps.flatMap(({ calls }) => calls);
const worstOf = (calls: readonly Call[], of: (call: Call) => number) => Math.max(...calls.map(of));
const clock = (call: Call) => call.serverMicros;
const cpu = (call: Call) => call.cpuMicros;
const latency = (call: Call) => call.latencyMicros;
const share = (ratio: number) => `${ratio.toFixed(3)} ×`;

/** The worst call of all minutes, against the usual union. */
const pause = (all: Steps, calls: readonly Call[], of: (call: Call) => number) =>
  worstOf(calls, of) / medianOf(all.steps, ({ union }) => of(union));

const SHOWN = ["apply.lua", "drain.lua", "take.lua", "put-scores.lua", "done.lua"];

function callTable(all: Steps): string {
  const { steps, products, leaving } = all;
  const calls = allCalls(all);
  const row = (name: string, own: readonly Call[], isOurs = true) => {
    const sum = own.reduce((total, call) => total + call.serverMicros, 0) / steps.length;
    return [
      ...[name, whole(own.length / steps.length), micros(medianOf(own, clock)), micros(worstOf(own, clock))],
      ...[micros(worstOf(own, latency)), micros(medianOf(own, cpu)), micros(worstOf(own, cpu))],
      ...(isOurs ? [share(pause(all, own, clock)), share(pause(all, own, cpu))] : ["", ""]),
      (sum / 1_000).toFixed(1),
    ];
  };
  return table([
    [
      `${whole(products)} products, ${whole(leaving)} leave`.padEnd(34),
      ...[
        "calls",
        "median µs",
        "worst",
        "latency, worst",
        "CPU µs, median",
        "worst",
        "worst ÷ union",
        "CPU",
        "ms together",
      ],
    ],
    ...SHOWN.map((name) =>
      row(
        name,
        calls.filter((call) => call.name === name),
      ),
    ),
    row(
      "the others",
      calls.filter((call) => !SHOWN.includes(call.name)),
    ),
    row("all of ours", calls),
    ...(["union", "del", "unlink"] as const).map((name) =>
      row(
        RIVALS[name],
        steps.map((step) => step[name]),
        false,
      ),
    ),
  ]);
}

const RIVALS = {
  union: "ZUNIONSTORE win new old 1 1 -1",
  del: "DEL of that set",
  unlink: "UNLINK of that set",
} as const;

function pauseBars(all: Steps): Bar[] {
  const what = `${whole(all.leaving)} of ${whole(all.products)} leaving in a minute`;
  const bar = (name: string, ratio: number): Bar => ({
    ...{ name, wanted: `< ${share(PAUSE_MOST)}`, measured: share(ratio), meets: ratio < PAUSE_MOST },
  });
  return [
    bar(`worst call, ${what}, ÷ ZUNIONSTORE of the step, by the clock`, pause(all, allCalls(all), clock)),
    bar("  the same by the CPU of the server's thread", pause(all, allCalls(all), cpu)),
  ];
}

function unionTable(rows: readonly UnionRow[]): string {
  return table([
    ["products", "weighed on reading, CPU µs", "kept, read µs", "÷"],
    ...rows.map(({ products, unionMicros, keptMicros }) => [
      ...[whole(products), micros(unionMicros), micros(keptMicros), `${whole(unionMicros / keptMicros)} ×`],
    ]),
  ]);
}

const sizeText = (size: number | undefined) =>
  size === undefined ? "beyond what was measured" : `${whole(Math.round(size / 100) * 100)} products`;

export const window: Section = {
  name: "window",
  summary: "what leaves a window, against the union of the same step; boards weighed on reading",
  async run(bench) {
    const { quick } = bench;
    const sizes = [10_000, JUDGED, ...(quick ? [] : [1_000_000])];
    const measured: Steps[] = [];
    for (const size of sizes) measured.push(await letMinutesPass(bench, size, quick ? 1 : size > JUDGED ? 2 : 5));
    const unionSizes = [1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, ...(quick ? [] : [1_000_000])];
    const unions = await unionBySize(bench, unionSizes, quick ? 1 : 3);
    await bench.server.clear();
    const bars = measured.filter(({ products }) => products === JUDGED).flatMap(pauseBars);
    const text = `${measured.map(callTable).join("\n\n")}

One board in one shard; every product has views, likes, carts, units and amount in one of five minutes. A minute passes ${measured.map(({ steps }) => steps.length).join(", ")} times:
a fifth of the products has new events and, an hour after its old ones, leaves with those; all that changed is scored. By the
project's own applyPart(), expire() and score(), at most ${limits.evictRows} products a call, one call at a time. µs: inside each single call,
by the server's clock (commandstats before and after it): when the machine pauses the server, that is in it. CPU: what the server's
thread worked between the same two looks. Worst of all minutes, against the median of the unions.
The union does it for one metric of one window in one set; ours for five metrics, with the bucket that it is handed down to, the totals, and
the board's four sets.

${unionTable(unions)}

A board of three metrics weighed when it is read, ZUNIONSTORE with WEIGHTS and the first hundred, against the first hundred of
scores that are kept. Medians of ${quick ? 1 : 3}; the union by the CPU of the server's thread. It blocks the server for more than 10 ms from ${sizeText(sizeThatBlocks(unions, 10_000))} on,
for more than 100 ms from ${sizeText(sizeThatBlocks(unions, 100_000))} on. (What keeping the scores costs: section boards.)`;
    return { text, bars, figures: { measured: measured.map(summaryOf), unions } };
  },
};

/** Without the thousands of single calls. */
function summaryOf(all: Steps) {
  const { products, leaving, steps } = all;
  const byName = Map.groupBy(allCalls(all), ({ name }) => name);
  const calls = [...byName].map(([name, own]) => ({
    ...{
      name,
      calls: own.length,
      medianMicros: median(own.map(clock)),
      worstMicros: worstOf(own, clock),
      worstCpuMicros: worstOf(own, cpu),
    },
  }));
  return { products, leaving, calls, steps: steps.map(({ calls: _, ...rest }) => rest) };
}
