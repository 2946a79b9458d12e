import type { SQSBatchResponse, SQSEvent } from "aws-lambda";
import { applier } from "../core/rankings/apply.ts";
import { metrics } from "./log.ts";
import { spanned } from "./spans/spans.ts";
import { base } from "./stores/base.ts";
import { answerFor, receivedOf } from "./stores/consume.ts";
import { events } from "./stores/events.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

const apply = applier();
const ctx = { ...base, redis, table };

/** Counts messages of product events. */
export const handler = spanned(async (event: SQSEvent): Promise<SQSBatchResponse> => {
  const { failed, rows, duplicates, late, unreadable } = await apply(ctx, event.Records.map(receivedOf));
  metrics(
    {},
    { EventRowsApplied: rows, EventDuplicates: duplicates, EventRowsLate: late, EventMessagesUnreadable: unreadable },
  );
  return answerFor(
    event,
    events,
    failed.map((messageId) => ({ messageId })),
  );
});
