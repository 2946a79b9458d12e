import { consumerConcurrency } from "./settings.ts";

/**
 * Sizes of each stage, as plain data: what differs between a stage of one's own, staging and production, and what it costs.
 * Prices are on-demand list prices of Seoul (ap-northeast-2) in October 2026, of a month of 730 hours; N. Virginia is about a
 * sixth cheaper. docs/deploy.md adds them up.
 */

export interface StageSizes {
  /** Availability zones that subnets, Redis nodes and the SQS endpoint stand in. The endpoint costs 9.49 USD a month in each. */
  readonly zones: number;
  readonly redis: RedisSizes;
  /** Megabytes of memory, by what calls a function. Lambda gives a processor in proportion: a whole one at 1,769. */
  readonly memoryMb: { readonly api: number; readonly consumer: number; readonly schedule: number };
  /**
   * Environments of the issuing function that are kept ready for an opening. 9 USD a month for each gigabyte, so set them for
   * the day and back.
   */
  readonly warmIssuers: number;
  /** Batches of one queue that are worked on at once; Lambda takes 2 to 1,000. */
  readonly consumersAtOnce: number;
  readonly throttle: Throttles;
  /** How long logs are kept. 0.76 USD a gigabyte is for taking them in; keeping one for a month is 0.03. */
  readonly logs: "1 week" | "1 month" | "3 months";
  /** Whether the ledger refuses to be deleted. */
  readonly keepsLedger: boolean;
  /** Whether an alarm without an address is worth deploying. */
  readonly needsAlarmAddress: boolean;
}

export interface RedisSizes {
  /**
   * t4g.micro: 14 USD a month, 0.5 GB, for trying. r7g.large: 153 USD a month, 13 GB and a network that does not run on credits.
   */
  readonly instance: string;
  /** Primaries. A campaign, a room or a board lives on one; more of them share those out. Can be raised while it runs. */
  readonly shards: number;
  /** Copies of each primary, each in another zone, each the price of a node. */
  readonly replicas: number;
  /** Snapshots kept, in days. Nothing is restored from one (the ledger rebuilds campaigns); it is there to look into. */
  readonly snapshotDays: number;
  readonly parameters: Readonly<Record<string, string>>;
}

/** Requests a second that API Gateway lets through to each route, and how many at once above that, by who may call it. */
export interface Throttles {
  readonly anyone: Throttle;
  readonly shopper: Throttle;
  readonly operator: Throttle;
  readonly events: Throttle;
}

export interface Throttle {
  readonly perSecond: number;
  readonly burst: number;
}

/** No key may be evicted: each is stock, a holder or a place in a line. Every stage has it, or a rush would not be tried. */
const NOEVICTION = { "maxmemory-policy": "noeviction" };

const small = {
  memoryMb: { api: 512, consumer: 512, schedule: 512 },
  warmIssuers: 0,
  consumersAtOnce: 8,
  throttle: {
    anyone: { perSecond: 200, burst: 400 },
    shopper: { perSecond: 200, burst: 400 },
    operator: { perSecond: 20, burst: 40 },
    events: { perSecond: 50, burst: 100 },
  },
};

export const stages = {
  /** One's own: whatever stage is neither of the others. About 30 USD a month while it stands; remove it in the evening. */
  personal: {
    ...small,
    zones: 1,
    redis: { instance: "t4g.micro", shards: 1, replicas: 0, snapshotDays: 0, parameters: NOEVICTION },
    logs: "1 week",
    keepsLedger: false,
    needsAlarmAddress: false,
  },
  /** Production in small: the same parts, so that a failover can be tried. About 55 USD a month. */
  staging: {
    ...small,
    zones: 2,
    redis: { instance: "t4g.micro", shards: 1, replicas: 1, snapshotDays: 0, parameters: NOEVICTION },
    logs: "1 month",
    keepsLedger: false,
    needsAlarmAddress: false,
  },
  /** About 500 USD a month before the first request. What it stands, and what more needs: `npm run capacity`. */
  production: {
    zones: 3,
    redis: {
      instance: "r7g.large",
      shards: 1,
      replicas: 2,
      snapshotDays: 1,
      // A primary that nobody follows any more stops taking writes within ten seconds: what it told would be lost. With two
      // replicas the loss of one stops nothing.
      parameters: { ...NOEVICTION, "min-replicas-to-write": "1", "min-replicas-max-lag": "10" },
    },
    memoryMb: { api: 1_024, consumer: 1_024, schedule: 1_024 },
    warmIssuers: 0,
    consumersAtOnce: consumerConcurrency.production,
    // The account has 10,000 a second for all routes together: a rush on one leaves room for the others, operators first.
    throttle: {
      anyone: { perSecond: 4_000, burst: 4_000 },
      shopper: { perSecond: 5_000, burst: 5_000 },
      operator: { perSecond: 100, burst: 200 },
      events: { perSecond: 500, burst: 500 },
    },
    logs: "3 months",
    keepsLedger: true,
    needsAlarmAddress: true,
  },
} as const satisfies Record<string, StageSizes>;

export type StageKind = keyof typeof stages;

export function kindOf(stage: string): StageKind {
  return stage === "production" || stage === "staging" ? stage : "personal";
}

export function sizesOf(stage: string): StageSizes {
  return stages[kindOf(stage)];
}
