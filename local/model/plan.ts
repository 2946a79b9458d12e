import { type Capacity, capacity } from "../../infra/capacity.ts";
import { costs } from "../../infra/quotas.ts";
import { type StageSizes, stages } from "../../infra/stages.ts";
import type { Event } from "./event.ts";
import type { Knobs } from "./knobs.ts";
import { Line } from "./line.ts";
import type { PartName } from "./parts.ts";
import { engineMicros as micros } from "./work.ts";

/** What stands in AWS when the event begins. */
export interface Plan {
  readonly name: string;
  readonly sizes: StageSizes;
  readonly gatewayPerSecond: number;
  readonly lambdaAtOnce: number;
  readonly sqsSendsPerSecond: number;
  /** Environments kept ready. infra/stages.ts has no setting yet for the functions that give and renew a room's tickets. */
  readonly warm: { readonly issue: number; readonly take: number; readonly poll: number };
  /** Requests a second that CloudFront takes. */
  readonly edgePerSecond: number;
  /** What a waiting room before the campaign admits a second; none without a room. */
  readonly admitPerSecond?: number;
  /** What the gate says of the same. */
  readonly verdict: Capacity;
}

const SQS: PartName = "SQS FIFO, confirmations";
const has = ({ lines }: Capacity, part: PartName) => lines.find((line) => line.part === part)?.has ?? 0;

interface Wish {
  readonly event: Event;
  readonly region: string;
  readonly knobs: Knobs;
  readonly instance: string;
}

const asExpected = ({ event, region }: Wish) => ({
  expectedPeakPerSecond: event.peak,
  stock: event.stock,
  watchers: event.watchers,
  region,
});

/** As many as SQS, the persister and the ledger take each second: what waits, waits in line and not in queues. */
function admission({ knobs }: Wish, sizes: StageSizes): number {
  const persisted = (sizes.consumersAtOnce * costs.batchSize.value) / knobs.batchSeconds;
  return Math.floor(
    Math.min(knobs.sqsSendsPerSecond, persisted, knobs.ledgerWritesPerSecond / costs.writesPerCoupon.value),
  );
}

/** Production as it is deployed today, in an account with AWS's own quotas. */
function asDeployed(wish: Wish): Omit<Plan, "name"> {
  const sizes: StageSizes = { ...stages.production, redis: { ...stages.production.redis, instance: wish.instance } };
  const verdict = capacity(asExpected(wish), sizes);
  return {
    ...{ sizes, verdict, warm: { issue: sizes.warmIssuers, take: 0, poll: 0 } },
    edgePerSecond: has(verdict, "CloudFront"),
    gatewayPerSecond: has(verdict, "API Gateway"),
    lambdaAtOnce: has(verdict, "Lambda, at once"),
    sqsSendsPerSecond: wish.knobs.sqsSendsPerSecond,
  };
}

/** Polls, and looks at the public document, in the busiest second, if the line grows until the stock is gone. */
function busiest({ event }: Wish, rate: number): { polls: number; looks: number } {
  const line = new Line(rate);
  line.step(Math.min(event.users, event.peak * Math.ceil(event.stock / rate)), 0);
  return { polls: Math.ceil(line.pollsPerSecond), looks: Math.ceil(line.looksPerSecond) };
}

/** The same after everything that the gate asks for: quotas raised, environments ready, and allotments on as many shards as needed. */
function prepared(wish: Wish, withRoom: boolean): Omit<Plan, "name"> {
  const { event, knobs } = wish;
  const before = asDeployed(wish);
  const needs = (part: PartName) => before.verdict.lines.find((line) => line.part === part)?.needs ?? 0;
  const rate = admission(wish, before.sizes);
  const atIssue = withRoom ? Math.min(rate, event.peak) : event.peak;
  const { polls, looks } = withRoom ? busiest(wish, rate) : { polls: 0, looks: 0 };
  // Busy, and for no more requests a second than Lambda allows each.
  const ready = (perSecond: number, seconds: number) =>
    Math.ceil(perSecond * Math.max(seconds, 1 / knobs.requestsPerEnvironment));
  const warm = { issue: ready(atIssue, knobs.issueSeconds), take: 0, poll: 0 };
  if (withRoom)
    Object.assign(warm, { take: ready(event.peak, knobs.tripSeconds), poll: ready(polls, knobs.tripSeconds) });
  // Twice what is expected, as the gate says: a retry is a request as well.
  const all = warm.issue + warm.take + warm.poll + before.sizes.consumersAtOnce;
  const lambdaAtOnce = Math.max(before.lambdaAtOnce, 2 * all);
  const gatewayPerSecond = Math.max(before.gatewayPerSecond, 2 * (needs("API Gateway") + polls));
  const edgePerSecond = Math.max(before.edgePerSecond, 2 * (needs("CloudFront") + polls + looks));
  const sqsSendsPerSecond = Math.max(has(before.verdict, SQS), withRoom ? rate : needs(SQS));
  // Campaigns and rooms in as many allotments as the first second's scripts fill primaries.
  const scripts = withRoom
    ? (event.peak * micros(knobs, knobs.joinMicros) + polls * micros(knobs, knobs.pollMicros)) / 1e6
    : event.peak / knobs.scriptsPerPrimary;
  const shards = Math.max(before.sizes.redis.shards, Math.ceil(scripts));
  const shopper = 2 * Math.max(event.peak, polls);
  const sizes: StageSizes = {
    ...before.sizes,
    warmIssuers: warm.issue,
    redis: { ...before.sizes.redis, shards },
    throttle: { ...before.sizes.throttle, shopper: { perSecond: shopper, burst: shopper } },
  };
  const verdict = capacity(asExpected(wish), sizes, { gatewayPerSecond, lambdaAtOnce });
  return { sizes, verdict, warm, gatewayPerSecond, lambdaAtOnce, sqsSendsPerSecond, edgePerSecond };
}

/** The four ways in which an event is predicted. */
export function plansOf(wish: Wish): readonly Plan[] {
  const deployed = asDeployed(wish);
  const admitPerSecond = admission(wish, deployed.sizes);
  return [
    { name: "as deployed", ...deployed },
    { name: "as deployed, room", ...deployed, admitPerSecond },
    { name: "prepared", ...prepared(wish, false) },
    { name: "prepared, room", ...prepared(wish, true), admitPerSecond },
  ];
}
