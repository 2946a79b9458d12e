import {
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import { seeded } from "../rush/random.ts";

const BATCH = 10;
/** While they are copied, the originals are hidden for so long, so that each receive brings others. */
const HIDDEN_SECONDS = 3;

/** A message that was delivered, to be delivered again. */
export interface Copy {
  readonly body: string;
  readonly groupId: string;
}

/** The queue of confirmations, past every proxy. */
export interface Queue {
  /** Copies of what waits there now, `most` of them at most. The messages themselves stay. */
  copies(most: number): Promise<Copy[]>;
  /** Sends each again as a message that the queue takes for a new one, in an order that `order` decides. */
  sendAgain(copies: readonly Copy[], order: number): Promise<void>;
  /** Messages waiting or in flight. */
  depth(): Promise<number>;
  close(): void;
}

export function openQueue(endpoint: string, url: string): Queue {
  const client = new SQSClient({
    endpoint,
    useQueueUrlAsEndpoint: false,
    region: process.env.AWS_REGION ?? "us-east-1",
    credentials: {
      accessKeyId: process.env.AWS_ACCESS_KEY_ID ?? "local",
      secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY ?? "local",
    },
  });
  let sent = 0;
  return {
    async copies(most) {
      const copies: Copy[] = [];
      while (copies.length < most) {
        const { Messages = [] } = await client.send(
          new ReceiveMessageCommand({
            QueueUrl: url,
            MaxNumberOfMessages: BATCH,
            VisibilityTimeout: HIDDEN_SECONDS,
            MessageSystemAttributeNames: ["MessageGroupId"],
          }),
        );
        if (Messages.length === 0) break;
        for (const { Body = "", Attributes } of Messages) {
          copies.push({ body: Body, groupId: Attributes?.MessageGroupId ?? "" });
        }
      }
      return copies;
    },

    async sendAgain(copies, order) {
      const random = seeded(order);
      const placed = copies.map((copy) => ({ copy, at: random.next() })).sort((left, right) => left.at - right.at);
      for (let from = 0; from < placed.length; from += BATCH) {
        const Entries = placed.slice(from, from + BATCH).map(({ copy }, index) => ({
          Id: String(index),
          MessageBody: copy.body,
          MessageGroupId: copy.groupId,
          MessageDeduplicationId: `again-${process.pid}-${Date.now()}-${sent++}`,
        }));
        await client.send(new SendMessageBatchCommand({ QueueUrl: url, Entries }));
      }
    },

    async depth() {
      const { Attributes = {} } = await client.send(
        new GetQueueAttributesCommand({
          QueueUrl: url,
          AttributeNames: ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        }),
      );
      return Object.values(Attributes).reduce((sum, count) => sum + Number(count), 0);
    },

    close: () => client.destroy(),
  };
}
