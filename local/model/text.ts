import { limits } from "../../core/limits.ts";
import { table, whole } from "../bench/table.ts";
import { type KnobName, knobsOf, NODE_SOURCE, nodeOf } from "./knobs.ts";
import type { Predicted, Prediction } from "./predict.ts";
import type { Run } from "./run.ts";
import { type Change, LABELS } from "./sensitivity.ts";

/** Predictions as text. */

const seconds = (value: number | undefined) => (value === undefined ? "–" : `${value.toFixed(1)} s`);
const percent = (share: number) => `${Math.round(100 * share)} %`;
const ms = (value: number) => whole(value);
const pair = (quantiles: Run["winnerMs"]) => (quantiles ? `${ms(quantiles.p50)} / ${ms(quantiles.p99)}` : "–");
const usd = (value: number) => value.toFixed(2);

const ROWS: readonly (readonly [string, (it: Predicted) => string])[] = [
  ["CloudFront, a second", ({ plan }) => whole(plan.edgePerSecond)],
  ["API Gateway, a second", ({ plan }) => whole(plan.gatewayPerSecond)],
  ["  each shopper's route", ({ plan }) => whole(plan.sizes.throttle.shopper.perSecond)],
  [
    "Lambda at once, kept ready",
    ({ plan }) => `${whole(plan.lambdaAtOnce)}, ${whole(plan.warm.issue + plan.warm.take + plan.warm.poll)}`,
  ],
  ["SQS sends a second", ({ plan }) => whole(plan.sqsSendsPerSecond)],
  ["Redis shards, replicas each", ({ plan }) => `${plan.sizes.redis.shards}, ${plan.sizes.redis.replicas}`],
  ["admitted a second", ({ plan }) => (plan.admitPerSecond === undefined ? "–" : whole(plan.admitPerSecond))],
  ["", () => ""],
  ["sold out after", ({ run }) => seconds(run.soldOutAt)],
  ["last one answered after", ({ run }) => seconds(run.lastAnswerAt)],
  ["last one confirmed after", ({ run }) => seconds(run.lastConfirmedAt)],
  ["confirmed, p50 / p99 s", ({ run }) => `${run.confirmDelay.p50.toFixed(1)} / ${run.confirmDelay.p99.toFixed(1)}`],
  ["told 201", ({ run }) => whole(run.issued)],
  ["told 202", ({ run }) => whole(run.accepted)],
  ["told sold out", ({ run }) => whole(run.fates.soldOut)],
  ["gave up: 429, 503", ({ run }) => `${whole(run.fates.throttled)}, ${whole(run.fates.lost)}`],
  ["refusals on the way", ({ run }) => whole(run.refusals)],
  ["a winner's answer, p50 / p99 ms", ({ run }) => pair(run.winnerMs)],
  ["a loser's answer, p50 / p99 ms", ({ run }) => pair(run.loserMs)],
  ["environments at most", ({ run }) => whole(run.environmentsMost)],
  ["Redis busy, busiest second", ({ run }) => percent(run.redisBusyMost)],
  ["Redis, longest mean wait ms", ({ run }) => run.redisWaitMostMs.toFixed(run.redisWaitMostMs < 10 ? 1 : 0)],
  ["Redis, Gbit/s out at most", ({ run }) => run.redisGbitMost.toFixed(2)],
  ["sold out from memory", ({ run }) => percent(run.fromMemory)],
  ["confirmations queued at most", ({ run }) => whole(run.queuedMost)],
  ["write units", ({ run }) => whole(run.quantities.ledgerWrites)],
  ["USD", ({ cost }) => usd(cost.usd)],
];

function strainsText({ plan, run }: Predicted): string {
  const named = run.strains.map(({ part, from, amount }) => `${part} (from second ${from}, ${whole(amount)})`);
  return `${plan.name}: ${named.length === 0 ? "nothing is asked for more than it has" : named.join("; ")}`;
}

function secondsTable({ run }: Predicted, shown: number): string {
  return table([
    [
      "second",
      "come",
      "asked",
      "429",
      "503",
      "won",
      "sold out",
      "environments",
      "Redis",
      "wait ms",
      "in line",
      "unconfirmed",
    ],
    ...run.seconds
      .slice(0, shown)
      .map((it) => [
        `${it.second + 1}`,
        ...[it.come, it.asked, it.refusedByGateway].map(whole),
        whole(it.refusedByLambda + it.timedOut),
        ...[it.winners, it.soldOut, it.environments].map(whole),
        percent(it.redisBusy),
        it.redisWaitMs.toFixed(1),
        ...[it.waiting, it.queued].map(whole),
      ]),
  ]);
}

