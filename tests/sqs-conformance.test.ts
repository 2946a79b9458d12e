import { type ChildProcess, fork, spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import {
  CancelMessageMoveTaskCommand,
  ChangeMessageVisibilityBatchCommand,
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListDeadLetterSourceQueuesCommand,
  ListMessageMoveTasksCommand,
  ListQueuesCommand,
  ListQueueTagsCommand,
  type Message,
  type MessageAttributeValue,
  PurgeQueueCommand,
  type QueueAttributeName,
  ReceiveMessageCommand,
  type ReceiveMessageCommandInput,
  SendMessageBatchCommand,
  type SendMessageBatchRequestEntry,
  SendMessageCommand,
  type SendMessageCommandInput,
  SetQueueAttributesCommand,
  SQSClient,
  StartMessageMoveTaskCommand,
  TagQueueCommand,
  UntagQueueCommand,
} from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RunningSqs, startSqs } from "../local/sqs/server.ts";

/**
 * The contract between the local SQS and the code that is written against it: what AWS documents of
 * Amazon SQS, asked through the official client. With FIRSTCOME_SQS_ENDPOINT the same suite asks
 * another endpoint, such as the real service, and thereby tells whether the contract itself is true.
 */
const REMOTE = process.env.FIRSTCOME_SQS_ENDPOINT;
const PREFIX = `conformance-${randomUUID().slice(0, 8)}`;
const MAIN = join(import.meta.dirname, "../local/sqs/main.ts");

/** What a receive waits that is expected to end sooner, by what happens meanwhile: the longest there is. */
const WAIT_SECONDS = 20;

/** The real service may overlook messages when it is asked only briefly. */
const PATIENCE_SECONDS = REMOTE === undefined ? 0 : 3;

type Attributes = Partial<Record<QueueAttributeName, string>>;
type SendOptions = Partial<SendMessageCommandInput>;
type ReceiveOptions = Partial<ReceiveMessageCommandInput>;

/** A queue on some endpoint, in as few words as the tests need. */
class TestQueue {
  readonly sqs: SQSClient;
  readonly url: string;
  readonly fifo: boolean;

  constructor(sqs: SQSClient, url: string, fifo: boolean) {
    this.sqs = sqs;
    this.url = url;
    this.fifo = fifo;
  }

  /** In a FIFO queue the body serves as the deduplication id, unless the test says otherwise. */
  send(body: string, options: SendOptions = {}) {
    const ids = this.fifo ? { MessageGroupId: "group", MessageDeduplicationId: body } : {};
    return this.sqs.send(new SendMessageCommand({ QueueUrl: this.url, MessageBody: body, ...ids, ...options }));
  }

  sendBatch(Entries: SendMessageBatchRequestEntry[]) {
    return this.sqs.send(new SendMessageBatchCommand({ QueueUrl: this.url, Entries }));
  }

  async receive(options: ReceiveOptions = {}): Promise<Message[]> {
    const result = await this.sqs.send(
      new ReceiveMessageCommand({
        QueueUrl: this.url,
        MaxNumberOfMessages: 10,
        WaitTimeSeconds: PATIENCE_SECONDS,
        MessageSystemAttributeNames: ["All"],
        ...options,
      }),
    );
    return result.Messages ?? [];
  }

  async receiveOne(options: ReceiveOptions = {}): Promise<Message> {
    const [message] = await this.receive({ MaxNumberOfMessages: 1, ...options });
    if (message === undefined) {
      throw new Error("The queue gave no message");
    }
    return message;
  }

  delete(message: Message) {
    return this.sqs.send(new DeleteMessageCommand({ QueueUrl: this.url, ReceiptHandle: message.ReceiptHandle }));
  }

  hideFor(seconds: number, message: Message) {
    const { ReceiptHandle } = message;
    const VisibilityTimeout = seconds;
    return this.sqs.send(new ChangeMessageVisibilityCommand({ QueueUrl: this.url, ReceiptHandle, VisibilityTimeout }));
  }

  purge() {
    return this.sqs.send(new PurgeQueueCommand({ QueueUrl: this.url }));
  }

  configure(Attributes: Attributes) {
    return this.sqs.send(new SetQueueAttributesCommand({ QueueUrl: this.url, Attributes }));
  }

  async attributes(...names: QueueAttributeName[]): Promise<Attributes> {
    const result = await this.sqs.send(new GetQueueAttributesCommand({ QueueUrl: this.url, AttributeNames: names }));
    return result.Attributes ?? {};
  }

  async arn(): Promise<string> {
    return (await this.attributes("QueueArn")).QueueArn ?? "";
  }

  async counts() {
    const attributes = await this.attributes("All");
    return {
      visible: Number(attributes.ApproximateNumberOfMessages),
      inFlight: Number(attributes.ApproximateNumberOfMessagesNotVisible),
      delayed: Number(attributes.ApproximateNumberOfMessagesDelayed),
    };
  }

  /** Receives and deletes until nothing is left, and tells the bodies in the order in which they came. */
  async drain(): Promise<string[]> {
    const bodies: string[] = [];
    for (let messages = await this.receive(); messages.length > 0; messages = await this.receive()) {
      bodies.push(...bodiesOf(messages));
      await Promise.all(messages.map((message) => this.delete(message)));
    }
    return bodies;
  }
}

/** An endpoint together with the queues a test made there. */
class TestAccount {
  readonly sqs: SQSClient;
  readonly #urls: string[] = [];

  constructor(endpoint: string) {
    const key = { accessKeyId: "local", secretAccessKey: "local" };
    this.sqs = new SQSClient({
      endpoint,
      region: process.env.AWS_REGION ?? "us-east-1",
      ...(process.env.AWS_ACCESS_KEY_ID === undefined ? { credentials: key } : {}),
      useQueueUrlAsEndpoint: false,
      maxAttempts: 1,
    });
  }

  fifo(attributes: Attributes = {}): Promise<TestQueue> {
    return this.create(`${newName()}.fifo`, { FifoQueue: "true", ...attributes });
  }

  standard(attributes: Attributes = {}): Promise<TestQueue> {
    return this.create(newName(), attributes);
  }

  async create(QueueName: string, Attributes: Attributes): Promise<TestQueue> {
    const { QueueUrl } = await this.sqs.send(new CreateQueueCommand({ QueueName, Attributes }));
    const url = QueueUrl ?? "";
    this.#urls.push(url);
    return new TestQueue(this.sqs, url, QueueName.endsWith(".fifo"));
  }

  /** A queue and its dead-letter queue, to which a message goes after it was received `maxReceiveCount` times. */
  async withDeadLetters(kind: "fifo" | "standard", maxReceiveCount: number) {
    const deadLetters = await this[kind]();
    const source = await this[kind]({ RedrivePolicy: redrivePolicy(await deadLetters.arn(), maxReceiveCount) });
    return { source, deadLetters };
  }

