import { DeleteMessageBatchCommand, type Message, ReceiveMessageCommand, type SQSClient } from "@aws-sdk/client-sqs";

/**
 * Lambda's event source mapping for one FIFO queue: long polls, hands batches of up to ten to the function, and deletes what
 * the function did not name as failed. What is not deleted comes again after its visibility timeout; the queue itself keeps
 * the order within a group and moves to the dead letters what came too often.
 */

export interface MappingOptions {
  readonly sqs: SQSClient;
  readonly queueUrl: string;
  readonly queueArn: string;
  readonly invoke: (event: unknown) => Promise<unknown>;
  /** Batches worked on at once. */
  readonly concurrency: number;
}

/** A message as Lambda shows it to a function. */
export function toRecord(message: Message, queueArn: string) {
  const attributes = Object.entries(message.MessageAttributes ?? {}).map(([name, value]) => [
    name,
    { dataType: value.DataType, stringValue: value.StringValue, stringListValues: [], binaryListValues: [] },
  ]);
  return {
    messageId: message.MessageId ?? "",
    receiptHandle: message.ReceiptHandle ?? "",
    body: message.Body ?? "",
    attributes: message.Attributes ?? {},
    messageAttributes: Object.fromEntries(attributes),
    md5OfBody: message.MD5OfBody ?? "",
    eventSource: "aws:sqs",
    eventSourceARN: queueArn,
    awsRegion: queueArn.split(":")[3] ?? "",
  };
}

/** Ids that the function names as failed. Lambda takes an answer that it cannot read for a failure of the whole batch. */
export function failedIds(answer: unknown, all: readonly string[]): Set<string> {
  if (answer === null || answer === undefined) return new Set();
  const failures = (answer as { batchItemFailures?: unknown }).batchItemFailures ?? [];
  if (!Array.isArray(failures)) return new Set(all);
  const ids = failures.map((failure: { itemIdentifier?: unknown }) => failure?.itemIdentifier);
  if (ids.some((id) => typeof id !== "string" || !all.includes(id))) return new Set(all);
  return new Set(ids as string[]);
}

export function startMapping(options: MappingOptions): { stop(): Promise<void> } {
  const { sqs, queueUrl, queueArn, invoke, concurrency } = options;
  const stopping = new AbortController();

  const poll = async (): Promise<void> => {
    const command = new ReceiveMessageCommand({
      QueueUrl: queueUrl,
      MaxNumberOfMessages: 10,
      WaitTimeSeconds: 20,
      MessageSystemAttributeNames: ["All"],
      MessageAttributeNames: ["All"],
    });
    const { Messages = [] } = await sqs.send(command, { abortSignal: stopping.signal });
    if (Messages.length === 0) return;
    const ids = Messages.map((message) => message.MessageId ?? "");
    let failed: Set<string>;
    try {
      failed = failedIds(await invoke({ Records: Messages.map((message) => toRecord(message, queueArn)) }), ids);
    } catch (error) {
      console.log(JSON.stringify({ event: "batch-failed", error: String(error) }));
      failed = new Set(ids);
    }
    const done = Messages.filter((message) => !failed.has(message.MessageId ?? ""));
    if (done.length === 0) return;
    const Entries = done.map((message, i) => ({ Id: String(i), ReceiptHandle: message.ReceiptHandle ?? "" }));
    await sqs.send(new DeleteMessageBatchCommand({ QueueUrl: queueUrl, Entries }));
  };

  const loop = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        await poll();
      } catch (error) {
        if (stopping.signal.aborted) return;
        console.log(JSON.stringify({ event: "poll-failed", error: String(error) }));
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    }
  };

  const loops = Array.from({ length: concurrency }, loop);
  return {
    async stop() {
      stopping.abort();
      await Promise.all(loops);
    },
  };
}
