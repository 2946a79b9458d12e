import type { Server } from "node:http";
import { createRequire } from "node:module";
import type { Ctx } from "../../core/context.ts";
import { create } from "../../core/coupons/campaign.ts";
import { openTable } from "../../core/doors/dynamodb.ts";
import { openQueue } from "../../core/doors/sqs.ts";
import { isRefusal } from "../../core/words.ts";
import { createQueues, createTable } from "../../local/resources.ts";
import { startSqs } from "../../local/sqs/server.ts";
import { unique } from "./client.ts";
import { startRedis, type TestRedis } from "./redis.ts";

const dynalite = createRequire(import.meta.url)("dynalite") as (options: object) => Server;

/** Real stores for tests of the domain: a Redis server, and the emulators of SQS and DynamoDB, through the official clients. */
export interface Parts {
  readonly redis: TestRedis;
  readonly ctx: Ctx;
  readonly sqsEndpoint: string;
  readonly queueUrl: string;
  readonly deadLetterUrl: string;
  readonly eventsUrl: string;
  /** What was logged. */
  readonly logged: { event: string; facts: Readonly<Record<string, unknown>> }[];
  /** An open campaign; @returns its id */
  campaign(content?: Partial<Parameters<typeof create>[1]>): Promise<string>;
  stop(): Promise<void>;
}

/** @param queueNow the queue's clock, to let its visibility timeouts and its deduplication window pass at once */
export async function startParts(queueNow?: () => number): Promise<Parts> {
  process.env.AWS_REGION ??= "us-east-1";
  process.env.AWS_ACCESS_KEY_ID ??= "local";
  process.env.AWS_SECRET_ACCESS_KEY ??= "local";
  const dynamodb = dynalite({ createTableMs: 0 });
  const [redis, sqs] = await Promise.all([
    startRedis(),
    startSqs(queueNow ? { now: queueNow } : {}),
    new Promise<void>((resolve) => dynamodb.listen(0, "127.0.0.1", () => resolve())),
  ]);
  const address = dynamodb.address();
  const endpoint = `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;
  const [urls] = await Promise.all([createQueues(sqs.endpoint, "test-"), createTable(endpoint, "test-Ledger")]);
  const logged: Parts["logged"] = [];
  const confirmations = openQueue({ url: urls.Confirmations, endpoint: sqs.endpoint });
  const deadLetters = openQueue({ url: urls.DeadLetters, endpoint: sqs.endpoint });
  const events = openQueue({ url: urls.Events, endpoint: sqs.endpoint });
  const table = openTable({ name: "test-Ledger", endpoint });
  const ctx: Ctx = {
    now: () => Date.now(),
    log: (event, facts) => logged.push({ event, facts }),
    redis: redis.door,
    confirmations,
    deadLetters,
    events,
    table,
    couponSecret: "a test's secret",
    roomKeys: [{ id: "test", secret: "a test's key, which is as long as a key must be" }],
  };
  return {
    redis,
    ctx,
    sqsEndpoint: sqs.endpoint,
    queueUrl: urls.Confirmations,
    deadLetterUrl: urls.DeadLetters,
    eventsUrl: urls.Events,
    logged,
    async campaign(content = {}) {
      const campaignId = unique("c");
      const now = Date.now();
      const draft = {
        campaignId,
        name: "test",
        stock: 10,
        perUser: 1,
        opensAt: now - 60_000,
        closesAt: now + 3_600_000,
        ...content,
      };
      const result = await create(ctx, draft);
      if (isRefusal(result)) throw new Error(`no campaign: ${result.detail}`);
      return campaignId;
    },
    async stop() {
      for (const door of [confirmations, deadLetters, events, table]) door.close();
      await redis.stop();
      await sqs.stop();
      await new Promise<void>((resolve) => dynamodb.close(() => resolve()));
    },
  };
}
