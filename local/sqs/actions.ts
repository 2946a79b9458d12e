import type { Account } from "./account.ts";
import { isAttributeName, type QueueAttributes } from "./attributes.ts";
import type { MoveTask } from "./changes.ts";
import { batchError, invalidAttributeName, invalidParameter, missingParameter, SqsError } from "./errors.ts";
import type { Fields } from "./fields.ts";
import {
  checkToken,
  type Draft,
  draftBytes,
  MAXIMUM_MESSAGE_BYTES,
  type MessageAttribute,
  type MessageAttributes,
  md5OfAttributes,
  type StoredMessage,
  selectAttributes,
} from "./message.ts";
import { type Delivery, deduplicationIdNeeded, type Queue, type ReceiveOptions } from "./queue.ts";

export interface Context {
  account: Account;
  urlOf(queue: Queue): string;
}

type Action = (input: Fields, context: Context) => object;

/** Every action that is answered at once: all but ReceiveMessage, which may have to wait. */
export const ACTIONS: ReadonlyMap<string, Action> = new Map<string, Action>([
  ["CreateQueue", createQueue],
  ["DeleteQueue", deleteQueue],
  ["GetQueueUrl", getQueueUrl],
  ["ListQueues", listQueues],
  ["GetQueueAttributes", getQueueAttributes],
  ["SetQueueAttributes", setQueueAttributes],
  ["TagQueue", tagQueue],
  ["UntagQueue", untagQueue],
  ["ListQueueTags", listQueueTags],
  ["SendMessage", sendMessage],
  ["SendMessageBatch", sendMessageBatch],
  ["DeleteMessage", deleteMessage],
  ["DeleteMessageBatch", deleteMessageBatch],
  ["ChangeMessageVisibility", changeMessageVisibility],
  ["ChangeMessageVisibilityBatch", changeMessageVisibilityBatch],
  ["PurgeQueue", purgeQueue],
  ["ListDeadLetterSourceQueues", listDeadLetterSourceQueues],
  ["StartMessageMoveTask", startMessageMoveTask],
  ["ListMessageMoveTasks", listMessageMoveTasks],
  ["CancelMessageMoveTask", cancelMessageMoveTask],
]);

function createQueue(input: Fields, { account, urlOf }: Context): object {
  const tags = input.textMap("tags");
  return { QueueUrl: urlOf(account.createQueue(input.requiredText("QueueName"), input.textMap("Attributes"), tags)) };
}

function deleteQueue(input: Fields, { account }: Context): object {
  account.deleteQueue(queueName(input));
  return {};
}

function getQueueUrl(input: Fields, { account, urlOf }: Context): object {
  return { QueueUrl: urlOf(account.queue(input.requiredText("QueueName"))) };
}

function listQueues(input: Fields, { account, urlOf }: Context): object {
  const { page, nextToken } = paginate(account.queueNames(input.text("QueueNamePrefix") ?? ""), input);
  return { QueueUrls: page.map((name) => urlOf(account.queue(name))), NextToken: nextToken };
}

function getQueueAttributes(input: Fields, context: Context): object {
  const queue = queueOf(input, context);
  const names = input.texts("AttributeNames");
  const unknown = names.find((name) => name !== "All" && !isAttributeName(name));
  if (unknown !== undefined) {
    throw invalidAttributeName(unknown);
  }
  const all = Object.entries(readableAttributes(queue));
  const asked = all.filter(([name]) => names.includes("All") || names.includes(name));
  return asked.length > 0 ? { Attributes: Object.fromEntries(asked) } : {};
}

function readableAttributes(queue: Queue): QueueAttributes {
  const { visible, inFlight, delayed } = queue.counts();
  return {
    ...queue.attributes,
    QueueArn: queue.arn,
    ApproximateNumberOfMessages: String(visible),
    ApproximateNumberOfMessagesNotVisible: String(inFlight),
    ApproximateNumberOfMessagesDelayed: String(delayed),
    CreatedTimestamp: String(Math.floor(queue.createdAt / 1000)),
    LastModifiedTimestamp: String(Math.floor(queue.modifiedAt / 1000)),
  };
}