  async close(): Promise<void> {
    if (REMOTE !== undefined) {
      await Promise.allSettled(this.#urls.map((QueueUrl) => this.sqs.send(new DeleteQueueCommand({ QueueUrl }))));
    }
    this.sqs.destroy();
  }
}

function newName(): string {
  return `${PREFIX}-${randomUUID().slice(0, 13)}`;
}

function redrivePolicy(deadLetterTargetArn: string, maxReceiveCount: number): string {
  return JSON.stringify({ deadLetterTargetArn, maxReceiveCount });
}

function bodiesOf(messages: readonly Message[]): string[] {
  return messages.map((message) => message.Body ?? "");
}

/** The name of the error with which a request is refused. */
async function refusal(request: Promise<unknown>): Promise<string> {
  try {
    await request;
  } catch (error) {
    return error instanceof Error ? error.name : String(error);
  }
  return "accepted";
}

/** The bodies a request brings, and after how many milliseconds. */
async function timed(request: Promise<Message[]>): Promise<{ bodies: string[]; ms: number }> {
  const start = performance.now();
  const bodies = bodiesOf(await request);
  return { bodies, ms: performance.now() - start };
}

/** Receives one message so often that the next receive would be one too many. */
async function receiveTimes(count: number, queue: TestQueue): Promise<void> {
  for (let time = 0; time < count; time++) {
    await queue.receiveOne({ VisibilityTimeout: 0 });
  }
}

/** A test of what only the local SQS offers; against another endpoint it shows as skipped, with the reason. */
function localTest(title: string, reason: string, run: () => Promise<void>): void {
  test.skipIf(REMOTE !== undefined)(REMOTE === undefined ? title : `${title} [skipped: ${reason}]`, run);
}

const EXACT = "counts are approximate there";

/** A test on an SQS of its own whose clock it can move. */
function clockTest(title: string, run: (account: TestAccount, pass: (seconds: number) => void) => Promise<void>): void {
  const withClock = async () => {
    let passedMs = 0;
    const server = await startSqs({ now: () => Date.now() + passedMs });
    const account = new TestAccount(server.endpoint);
    try {
      await run(account, (seconds) => {
        passedMs += seconds * 1000;
      });
    } finally {
      await account.close();
      await server.stop();
    }
  };
  localTest(title, "needs a clock that can be moved", withClock);
}

let server: RunningSqs | undefined;
let account: TestAccount;

beforeAll(async () => {
  server = REMOTE === undefined ? await startSqs() : undefined;
  account = new TestAccount(REMOTE ?? server?.endpoint ?? "");
});

afterAll(async () => {
  await account.close();
  await server?.stop();
}, 60_000);

describe.concurrent("FIFO order", () => {
  test("messages of a group arrive in the order in which they were sent", async () => {
    const queue = await account.fifo();
    const sent = Array.from({ length: 25 }, (_, index) => `message-${index}`);
    for (const body of sent) {
      await queue.send(body);
    }
    expect(await queue.drain()).toEqual(sent);
  });

  test("one receive brings several messages of a group, in order", async () => {
    const queue = await account.fifo();
    for (const body of ["a1", "a2", "a3", "a4", "a5"]) {
      await queue.send(body);
    }
    expect(bodiesOf(await queue.receive())).toEqual(["a1", "a2", "a3", "a4", "a5"]);
  });

  test("a receive takes as many messages of one group as it can before it turns to the next", async () => {
    const queue = await account.fifo();
    const entries = Array.from({ length: 8 }, (_, index) => entry(`a${index}`, "A"));
    await queue.sendBatch(entries);
    await queue.sendBatch([entry("b0", "B"), entry("b1", "B"), entry("b2", "B")]);
    expect(bodiesOf(await queue.receive())).toEqual(["a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "b0", "b1"]);
  });

  test("a group is blocked while one of its messages is in flight, and other groups are not", async () => {
    const queue = await account.fifo();
    await queue.send("a1", { MessageGroupId: "A" });
    await queue.send("a2", { MessageGroupId: "A" });
    await queue.send("b1", { MessageGroupId: "B" });
    const first = await queue.receiveOne();
    expect(first.Body).toBe("a1");
    expect(bodiesOf(await queue.receive())).toEqual(["b1"]);
    expect(await queue.receive()).toEqual([]);
    await queue.delete(first);
    expect(bodiesOf(await queue.receive())).toEqual(["a2"]);
  });

  test("a group stays blocked until the last of its messages in flight is done", async () => {
    const queue = await account.fifo();
    for (const body of ["a1", "a2", "a3"]) {
      await queue.send(body);
    }
    const [first, second] = await queue.receive({ MaxNumberOfMessages: 2 });
    await queue.delete(first ?? {});
    expect(await queue.receive()).toEqual([]);
    await queue.delete(second ?? {});
    expect(bodiesOf(await queue.receive())).toEqual(["a3"]);
  });

  test("a message that is given back waits while a later one of its group is still in flight", async () => {
    const queue = await account.fifo();
    await queue.send("a1");
    await queue.send("a2");
    const [first, second] = await queue.receive();
    await queue.hideFor(0, first ?? {});
    expect(await queue.receive()).toEqual([]);
    await queue.delete(second ?? {});
    expect(bodiesOf(await queue.receive())).toEqual(["a1"]);
  });

  test("messages given back in any order are received again in their old order", async () => {
    const queue = await account.fifo();
    for (const body of ["a1", "a2", "a3"]) {
      await queue.send(body);
    }
    for (const message of (await queue.receive()).reverse()) {
      await queue.hideFor(0, message);
    }
    expect(bodiesOf(await queue.receive())).toEqual(["a1", "a2", "a3"]);
  });

  test("a full group does not keep another group from being served", async () => {
    const queue = await account.fifo();
    await queue.sendBatch(Array.from({ length: 10 }, (_, index) => entry(`a${index}`, "A")));
    await queue.sendBatch([entry("a10", "A"), entry("b0", "B")]);
    await queue.receive();
    expect(bodiesOf(await queue.receive())).toEqual(["b0"]);
  });

  test("sequence numbers have 20 digits and rise with every message", async () => {
    const queue = await account.fifo();
    const { Successful = [] } = await queue.sendBatch(Array.from({ length: 10 }, (_, index) => entry(`${index}`)));
    const single = await queue.send("last");
    const numbers = [...Successful.map((result) => result.SequenceNumber ?? ""), single.SequenceNumber ?? ""];
    expect(numbers.every((number) => /^\d{20}$/.test(number))).toBe(true);
    expect(numbers).toEqual([...new Set(numbers)].sort());
    expect((await queue.receive()).map((message) => message.Attributes?.SequenceNumber)).toEqual(numbers.slice(0, 10));
  });

  test("a FIFO queue refuses messages without a group, without a way to deduplicate, or with a delay of their own", async () => {
    const queue = await account.fifo();
    expect(await refusal(queue.send("x", { MessageGroupId: undefined }))).toBe("MissingParameter");
    expect(await refusal(queue.send("x", { MessageDeduplicationId: undefined }))).toBe("InvalidParameterValue");
    expect(await refusal(queue.send("x", { DelaySeconds: 5 }))).toBe("InvalidParameterValue");
    expect(await queue.receive()).toEqual([]);
  });

  test("group and deduplication ids are limited to 128 printable characters", async () => {
    const queue = await account.fifo();
    expect(await refusal(queue.send("x", { MessageGroupId: "g".repeat(129) }))).toBe("InvalidParameterValue");
    expect(await refusal(queue.send("x", { MessageDeduplicationId: "with space" }))).toBe("InvalidParameterValue");
    expect(await refusal(queue.send("x", { MessageGroupId: "!#$%&'()*+,-./:;<=>?@[]^_`{|}~".padEnd(128, "9") }))).toBe(
      "accepted",
    );
  });
});

describe.concurrent("Deduplication", () => {
  test("a deduplication id that was used is accepted again and delivers nothing", async () => {
    const queue = await account.fifo();
    const first = await queue.send("one", { MessageDeduplicationId: "same" });
    const second = await queue.send("two", { MessageDeduplicationId: "same" });
    expect(second.MessageId).toBe(first.MessageId);
    expect(second.SequenceNumber).toBe(first.SequenceNumber);
    expect(await queue.drain()).toEqual(["one"]);
  });

  test("an id is still remembered after its message was received and deleted", async () => {
    const queue = await account.fifo();
    const first = await queue.send("one", { MessageDeduplicationId: "same" });
    await queue.delete(await queue.receiveOne());
    const second = await queue.send("two", { MessageDeduplicationId: "same" });
    expect(second.MessageId).toBe(first.MessageId);
    expect(await queue.receive()).toEqual([]);
  });

  localTest("an id is still remembered after the queue was purged", "a purge takes a minute there", async () => {
    const queue = await account.fifo();
    await queue.send("one", { MessageDeduplicationId: "same" });
    await queue.purge();
    await queue.send("two", { MessageDeduplicationId: "same" });
    expect(await queue.receive()).toEqual([]);
  });

  clockTest("an id is refused for five minutes and no longer", async (clocked, pass) => {
    const queue = await clocked.fifo();
    await queue.send("one", { MessageDeduplicationId: "same" });
    pass(299);
    await queue.send("two", { MessageDeduplicationId: "same" });
    expect(await queue.drain()).toEqual(["one"]);
    pass(2);
    await queue.send("three", { MessageDeduplicationId: "same" });
    expect(await queue.drain()).toEqual(["three"]);
  });

  test("by default an id counts for the whole queue", async () => {
    const queue = await account.fifo();
    await queue.send("in A", { MessageGroupId: "A", MessageDeduplicationId: "same" });
    await queue.send("in B", { MessageGroupId: "B", MessageDeduplicationId: "same" });
    expect(await queue.drain()).toEqual(["in A"]);
  });

  test("with DeduplicationScope messageGroup, an id counts for each group by itself", async () => {
    const queue = await account.fifo({ DeduplicationScope: "messageGroup" });
    await queue.send("in A", { MessageGroupId: "A", MessageDeduplicationId: "same" });
    await queue.send("in B", { MessageGroupId: "B", MessageDeduplicationId: "same" });
    await queue.send("in A again", { MessageGroupId: "A", MessageDeduplicationId: "same" });
    expect((await queue.drain()).sort()).toEqual(["in A", "in B"]);
  });

  test("content-based deduplication looks at the body and not at the attributes", async () => {
    const queue = await account.fifo({ ContentBasedDeduplication: "true" });
    const unnamed = { MessageDeduplicationId: undefined };
    await queue.send("same", unnamed);
    await queue.send("same", { ...unnamed, MessageAttributes: { kind: text("other") } });
    await queue.send("different", unnamed);
    await queue.send("third body", { MessageDeduplicationId: createHash("sha256").update("same").digest("hex") });
    expect(await queue.drain()).toEqual(["same", "different"]);
  });

  test("an explicit id takes precedence over the content", async () => {
    const queue = await account.fifo({ ContentBasedDeduplication: "true" });
    await queue.send("same", { MessageDeduplicationId: "one" });
    await queue.send("same", { MessageDeduplicationId: "two" });
    expect(await queue.drain()).toEqual(["same", "same"]);
  });

  test("within one batch, too, an id is delivered once", async () => {
    const queue = await account.fifo();
    const { Successful = [] } = await queue.sendBatch([
      { ...entry("one"), MessageDeduplicationId: "same" },
      { ...entry("two"), MessageDeduplicationId: "same" },
    ]);
    expect(new Set(Successful.map((result) => result.MessageId)).size).toBe(1);
    expect(await queue.drain()).toEqual(["one"]);
  });

  test("a receive repeated with the same attempt id brings the same messages with the same handles", async () => {
    const queue = await account.fifo();
    await queue.send("a1");
    await queue.send("a2");
    const lost = await queue.receive({ ReceiveRequestAttemptId: "attempt" });
    const repeated = await queue.receive({ ReceiveRequestAttemptId: "attempt" });
    expect(bodiesOf(repeated)).toEqual(["a1", "a2"]);
    expect(repeated.map((message) => message.ReceiptHandle)).toEqual(lost.map((message) => message.ReceiptHandle));
    expect(repeated[0]?.Attributes?.ApproximateReceiveCount).toBe("1");
  });

  test("an attempt id brings nothing again once one of its messages was deleted", async () => {
    const queue = await account.fifo();
    await queue.send("a1");
    await queue.send("a2");
    const [first] = await queue.receive({ ReceiveRequestAttemptId: "attempt" });
    await queue.delete(first ?? {});
    expect(await queue.receive({ ReceiveRequestAttemptId: "attempt" })).toEqual([]);
  });

  clockTest("a repeated receive starts the visibility timeout anew", async (clocked, pass) => {
    const queue = await clocked.fifo();
    await queue.send("a1");
    await queue.receive({ ReceiveRequestAttemptId: "attempt" });
    pass(20);
    await queue.receive({ ReceiveRequestAttemptId: "attempt" });
    pass(20);
    expect(await queue.receive()).toEqual([]);
    pass(11);
    expect(bodiesOf(await queue.receive())).toEqual(["a1"]);
  });
});

describe.concurrent("Visibility and receipt handles", () => {
  test("a message that is not deleted comes back after its visibility timeout, with a raised receive count", async () => {
    const queue = await account.fifo({ VisibilityTimeout: "1" });
    await queue.send("a1");
    await queue.send("a2");
    const first = await queue.receive();
    expect(await queue.receive({ WaitTimeSeconds: 0 })).toEqual([]);
    const again = await queue.receive({ WaitTimeSeconds: 5 });
    expect(bodiesOf(again)).toEqual(["a1", "a2"]);
    expect(first.map(receiveCount)).toEqual(["1", "1"]);
    expect(again.map(receiveCount)).toEqual(["2", "2"]);
    expect(again[0]?.ReceiptHandle).not.toBe(first[0]?.ReceiptHandle);
    expect(again[0]?.Attributes?.ApproximateFirstReceiveTimestamp).toBe(
      first[0]?.Attributes?.ApproximateFirstReceiveTimestamp,
    );
  });

  test("the timeout of a receive takes precedence over that of the queue", async () => {
    const queue = await account.standard({ VisibilityTimeout: "43200" });
    await queue.send("x");
    await queue.receive({ VisibilityTimeout: 1 });
    expect(bodiesOf(await queue.receive({ WaitTimeSeconds: 5 }))).toEqual(["x"]);
  });

  test("a longer timeout can be asked for while a message is in flight", async () => {
    const queue = await account.fifo({ VisibilityTimeout: "1" });
    await queue.send("x");
    await queue.hideFor(30, await queue.receiveOne());
    expect(await queue.receive({ WaitTimeSeconds: 2 })).toEqual([]);
  });

  clockTest("a message is hidden for twelve hours from its receipt at most", async (clocked, pass) => {
    const queue = await clocked.standard();
    await queue.send("x");
    const message = await queue.receiveOne({ VisibilityTimeout: 43_200 });
    pass(3_600);
    expect(await refusal(queue.hideFor(43_200, message))).toBe("InvalidParameterValue");
    expect(await refusal(queue.hideFor(39_000, message))).toBe("accepted");
  });

  test("timeouts beyond twelve hours are refused", async () => {
    const queue = await account.standard();
    await queue.send("x");
    const message = await queue.receiveOne();
    expect(await refusal(queue.hideFor(43_201, message))).toBe("InvalidParameterValue");
    expect(await refusal(queue.receive({ VisibilityTimeout: 43_201 }))).toBe("InvalidParameterValue");
  });

  test("a FIFO queue refuses a delete with an expired handle and keeps the message", async () => {
    const queue = await account.fifo({ VisibilityTimeout: "1" });
    await queue.send("a1");
    const message = await queue.receiveOne();
    await sleep(1_200);
    expect(await refusal(queue.delete(message))).toBe("InvalidParameterValue");
    expect(await queue.drain()).toEqual(["a1"]);
  });

  test("a standard queue still deletes by the latest handle after the visibility timeout", async () => {
    const queue = await account.standard();
    await queue.send("x");
    await queue.delete(await queue.receiveOne({ VisibilityTimeout: 0 }));
    expect(await queue.receive()).toEqual([]);
  });

  test("a standard queue accepts an old handle and leaves the message to its new receiver", async () => {
    const queue = await account.standard();
    await queue.send("x");
    const old = await queue.receiveOne({ VisibilityTimeout: 0 });
    const latest = await queue.receiveOne();
    expect(await refusal(queue.delete(old))).toBe("accepted");
    await queue.hideFor(0, latest);
    expect(await queue.drain()).toEqual(["x"]);
  });

  test("a message can be deleted twice with the same handle", async () => {
    for (const queue of [await account.fifo(), await account.standard()]) {
      await queue.send("x");
      const message = await queue.receiveOne();
      await queue.delete(message);
      expect(await refusal(queue.delete(message))).toBe("accepted");
    }
  });

  test("what never was a receipt handle is refused", async () => {
    for (const queue of [await account.fifo(), await account.standard()]) {
      expect(await refusal(queue.delete({ ReceiptHandle: "nonsense" }))).toBe("ReceiptHandleIsInvalid");
      expect(await refusal(queue.hideFor(1, { ReceiptHandle: "nonsense" }))).toBe("ReceiptHandleIsInvalid");
    }
  });

  test("the visibility of a deleted message cannot be changed", async () => {
    const queue = await account.fifo();
    await queue.send("x");
    const message = await queue.receiveOne();
    await queue.delete(message);
    expect(await refusal(queue.hideFor(1, message))).toBe("InvalidParameterValue");
  });
});

describe.concurrent("Dead letters", () => {
  for (const kind of ["fifo", "standard"] as const) {
    test(`a ${kind} message goes to the dead-letter queue instead of being received once too often`, async () => {
      const { source, deadLetters } = await account.withDeadLetters(kind, 2);
      const sent = await source.send("poison");
      await receiveTimes(2, source);
      expect(await source.receive()).toEqual([]);
      const dead = await deadLetters.receiveOne();
      expect(dead.Body).toBe("poison");
      expect(dead.MessageId).toBe(sent.MessageId);
      expect(receiveCount(dead)).toBe("3");
      expect(dead.Attributes?.DeadLetterQueueSourceArn).toBe(await source.arn());
    });
  }

  test("a dead letter frees its group, whose next message is received in the same request", async () => {
    const { source, deadLetters } = await account.withDeadLetters("fifo", 1);
    await source.send("poison");
    await source.send("healthy");
    await receiveTimes(1, source);
    expect(bodiesOf(await source.receive())).toEqual(["healthy"]);
    expect(bodiesOf(await deadLetters.receive())).toEqual(["poison"]);
  });

  test("the message id of a FIFO dead letter takes the place of its deduplication id", async () => {
    const { source, deadLetters } = await account.withDeadLetters("fifo", 1);
    const sent = await source.send("poison", { MessageGroupId: "A", MessageDeduplicationId: "original" });
    await receiveTimes(1, source);
    await source.receive();
    const dead = await deadLetters.receiveOne();
    expect(dead.Attributes).toMatchObject({ MessageGroupId: "A", MessageDeduplicationId: sent.MessageId });
  });

  test("a consumer that waits at the dead-letter queue gets the dead letter at once", async () => {
    const { source, deadLetters } = await account.withDeadLetters("fifo", 1);
    await source.send("poison");
    await receiveTimes(1, source);
    const waiting = timed(deadLetters.receive({ WaitTimeSeconds: WAIT_SECONDS }));
    await sleep(100);
    await source.receive();
    const { bodies, ms } = await waiting;
    expect(bodies).toEqual(["poison"]);
    expect(ms).toBeLessThan(1_000 * WAIT_SECONDS);
  });

  test("a dead-letter queue has to exist, and to be of the type of its source", async () => {
    const fifoArn = await (await account.fifo()).arn();
    const standardArn = await (await account.standard()).arn();
    const policy = (arn: string) => ({ RedrivePolicy: redrivePolicy(arn, 2) });
    expect(await refusal(account.fifo(policy(standardArn)))).toBe("InvalidParameterValue");
    expect(await refusal(account.standard(policy(fifoArn)))).toBe("InvalidParameterValue");
    expect(await refusal(account.standard(policy(`${standardArn}-missing`)))).toBe("InvalidParameterValue");
    expect(await refusal(account.standard(policy("no arn")))).toBe("InvalidParameterValue");
    expect(await refusal((await account.fifo()).configure(policy(standardArn)))).toBe("InvalidParameterValue");
  });

  test("a message can be received between 1 and 1000 times before it is given up", async () => {
    const arn = await (await account.standard()).arn();
    expect(await refusal(account.standard({ RedrivePolicy: redrivePolicy(arn, 0) }))).toBe("InvalidParameterValue");
    expect(await refusal(account.standard({ RedrivePolicy: redrivePolicy(arn, 1001) }))).toBe("InvalidParameterValue");
    expect(await refusal(account.standard({ RedrivePolicy: redrivePolicy(arn, 1000) }))).toBe("accepted");
  });

  test("a queue can refuse to serve as a dead-letter queue", async () => {
    const closed = await account.standard({ RedriveAllowPolicy: JSON.stringify({ redrivePermission: "denyAll" }) });
    const policy = redrivePolicy(await closed.arn(), 2);
    expect(await refusal(account.standard({ RedrivePolicy: policy }))).not.toBe("accepted");
  });

  test("the sources of a dead-letter queue can be listed", async () => {
    const { source, deadLetters } = await account.withDeadLetters("fifo", 2);
    const list = await account.sqs.send(new ListDeadLetterSourceQueuesCommand({ QueueUrl: deadLetters.url }));
    expect(list.queueUrls).toEqual([source.url]);
  });

  test("a move task brings dead letters back to their source as new messages", async () => {
    const { source, deadLetters } = await account.withDeadLetters("fifo", 1);
    const sent = await source.send("poison");
    await receiveTimes(1, source);
    await source.receive();
    const SourceArn = await deadLetters.arn();
    const { TaskHandle } = await account.sqs.send(new StartMessageMoveTaskCommand({ SourceArn }));
    expect(TaskHandle).toBeTruthy();
    const back = await source.receiveOne({ WaitTimeSeconds: 10 });
    expect(back.Body).toBe("poison");
    expect(back.MessageId).not.toBe(sent.MessageId);
    expect(receiveCount(back)).toBe("1");
    expect(back.Attributes?.DeadLetterQueueSourceArn).toBeUndefined();
    const { Results = [] } = await account.sqs.send(new ListMessageMoveTasksCommand({ SourceArn }));
    expect(Results[0]).toMatchObject({ SourceArn, ApproximateNumberOfMessagesToMove: 1 });
  });

  test("a move task can take dead letters to another queue of the same type", async () => {
    const { source, deadLetters } = await account.withDeadLetters("standard", 1);
    const other = await account.standard();
    await source.send("poison");
    await receiveTimes(1, source);
    await source.receive();
    const [SourceArn, DestinationArn] = [await deadLetters.arn(), await other.arn()];
    await account.sqs.send(new StartMessageMoveTaskCommand({ SourceArn, DestinationArn }));
    expect(bodiesOf(await other.receive({ WaitTimeSeconds: 10 }))).toEqual(["poison"]);
  });

  localTest("a move task reports what it moved", "it runs on after it was started there", async () => {
    const { source, deadLetters } = await account.withDeadLetters("fifo", 1);
    await source.sendBatch([entry("p1", "A"), entry("p2", "B")]);
    await source.receive({ VisibilityTimeout: 0 });
    await source.receive();
    const SourceArn = await deadLetters.arn();
    await account.sqs.send(new StartMessageMoveTaskCommand({ SourceArn }));
    const { Results = [] } = await account.sqs.send(new ListMessageMoveTasksCommand({ SourceArn }));
    expect(Results).toHaveLength(1);
    expect(Results[0]).toMatchObject({
      Status: "COMPLETED",
      ApproximateNumberOfMessagesMoved: 2,
      ApproximateNumberOfMessagesToMove: 2,
    });
    expect(Results[0]?.TaskHandle).toBeUndefined();
  });

  localTest(
    "a message that was sent to a dead-letter queue directly has no source to go back to",
    "as above",
    async () => {
      const { deadLetters } = await account.withDeadLetters("standard", 1);
      await deadLetters.send("stray");
      const SourceArn = await deadLetters.arn();
      await account.sqs.send(new StartMessageMoveTaskCommand({ SourceArn }));
      const { Results = [] } = await account.sqs.send(new ListMessageMoveTasksCommand({ SourceArn }));
      expect(Results[0]).toMatchObject({ Status: "FAILED", FailureReason: "CouldNotDetermineMessageSource" });
      expect(await deadLetters.drain()).toEqual(["stray"]);
    },
  );

  test("move tasks are refused for what is no dead-letter queue, and for destinations that do not exist", async () => {
    const { deadLetters } = await account.withDeadLetters("standard", 1);
    const [deadArn, plainArn] = [await deadLetters.arn(), await (await account.standard()).arn()];
    const start = (SourceArn: string, DestinationArn?: string) =>
      refusal(account.sqs.send(new StartMessageMoveTaskCommand({ SourceArn, DestinationArn })));
    expect(await start(plainArn)).toBe("InvalidParameterValue");
    expect(await start(`${plainArn}-missing`)).toBe("ResourceNotFoundException");
    expect(await start(deadArn, `${plainArn}-missing`)).toBe("ResourceNotFoundException");
    const cancel = new CancelMessageMoveTaskCommand({ TaskHandle: "nonsense" });
    expect(await refusal(account.sqs.send(cancel))).not.toBe("accepted");
  });
});

describe.concurrent("Batches", () => {
  const tooFewOrTooMany = [
    ["eleven entries", "TooManyEntriesInBatchRequest", Array.from({ length: 11 }, (_, index) => entry(`${index}`))],
    ["no entry", "EmptyBatchRequest", []],
    ["the same id twice", "BatchEntryIdsNotDistinct", [entry("same"), entry("same")]],
    ["an id with other signs than letters and digits", "InvalidBatchEntryId", [{ ...entry("x"), Id: "no:id" }]],
  ] as const;
  for (const [what, error, entries] of tooFewOrTooMany) {
    test(`a batch with ${what} is refused as a whole`, async () => {
      const queue = await account.fifo();
      expect(await refusal(queue.sendBatch([...entries]))).toBe(error);
      expect(await queue.receive()).toEqual([]);
    });
  }

  test("deletes and changes of visibility have the same limits on a batch", async () => {
    const { url: QueueUrl } = await account.standard();
    const Entries = Array.from({ length: 11 }, (_, index) => ({ Id: `${index}`, ReceiptHandle: "x" }));
    const tooMany = "TooManyEntriesInBatchRequest";
    expect(await refusal(account.sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries })))).toBe(tooMany);
    const hide = Entries.map((each) => ({ ...each, VisibilityTimeout: 1 }));
    const change = new ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries: hide });
    expect(await refusal(account.sqs.send(change))).toBe(tooMany);
  });

  test("a batch of ten is sent in the order of its entries", async () => {
    const queue = await account.fifo();
    const entries = Array.from({ length: 10 }, (_, index) => entry(`message-${index}`));
    const { Successful = [], Failed = [] } = await queue.sendBatch(entries);
    expect(Successful.map((result) => result.Id)).toEqual(entries.map((each) => each.Id));
    expect(Failed).toEqual([]);
    expect(await queue.drain()).toEqual(entries.map((each) => each.MessageBody));
  });

  test("one bad entry fails alone and the others are sent", async () => {
    const queue = await account.standard();
    const { Successful = [], Failed = [] } = await queue.sendBatch([
      { Id: "good", MessageBody: "good" },
      { Id: "bad", MessageBody: "bad", DelaySeconds: 901 },
      { Id: "fine", MessageBody: "fine" },
    ]);
    expect(Successful.map((result) => result.Id)).toEqual(["good", "fine"]);
    expect(Failed).toMatchObject([{ Id: "bad", Code: "InvalidParameterValue", SenderFault: true }]);
    expect((await queue.drain()).sort()).toEqual(["fine", "good"]);
  });

  test("in a FIFO queue, too, one bad entry fails alone", async () => {
    const queue = await account.fifo();
    const { Successful = [], Failed = [] } = await queue.sendBatch([entry("a1"), { ...entry("a2"), DelaySeconds: 5 }]);
    expect(Successful.map((result) => result.Id)).toEqual(["a1"]);
    expect(Failed.map((result) => result.Id)).toEqual(["a2"]);
    expect(await queue.drain()).toEqual(["a1"]);
  });

  test("an entry without a group or deduplication id refuses the whole batch of a FIFO queue", async () => {
    const queue = await account.fifo();
    const { MessageGroupId: _group, ...withoutGroup } = entry("a2");
    const { MessageDeduplicationId: _id, ...withoutId } = entry("a3");
    expect(await refusal(queue.sendBatch([entry("a1"), withoutGroup]))).toBe("InvalidParameterValue");
    expect(await refusal(queue.sendBatch([entry("a1"), withoutId]))).toBe("InvalidParameterValue");
    expect(await queue.receive()).toEqual([]);
  });

  test("a batch of deletes reports the one handle that is none", async () => {
    const queue = await account.fifo();
    await queue.sendBatch([entry("a1"), entry("a2")]);
    const handles = (await queue.receive()).map((message) => message.ReceiptHandle);
    const Entries = [...handles, "nonsense"].map((ReceiptHandle, index) => ({ Id: `${index}`, ReceiptHandle }));
    const result = await account.sqs.send(new DeleteMessageBatchCommand({ QueueUrl: queue.url, Entries }));
    expect(result.Successful?.map((each) => each.Id)).toEqual(["0", "1"]);
    expect(result.Failed).toMatchObject([{ Id: "2", Code: "ReceiptHandleIsInvalid", SenderFault: true }]);
    expect(await queue.receive()).toEqual([]);
  });

  test("a batch of visibility changes gives messages back and reports the one handle that is none", async () => {
    const queue = await account.fifo();
    await queue.sendBatch([entry("a1"), entry("a2")]);
    const handles = (await queue.receive()).map((message) => message.ReceiptHandle);
    const Entries = [...handles, "nonsense"].map((ReceiptHandle, index) => ({
      Id: `${index}`,
      ReceiptHandle,
      VisibilityTimeout: 0,
    }));
    const change = new ChangeMessageVisibilityBatchCommand({ QueueUrl: queue.url, Entries });
    expect((await account.sqs.send(change)).Failed).toMatchObject([{ Id: "2", Code: "ReceiptHandleIsInvalid" }]);
    expect(await queue.drain()).toEqual(["a1", "a2"]);
  });

  test("the messages of a batch may have 1 MiB together", async () => {
    const queue = await account.standard();
    const half = { MessageBody: "x".repeat(512 * 1024) };
    const small = { Id: "c", MessageBody: "x" };
    expect(await refusal(queue.sendBatch([{ Id: "a", ...half }, { Id: "b", ...half }, small]))).toBe(
      "BatchRequestTooLong",
    );
    expect(
      await refusal(
        queue.sendBatch([
          { Id: "a", ...half },
          { Id: "b", ...half },
        ]),
      ),
    ).toBe("accepted");
  });
});

