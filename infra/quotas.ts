/**
 * AWS's default quotas that an opening second runs into, and the figures of our own that the capacity gate counts with. Each with
 * where it comes from; read in October and November 2026. A quota that was raised is said in `.env.<stage>`.
 */

const GATEWAY = "docs.aws.amazon.com/apigateway/latest/developerguide/limits.html";
const CLOUDFRONT = "docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html";
const RAMP = "docs.aws.amazon.com/lambda/latest/dg/scaling-behavior.html";
const RATE = "docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html";
const LAMBDA = "docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html";
const SQS = "docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html";
const DYNAMODB = "docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html";

/** Regions where API Gateway begins with 2,500 requests a second instead of 10,000. */
const SMALL_GATEWAYS: ReadonlySet<string> = new Set([
  "af-south-1",
  "ap-south-2",
  "ap-southeast-3",
  "ap-southeast-4",
  "ap-southeast-5",
  "ap-southeast-7",
  "ca-west-1",
  "eu-central-2",
  "eu-south-1",
  "eu-south-2",
  "il-central-1",
  "me-central-1",
  "mx-central-1",
]);

/** Calls a second of each action that a FIFO queue in high-throughput mode takes. */
const FIFO_PER_SECOND: Readonly<Record<string, number>> = {
  "us-east-1": 70_000,
  "us-west-2": 70_000,
  "eu-west-1": 70_000,
  "us-east-2": 19_000,
  "eu-central-1": 19_000,
  "ap-south-1": 9_000,
  "ap-southeast-1": 9_000,
  "ap-southeast-2": 9_000,
  "ap-northeast-1": 9_000,
  "eu-west-2": 4_500,
  "sa-east-1": 4_500,
};
/** All others, Seoul among them. */
const FIFO_ELSEWHERE = 2_400;

export interface Quota {
  readonly value: number;
  readonly source: string;
}

export function quotasOf(region: string) {
  const quota = (value: number, source: string): Quota => ({ value, source });
  return {
    /** Requests a second of a distribution; so that a document of a kilobyte stays far below its 150 Gbps. */
    edgePerSecond: quota(250_000, CLOUDFRONT),
    /** Requests a second, of all APIs of the account together. */
    gatewayPerSecond: quota(SMALL_GATEWAYS.has(region) ? 2_500 : 10_000, GATEWAY),
    /** Environments that one function may add in ten seconds; what was not used is not saved up. */
    lambdaRamp: quota(1_000, RAMP),
    /** Environments of all functions of the account at once. New accounts have fewer. */
    lambdaAtOnce: quota(1_000, LAMBDA),
    /** Requests a second for each environment that the account may have, or that is kept ready, however short they are. */
    requestsPerEnvironment: quota(10, RATE),
    sqsSendsPerSecond: quota(FIFO_PER_SECOND[region] ?? FIFO_ELSEWHERE, SQS),
    /** Write units a second that a new on-demand table takes at once; it doubles what it has seen within half an hour. */
    ledgerWritesPerSecond: quota(4_000, DYNAMODB),
  };
}

const BENCH = "npm run bench, 2 cores";
const ASSUMED = "assumed: measure it on the stage";

/** What one request costs us. The two that only a deployed stage can tell are on the careful side. */
export const costs = {
  /** Seconds that an issuing function is busy with one request: a script call, and for a winner a message. */
  issueSeconds: { value: 0.05, source: ASSUMED },
  /** Seconds from a call to a new environment until it serves: start, load of the bundle, connection to Redis. */
  coldSeconds: { value: 0.5, source: ASSUMED },
  /** Scripts a second that one primary runs: 8 µs each in the bench, and TLS and the network beside it. */
  scriptsPerPrimary: { value: 40_000, source: BENCH },
  /** Seconds that a batch of ten confirmations takes the persister: two writes each, one call to Redis. */
  batchSeconds: { value: 0.15, source: ASSUMED },
  batchSize: { value: 10, source: "Lambda takes ten from a FIFO queue" },
  writesPerCoupon: { value: 2, source: "core/coupons/ledger.ts" },
  /** How long a shopper may look at `pending`. */
  confirmedWithinSeconds: { value: 60, source: "our promise" },
  /**
   * Requests a second that the edge itself makes for public documents, however many watch: each of its caches asks again when a
   * second is over. A hundred caches with a crowd before them, and two documents, a campaign's and its room's. Of people who mean
   * no harm: a query or a token that nobody else sends is a miss each time, and only the API's own limits bound those.
   */
  edgeAsks: { value: 200, source: ASSUMED },
  /** How often a page of somebody who only watches asks for a public document. */
  watcherSeconds: { value: 10, source: ASSUMED },
} as const satisfies Record<string, Quota>;
