import type { SQSBatchResponse, SQSEvent, SQSRecord } from "aws-lambda";
import type { Received } from "../../core/coupons/confirm.ts";
import type { QueueDoor } from "../../core/doors/sqs.ts";
import type { Trace } from "../../core/trace.ts";
import { postpone } from "./postpone.ts";

/** A record of a FIFO queue as the domain takes it. */
export function receivedOf(record: SQSRecord): Received & { receiptHandle: string; sequence: string } {
  return {
    messageId: record.messageId,
    body: record.body,
    groupId: record.attributes.MessageGroupId ?? "",
    receiveCount: Number(record.attributes.ApproximateReceiveCount),
    receiptHandle: record.receiptHandle,
    sequence: record.attributes.SequenceNumber ?? "",
    trace: traceOf(record),
  };
}

/** Whoever sent it says so in its attributes; a marker of a recovery, or a message by somebody else's hand, has none. */
function traceOf({ messageAttributes: { requestId, traceparent } }: SQSRecord): Trace | undefined {
  if (requestId?.stringValue === undefined) return undefined;
  return { requestId: requestId.stringValue, traceparent: traceparent?.stringValue };
}

/** Names what failed, so that only that comes again, and lets it come sooner than after the visibility timeout. */
export async function answerFor(
  event: SQSEvent,
  queue: QueueDoor,
  failed: readonly { readonly messageId: string }[],
): Promise<SQSBatchResponse> {
  const again = new Set(failed.map((received) => received.messageId));
  await postpone(
    queue,
    event.Records.map(receivedOf).filter((received) => again.has(received.messageId)),
  );
  return { batchItemFailures: [...again].map((itemIdentifier) => ({ itemIdentifier })) };
}
