import { costs, type Quota, quotasOf } from "./quotas.ts";
import type { StageSizes } from "./stages.ts";

/**
 * The capacity gate: what an expected event asks of each part, what the part has, and which breaks first. Arithmetic only; every
 * figure stands in infra/quotas.ts with its source.
 */

export interface Expected {
  /** Requests for a coupon in the busiest second, which is the first one. */
  readonly expectedPeakPerSecond: number;
  /** Coupons there are: no more people than that win. */
  readonly stock: number;
  /** People who look on: each asks for a public document every few seconds. The edge answers nearly all of them. */
  readonly watchers: number;
  readonly region: string;
}

/** Quotas that AWS has raised; zero where it has not. */
export interface Raised {
  readonly gatewayPerSecond?: number;
  readonly lambdaAtOnce?: number;
}

export interface CapacityLine {
  readonly part: string;
  readonly needs: number;
  readonly has: number;
  readonly unit: string;
  /** Where `has` comes from. */
  readonly source: string;
  readonly breaks: boolean;
  /** What to do when it breaks. */
  readonly fix: string;
}

export interface Capacity {
  /** What becomes of those who only look on: requests a second that they make, and that of these reach the API. */
  readonly watching: { readonly asked: number; readonly passedOn: number };
  /** The tightest first. */
  readonly lines: readonly CapacityLine[];
  readonly breaksFirst: CapacityLine | undefined;
}

/** How often the part could do what is asked of it. */
const slack = ({ needs, has }: CapacityLine) => has / Math.max(1, needs);

const number = (value: number) => value.toLocaleString("en-US");

export function capacity(expected: Expected, sizes: StageSizes, raised: Raised = {}): Capacity {
  const { expectedPeakPerSecond: peak, stock, watchers, region } = expected;
  const quotas = quotasOf(region);
  const winners = Math.min(peak, stock);
  const asked = Math.ceil(watchers / costs.watcherSeconds.value);
  const watching = { asked, passedOn: Math.min(asked, costs.edgeAsks.value) };
  const raisedTo = (to: number | undefined, quota: Quota): Quota =>
    to ? { value: to, source: "raised, says .env.<stage>" } : quota;
  const gateway = raisedTo(raised.gatewayPerSecond, quotas.gatewayPerSecond);
  const atOnce = raisedTo(raised.lambdaAtOnce, quotas.lambdaAtOnce);
  /** Environments that so many requests a second take: as long as each is busy, and no more of them than Lambda lets one have. */
  const environments = (perSecond: number) =>
    Math.ceil(perSecond * Math.max(costs.issueSeconds.value, 1 / quotas.requestsPerEnvironment.value));
  const ready = environments(peak);
  const atOnceNeeded = environments(peak + watching.passedOn) + sizes.consumersAtOnce;
  /** What the environments that are kept ready do not serve. */
  const unprepared = ready > 0 ? peak * Math.max(0, 1 - sizes.warmIssuers / ready) : 0;
  const persisted = (sizes.consumersAtOnce * costs.batchSize.value) / costs.batchSeconds.value;
  const perSecond = (count: number) => Math.ceil(count / costs.confirmedWithinSeconds.value);

  const line = (part: string, unit: string, needs: number, { value, source }: Quota, fix: string): CapacityLine => {
    const has = Math.floor(value);
    return { part, unit, needs, has, source, fix, breaks: needs > has };
  };
  const room = (rate: number) =>
    `Put a waiting room before the campaign that admits at most ${number(Math.max(1, Math.floor(rate)))} a second`;
  const lines = [
    line(
      "CloudFront",
      "requests a second",
      peak + watching.asked,
      quotas.edgePerSecond,
      `Ask AWS for ${number(peak + watching.asked)} requests a second of the distribution, or let pages ask less often.`,
    ),
    line(
      "API Gateway",
      "requests a second",
      peak + watching.passedOn,
      gateway,
      `Ask AWS for ${number(peak + watching.passedOn)} requests a second. Those who only look on are with the edge already, and a room alone does not help: its tickets and polls are everybody's own, and come through the same gateway.`,
    ),
    line(
      "API Gateway, this stage's limit for shoppers",
      "requests a second",
      peak,
      { value: sizes.throttle.shopper.perSecond, source: "infra/stages.ts" },
      "Raise throttle.shopper in infra/stages.ts, not above what the account has.",
    ),
    line(
      "Lambda, from cold",
      "new environments in ten seconds",
      Math.round(unprepared * (costs.coldSeconds.value + costs.issueSeconds.value)),
      quotas.lambdaRamp,
      `Keep ${number(ready)} environments of issue-coupon ready for the opening (warmIssuers in infra/stages.ts). ${room(quotas.lambdaRamp.value / (costs.coldSeconds.value + costs.issueSeconds.value))} to do without.`,
    ),
    line(
      "Lambda, at once",
      "environments",
      // The persister's come beside those that serve.
      atOnceNeeded,
      atOnce,
      `Ask AWS for ${number(2 * atOnceNeeded)} concurrent executions: each is also ${quotas.requestsPerEnvironment.value} requests a second that the account may have.`,
    ),
    line(
      "SQS FIFO, confirmations",
      "messages sent a second",
      winners,
      quotas.sqsSendsPerSecond,
      `${room(quotas.sqsSendsPerSecond.value)}. Without it nothing is lost: who is beyond the quota is told 202 instead of 201, and the sweep sends the confirmation.`,
    ),
    line(
      "Redis, the campaign's primary",
      "scripts a second",
      peak,
      { value: costs.scriptsPerPrimary.value, source: costs.scriptsPerPrimary.source },
      `Split the stock into ${Math.ceil(peak / costs.scriptsPerPrimary.value)} allotments on as many shards (redis.shards in infra/stages.ts). Sold-out answers of containers with many visitors come from memory and cost no script.`,
    ),
    line(
      "Persister",
      "coupons a second",
      perSecond(stock),
      { value: persisted, source: `infra/stages.ts: ${sizes.consumersAtOnce} batches at once` },
      "Raise consumersAtOnce in infra/stages.ts; one campaign has 64 groups, so more than 64 help only several campaigns.",
    ),
    line(
      "DynamoDB, ledger",
      "write units a second",
      perSecond(stock) * costs.writesPerCoupon.value,
      quotas.ledgerWritesPerSecond,
      `Warm the table up to ${number(perSecond(stock) * costs.writesPerCoupon.value)} writes a second before the event (warm throughput). Until then shoppers see pending for longer, and rooms admit less.`,
    ),
  ].sort((a, b) => slack(a) - slack(b));
  return { watching, lines, breaksFirst: lines.find(({ breaks }) => breaks) };
}