describe.concurrent("Long polls", () => {
  test("a waiting receive ends as soon as a message is sent", async () => {
    const queue = await account.fifo();
    const waiting = timed(queue.receive({ WaitTimeSeconds: WAIT_SECONDS }));
    await sleep(100);
    await queue.send("x");
    const { bodies, ms } = await waiting;
    expect(bodies).toEqual(["x"]);
    expect(ms).toBeLessThan(1_000 * WAIT_SECONDS);
  });

  test("a waiting receive of an empty queue lasts as long as it said", async () => {
    const queue = await account.fifo();
    const { bodies, ms } = await timed(queue.receive({ WaitTimeSeconds: 1 }));
    expect(bodies).toEqual([]);
    expect(ms).toBeGreaterThan(950);
  });

  test("the queue can say how long a receive waits", async () => {
    const queue = await account.standard({ ReceiveMessageWaitTimeSeconds: "1" });
    const { ms } = await timed(queue.receive({ WaitTimeSeconds: undefined }));
    expect(ms).toBeGreaterThan(950);
    expect((await timed(queue.receive({ WaitTimeSeconds: 0 }))).ms).toBeLessThan(ms);
  });

  test("of two waiting receives one gets the message, and the other waits on", async () => {
    const queue = await account.fifo();
    const polls = [timed(queue.receive({ WaitTimeSeconds: 2 })), timed(queue.receive({ WaitTimeSeconds: 2 }))];
    await sleep(100);
    await queue.send("x");
    const [winner, other] = (await Promise.all(polls)).sort((one, two) => one.ms - two.ms);
    expect(winner?.bodies).toEqual(["x"]);
    expect(other?.bodies).toEqual([]);
    expect(other?.ms).toBeGreaterThan(1_900);
  });

  test("each of many waiting receives gets a message of its own", async () => {
    const queue = await account.fifo();
    const polls = Array.from({ length: 5 }, () => queue.receive({ WaitTimeSeconds: 10 }));
    await sleep(100);
    await queue.sendBatch(Array.from({ length: 5 }, (_, index) => entry(`m${index}`, `group-${index}`)));
    const first = await Promise.race(polls);
    for (const message of first) {
      await queue.delete(message);
    }
    const refill = Array.from({ length: 5 }, (_, index) =>
      queue.send(`late-${index}`, { MessageGroupId: `late-${index}` }),
    );
    await Promise.all(refill);
    const received = (await Promise.all(polls)).flat();
    const ids = received.map((message) => message.MessageId);
    expect(new Set(ids).size).toBe(ids.length);
    expect((await Promise.all(polls)).every((messages) => messages.length > 0)).toBe(true);
  });

  test("an aborted receive swallows no message", async () => {
    const queue = await account.fifo();
    const abort = new AbortController();
    const receive = new ReceiveMessageCommand({ QueueUrl: queue.url, WaitTimeSeconds: 20 });
    const aborted = refusal(account.sqs.send(receive, { abortSignal: abort.signal }));
    await sleep(200);
    abort.abort();
    expect(await aborted).toBe("AbortError");
    await sleep(100);
    await queue.send("x");
    expect(receiveCount(await queue.receiveOne({ WaitTimeSeconds: 1 }))).toBe("1");
  });

  test("a waiting receive ends when a message becomes visible again", async () => {
    const queue = await account.fifo({ VisibilityTimeout: "1" });
    await queue.send("x");
    await queue.receive();
    const { bodies, ms } = await timed(queue.receive({ WaitTimeSeconds: WAIT_SECONDS }));
    expect(bodies).toEqual(["x"]);
    expect(ms).toBeLessThan(1_000 * WAIT_SECONDS);
  });

  test("a waiting receive ends when a message is given back", async () => {
    const queue = await account.fifo();
    await queue.send("x");
    const message = await queue.receiveOne();
    const waiting = timed(queue.receive({ WaitTimeSeconds: WAIT_SECONDS }));
    await sleep(100);
    await queue.hideFor(0, message);
    expect((await waiting).ms).toBeLessThan(1_000 * WAIT_SECONDS);
  });

  test("a waiting receive ends when a delete opens the group", async () => {
    const queue = await account.fifo();
    await queue.send("a1");
    await queue.send("a2");
    const first = await queue.receiveOne();
    const waiting = timed(queue.receive({ WaitTimeSeconds: WAIT_SECONDS }));
    await sleep(100);
    await queue.delete(first);
    const { bodies, ms } = await waiting;
    expect(bodies).toEqual(["a2"]);
    expect(ms).toBeLessThan(1_000 * WAIT_SECONDS);
  });

  test("between 1 and 10 messages can be asked for, and a wait of up to 20 seconds", async () => {
    const queue = await account.standard();
    expect(await refusal(queue.receive({ MaxNumberOfMessages: 0 }))).toBe("InvalidParameterValue");
    expect(await refusal(queue.receive({ MaxNumberOfMessages: 11 }))).toBe("InvalidParameterValue");
    expect(await refusal(queue.receive({ WaitTimeSeconds: 21 }))).toBe("InvalidParameterValue");
  });
});

