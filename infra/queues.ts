import { queues as settings } from "./settings.ts";

/** The FIFO queues of infra/settings.ts, all in high-throughput mode. A queue's dead letters go to a FIFO queue as well. */

type QueueName = keyof typeof settings;
const made = new Map<string, sst.aws.Queue>();

function create(name: QueueName): sst.aws.Queue {
  const before = made.get(name);
  if (before) return before;
  const it: { visibilitySeconds: number; retentionSeconds: number; receivesMost?: number; deadLetters?: QueueName } =
    settings[name];
  const dlq =
    it.deadLetters && it.receivesMost ? { queue: create(it.deadLetters).arn, retry: it.receivesMost } : undefined;
  const queue = new sst.aws.Queue(name, {
    fifo: true,
    visibilityTimeout: `${it.visibilitySeconds} seconds`,
    ...(dlq ? { dlq } : {}),
    transform: {
      queue: (args) => {
        // Together these two lift the limit of 300 calls a second from the queue to each of its groups.
        args.deduplicationScope = "messageGroup";
        args.fifoThroughputLimit = "perMessageGroupId";
        args.messageRetentionSeconds = it.retentionSeconds;
        args.sqsManagedSseEnabled = true;
      },
    },
  });
  made.set(name, queue);
  return queue;
}

export const queues = Object.fromEntries(Object.keys(settings).map((name) => [name, create(name as QueueName)]));