function costTable({ cost }: Predicted): string {
  return table([
    ["", "USD", "quantity", "of", "USD each", "price from"],
    ...cost.lines.map(({ what, usd: all, quantity, unit, price, source }) => [
      what,
      usd(all),
      quantity < 10 ? quantity.toFixed(3) : whole(quantity),
      unit,
      price.toPrecision(3),
      source,
    ]),
    ...cost.unpriced.map((what) => [what, "not counted: no price found", "", "", "", ""]),
  ]);
}

function figure(value: number): string {
  if (!Number.isFinite(value)) return "never";
  return Math.abs(value) >= 100 ? whole(value) : value.toPrecision(2);
}

const changesText = (changes: readonly Change[]) =>
  changes.map(({ of, from, to }) => `${LABELS[of]} ${figure(from)} → ${figure(to)}`).join(", ");

function sensitivityText({ sensitivity, region }: Prediction): string {
  const knobs = knobsOf(region);
  return (Object.keys(knobs) as KnobName[])
    .flatMap((name) => {
      const { what, value, unit, source } = knobs[name];
      const moved = sensitivity.flatMap(({ way, figures }) => {
        const { halved = [], doubled = [] } = figures.find(({ knob }) => knob === name) ?? {};
        return [
          ...(halved.length > 0 ? [`    ${way}, ÷ 2: ${changesText(halved)}`] : []),
          ...(doubled.length > 0 ? [`    ${way}, × 2: ${changesText(doubled)}`] : []),
        ];
      });
      return [`${what}: ${value.toLocaleString("en-US")} ${unit}  (${source})`, ...moved];
    })
    .join("\n");
}

/** Seconds that are shown one by one. */
const SHOWN = 8;

export function predictionText(it: Prediction): string {
  const { event, region, instance, ways } = it;
  const { baseGbit, burstGbit } = nodeOf(instance);
  const [deployed] = ways;
  const breaks = deployed?.plan.verdict.lines.filter((line) => line.breaks).map(({ part }) => part) ?? [];
  const prepared = ways.find(({ plan }) => plan.name === "prepared");
  return `# ${whole(event.peak)} in the first second, ${whole(event.users)} in all, ${whole(event.stock)} coupons, ${region}, ${instance}

${table([["", ...ways.map(({ plan }) => plan.name)], ...ROWS.map(([name, of]) => [name, ...ways.map(of)])])}

The gate (npm run capacity) says of it as deployed: ${breaks.length === 0 ? "nothing breaks" : `breaks ${breaks.join("; ")}`}.
Asked for more than it has (what first, people or requests refused, made to wait beyond a limit, or told 202):
${ways.map((way) => `  ${strainsText(way)}`).join("\n")}

The first seconds, as deployed:

${deployed ? secondsTable(deployed, SHOWN) : ""}

The first seconds, prepared:

${prepared ? secondsTable(prepared, SHOWN) : ""}

What it costs, prepared, with what is kept ready for an hour:

${prepared ? costTable(prepared) : ""}

Every figure that it was counted with, and what changes when it is half or twice as much (no line: nothing by a tenth).
A primary's network: ${baseGbit} Gbit/s, ${burstGbit} for a while (${NODE_SOURCE}).

${sensitivityText(it)}
`;
}

export const CLOSING = `How it is counted: ticks of a tenth of a second, people as flows. The first second is even, then ever fewer come. A request passes
the edge, its route's limit and the account's, finds an environment or starts one as fast as the ramp allows, then Redis: a queue for
each primary, M/D/1 within a tick, and what is left over waits; its network sends what its thread has made. Who waits longer than
${limits.redisCommandMs} ms is told 503; Redis does the work all the same, and what it decided is not followed up. A winner's message waits for SQS
${limits.queueBudgetMs / 1_000} s at most; then 202, and the sweep a minute after the opening. Who is refused for a passing reason asks again. With a room,
people take a ticket and poll; who is in line when nothing is left reads so in the campaign's public document. "Prepared" is what the
gate asks for, twice where retries come on top, and, as Lambda takes ten requests a second for each environment, as many environments
as that needs.

Not validated by anything: all that is AWS's. Times of Lambda, API Gateway and SQS, the ramp, ElastiCache's arm64 and TLS, whether
quotas can be raised so far, how long a network's burst lasts. Validated on this machine: how many scripts a rush makes of so many
people, and what they cost a busy Redis (npm run model -- --validate).`;
