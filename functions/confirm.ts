import type { SQSBatchResponse, SQSEvent } from "aws-lambda";
import { confirmer } from "../core/coupons/confirm.ts";
import { spanned } from "./spans/spans.ts";
import { base } from "./stores/base.ts";
import { confirmations } from "./stores/confirmations.ts";
import { answerFor, receivedOf } from "./stores/consume.ts";
import { deadLetters } from "./stores/dead-letters.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

const confirm = confirmer();
const ctx = { ...base, redis, table, deadLetters };

/** The persister: a batch of confirmations into the ledger. */
export const handler = spanned(async (event: SQSEvent): Promise<SQSBatchResponse> => {
  const { failed } = await confirm(ctx, event.Records.map(receivedOf));
  return answerFor(event, confirmations, failed);
});