describe.concurrent("Message contents", () => {
  test("emoji and other signs beyond the basic plane arrive as they were sent", async () => {
    const queue = await account.standard();
    await queue.send("쿠폰 🎟️ \t\n\r 𝄞");
    expect((await queue.receiveOne()).Body).toBe("쿠폰 🎟️ \t\n\r 𝄞");
  });

  test("signs that XML does not know are refused", async () => {
    const queue = await account.standard();
    expect(await refusal(queue.send("bell \u0007"))).toBe("InvalidMessageContents");
    expect(await refusal(queue.send("not a sign \uFFFF"))).toBe("InvalidMessageContents");
  });

  test("an empty message is refused", async () => {
    const queue = await account.standard();
    expect(await refusal(queue.send(""))).not.toBe("accepted");
  });

  test("a message may have 1 MiB and not one byte more", async () => {
    const queue = await account.fifo();
    const ids = (id: string) => ({ MessageDeduplicationId: id });
    expect(await refusal(queue.send("x".repeat(1_048_576), ids("fits")))).toBe("accepted");
    expect(await refusal(queue.send("x".repeat(1_048_577), ids("too long")))).toBe("InvalidParameterValue");
    expect((await queue.receiveOne()).Body).toHaveLength(1_048_576);
  });

  localTest("a queue can set a lower limit, in which attributes count", "it takes up to a minute there", async () => {
    const queue = await account.standard({ MaximumMessageSize: "1024" });
    expect(await refusal(queue.send("é".repeat(512)))).toBe("accepted");
    expect(await refusal(queue.send("é".repeat(512), { MessageAttributes: { a: text("b") } }))).toBe(
      "InvalidParameterValue",
    );
  });

  /** The digests are those the real service answers for these attributes. */
  const attributes = { Hello: text("There"), General: text("Kenobi"), "Help.Me": text("Me") };
  const selections = [
    [["All"], "4c360f3fdafd970e05fae2f149d997f5"],
    [[".*"], "4c360f3fdafd970e05fae2f149d997f5"],
    [["Hello", "General"], "fca026605781cb4126a1e9044df24232"],
    [["Hello", "Absent"], "a311262e065454b75da111d535b8dacd"],
    [["Hel.*"], "83fee93c1bcd8b9a5a923ffacdc636c7"],
    [["Absent"], undefined],
    [[], undefined],
  ] as const;

  test("message attributes are returned when they are asked for, with the digest of those returned", async () => {
    const queue = await account.standard();
    const sent = await queue.send("msg", { MessageAttributes: attributes });
    expect(sent.MD5OfMessageAttributes).toBe("4c360f3fdafd970e05fae2f149d997f5");
    for (const [names, digest] of selections) {
      const message = await queue.receiveOne({ MessageAttributeNames: [...names], VisibilityTimeout: 0 });
      expect(message.MD5OfMessageAttributes).toBe(digest);
      expect(message.MessageAttributes === undefined).toBe(digest === undefined);
    }
  });

  test("text, numbers and bytes come back as they were sent", async () => {
    const queue = await account.fifo();
    const MessageAttributes: Record<string, MessageAttributeValue> = {
      text: text("쿠폰"),
      number: { DataType: "Number.int", StringValue: "42" },
      bytes: { DataType: "Binary", BinaryValue: new Uint8Array([0, 1, 254, 255]) },
    };
    await queue.send("x", { MessageAttributes });
    const received = (await queue.receiveOne({ MessageAttributeNames: ["All"] })).MessageAttributes ?? {};
    expect(received.text).toMatchObject({ DataType: "String", StringValue: "쿠폰" });
    expect(received.number).toMatchObject({ DataType: "Number.int", StringValue: "42" });
    expect([...(received.bytes?.BinaryValue ?? [])]).toEqual([0, 1, 254, 255]);
  });

  test("attributes without a value, of an unknown type, or more than ten are refused", async () => {
    const queue = await account.standard();
    const send = (MessageAttributes: Record<string, MessageAttributeValue>) =>
      refusal(queue.send("x", { MessageAttributes }));
    expect(await send({ empty: text("") })).toBe("InvalidParameterValue");
    expect(await send({ odd: { DataType: "Boolean", StringValue: "true" } })).toBe("InvalidParameterValue");
    expect(await send({ "AWS.own": text("reserved") })).toBe("InvalidParameterValue");
    const eleven = Object.fromEntries(Array.from({ length: 11 }, (_, index) => [`a${index}`, text("x")]));
    expect(await send(eleven)).toBe("InvalidParameterValue");
  });

  test("system attributes are returned only when they are asked for", async () => {
    const queue = await account.fifo();
    await queue.send("x", { MessageDeduplicationId: "d" });
    const bare = await queue.receiveOne({ MessageSystemAttributeNames: undefined, VisibilityTimeout: 0 });
    expect(bare.Attributes).toBeUndefined();
    const one = await queue.receiveOne({ MessageSystemAttributeNames: ["MessageGroupId"], VisibilityTimeout: 0 });
    expect(one.Attributes).toEqual({ MessageGroupId: "group" });
    const before = await queue.receiveOne({
      MessageSystemAttributeNames: undefined,
      AttributeNames: ["All"],
      VisibilityTimeout: 0,
    });
    expect(before.Attributes).toMatchObject({ MessageGroupId: "group", MessageDeduplicationId: "d" });
    expect(receiveCount(before)).toBe("3");
    expect(Number(before.Attributes?.SentTimestamp)).toBeGreaterThan(1_600_000_000_000);
    expect(before.Attributes?.SenderId).toBeTruthy();
  });

  test("the trace header of a message is kept", async () => {
    const queue = await account.standard();
    const header = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1";
    await queue.send("x", { MessageSystemAttributes: { AWSTraceHeader: text(header) } });
    expect((await queue.receiveOne()).Attributes?.AWSTraceHeader).toBe(header);
  });

  test("a standard queue keeps the group id of a fair queue and blocks no group", async () => {
    const queue = await account.standard();
    await queue.send("x", { MessageGroupId: "tenant" });
    expect((await queue.receiveOne()).Attributes?.MessageGroupId).toBe("tenant");
    await queue.send("y", { MessageGroupId: "tenant" });
    expect(bodiesOf(await queue.receive())).toEqual(["y"]);
  });

  test("a standard queue refuses a deduplication id", async () => {
    const queue = await account.standard();
    expect(await refusal(queue.send("x", { MessageDeduplicationId: "d" }))).toBe("InvalidParameterValue");
  });
});

