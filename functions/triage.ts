import type { SQSBatchResponse, SQSEvent } from "aws-lambda";
import { triager } from "../core/coupons/triage.ts";
import { metrics } from "./log.ts";
import { spanned } from "./spans/spans.ts";
import { base } from "./stores/base.ts";
import { confirmations } from "./stores/confirmations.ts";
import { answerFor, receivedOf } from "./stores/consume.ts";
import { deadLetters } from "./stores/dead-letters.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

const triage = triager();
const ctx = { ...base, redis, table, confirmations };

/** Decides about dead letters: settle, send round again, take back, or keep for the operator. */
export const handler = spanned(async (event: SQSEvent): Promise<SQSBatchResponse> => {
  const batch = event.Records.map((record) => ({
    ...receivedOf(record),
    reason: record.messageAttributes.reason?.stringValue,
  }));
  const { failed, decisions } = await triage(ctx, batch);
  const { settled, redriven, compensated, kept } = decisions;
  metrics({}, { LettersSettled: settled, LettersRedriven: redriven, CouponsRevoked: compensated, LettersKept: kept });
  return answerFor(event, deadLetters, failed);
});
