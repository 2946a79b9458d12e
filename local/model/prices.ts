import type { Knobs } from "./knobs.ts";
import type { Plan } from "./plan.ts";
import type { Quantities, Run } from "./run.ts";

/** USD on demand, of Seoul and N. Virginia, with where each was read; other regions are counted as N. Virginia and said to be. */

interface Price {
  readonly seoul: number;
  readonly virginia: number;
  readonly per: number;
  readonly unit: string;
  readonly source: string;
}

const LIST = "AWS Price List, read 2026-10-01";
const M = 1e6;

const prices = {
  requests: { seoul: 1.23, virginia: 1, per: M, unit: "M requests", source: LIST },
  invocations: { seoul: 0.2, virginia: 0.2, per: M, unit: "M invocations", source: LIST },
  gigabyteSeconds: {
    seoul: 0.0000133334,
    virginia: 0.0000133334,
    per: 1,
    unit: "GB-s",
    source: `${LIST}; N. Virginia taken as Seoul`,
  },
  // 9 USD a gigabyte and month of 730 hours.
  readyGigabyteSeconds: {
    seoul: 9 / (730 * 3_600),
    virginia: 9 / (730 * 3_600),
    per: 1,
    unit: "GB-s kept ready",
    source: "infra/stages.ts",
  },
  queueCalls: {
    seoul: 0.5,
    virginia: 0.5,
    per: M,
    unit: "M FIFO calls",
    source: "cloudburn.io 2026-03, of N. Virginia; Seoul's was not found",
  },
  ledgerWrites: {
    seoul: 0.68,
    virginia: 0.625,
    per: M,
    unit: "M write units",
    source: "AWS Price List, read 2026-06-12 and 2026-07-31",
  },
  logGigabytes: {
    seoul: 0.76,
    virginia: 0.5,
    per: 1,
    unit: "GB of logs",
    source: "AWS Price List, read 2026-10; go-cloud.io 2026",
  },
  edgeRequests: {
    seoul: 0.012,
    virginia: 0.01,
    per: 10_000,
    unit: "10,000 CloudFront requests",
    source: "infracost's price table; AWS's own was not to be read",
  },
  edgeGigabytes: {
    seoul: 0.12,
    virginia: 0.085,
    per: 1,
    unit: "GB from CloudFront",
    source: "aws.amazon.com/cloudfront/pricing, a stored copy",
  },
} as const satisfies Record<string, Price>;

/** Valkey nodes, an hour. */
const NODE_HOURS: Readonly<Record<string, { seoul?: number; virginia?: number }>> = {
  "t4g.micro": { seoul: 0.0192, virginia: 0.0128 },
  "r7g.large": { seoul: 0.2096, virginia: 0.1752 },
  "r7g.xlarge": { virginia: 0.3496 },
  "m7g.large": { virginia: 0.1264 },
};

export interface CostLine {
  readonly what: string;
  readonly quantity: number;
  readonly unit: string;
  readonly usd: number;
  /** Price of one unit, in USD. */
  readonly price: number;
  readonly source: string;
}

/** What all parts write in the log. */
function logBytes(it: Quantities, knobs: Knobs): number {
  return (
    it.requests * knobs.passedLogBytes +
    it.refusedRequests * knobs.refusedLogBytes +
    it.invocations * knobs.invocationLogBytes +
    it.requestLines * knobs.requestLogBytes +
    it.answersLines * knobs.answersLogBytes +
    it.spansLines * knobs.spansLogBytes
  );
}

/** What an event costs, the dearest first. Nodes that have no price here are left out, and named. */
export function costOf(
  run: Run,
  plan: Plan,
  knobs: Knobs,
  region: string,
): { lines: CostLine[]; usd: number; unpriced: string[] } {
  const where = region === "ap-northeast-2" ? "seoul" : "virginia";
  const it: Quantities = run.quantities;
  const gigabytes = plan.sizes.memoryMb.api / 1_024;
  const eventSeconds = knobs.eventHours * 3_600;
  const ready = plan.warm.issue + plan.warm.take + plan.warm.poll;
  const quantities: Readonly<Record<keyof typeof prices, readonly [string, number]>> = {
    requests: ["API Gateway", it.requests],
    invocations: ["Lambda, calls", it.invocations],
    gigabyteSeconds: ["Lambda, work and starts", (it.busySeconds + it.coldSeconds) * gigabytes],
    readyGigabyteSeconds: ["Lambda, kept ready", ready * gigabytes * eventSeconds],
    queueCalls: ["SQS", it.queueCalls],
    ledgerWrites: ["DynamoDB", it.ledgerWrites],
    logGigabytes: ["CloudWatch logs", logBytes(it, knobs) / 1e9],
    edgeRequests: ["CloudFront, requests", it.edgeRequests],
    edgeGigabytes: ["CloudFront, answers", (it.edgeRequests * knobs.answerBytes) / 1e9],
  };
  const lines = Object.entries(quantities).map(([name, [what, quantity]]): CostLine => {
    const { per, unit, source, ...of } = prices[name as keyof typeof prices];
    return { what, quantity: quantity / per, unit, price: of[where], usd: (quantity * of[where]) / per, source };
  });
  const { instance, shards, replicas } = plan.sizes.redis;
  const nodes = shards * (1 + replicas) * knobs.eventHours;
  const hour = NODE_HOURS[instance]?.[where];
  if (hour !== undefined) {
    lines.push({
      what: `Redis nodes, ${instance}`,
      quantity: nodes,
      unit: "node hours",
      price: hour,
      usd: nodes * hour,
      source: LIST,
    });
  }
  const kept = lines.filter(({ usd }) => usd > 0).sort((left, right) => right.usd - left.usd);
  return {
    lines: kept,
    usd: kept.reduce((sum, { usd }) => sum + usd, 0),
    unpriced: hour === undefined ? [`Redis nodes, ${instance}`] : [],
  };
}