describe.concurrent("Queues and their attributes", () => {
  test("a FIFO queue tells its attributes, with the defaults AWS documents", async () => {
    const queue = await account.fifo();
    expect(await queue.attributes("All")).toMatchObject({
      FifoQueue: "true",
      ContentBasedDeduplication: "false",
      DeduplicationScope: "queue",
      FifoThroughputLimit: "perQueue",
      VisibilityTimeout: "30",
      DelaySeconds: "0",
      MessageRetentionPeriod: "345600",
      ReceiveMessageWaitTimeSeconds: "0",
      MaximumMessageSize: "1048576",
    });
  });

  test("a standard queue has no attributes of FIFO queues", async () => {
    const queue = await account.standard();
    const attributes = await queue.attributes("All");
    expect(attributes.VisibilityTimeout).toBe("30");
    expect(Object.keys(attributes).filter((name) => /fifo|dedup/i.test(name))).toEqual([]);
    expect(await refusal(queue.configure({ ContentBasedDeduplication: "true" }))).toBe("InvalidAttributeName");
  });

  test("only the attributes that are asked for are told", async () => {
    const queue = await account.standard();
    expect(await queue.attributes()).toEqual({});
    expect(Object.keys(await queue.attributes("QueueArn", "DelaySeconds")).sort()).toEqual([
      "DelaySeconds",
      "QueueArn",
    ]);
  });

  test("high throughput can be chosen when a FIFO queue is made, and later", async () => {
    const high = { DeduplicationScope: "messageGroup", FifoThroughputLimit: "perMessageGroupId" };
    const made = await account.fifo(high);
    expect(await made.attributes("All")).toMatchObject(high);
    const changed = await account.fifo();
    await changed.configure(high);
    expect(await changed.attributes("All")).toMatchObject(high);
  });

  test("a throughput limit per group needs deduplication per group", async () => {
    const perGroup = { FifoThroughputLimit: "perMessageGroupId" };
    expect(await refusal(account.fifo(perGroup))).toBe("InvalidAttributeValue");
    const queue = await account.fifo();
    expect(await refusal(queue.configure(perGroup))).toBe("InvalidAttributeValue");
    expect(await queue.attributes("FifoThroughputLimit")).toEqual({ FifoThroughputLimit: "perQueue" });
  });

  test("values out of range and unknown attributes are refused", async () => {
    expect(await refusal(account.standard({ VisibilityTimeout: "43201" }))).toBe("InvalidAttributeValue");
    expect(await refusal(account.standard({ DelaySeconds: "901" }))).toBe("InvalidAttributeValue");
    expect(await refusal(account.standard({ MessageRetentionPeriod: "59" }))).toBe("InvalidAttributeValue");
    expect(await refusal(account.fifo({ DeduplicationScope: "galaxy" }))).toBe("InvalidAttributeValue");
    const unknown = { Colour: "red" } as Attributes;
    expect(await refusal(account.standard(unknown))).toBe("InvalidAttributeName");
  });

  test("the age of the oldest message is a metric and no attribute of the queue", async () => {
    const queue = await account.standard();
    const name = "ApproximateAgeOfOldestMessage" as QueueAttributeName;
    expect(await refusal(queue.attributes(name))).toBe("InvalidAttributeName");
  });

  test("the type of a queue shows in its name and cannot be changed", async () => {
    expect(await refusal(account.create(`${newName()}.fifo`, {}))).toBe("InvalidParameterValue");
    expect(await refusal(account.create(newName(), { FifoQueue: "true" }))).toBe("InvalidParameterValue");
    const queue = await account.fifo();
    expect(await refusal(queue.configure({ FifoQueue: "false" }))).toBe("InvalidAttributeValue");
  });

  test("a queue can be created again with the same attributes and not with others", async () => {
    const name = newName();
    const queue = await account.create(name, { VisibilityTimeout: "5" });
    expect((await account.create(name, { VisibilityTimeout: "5" })).url).toBe(queue.url);
    expect(await refusal(account.create(name, { VisibilityTimeout: "6" }))).toBe("QueueNameExists");
  });

  test("a queue is found by its name", async () => {
    const QueueName = `${newName()}.fifo`;
    const queue = await account.create(QueueName, { FifoQueue: "true" });
    expect((await account.sqs.send(new GetQueueUrlCommand({ QueueName }))).QueueUrl).toBe(queue.url);
    const missing = new GetQueueUrlCommand({ QueueName: newName() });
    expect(await refusal(account.sqs.send(missing))).toBe("QueueDoesNotExist");
  });

  localTest("queues are listed by prefix, page by page", "a list may lag behind there", async () => {
    const QueueNamePrefix = newName();
    const urls: string[] = [];
    for (const suffix of ["a", "b", "c"]) {
      urls.push((await account.create(`${QueueNamePrefix}-${suffix}`, {})).url);
    }
    const all = await account.sqs.send(new ListQueuesCommand({ QueueNamePrefix }));
    expect(all.QueueUrls).toEqual(urls);
    expect(all.NextToken).toBeUndefined();
    const first = await account.sqs.send(new ListQueuesCommand({ QueueNamePrefix, MaxResults: 2 }));
    const { NextToken } = first;
    const second = await account.sqs.send(new ListQueuesCommand({ QueueNamePrefix, MaxResults: 2, NextToken }));
    expect([...(first.QueueUrls ?? []), ...(second.QueueUrls ?? [])]).toEqual(urls);
    expect(second.NextToken).toBeUndefined();
  });

  test("tags can be set, replaced and taken away", async () => {
    const { url: QueueUrl } = await account.standard();
    const tags = async () => (await account.sqs.send(new ListQueueTagsCommand({ QueueUrl }))).Tags ?? {};
    await account.sqs.send(new TagQueueCommand({ QueueUrl, Tags: { team: "coupons", stage: "dev" } }));
    await account.sqs.send(new TagQueueCommand({ QueueUrl, Tags: { stage: "test" } }));
    expect(await tags()).toEqual({ team: "coupons", stage: "test" });
    await account.sqs.send(new UntagQueueCommand({ QueueUrl, TagKeys: ["team"] }));
    expect(await tags()).toEqual({ stage: "test" });
  });

  localTest("a deleted queue is gone", "a delete takes a minute there", async () => {
    const queue = await account.standard();
    await account.sqs.send(new DeleteQueueCommand({ QueueUrl: queue.url }));
    expect(await refusal(queue.send("x"))).toBe("QueueDoesNotExist");
    expect(await refusal(queue.receive())).toBe("QueueDoesNotExist");
  });

  localTest(
    "a handle of a deleted queue is worth nothing in its successor",
    "a name is free after a minute there",
    async () => {
      const name = newName();
      const old = await account.create(name, {});
      await old.send("x");
      const message = await old.receiveOne();
      await account.sqs.send(new DeleteQueueCommand({ QueueUrl: old.url }));
      const successor = await account.create(name, {});
      expect(await successor.receive()).toEqual([]);
      expect(await refusal(successor.delete(message))).toBe("ReceiptHandleIsInvalid");
    },
  );

  localTest("visible, in-flight and delayed messages are counted exactly and at once", EXACT, async () => {
    const queue = await account.standard({ VisibilityTimeout: "1" });
    for (const body of ["a", "b", "c", "d", "e"]) {
      await queue.send(body);
    }
    await queue.send("later", { DelaySeconds: 900 });
    expect(await queue.counts()).toEqual({ visible: 5, inFlight: 0, delayed: 1 });
    await queue.receive({ MaxNumberOfMessages: 2 });
    expect(await queue.counts()).toEqual({ visible: 3, inFlight: 2, delayed: 1 });
    await queue.delete(await queue.receiveOne());
    expect(await queue.counts()).toEqual({ visible: 2, inFlight: 2, delayed: 1 });
    await sleep(1_100);
    expect(await queue.counts()).toEqual({ visible: 4, inFlight: 0, delayed: 1 });
  });

  localTest(
    "a purge takes everything, messages in flight and delayed ones too",
    "it takes a minute there",
    async () => {
      const queue = await account.standard();
      await queue.send("in flight");
      const message = await queue.receiveOne();
      await queue.send("visible");
      await queue.send("delayed", { DelaySeconds: 1 });
      await queue.purge();
      expect(await queue.counts()).toEqual({ visible: 0, inFlight: 0, delayed: 0 });
      expect(await refusal(queue.hideFor(0, message))).toBe("InvalidParameterValue");
      await queue.send("new");
      expect(await queue.drain()).toEqual(["new"]);
    },
  );
});