function setQueueAttributes(input: Fields, context: Context): object {
  const queue = queueOf(input, context);
  context.account.setAttributes(queue, input.textMap("Attributes"));
  return {};
}

function tagQueue(input: Fields, context: Context): object {
  const queue = queueOf(input, context);
  queue.tag({ ...queue.tags, ...input.textMap("Tags") });
  return {};
}

function untagQueue(input: Fields, context: Context): object {
  const queue = queueOf(input, context);
  const removed = input.texts("TagKeys");
  queue.tag(Object.fromEntries(Object.entries(queue.tags).filter(([key]) => !removed.includes(key))));
  return {};
}

function listQueueTags(input: Fields, context: Context): object {
  return { Tags: queueOf(input, context).tags };
}

function sendMessage(input: Fields, context: Context): object {
  return send(queueOf(input, context), readDraft(input));
}

function sendMessageBatch(input: Fields, context: Context): object {
  const queue = queueOf(input, context);
  const entries = readBatch(input);
  const drafts = new Map(entries.map((entry) => [entry, readDraft(entry)]));
  checkBatchOfDrafts(queue, [...drafts.values()]);
  return inBatch(entries, (entry) => send(queue, drafts.get(entry) ?? readDraft(entry)));
}

function send(queue: Queue, draft: Draft): object {
  const { messageId, bodyMd5, sequenceNumber } = queue.send(draft);
  return {
    MessageId: messageId,
    MD5OfMessageBody: bodyMd5,
    MD5OfMessageAttributes: md5OfAttributes(draft.attributes),
    MD5OfMessageSystemAttributes: md5OfAttributes(systemAttributes(draft)),
    SequenceNumber: sequenceNumber,
  };
}

function systemAttributes({ traceHeader }: Draft): MessageAttributes {
  return traceHeader === undefined ? {} : { AWSTraceHeader: { DataType: "String", StringValue: traceHeader } };
}

/** Unlike other faults of single entries, ids that a FIFO queue needs and does not get refuse the whole batch. */
function checkBatchOfDrafts(queue: Queue, drafts: readonly Draft[]): void {
  const bytes = drafts.reduce((sum, draft) => sum + draftBytes(draft), 0);
  if (bytes > MAXIMUM_MESSAGE_BYTES) {
    throw batchError(
      "BatchRequestTooLong",
      `Batch requests cannot be longer than ${MAXIMUM_MESSAGE_BYTES} bytes. You have sent ${bytes} bytes.`,
    );
  }
  if (queue.fifo && drafts.some((draft) => draft.groupId === undefined)) {
    throw invalidParameter("The request must contain the parameter MessageGroupId.");
  }
  const needsId = queue.fifo && !queue.settings.contentBasedDeduplication;
  if (needsId && drafts.some((draft) => draft.deduplicationId === undefined)) {
    throw deduplicationIdNeeded();
  }
}

function readDraft(input: Fields): Draft {
  const attributes: Record<string, MessageAttribute> = {};
  for (const [name, fields] of input.namedChildren("MessageAttributes")) {
    attributes[name] = readAttribute(fields);
  }
  return {
    body: input.text("MessageBody") ?? "",
    attributes,
    traceHeader: input.child("MessageSystemAttributes")?.child("AWSTraceHeader")?.text("StringValue"),
    groupId: input.text("MessageGroupId"),
    deduplicationId: input.text("MessageDeduplicationId"),
    delaySeconds: input.integer("DelaySeconds"),
  };
}

function readAttribute(fields: Fields): MessageAttribute {
  const DataType = fields.text("DataType") ?? "";
  const BinaryValue = fields.text("BinaryValue");
  return BinaryValue === undefined
    ? { DataType, StringValue: fields.text("StringValue") ?? "" }
    : { DataType, BinaryValue };
}

function deleteMessage(input: Fields, context: Context): object {
  queueOf(input, context).delete(input.requiredText("ReceiptHandle"));
  return {};
}

function deleteMessageBatch(input: Fields, context: Context): object {
  const queue = queueOf(input, context);
  return inBatch(readBatch(input), (entry) => {
    queue.delete(entry.requiredText("ReceiptHandle"));
    return {};
  });
}

