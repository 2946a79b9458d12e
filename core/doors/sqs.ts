import {
  ChangeMessageVisibilityBatchCommand,
  GetQueueAttributesCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import { StoreUnavailable } from "../context.ts";
import { limits } from "../limits.ts";

export interface QueueAddress {
  readonly url: string;
  /** Only where the queue is not AWS's own: the emulator's address. */
  readonly endpoint?: string;
}

export interface QueueMessage {
  readonly body: string;
  /** FIFO order and deduplication hold within one group. */
  readonly groupId: string;
  /** Two messages of a group with the same id within five minutes are one message. */
  readonly deduplicationId: string;
  /** String attributes, such as the reason of a dead letter. */
  readonly attributes?: Readonly<Record<string, string>>;
}

/** The one way to a FIFO queue. */
export interface QueueDoor {
  /** Resolves when SQS has acknowledged. Throws {@link StoreUnavailable} otherwise: the message may have arrived all the same. */
  send(message: QueueMessage): Promise<void>;
  /**
   * Sends up to `limits.queueBatch` messages in one call.
   * @returns for each message, in order, whether SQS has acknowledged it
   */
  sendBatch(messages: readonly QueueMessage[]): Promise<boolean[]>;
  /** Makes received messages visible again after so many seconds; at most `limits.queueBatch` of them. */
  postpone(messages: readonly { receiptHandle: string; seconds: number }[]): Promise<void>;
  /** Messages waiting and in flight, as SQS counts them (approximate). */
  depth(): Promise<{ waiting: number; inFlight: number }>;
  close(): void;
}

function attributesOf(message: QueueMessage) {
  if (!message.attributes) return {};
  const entries = Object.entries(message.attributes).map(
    ([name, value]) => [name, { DataType: "String", StringValue: value }] as const,
  );
  return { MessageAttributes: Object.fromEntries(entries) };
}

/** Opens a client. Each attempt has `limits.queueAttemptMs`, a call with its one retry `limits.queueBudgetMs`. */
export function openQueue(address: QueueAddress): QueueDoor {
  const client = new SQSClient({
    // With `endpoint` alone the client would still send to the queue URL's host, which an emulator need not resolve to.
    ...(address.endpoint ? { endpoint: address.endpoint, useQueueUrlAsEndpoint: false } : {}),
    maxAttempts: 2,
    requestHandler: {
      connectionTimeout: limits.queueAttemptMs,
      requestTimeout: limits.queueAttemptMs,
      throwOnRequestTimeout: true,
    },
  });

  async function guarded<T>(work: (options: { abortSignal: AbortSignal }) => Promise<T>): Promise<T> {
    try {
      return await work({ abortSignal: AbortSignal.timeout(limits.queueBudgetMs) });
    } catch (error) {
      throw new StoreUnavailable("queue", error);
    }
  }

  return {
    send: (message) =>
      guarded(async (options) => {
        const command = new SendMessageCommand({
          QueueUrl: address.url,
          MessageBody: message.body,
          MessageGroupId: message.groupId,
          MessageDeduplicationId: message.deduplicationId,
          ...attributesOf(message),
        });
        await client.send(command, options);
      }),
    sendBatch: (messages) =>
      guarded(async (options) => {
        const command = new SendMessageBatchCommand({
          QueueUrl: address.url,
          Entries: messages.map((message, index) => ({
            Id: String(index),
            MessageBody: message.body,
            MessageGroupId: message.groupId,
            MessageDeduplicationId: message.deduplicationId,
            ...attributesOf(message),
          })),
        });
        const { Successful = [] } = await client.send(command, options);
        const sent = new Set(Successful.map((entry) => entry.Id));
        return messages.map((_, index) => sent.has(String(index)));
      }),
    postpone: (messages) =>
      guarded(async (options) => {
        const command = new ChangeMessageVisibilityBatchCommand({
          QueueUrl: address.url,
          Entries: messages.map(({ receiptHandle, seconds }, index) => ({
            Id: String(index),
            ReceiptHandle: receiptHandle,
            VisibilityTimeout: seconds,
          })),
        });
        await client.send(command, options);
      }),
    depth: () =>
      guarded(async (options) => {
        const command = new GetQueueAttributesCommand({
          QueueUrl: address.url,
          AttributeNames: ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        });
        const { Attributes = {} } = await client.send(command, options);
        return {
          waiting: Number(Attributes.ApproximateNumberOfMessages ?? 0),
          inFlight: Number(Attributes.ApproximateNumberOfMessagesNotVisible ?? 0),
        };
      }),
    close: () => client.destroy(),
  };
}