describe.concurrent("Time", () => {
  test("a message with a delay of its own arrives after it", async () => {
    const queue = await account.standard();
    await queue.send("later", { DelaySeconds: 1 });
    expect(await queue.receive({ WaitTimeSeconds: 0 })).toEqual([]);
    expect(bodiesOf(await queue.receive({ WaitTimeSeconds: 10 }))).toEqual(["later"]);
  });

  test("a delay queue holds back every message, and a message can undo that for itself", async () => {
    const queue = await account.standard({ DelaySeconds: "900" });
    await queue.send("held back");
    await queue.send("at once", { DelaySeconds: 0 });
    expect(await queue.drain()).toEqual(["at once"]);
  });

  clockTest("a FIFO group gives out its first messages while later ones are still delayed", async (clocked, pass) => {
    const queue = await clocked.fifo({ DelaySeconds: "10" });
    await queue.send("a1");
    pass(6);
    await queue.send("a2");
    expect(await queue.receive()).toEqual([]);
    pass(5);
    expect(await queue.counts()).toEqual({ visible: 1, inFlight: 0, delayed: 1 });
    expect(await queue.drain()).toEqual(["a1"]);
    pass(5);
    expect(await queue.drain()).toEqual(["a2"]);
  });

  clockTest(
    "a new delay holds for the messages already in a FIFO queue, and not in a standard queue",
    async (clocked) => {
      const fifo = await clocked.fifo({ DelaySeconds: "900" });
      const standard = await clocked.standard({ DelaySeconds: "900" });
      for (const queue of [fifo, standard]) {
        await queue.send("x");
        await queue.configure({ DelaySeconds: "0" });
      }
      expect(bodiesOf(await fifo.receive())).toEqual(["x"]);
      expect(await standard.receive()).toEqual([]);
    },
  );

  clockTest("a message that is older than the retention period is gone, in flight or not", async (clocked, pass) => {
    const queue = await clocked.standard({ MessageRetentionPeriod: "60" });
    await queue.send("in flight");
    const message = await queue.receiveOne();
    await queue.send("visible");
    pass(59);
    expect(await queue.counts()).toMatchObject({ visible: 2 });
    await queue.send("young");
    pass(2);
    expect(await queue.drain()).toEqual(["young"]);
    expect(await refusal(queue.hideFor(10, message))).toBe("InvalidParameterValue");
  });

  clockTest("a shorter retention period holds for messages that are already there", async (clocked, pass) => {
    const queue = await clocked.fifo();
    await queue.send("old");
    pass(3_600);
    await queue.configure({ MessageRetentionPeriod: "60" });
    expect(await queue.receive()).toEqual([]);
  });

  clockTest(
    "a dead letter keeps its age in a standard queue and starts anew in a FIFO queue",
    async (clocked, pass) => {
      for (const [kind, left] of [
        ["standard", []],
        ["fifo", ["poison"]],
      ] as const) {
        const { source, deadLetters } = await clocked.withDeadLetters(kind, 1);
        await deadLetters.configure({ MessageRetentionPeriod: "60" });
        await source.send("poison");
        await receiveTimes(1, source);
        pass(50);
        await source.receive();
        pass(20);
        expect(bodiesOf(await deadLetters.receive())).toEqual(left);
      }
    },
  );
});

