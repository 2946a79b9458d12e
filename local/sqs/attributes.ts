import { invalidAttributeName, invalidAttributeValue, invalidParameter } from "./errors.ts";
import { MAXIMUM_MESSAGE_BYTES } from "./message.ts";

/** The attributes of a queue as the API spells them: every value is a string. */
export type QueueAttributes = Readonly<Record<string, string>>;

/** The same attributes, as the queue works with them. */
export interface QueueSettings {
  visibilityTimeoutMs: number;
  delayMs: number;
  retentionMs: number;
  waitTimeSeconds: number;
  maximumMessageBytes: number;
  contentBasedDeduplication: boolean;
  deduplicationPerGroup: boolean;
  redrive: RedrivePolicy | undefined;
}

export interface RedrivePolicy {
  deadLetterTargetArn: string;
  maxReceiveCount: number;
}

/** What the check of a redrive policy has to know of the queue that is named in it. */
export interface DeadLetterTarget {
  readonly fifo: boolean;
  readonly attributes: QueueAttributes;
}

const RANGES: Readonly<Record<string, readonly [number, number]>> = {
  VisibilityTimeout: [0, 43_200],
  DelaySeconds: [0, 900],
  ReceiveMessageWaitTimeSeconds: [0, 20],
  MaximumMessageSize: [1_024, MAXIMUM_MESSAGE_BYTES],
  MessageRetentionPeriod: [60, 1_209_600],
  KmsDataKeyReusePeriodSeconds: [60, 86_400],
};

const CHOICES: Readonly<Record<string, readonly string[]>> = {
  FifoQueue: ["true", "false"],
  ContentBasedDeduplication: ["true", "false"],
  DeduplicationScope: ["queue", "messageGroup"],
  FifoThroughputLimit: ["perQueue", "perMessageGroupId"],
  SqsManagedSseEnabled: ["true", "false"],
};

const DOCUMENTS: readonly string[] = ["Policy", "RedrivePolicy", "RedriveAllowPolicy"];
const FREE_TEXTS: readonly string[] = ["KmsMasterKeyId"];
const FIFO_ONLY: readonly string[] = [
  "FifoQueue",
  "ContentBasedDeduplication",
  "DeduplicationScope",
  "FifoThroughputLimit",
];

/** The attributes that are counted or recorded by the service, and can only be read. */
const READ_ONLY: readonly string[] = [
  "QueueArn",
  "ApproximateNumberOfMessages",
  "ApproximateNumberOfMessagesNotVisible",
  "ApproximateNumberOfMessagesDelayed",
  "CreatedTimestamp",
  "LastModifiedTimestamp",
];

const SETTABLE: readonly string[] = [...Object.keys(RANGES), ...Object.keys(CHOICES), ...DOCUMENTS, ...FREE_TEXTS];

export function isAttributeName(name: string): boolean {
  return SETTABLE.includes(name) || READ_ONLY.includes(name);
}

export function defaultAttributes(fifo: boolean): QueueAttributes {
  const common = {
    VisibilityTimeout: "30",
    DelaySeconds: "0",
    MaximumMessageSize: String(MAXIMUM_MESSAGE_BYTES),
    MessageRetentionPeriod: "345600",
    ReceiveMessageWaitTimeSeconds: "0",
    SqsManagedSseEnabled: "true",
  };
  const ofFifoQueues = {
    FifoQueue: "true",
    ContentBasedDeduplication: "false",
    DeduplicationScope: "queue",
    FifoThroughputLimit: "perQueue",
  };
  return fifo ? { ...common, ...ofFifoQueues } : common;
}

/** Lays new attributes over the present ones. An empty policy or key takes the old one away. */
export function mergeAttributes(present: QueueAttributes, given: QueueAttributes): QueueAttributes {
  const merged: Record<string, string> = { ...present, ...given };
  for (const name of [...DOCUMENTS, ...FREE_TEXTS]) {
    if (merged[name] === "") {
      delete merged[name];
    }
  }
  if (merged.FifoQueue === "false") {
    delete merged.FifoQueue;
  }
  return merged;
}

export function readSettings(attributes: QueueAttributes): QueueSettings {
  const number = (name: string) => Number(attributes[name]);
  return {
    visibilityTimeoutMs: number("VisibilityTimeout") * 1000,
    delayMs: number("DelaySeconds") * 1000,
    retentionMs: number("MessageRetentionPeriod") * 1000,
    waitTimeSeconds: number("ReceiveMessageWaitTimeSeconds"),
    maximumMessageBytes: number("MaximumMessageSize"),
    contentBasedDeduplication: attributes.ContentBasedDeduplication === "true",
    deduplicationPerGroup: attributes.DeduplicationScope === "messageGroup",
    redrive: attributes.RedrivePolicy === undefined ? undefined : readRedrivePolicy(attributes.RedrivePolicy),
  };
}

