import type { Random } from "../rush/random.ts";

/** A process that can be killed or paused. */
export type Part = "redis" | "api" | "worker" | "sqs" | "dynamodb";
export type Store = "redis" | "sqs" | "dynamodb";

/** What is done, with everything that chance has decided about it. */
export type Action =
  | { readonly how: "kill"; readonly part: Part }
  | { readonly how: "pause"; readonly part: Part; readonly forMs: number }
  | { readonly how: "slow"; readonly store: Store; readonly delayMs: number; readonly forMs: number }
  | {
      readonly how: "failover";
      readonly lagMs: number;
      readonly outageMs: number;
      readonly old: "killed" | "demoted";
      /** By how much the promoted replica's clock goes behind. */
      readonly behindMinutes: number;
    }
  | {
      readonly how: "failover-and-back";
      readonly lagMs: number;
      /** Whether it goes back while the campaign is still fenced, or after it was recovered on the other node. */
      readonly back: "soon" | "recovered";
      /** How long it stays there, if it goes back soon. */
      readonly stayMs: number;
      readonly lagBackMs: number;
    }
  | { readonly how: "restart-empty" }
  | { readonly how: "flush" }
  | { readonly how: "duplicates"; readonly forMs: number; readonly order: number }
  | { readonly how: "late-resend"; readonly forMs: number };

export interface FaultKind {
  /** One line for `--list`. */
  readonly says: string;
  /** How often it is drawn, beside the others. */
  readonly weight: number;
  /** What it needs for itself: two faults of one round that share a part come one after the other. */
  readonly parts: readonly Part[];
  /** Roughly how long it lasts, in milliseconds, so that there is load after it. */
  lasts(action: Action): number;
  draw(random: Random): Action;
}

/** SQS forgets a deduplication id after five minutes. */
export const BEYOND_DEDUPLICATION_MS = 6 * 60_000;

/** What a recovery usually takes. */
const RECOVERED_MS = 8_000;

/** Away for as long as it takes to be started again. */
const RESTARTED_MS = 1_500;

const between = (random: Random, least: number, most: number): number => least + random.below(most - least + 1);

const kill = (part: Part, says: string): FaultKind => ({
  says,
  weight: 1,
  parts: [part],
  lasts: () => RESTARTED_MS,
  draw: () => ({ how: "kill", part }),
});

const pause = (part: Part, says: string): FaultKind => ({
  says,
  weight: 1,
  parts: [part],
  lasts: (action) => (action.how === "pause" ? action.forMs : 0),
  draw: (random) => ({ how: "pause", part, forMs: between(random, 1_000, 4_000) }),
});

const slow = (store: Store, says: string): FaultKind => ({
  says,
  weight: 1,
  parts: [store],
  lasts: (action) => (action.how === "slow" ? action.forMs : 0),
  draw: (random) => ({ how: "slow", store, delayMs: between(random, 50, 400), forMs: between(random, 2_000, 4_000) }),
});

const failover = (says: string, behindMinutes: number): FaultKind => ({
  says,
  weight: 3,
  parts: ["redis"],
  lasts: (action) => (action.how === "failover" ? action.lagMs + action.outageMs + (behindMinutes > 0 ? 2_000 : 0) : 0),
  draw: (random) => ({
    how: "failover",
    lagMs: between(random, 300, 1_500),
    outageMs: between(random, 0, 1_500),
    old: random.pick(["killed", "demoted"]),
    behindMinutes,
  }),
});

/** All that can be done to the system. Half the draws take writes away from Redis: those are what it must recover from. */
const KINDS = {
  "kill-redis": kill("redis", "the Redis primary is killed and comes back with its append-only file"),
  "kill-api": kill("api", "the API's process is killed"),
  "kill-worker": kill("worker", "the process of the persister and the schedules is killed"),
  "kill-sqs": kill("sqs", "SQS is killed and comes back with its journal"),
  "kill-dynamodb": kill("dynamodb", "DynamoDB is killed and comes back with its files"),
  "pause-redis": pause("redis", "the Redis primary hangs (SIGSTOP) for 1 to 4 s"),
  "pause-api": pause("api", "the API hangs for 1 to 4 s"),
  "pause-worker": pause("worker", "the persister hangs for 1 to 4 s"),
  "pause-sqs": pause("sqs", "SQS hangs for 1 to 4 s"),
  "pause-dynamodb": pause("dynamodb", "DynamoDB hangs for 1 to 4 s"),
  "slow-redis": slow("redis", "Redis answers 50 to 400 ms late, for 2 to 4 s"),
  "slow-sqs": slow("sqs", "SQS answers 50 to 400 ms late, for 2 to 4 s"),
  "slow-dynamodb": slow("dynamodb", "DynamoDB answers 50 to 400 ms late, for 2 to 4 s"),
  failover: failover("a replica that misses the last 0.3 to 1.5 s is promoted", 0),
  "failover-clock-back": failover("the same, and the replica's clock is 10 minutes behind (needs libfaketime)", 10),
  "failover-and-back": {
    says: "a replica that misses writes is promoted, and the former primary again after it, with the same processes",
    weight: 3,
    parts: ["redis"],
    lasts: (action) =>
      action.how === "failover-and-back"
        ? action.lagMs + action.stayMs + action.lagBackMs + (action.back === "recovered" ? RECOVERED_MS : 1_500)
        : 0,
    draw: (random) => ({
      how: "failover-and-back",
      lagMs: between(random, 300, 1_000),
      back: random.pick(["soon", "recovered"]),
      stayMs: between(random, 0, 1_000),
      lagBackMs: between(random, 300, 1_000),
    }),
  },
  "restart-empty": {
    says: "the Redis primary is killed and comes back without its append-only file",
    weight: 3,
    parts: ["redis"],
    lasts: () => RESTARTED_MS,
    draw: () => ({ how: "restart-empty" }),
  },
  flush: {
    says: "FLUSHALL",
    weight: 3,
    parts: ["redis"],
    lasts: () => 0,
    draw: () => ({ how: "flush" }),
  },
  duplicates: {
    says: "confirmations are delivered again, in another order, at once and some seconds later",
    weight: 2,
    parts: ["worker", "sqs"],
    lasts: (action) => (action.how === "duplicates" ? action.forMs + 4_000 : 0),
    draw: (random) => ({ how: "duplicates", forMs: between(random, 1_000, 2_000), order: random.below(2 ** 32) }),
  },
  "late-resend": {
    says: "the persister stands still for longer than SQS remembers a deduplication id, and confirmations are sent again",
    weight: 2,
    parts: ["worker", "sqs"],
    lasts: (action) => (action.how === "late-resend" ? action.forMs : 0),
    draw: (random) => ({ how: "late-resend", forMs: between(random, 6_000, 7_000) }),
  },
} as const satisfies Record<string, FaultKind>;

export type FaultName = keyof typeof KINDS;

export const FAULTS: Readonly<Record<FaultName, FaultKind>> = KINDS;
export const FAULT_NAMES = Object.keys(KINDS) as FaultName[];

export function isFaultName(name: string): name is FaultName {
  return Object.hasOwn(KINDS, name);
}

/** An action's figures in a few words. */
export function describe(action: Action): string {
  const facts = Object.entries(action).filter(
    ([name, value]) => !["how", "part", "store", "order"].includes(name) && value,
  );
  return facts.map(([name, value]) => (typeof value === "number" ? `${name} ${value}` : String(value))).join(", ");
}