describe.concurrent("The end of the process", () => {
  const NEEDS_PROCESS = "needs a process that can be killed";

  localTest(
    "kill -9 in the middle of sends loses no message, doubles none, and keeps the order of each group",
    NEEDS_PROCESS,
    async () => {
      const service = await LocalProcess.start();
      const queue = await service.account.fifo();
      const groups = ["A", "B", "C", "D"];
      const perGroup = 60;
      let acknowledged = 0;
      let restarted: Promise<void> | undefined;
      const sendAll = async (group: string) => {
        for (let number = 0; number < perGroup; number++) {
          const id = `${group}${number}`;
          const send = () => queue.send(id, { MessageGroupId: group });
          await send().catch(async () => {
            await restarted;
            await send();
          });
          acknowledged++;
          if (acknowledged === 100) {
            restarted = service.killAndRestart();
          }
        }
      };
      try {
        await Promise.all(groups.map(sendAll));
        expect(restarted).toBeDefined();
        const received = await queue.drain();
        expect(received).toHaveLength(groups.length * perGroup);
        for (const group of groups) {
          const sent = Array.from({ length: perGroup }, (_, number) => `${group}${number}`);
          expect(received.filter((body) => body.startsWith(group))).toEqual(sent);
        }
      } finally {
        await service.end();
      }
    },
  );

  localTest("kill -9 undoes nothing that was acknowledged", NEEDS_PROCESS, async () => {
    const service = await LocalProcess.start();
    try {
      const { source, deadLetters } = await service.account.withDeadLetters("fifo", 3);
      const first = await source.send("deleted", { MessageGroupId: "A" });
      await source.delete(await source.receiveOne());
      await source.send("received-twice", { MessageGroupId: "B" });
      await receiveTimes(1, source);
      await source.receiveOne({ VisibilityTimeout: 43_200 });
      await source.send("poison", { MessageGroupId: "C" });
      await receiveTimes(3, source);
      await source.receive();
      await source.configure({ VisibilityTimeout: "77" });
      await service.account.sqs.send(new TagQueueCommand({ QueueUrl: source.url, Tags: { stage: "test" } }));
      const purged = await service.account.fifo();
      const lost = await purged.send("purged");
      await purged.purge();
      const deleted = await service.account.standard();
      await service.account.sqs.send(new DeleteQueueCommand({ QueueUrl: deleted.url }));

      // The first restart reads what was written change by change, the second what the first made of it.
      await service.killAndRestart();
      await service.killAndRestart();

      expect(await source.attributes("VisibilityTimeout")).toEqual({ VisibilityTimeout: "77" });
      const tags = await service.account.sqs.send(new ListQueueTagsCommand({ QueueUrl: source.url }));
      expect(tags.Tags).toEqual({ stage: "test" });
      expect(await refusal(deleted.send("x"))).toBe("QueueDoesNotExist");
      expect(await purged.receive()).toEqual([]);
      const again = await source.send("deleted", { MessageGroupId: "A" });
      expect(again.MessageId).toBe(first.MessageId);
      const [twice, ...others] = await source.receive();
      expect(others).toEqual([]);
      expect(twice?.Body).toBe("received-twice");
      expect(receiveCount(twice ?? {})).toBe("3");
      const dead = await deadLetters.receiveOne();
      expect(dead.Body).toBe("poison");
      expect(dead.Attributes?.DeadLetterQueueSourceArn).toBe(await source.arn());
      const later = await purged.send("later");
      expect(BigInt(later.SequenceNumber ?? 0)).toBeGreaterThan(BigInt(lost.SequenceNumber ?? 0));
    } finally {
      await service.end();
    }
  });

  localTest(
    "a journal that ends in the middle of a line is read up to there, and written on",
    NEEDS_PROCESS,
    async () => {
      const service = await LocalProcess.start();
      try {
        const queue = await service.account.fifo();
        await queue.send("whole");
        await service.killAndRestart(() => appendFileSync(join(service.dataDir, "sqs.journal"), '{"type":"sent","que'));
        await queue.send("after");
        await service.killAndRestart();
        expect(await queue.drain()).toEqual(["whole", "after"]);
      } finally {
        await service.end();
      }
    },
  );

  localTest("the process ends by itself when its parent hangs up", NEEDS_PROCESS, async () => {
    const options = { stdio: ["ignore", "ignore", "inherit", "ipc"] as const };
    const byChannel = fork(MAIN, ["--port", "0"], { stdio: [...options.stdio] });
    const byPipe = spawn(process.execPath, [MAIN, "--port", "0"], { stdio: ["pipe", "pipe", "inherit"] });
    await once(byPipe.stdout, "data");
    byPipe.stdin.end();
    byChannel.disconnect();
    expect(await Promise.all([exitCode(byPipe), exitCode(byChannel)])).toEqual([0, 0]);
  });

  localTest("the process ends on SIGTERM, even while a receive waits", NEEDS_PROCESS, async () => {
    const service = await LocalProcess.start();
    try {
      const queue = await service.account.fifo();
      const waiting = queue.receive({ WaitTimeSeconds: 20 });
      await sleep(100);
      service.process.kill("SIGTERM");
      expect(await waiting).toEqual([]);
      expect(await exitCode(service.process)).toBe(0);
    } finally {
      await service.end();
    }
  });
});