/** A FIFO queue shows itself by its attribute and by its name, and the two must agree. */
export function checkQueueName(name: string, fifo: boolean): void {
  if (fifo && !/^[\w-]{1,75}\.fifo$/.test(name)) {
    throw invalidParameter(
      "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with " +
        ".fifo suffix and be 1 to 80 in length.",
    );
  }
  if (!fifo && !/^[\w-]{1,80}$/.test(name)) {
    throw invalidParameter("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length");
  }
}

/** Refuses attributes, or values of them, that a queue of this type cannot have. */
export function checkAttributes(given: QueueAttributes, fifo: boolean): void {
  for (const [name, value] of Object.entries(given)) {
    if (!SETTABLE.includes(name) || (!fifo && FIFO_ONLY.includes(name) && value !== "false")) {
      throw invalidAttributeName(name);
    }
    checkValue(name, value);
  }
  if (fifo && given.FifoQueue === "false") {
    throw invalidAttributeValue("FifoQueue", "Modifying queue type is not supported.");
  }
}

function checkValue(name: string, value: string): void {
  const range = RANGES[name];
  if (range !== undefined) {
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < range[0] || number > range[1]) {
      throw invalidAttributeValue(name);
    }
  }
  if (CHOICES[name]?.includes(value) === false) {
    throw invalidAttributeValue(name);
  }
  if (DOCUMENTS.includes(name) && value !== "" && parseDocument(value) === undefined) {
    throw invalidAttributeValue(name);
  }
}

/** Refuses a combination of attributes that are each valid alone. */
export function checkCombination(attributes: QueueAttributes): void {
  if (attributes.FifoThroughputLimit === "perMessageGroupId" && attributes.DeduplicationScope !== "messageGroup") {
    throw invalidAttributeValue(
      "FifoThroughputLimit",
      "The perMessageGroupId value is allowed only when the value for DeduplicationScope is messageGroup",
    );
  }
}

/** A dead-letter queue has to exist, be of the same type, be another queue, and let itself be used by this one. */
export function checkRedrivePolicy(
  policy: string,
  source: { arn: string; fifo: boolean },
  find: (arn: string) => DeadLetterTarget | undefined,
): void {
  const refuse = (reason: string) =>
    invalidParameter(`Value ${policy} for parameter RedrivePolicy is invalid. Reason: ${reason}`);
  const { deadLetterTargetArn, maxReceiveCount } = readRedrivePolicy(policy);
  if (!/^arn:[\w-]+:sqs:[\w-]+:\d+:.+$/.test(deadLetterTargetArn)) {
    throw refuse("Invalid value for deadLetterTargetArn.");
  }
  if (!Number.isInteger(maxReceiveCount) || maxReceiveCount < 1 || maxReceiveCount > 1000) {
    throw refuse("Invalid value for maxReceiveCount: maxReceiveCount, valid values are from 1 to 1000 both inclusive.");
  }
  const target = find(deadLetterTargetArn);
  if (target === undefined) {
    throw refuse("Dead letter target does not exist.");
  }
  if (deadLetterTargetArn === source.arn) {
    throw refuse("A queue cannot be its own dead-letter queue.");
  }
  if (target.fifo !== source.fifo) {
    throw refuse("Dead-letter queue must be same type of queue as the source.");
  }
  if (!allowsRedriveFrom(target, source.arn)) {
    throw refuse("The dead-letter queue's RedriveAllowPolicy does not allow this source queue.");
  }
}

function allowsRedriveFrom(target: DeadLetterTarget, sourceArn: string): boolean {
  const policy = parseDocument(target.attributes.RedriveAllowPolicy ?? "{}");
  if (policy?.redrivePermission === "denyAll") {
    return false;
  }
  if (policy?.redrivePermission === "byQueue") {
    return Array.isArray(policy.sourceQueueArns) && policy.sourceQueueArns.includes(sourceArn);
  }
  return true;
}

function readRedrivePolicy(policy: string): RedrivePolicy {
  const document = parseDocument(policy);
  return {
    deadLetterTargetArn: String(document?.deadLetterTargetArn ?? ""),
    maxReceiveCount: Number(document?.maxReceiveCount ?? 10),
  };
}

function parseDocument(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
