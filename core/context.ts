import type { TableDoor } from "./doors/dynamodb.ts";
import type { RedisDoor } from "./doors/redis.ts";
import type { QueueDoor } from "./doors/sqs.ts";

/**
 * All that a domain verb may use. Time, stores and log arrive here; nothing in `core/` reads a clock, an environment or a
 * global. A verb asks for the part it needs: `issue(ctx: Pick<Ctx, "redis" | "confirmations">)`.
 */
export interface Ctx {
  /** Milliseconds since 1970. Never decides an order or a window: the Redis clock does. */
  readonly now: () => number;
  readonly log: Log;
  readonly redis: RedisDoor;
  readonly confirmations: QueueDoor;
  readonly deadLetters: QueueDoor;
  /** Batches of product events on their way to the rankings. */
  readonly events: QueueDoor;
  readonly table: TableDoor;
  /** Key of the coupon ids' signature. A coupon's id changes with it: keep it as long as a campaign lives. */
  readonly couponSecret: string;
  /** Keys that sign waiting rooms' tickets and passes: the first signs, all verify. */
  readonly roomKeys: readonly SigningKey[];
}

export interface SigningKey {
  /** Names the key in what it has signed. */
  readonly id: string;
  readonly secret: string;
}

export type Log = (event: string, facts: Readonly<Record<string, unknown>>) => void;

/** A store that did not answer, or refused for a passing reason. The outcome of a write is unknown: never take it for a failure. */
export class StoreUnavailable extends Error {
  readonly store: "redis" | "queue" | "ledger" | "metrics";

  constructor(store: "redis" | "queue" | "ledger" | "metrics", cause: unknown) {
    super(`${store} is out of reach: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.name = "StoreUnavailable";
    this.store = store;
  }
}
