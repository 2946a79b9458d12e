import type { Context } from "aws-lambda";
import { completeGiveBacks } from "../core/coupons/give-back.ts";
import { sweeper } from "../core/coupons/sweep.ts";
import { metrics } from "./log.ts";
import { base, couponSecret } from "./stores/base.ts";
import { confirmations } from "./stores/confirmations.ts";
import { deadLetters } from "./stores/dead-letters.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

const sweep = sweeper();
const ctx = { ...base, redis, table, confirmations, deadLetters, couponSecret: couponSecret() };

/** Sends again what waits in the outboxes, and completes give-backs that were cut off. Answers with what it found. */
export async function handler(_: unknown, { awsRequestId }: Context) {
  const requestId = `sweep:${awsRequestId}`;
  const swept = await sweep(ctx, { requestId });
  const givenBack = await completeGiveBacks(ctx);
  if (swept.waiting > 0 || givenBack > 0) base.log("swept", { ...swept, givenBack, requestId });
  metrics({}, { OutboxDepth: swept.waiting, OutboxAgeMs: swept.oldestMs, OutboxResent: swept.sent });
  return { ...swept, givenBack };
}
