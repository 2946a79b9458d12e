import type { SQSBatchResponse, SQSEvent } from "aws-lambda";
import { confirm } from "../core/coupons/confirm.ts";
import { base } from "./stores/base.ts";
import { deadLetters } from "./stores/dead-letters.ts";
import { postpone } from "./stores/postpone.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

const ctx = { ...base, redis, table, deadLetters };

/** The persister: a batch of confirmations into the ledger. What failed is named, so that only that comes again. */
export async function handler(event: SQSEvent): Promise<SQSBatchResponse> {
  const batch = event.Records.map((record) => ({
    messageId: record.messageId,
    body: record.body,
    groupId: record.attributes.MessageGroupId ?? "",
    receiveCount: Number(record.attributes.ApproximateReceiveCount),
    receiptHandle: record.receiptHandle,
  }));
  const { failed } = await confirm(ctx, batch);
  const again = new Set(failed.map((received) => received.messageId));
  await postpone(batch.filter((received) => again.has(received.messageId)));
  return { batchItemFailures: [...again].map((itemIdentifier) => ({ itemIdentifier })) };
}