function changeMessageVisibility(input: Fields, context: Context): object {
  changeVisibility(queueOf(input, context), input);
  return {};
}

function changeMessageVisibilityBatch(input: Fields, context: Context): object {
  const queue = queueOf(input, context);
  return inBatch(readBatch(input), (entry) => {
    changeVisibility(queue, entry);
    return {};
  });
}

function changeVisibility(queue: Queue, input: Fields): void {
  const receiptHandle = input.requiredText("ReceiptHandle");
  const seconds = integerWithin(input, "VisibilityTimeout", 0, 43_200);
  if (seconds === undefined) {
    throw missingParameter("VisibilityTimeout");
  }
  queue.changeVisibility(receiptHandle, seconds * 1000);
}

function purgeQueue(input: Fields, context: Context): object {
  queueOf(input, context).purge();
  return {};
}

function listDeadLetterSourceQueues(input: Fields, context: Context): object {
  const sources = context.account.deadLetterSources(queueOf(input, context));
  const { page, nextToken } = paginate(sources, input);
  return { queueUrls: page.map(context.urlOf), NextToken: nextToken };
}

function startMessageMoveTask(input: Fields, { account }: Context): object {
  const task = account.startMoveTask({
    sourceArn: input.requiredText("SourceArn"),
    destinationArn: input.text("DestinationArn"),
    maximumPerSecond: integerWithin(input, "MaxNumberOfMessagesPerSecond", 1, 500),
  });
  return { TaskHandle: task.handle };
}

function listMessageMoveTasks(input: Fields, { account }: Context): object {
  const tasks = account.moveTasks(input.requiredText("SourceArn"));
  const maximum = integerWithin(input, "MaxResults", 1, 10) ?? 1;
  return { Results: tasks.slice(0, maximum).map(describeTask) };
}

/** The handle serves to cancel a running task, so a task that has ended is shown without it. */
function describeTask(task: MoveTask): object {
  return {
    Status: task.status,
    SourceArn: task.sourceArn,
    DestinationArn: task.destinationArn,
    MaxNumberOfMessagesPerSecond: task.maximumPerSecond,
    ApproximateNumberOfMessagesMoved: task.moved,
    ApproximateNumberOfMessagesToMove: task.toMove,
    FailureReason: task.failureReason,
    StartedTimestamp: task.startedAt,
  };
}

function cancelMessageMoveTask(input: Fields, { account }: Context): object {
  return account.cancelMoveTask(input.requiredText("TaskHandle"));
}

/** A request for messages that can be tried now, and again whenever messages may have come. */
export interface ReceiveRequest {
  queue: Queue;
  waitSeconds: number;
  attempt(): object[];
}

export function readReceive(input: Fields, context: Context): ReceiveRequest {
  const queue = queueOf(input, context);
  const timeoutSeconds = integerWithin(input, "VisibilityTimeout", 0, 43_200);
  const options: ReceiveOptions = {
    maximum: readMaximum(input),
    visibilityTimeoutMs: timeoutSeconds === undefined ? undefined : timeoutSeconds * 1000,
    attemptId: input.text("ReceiveRequestAttemptId"),
  };
  checkToken("ReceiveRequestAttemptId", options.attemptId);
  const systemNames = [...input.texts("MessageSystemAttributeNames"), ...input.texts("AttributeNames")];
  const names = input.texts("MessageAttributeNames");
  return {
    queue,
    waitSeconds: integerWithin(input, "WaitTimeSeconds", 0, 20) ?? queue.settings.waitTimeSeconds,
    attempt: () => queue.receive(options).map((delivery) => describeDelivery(delivery, systemNames, names)),
  };
}

function readMaximum(input: Fields): number {
  const maximum = input.integer("MaxNumberOfMessages") ?? 1;
  if (maximum < 1 || maximum > 10) {
    throw invalidParameter(
      `Value ${maximum} for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.`,
    );
  }
  return maximum;
}

