/**
 * Decisions as plain data: what is deployed and what the laptop's stack starts. No SST globals here, so `local/` and tests
 * read the same figures that the deployment uses.
 */

/** Seconds that a function may run, before Lambda (and the local stack) ends it. */
export const functionSeconds = {
  /** Every request is answered within two seconds; the rest is room for a cold start. */
  api: 10,
  /** Ten confirmations: two writes each, then one call to Redis; all of them timing out takes four seconds. */
  consumer: 6,
  /** The longest watch (functions/routes.ts), and its last look. */
  schedule: 90,
} as const;

/** API Gateway's own limits, which the local gateway keeps as well. HTTP API quotas: payload 10 MB, integration 30 s. */
export const gateway = {
  payloadBytes: 10 * 1024 * 1024,
  integrationSeconds: 30,
} as const;

export const queues = {
  /**
   * High-throughput FIFO. Visibility is six times the consumer's timeout, as AWS advises for Lambda. A record that keeps
   * failing for a passing reason is retried for about 15 minutes (back-off in core/limits.ts) before it becomes a dead letter.
   */
  Confirmations: {
    visibilitySeconds: 6 * functionSeconds.consumer,
    retentionSeconds: 14 * 86_400,
    receivesMost: 20,
    deadLetters: "DeadLetters",
  },
  DeadLetters: {
    visibilitySeconds: 6 * functionSeconds.consumer,
    retentionSeconds: 14 * 86_400,
  },
  /**
   * Batches of product events, a message group a shard. No dead letters: a batch that cannot be counted for a passing reason keeps its
   * place, or the order of its group would be lost; one that nobody can read is counted and let go; and the raw batches in the
   * ledger are there for a rebuild.
   */
  Events: {
    visibilitySeconds: 6 * functionSeconds.consumer,
    retentionSeconds: 14 * 86_400,
  },
} as const;

/** Attributes of a queue as the SQS API takes them. `deadLetterArn` is known only once that queue exists. */
export function queueAttributes(name: keyof typeof queues, deadLetterArn?: string): Record<string, string> {
  const queue = queues[name];
  return {
    FifoQueue: "true",
    DeduplicationScope: "messageGroup",
    FifoThroughputLimit: "perMessageGroupId",
    VisibilityTimeout: String(queue.visibilitySeconds),
    MessageRetentionPeriod: String(queue.retentionSeconds),
    ...("receivesMost" in queue && deadLetterArn
      ? { RedrivePolicy: JSON.stringify({ deadLetterTargetArn: deadLetterArn, maxReceiveCount: queue.receivesMost }) }
      : {}),
  };
}

/** How many batches of one queue are worked on at once. */
export const consumerConcurrency = { local: 4, production: 64 } as const;

/** The ledger's table: one item type a partition, see core/coupons/ledger.ts. Items whose `ttl` is past are removed. */
export const table = { hashKey: "pk", rangeKey: "sk", ttl: "ttl" } as const;
