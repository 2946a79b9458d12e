import type { Server } from "./server.ts";

/** The environment in which a function finds its stores, as the laptop's stack sets it. */
export function linkedEnv({ port }: Server, queues: { endpoint: string; url: string }): NodeJS.ProcessEnv {
  const linked = {
    App: { name: "firstcome", stage: "bench" },
    Redis: { host: "127.0.0.1", port },
    Confirmations: { url: queues.url },
    DeadLetters: { url: queues.url },
    Events: { url: queues.url },
    Ledger: { name: "firstcome-Ledger" },
    CouponSecret: { value: "a secret of the bench, 32 bytes and more" },
    RoomKeys: { value: "bench:a-key-of-the-bench-as-long-as-a-key-has-to-be-here" },
    Settings: {
      ...{ redisTls: false, redisCluster: false },
      ...{ sqsEndpoint: queues.endpoint, dynamodbEndpoint: queues.endpoint, cloudwatchEndpoint: queues.endpoint },
    },
  };
  const { NODE_OPTIONS: _, NODE_COMPILE_CACHE: __, ...env } = process.env;
  return {
    ...env,
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    ...Object.fromEntries(
      Object.entries(linked).map(([name, value]) => [`SST_RESOURCE_${name}`, JSON.stringify(value)]),
    ),
  };
}