function describeDelivery({ message, receiptHandle }: Delivery, systemNames: string[], names: string[]): object {
  const attributes = selectAttributes(message.attributes ?? {}, names);
  const attributesMd5 = md5OfAttributes(attributes);
  const systemAttributes = selectSystemAttributes(message, systemNames);
  return {
    MessageId: message.id,
    ReceiptHandle: receiptHandle,
    Body: message.body,
    MD5OfBody: message.bodyMd5,
    Attributes: systemAttributes.length > 0 ? Object.fromEntries(systemAttributes) : undefined,
    MessageAttributes: attributesMd5 === undefined ? undefined : attributes,
    MD5OfMessageAttributes: attributesMd5,
  };
}

function selectSystemAttributes(message: StoredMessage, wanted: readonly string[]): [string, string][] {
  if (wanted.length === 0) {
    return [];
  }
  const all: [string, string | undefined][] = [
    ["SenderId", "AIDALOCALSENDER"],
    ["SentTimestamp", String(message.sentAt)],
    ["ApproximateReceiveCount", String(message.receiveCount)],
    ["ApproximateFirstReceiveTimestamp", String(message.firstReceivedAt)],
    ["MessageGroupId", message.groupId],
    ["MessageDeduplicationId", message.deduplicationId],
    ["SequenceNumber", message.sequenceNumber],
    ["AWSTraceHeader", message.traceHeader],
    ["DeadLetterQueueSourceArn", message.deadLetterSourceArn],
  ];
  const everything = wanted.includes("All");
  return all.filter(
    (entry): entry is [string, string] => entry[1] !== undefined && (everything || wanted.includes(entry[0])),
  );
}

/** The last part of a queue URL is the name, whichever host and port the rest of it speaks of. */
function queueName(input: Fields): string {
  const url = input.requiredText("QueueUrl");
  return url.slice(url.lastIndexOf("/") + 1);
}

function queueOf(input: Fields, { account }: Context): Queue {
  return account.queue(queueName(input));
}

function integerWithin(input: Fields, name: string, lowest: number, highest: number): number | undefined {
  const value = input.integer(name);
  if (value !== undefined && (value < lowest || value > highest)) {
    throw invalidParameter(
      `Value ${value} for parameter ${name} is invalid. Reason: Must be >= ${lowest} and <= ${highest}, if provided.`,
    );
  }
  return value;
}

function readBatch(input: Fields): Fields[] {
  const entries = input.children("Entries");
  if (entries.length === 0) {
    throw batchError("EmptyBatchRequest", "There should be at least one entry in the request.");
  }
  if (entries.length > 10) {
    throw batchError(
      "TooManyEntriesInBatchRequest",
      `Maximum number of entries per request are 10. You have sent ${entries.length}.`,
    );
  }
  const ids = entries.map((entry) => entry.text("Id") ?? "");
  if (ids.some((id) => !/^[\w-]{1,80}$/.test(id))) {
    throw batchError(
      "InvalidBatchEntryId",
      "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 " +
        "letters long.",
    );
  }
  const repeated = ids.find((id, index) => ids.indexOf(id) !== index);
  if (repeated !== undefined) {
    throw batchError("BatchEntryIdsNotDistinct", `Id ${repeated} repeated.`);
  }
  return entries;
}

/** Does each entry by itself: the fault of one does not keep the others from succeeding. */
function inBatch(entries: readonly Fields[], act: (entry: Fields) => object): object {
  const Successful: object[] = [];
  const Failed: object[] = [];
  for (const entry of entries) {
    const Id = entry.text("Id");
    try {
      Successful.push({ Id, ...act(entry) });
    } catch (error) {
      if (!(error instanceof SqsError)) {
        throw error;
      }
      Failed.push({ Id, SenderFault: true, Code: error.code, Message: error.message });
    }
  }
  return { Successful, Failed: Failed.length > 0 ? Failed : undefined };
}

function paginate<T>(all: readonly T[], input: Fields): { page: T[]; nextToken: string | undefined } {
  const maximum = integerWithin(input, "MaxResults", 1, 1000);
  const start = Number(input.text("NextToken") ?? 0);
  if (!Number.isSafeInteger(start) || start < 0) {
    throw invalidParameter("Invalid or expired next token.");
  }
  const end = start + (maximum ?? 1000);
  const more = maximum !== undefined && end < all.length;
  return { page: all.slice(start, end), nextToken: more ? String(end) : undefined };
}