/** The local SQS as a process, with a data directory and a port that it keeps over its restarts. */
class LocalProcess {
  readonly dataDir: string;
  readonly account: TestAccount;
  process: ChildProcess;
  readonly #port: string;

  private constructor(process: ChildProcess, dataDir: string, endpoint: string) {
    this.process = process;
    this.dataDir = dataDir;
    this.account = new TestAccount(endpoint);
    this.#port = new URL(endpoint).port;
  }

  static async start(): Promise<LocalProcess> {
    const dataDir = mkdtempSync(join(tmpdir(), "sqs-conformance-"));
    const { process, endpoint } = await run("0", dataDir);
    return new LocalProcess(process, dataDir, endpoint);
  }

  async killAndRestart(meanwhile: () => void = () => {}): Promise<void> {
    this.process.kill("SIGKILL");
    await exitCode(this.process);
    meanwhile();
    this.process = (await run(this.#port, this.dataDir)).process;
  }

  async end(): Promise<void> {
    await this.account.close();
    this.process.kill("SIGKILL");
    await exitCode(this.process);
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}

async function run(port: string, dataDir: string): Promise<{ process: ChildProcess; endpoint: string }> {
  const args = [MAIN, "--port", port, "--data", dataDir];
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
  const [line] = await once(createInterface(child.stdout), "line");
  const { endpoint } = JSON.parse(String(line)) as { endpoint: string };
  return { process: child, endpoint };
}

async function exitCode(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    await once(child, "exit");
  }
  return child.exitCode;
}

function entry(body: string, MessageGroupId = "group"): SendMessageBatchRequestEntry {
  return { Id: body, MessageBody: body, MessageGroupId, MessageDeduplicationId: body };
}

function text(StringValue: string): MessageAttributeValue & { DataType: string } {
  return { DataType: "String", StringValue };
}

function receiveCount(message: Message): string | undefined {
  return message.Attributes?.ApproximateReceiveCount;
}
