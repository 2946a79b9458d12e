import {
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SetQueueAttributesCommand,
  SQSClient,
  StartMessageMoveTaskCommand,
} from "@aws-sdk/client-sqs";
import { openQueue, type QueueDoor } from "../../core/doors/sqs.ts";
import { limits } from "../../core/limits.ts";
import { createQueues } from "../resources.ts";
import { startSqs } from "../sqs/server.ts";

/** A message as a consumer gets it. */
export interface Mail {
  readonly messageId: string;
  readonly body: string;
  readonly groupId: string;
  readonly receiveCount: number;
  readonly reason: string | undefined;
  readonly receiptHandle: string;
}

/** Both queues of the system in an emulator of their own, with a clock that moves only when it is told to. */
export interface MailRoom {
  readonly confirmationsUrl: string;
  readonly deadLettersUrl: string;
  readonly confirmations: QueueDoor;
  readonly deadLetters: QueueDoor;
  now(): number;
  /** Lets time pass at the queues. */
  pass(ms: number): void;
  /** API calls so far. What only looks (attributes) is not counted. */
  calls(): number;
  /** One receive, of up to ten messages. */
  receive(url: string): Promise<Mail[]>;
  /** Receives and never deletes, until nothing comes: a consumer that dies. */
  takeAll(url: string): Promise<Mail[]>;
  /** @returns whether SQS took it for done; it refuses a consumer whose time was up */
  done(url: string, mails: readonly Mail[]): Promise<boolean>;
  /** Hands out and deletes, until nothing comes. */
  drain(url: string, handle: (mails: Mail[]) => Promise<unknown>): Promise<number>;
  /** Messages that can be received, and those that somebody has. */
  depth(url: string): Promise<{ waiting: number; inFlight: number }>;
  /** How often a message is received before it becomes a dead letter. */
  setReceivesMost(times: number): Promise<void>;
  /** Sends all dead letters back to where they came from, by one call. */
  moveBack(): Promise<void>;
  close(): Promise<void>;
}

export async function openMailRoom(): Promise<MailRoom> {
  process.env.AWS_REGION ??= "us-east-1";
  process.env.AWS_ACCESS_KEY_ID ??= "local";
  process.env.AWS_SECRET_ACCESS_KEY ??= "local";
  let clockMs = Date.now();
  const now = () => clockMs;
  const sqs = await startSqs({ now });
  const { endpoint } = sqs;
  const urls = await createQueues(endpoint, "stuck-");
  const client = new SQSClient({ endpoint, useQueueUrlAsEndpoint: false });
  let calls = 0;

  const counted = (url: string): QueueDoor => {
    const door = openQueue({ url, endpoint });
    return {
      ...door,
      send: (message) => {
        calls++;
        return door.send(message);
      },
      sendBatch: (messages) => {
        calls++;
        return door.sendBatch(messages);
      },
    };
  };
  const confirmations = counted(urls.Confirmations);
  const deadLetters = counted(urls.DeadLetters);

  const receive: MailRoom["receive"] = async (QueueUrl) => {
    calls++;
    const { Messages = [] } = await client.send(
      new ReceiveMessageCommand({
        QueueUrl,
        MaxNumberOfMessages: limits.queueBatch,
        MessageSystemAttributeNames: ["MessageGroupId", "ApproximateReceiveCount"],
        MessageAttributeNames: ["reason"],
      }),
    );
    return Messages.map(({ MessageId, Body, Attributes, MessageAttributes, ReceiptHandle }) => ({
      messageId: MessageId ?? "",
      body: Body ?? "",
      groupId: Attributes?.MessageGroupId ?? "",
      receiveCount: Number(Attributes?.ApproximateReceiveCount),
      reason: MessageAttributes?.reason?.StringValue,
      receiptHandle: ReceiptHandle ?? "",
    }));
  };
  const done: MailRoom["done"] = async (QueueUrl, mails) => {
    calls++;
    const Entries = mails.map(({ receiptHandle }, index) => ({ Id: String(index), ReceiptHandle: receiptHandle }));
    const { Failed = [] } = await client.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }));
    return Failed.length === 0;
  };
  const attributes = async (QueueUrl: string): Promise<Readonly<Record<string, string>>> => {
    const reply = await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] }));
    return reply.Attributes ?? {};
  };
  const deadLettersArn = async () => (await attributes(urls.DeadLetters)).QueueArn ?? "";

  return {
    confirmationsUrl: urls.Confirmations,
    deadLettersUrl: urls.DeadLetters,
    confirmations,
    deadLetters,
    now,
    pass(ms) {
      clockMs += ms;
      sqs.clockMoved();
    },
    calls: () => calls,
    receive,
    async takeAll(url) {
      const all: Mail[] = [];
      for (let mails = await receive(url); mails.length > 0; mails = await receive(url)) all.push(...mails);
      return all;
    },
    done,
    async drain(url, handle) {
      let count = 0;
      for (let mails = await receive(url); mails.length > 0; mails = await receive(url)) {
        await handle(mails);
        if (!(await done(url, mails))) throw new Error("SQS did not delete what it had just handed out");
        count += mails.length;
      }
      return count;
    },
    depth: async (url) => {
      const { ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible } = await attributes(url);
      return { waiting: Number(ApproximateNumberOfMessages), inFlight: Number(ApproximateNumberOfMessagesNotVisible) };
    },
    async setReceivesMost(times) {
      const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: await deadLettersArn(), maxReceiveCount: times });
      await client.send(new SetQueueAttributesCommand({ QueueUrl: urls.Confirmations, Attributes: { RedrivePolicy } }));
    },
    async moveBack() {
      const SourceArn = await deadLettersArn();
      calls++;
      await client.send(new StartMessageMoveTaskCommand({ SourceArn }));
    },
    async close() {
      confirmations.close();
      deadLetters.close();
      client.destroy();
      await sqs.stop();
    },
  };
}
