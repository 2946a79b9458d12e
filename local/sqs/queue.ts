import { randomUUID } from "node:crypto";
import { type Alarm, Alarms } from "./alarms.ts";
import { mergeAttributes, type QueueAttributes, type QueueSettings, readSettings } from "./attributes.ts";
import type { Change, QueueRecord, RecentSend } from "./changes.ts";
import {
  invalidParameter,
  messageNotInFlight,
  missingParameter,
  receiptHandleHasExpired,
  type SqsError,
} from "./errors.ts";
import { checkDraft, contentDeduplicationId, type Draft, md5, type StoredMessage } from "./message.ts";
import { type DeliveryOrder, FifoOrder, type MessageState, QueuedMessage, StandardOrder } from "./order.ts";
import { readReceiptHandle, writeReceiptHandle } from "./receipt-handle.ts";

/** What a queue needs of the account it belongs to. */
export interface QueueWorld {
  now(): number;
  /** Called once for each lasting change, after the queue has made it. */
  record(change: Change): void;
  /** Called when messages of the queue may have become available to consumers. */
  stirred(queue: Queue): void;
  queueByArn(arn: string): Queue | undefined;
}

export interface SendReceipt {
  messageId: string;
  bodyMd5: string;
  sequenceNumber?: string | undefined;
}

export interface ReceiveOptions {
  maximum: number;
  visibilityTimeoutMs?: number | undefined;
  /** Lets a consumer that lost the answer ask for the same messages once more; FIFO queues only. */
  attemptId?: string | undefined;
}

export interface Delivery {
  message: StoredMessage;
  receiptHandle: string;
}

/** What a receive handed out, and the state it left each message in. */
interface RecentReceive {
  expiresAt: number;
  taken: readonly { message: QueuedMessage; receiveCount: number; visibilityChanges: number }[];
}

/** The time over which both sends and receives are recognised as repetitions. */
const DEDUPLICATION_MS = 5 * 60_000;
const LONGEST_VISIBILITY_MS = 12 * 60 * 60_000;

/** Sequence numbers of 20 digits compare as text just as they do as numbers. */
const FIRST_SEQUENCE_NUMBER = 18_850_000_000_000_000_000n;
const SEQUENCE_STEP = 256n;

/**
 * One queue: pure state that moves only when it is called. What time brings about (visibility
 * timeouts, delays, the end of a retention period) is made up for at the start of each call.
 */
export class Queue {
  readonly id: string;
  readonly name: string;
  readonly arn: string;
  readonly fifo: boolean;
  readonly createdAt: number;
  modifiedAt: number;
  attributes: QueueAttributes;
  settings: QueueSettings;
  tags: Readonly<Record<string, string>>;

  readonly #world: QueueWorld;
  readonly #order: DeliveryOrder;
  /** All messages, in the order of their arrival. */
  readonly #messages = new Map<string, QueuedMessage>();
  readonly #counts: Record<MessageState, number> = { delayed: 0, visible: 0, inFlight: 0 };
  readonly #appearances = new Alarms<QueuedMessage>();
  /** Set to when the retention period began, not to its end, since the length of it can be changed. */
  readonly #expiries = new Alarms<QueuedMessage>();
  /** Both in the order in which they expire. */
  readonly #recentSends = new Map<string, RecentSend>();
  readonly #recentReceives = new Map<string, RecentReceive>();
  #lastSequenceNumber: bigint;

  constructor(world: QueueWorld, arn: string, record: QueueRecord) {
    this.id = record.id;
    this.name = record.name;
    this.arn = arn;
    this.attributes = record.attributes;
    this.settings = readSettings(record.attributes);
    this.fifo = record.attributes.FifoQueue === "true";
    this.tags = record.tags;
    this.createdAt = record.createdAt;
    this.modifiedAt = record.modifiedAt;
    this.#lastSequenceNumber = BigInt(record.lastSequenceNumber ?? FIRST_SEQUENCE_NUMBER);
    this.#world = world;
    this.#order = this.fifo ? new FifoOrder() : new StandardOrder();
  }

  send(draft: Draft): SendReceipt {
    const now = this.#catchUp();
    checkDraft(draft, this.settings.maximumMessageBytes);
    const bodyMd5 = md5(draft.body);
    const deduplicationId = this.fifo ? this.#deduplicationId(draft) : undefined;
    if (!this.fifo) {
      refuseFifoParameters(draft);
    }
    const deduplicationKey = deduplicationId && this.#deduplicationKey(draft.groupId, deduplicationId);
    const earlier = deduplicationKey && this.#recentSends.get(deduplicationKey);
    if (earlier) {
      return { messageId: earlier.messageId, bodyMd5, sequenceNumber: earlier.sequenceNumber };
    }
    const ownDelayMs = this.fifo || draft.delaySeconds === undefined ? undefined : draft.delaySeconds * 1000;
    const delayMs = ownDelayMs ?? this.settings.delayMs;
    const message: StoredMessage = {
      id: randomUUID(),
      body: draft.body,
      bodyMd5,
      attributes: Object.keys(draft.attributes).length > 0 ? draft.attributes : undefined,
      traceHeader: draft.traceHeader,
      groupId: draft.groupId,
      deduplicationId,
      sequenceNumber: this.#nextSequenceNumber(),
      sentAt: now,
      enqueuedAt: now,
      delayedUntil: delayMs > 0 ? now + delayMs : undefined,
      receiveCount: 0,
    };
    this.enqueue(message, deduplicationKey);
    this.#world.record({ type: "sent", queue: this.name, message, deduplicationKey });
    return { messageId: message.id, bodyMd5, sequenceNumber: message.sequenceNumber };
  }

  receive(options: ReceiveOptions): Delivery[] {
    const now = this.#catchUp();
    const invisibleUntil = now + (options.visibilityTimeoutMs ?? this.settings.visibilityTimeoutMs);
    const attemptId = this.fifo ? options.attemptId : undefined;
    const repeated = attemptId === undefined ? undefined : this.#repeatedReceive(attemptId);
    if (repeated !== undefined) {
      for (const message of repeated) {
        this.#appearances.set(message.appearance, invisibleUntil);
      }
      return repeated.map((message) => this.#delivery(message));
    }
    const taken = this.#take(options.maximum, now, invisibleUntil);
    if (taken.length > 0) {
      const ids = taken.map((message) => message.stored.id);
      this.#world.record({ type: "received", queue: this.name, ids, at: now });
      if (attemptId !== undefined) {
        this.#rememberReceive(attemptId, taken, now);
      }
    }
    return taken.map((message) => this.#delivery(message));
  }

  #take(maximum: number, now: number, invisibleUntil: number): QueuedMessage[] {
    const { redrive } = this.settings;
    const deadLetters = redrive && this.#world.queueByArn(redrive.deadLetterTargetArn);
    const taken: QueuedMessage[] = [];
    for (const message of this.#order.candidates()) {
      if (taken.length === maximum) {
        break;
      }
      if (redrive && deadLetters && message.stored.receiveCount >= redrive.maxReceiveCount) {
        this.#moveToDeadLetters(message, deadLetters, now);
        continue;
      }
      countReceive(message, now);
      this.#setState(message, "inFlight");
      this.#appearances.set(message.appearance, invisibleUntil);
      taken.push(message);
    }
    return taken;
  }

  /** The messages of an earlier receive with this id, if nothing has happened to any of them since. */
  #repeatedReceive(attemptId: string): QueuedMessage[] | undefined {
    const earlier = this.#recentReceives.get(attemptId);
    const untouched = earlier?.taken.every(
      ({ message, receiveCount, visibilityChanges }) =>
        message.state === "inFlight" &&
        message.stored.receiveCount === receiveCount &&
        message.visibilityChanges === visibilityChanges,
    );
    return untouched ? earlier?.taken.map(({ message }) => message) : undefined;
  }

  #rememberReceive(attemptId: string, messages: readonly QueuedMessage[], now: number): void {
    this.#recentReceives.delete(attemptId);
    this.#recentReceives.set(attemptId, {
      expiresAt: now + DEDUPLICATION_MS,
      taken: messages.map((message) => ({
        message,
        receiveCount: message.stored.receiveCount,
        visibilityChanges: message.visibilityChanges,
      })),
    });
  }

  /**
   * A standard queue deletes by the latest handle even after the visibility timeout, and takes an older
   * one without any effect. A FIFO queue refuses both, because the group may have moved on meanwhile.
   */
  delete(receiptHandle: string): void {
    this.#catchUp();
    const receipt = readReceiptHandle(receiptHandle, this.id);
    const message = this.#messages.get(receipt.messageId);
    if (message === undefined) {
      return;
    }
    const latest = message.stored.receiveCount === receipt.receiveCount;
    if (this.fifo && !(latest && message.state === "inFlight")) {
      throw receiptHandleHasExpired(receiptHandle);
    }
    if (latest) {
      this.#remove(message);
      this.#world.record({ type: "removed", queue: this.name, ids: [message.stored.id] });
    }
  }

  changeVisibility(receiptHandle: string, timeoutMs: number): void {
    const now = this.#catchUp();
    const receipt = readReceiptHandle(receiptHandle, this.id);
    const message = this.#messages.get(receipt.messageId);
    if (message === undefined || message.stored.receiveCount !== receipt.receiveCount) {
      throw notAvailableForVisibilityChange(receiptHandle);
    }
    if (message.state !== "inFlight") {
      throw this.fifo ? receiptHandleHasExpired(receiptHandle) : messageNotInFlight();
    }
    if (now + timeoutMs > message.receivedAt + LONGEST_VISIBILITY_MS) {
      throw invalidParameter(
        `Value ${timeoutMs / 1000} for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout ` +
          "for the message is beyond the limit [43200 seconds].",
      );
    }
    message.visibilityChanges++;
    this.#appearances.set(message.appearance, now + timeoutMs);
    this.#catchUp();
    this.#world.stirred(this);
  }

  purge(): void {
    this.#catchUp();
    this.restorePurge();
    this.#world.record({ type: "purged", queue: this.name });
  }

  configure(attributes: QueueAttributes): void {
    const at = this.#catchUp();
    this.restoreAttributes(attributes, at);
    this.#world.record({ type: "configured", queue: this.name, attributes, at });
  }

  tag(tags: Readonly<Record<string, string>>): void {
    this.tags = tags;
    this.#world.record({ type: "tagged", queue: this.name, tags });
  }

  /** Exact at any time, where the real service answers with an approximation. */
  counts(): Readonly<Record<MessageState, number>> {
    this.#catchUp();
    return this.#counts;
  }

  /** When a message becomes visible next through time alone. */
  nextAppearance(): number | undefined {
    return this.#appearances.next()?.time;
  }

  hasAvailableMessages(): boolean {
    this.#catchUp();
    return this.#order.hasCandidates();
  }

  /** The messages a move task takes along: those a consumer could receive now, the oldest first. */
  availableMessages(): StoredMessage[] {
    this.#catchUp();
    const available = new Set(this.#order.candidates());
    return [...this.#messages.values()].filter((message) => available.has(message)).map((message) => message.stored);
  }

  /** Sends a dead letter on its way again. It arrives as a new message, with a new id and a new age. */
  redrive(id: string, target: Queue): void {
    const message = this.#messages.get(id);
    if (message === undefined) {
      return;
    }
    const now = this.#world.now();
    this.#moveTo(target, message, {
      ...message.stored,
      id: randomUUID(),
      sentAt: now,
      enqueuedAt: now,
      delayedUntil: undefined,
      receiveCount: 0,
      firstReceivedAt: undefined,
      deadLetterSourceArn: undefined,
    });
  }

  /**
   * The age of a dead letter goes on counting in a standard queue and starts anew in a FIFO queue, where the
   * message id also takes the place of the deduplication id: two messages that shared one must both be kept.
   */
  #moveToDeadLetters(message: QueuedMessage, target: Queue, now: number): void {
    const { stored } = message;
    this.#moveTo(target, message, {
      ...stored,
      deduplicationId: this.fifo ? stored.id : undefined,
      enqueuedAt: this.fifo ? now : stored.enqueuedAt,
      delayedUntil: undefined,
      deadLetterSourceArn: this.arn,
    });
  }

  #moveTo(target: Queue, message: QueuedMessage, arriving: StoredMessage): void {
    const moved = { ...arriving, sequenceNumber: target.#nextSequenceNumber() };
    this.#remove(message);
    target.enqueue(moved);
    this.#world.record({ type: "moved", queue: this.name, id: message.stored.id, to: target.name, message: moved });
  }

  /** Puts a message at the end of the queue, as it is done when it is sent and when a journal is read. */
  enqueue(stored: StoredMessage, deduplicationKey?: string): void {
    const message = new QueuedMessage(stored);
    this.#messages.set(stored.id, message);
    this.#expiries.set(message.expiry, stored.enqueuedAt);
    this.#showOrDelay(message);
    if (stored.sequenceNumber !== undefined) {
      this.#reachSequenceNumber(BigInt(stored.sequenceNumber));
      if (deduplicationKey !== undefined) {
        const expiresAt = stored.sentAt + DEDUPLICATION_MS;
        this.restoreSend(deduplicationKey, { messageId: stored.id, sequenceNumber: stored.sequenceNumber, expiresAt });
      }
    }
  }

  restoreSend(deduplicationKey: string, send: RecentSend): void {
    this.#recentSends.delete(deduplicationKey);
    this.#recentSends.set(deduplicationKey, send);
  }

  restoreReceive(ids: readonly string[], at: number): void {
    for (const id of ids) {
      const message = this.#messages.get(id);
      if (message !== undefined) {
        countReceive(message, at);
      }
    }
  }

  restoreRemoval(ids: readonly string[]): void {
    for (const id of ids) {
      const message = this.#messages.get(id);
      if (message !== undefined) {
        this.#remove(message);
      }
    }
  }

  restorePurge(): void {
    for (const message of this.#messages.values()) {
      this.#remove(message);
    }
  }

  restoreAttributes(attributes: QueueAttributes, at: number): void {
    const { delayMs } = this.settings;
    this.attributes = mergeAttributes(this.attributes, attributes);
    this.settings = readSettings(this.attributes);
    this.modifiedAt = at;
    if (this.fifo && this.settings.delayMs !== delayMs) {
      this.#delayAnew();
    }
  }

  /** The shortest list of changes that makes an account without this queue into one that has it. */
  *snapshot(): Iterable<Change> {
    this.#catchUp();
    yield { type: "created", record: this.#record() };
    for (const [deduplicationKey, send] of this.#recentSends) {
      yield { type: "remembered", queue: this.name, deduplicationKey, send };
    }
    for (const message of this.#messages.values()) {
      yield { type: "sent", queue: this.name, message: message.stored };
    }
  }

  #record(): QueueRecord {
    const { id, name, attributes, tags, createdAt, modifiedAt } = this;
    return { id, name, attributes, tags, createdAt, modifiedAt, lastSequenceNumber: String(this.#lastSequenceNumber) };
  }

  #deduplicationId(draft: Draft): string {
    if (draft.groupId === undefined) {
      throw missingParameter("MessageGroupId");
    }
    if (draft.delaySeconds) {
      throw invalidParameter(
        `Value ${draft.delaySeconds} for parameter DelaySeconds is invalid. Reason: The request include parameter ` +
          "that is not valid for this queue type.",
      );
    }
    if (draft.deduplicationId === undefined && !this.settings.contentBasedDeduplication) {
      throw deduplicationIdNeeded();
    }
    return draft.deduplicationId ?? contentDeduplicationId(draft.body);
  }

  #deduplicationKey(groupId: string | undefined, deduplicationId: string): string {
    return this.settings.deduplicationPerGroup ? JSON.stringify([groupId, deduplicationId]) : deduplicationId;
  }

  #nextSequenceNumber(): string | undefined {
    return this.fifo ? String(this.#lastSequenceNumber + SEQUENCE_STEP) : undefined;
  }

  #reachSequenceNumber(number: bigint): void {
    if (number > this.#lastSequenceNumber) {
      this.#lastSequenceNumber = number;
    }
  }

  #delivery(message: QueuedMessage): Delivery {
    const { id: messageId, receiveCount } = message.stored;
    return {
      message: message.stored,
      receiptHandle: writeReceiptHandle({ queueId: this.id, messageId, receiveCount }),
    };
  }

  /** Lets everything happen that was due since the last call. */
  #catchUp(): number {
    const now = this.#world.now();
    for (const message of due(this.#appearances, now)) {
      this.#setState(message, "visible");
    }
    const expired: string[] = [];
    for (const message of due(this.#expiries, now - this.settings.retentionMs)) {
      this.#remove(message);
      expired.push(message.stored.id);
    }
    if (expired.length > 0) {
      this.#world.record({ type: "removed", queue: this.name, ids: expired });
    }
    forgetExpired(this.#recentSends, now);
    forgetExpired(this.#recentReceives, now);
    return now;
  }

  #showOrDelay(message: QueuedMessage): void {
    const { delayedUntil } = message.stored;
    if (delayedUntil === undefined || delayedUntil <= this.#world.now()) {
      this.#appearances.clear(message.appearance);
      this.#setState(message, "visible");
    } else {
      this.#appearances.set(message.appearance, delayedUntil);
      this.#setState(message, "delayed");
    }
  }

  /** In a FIFO queue, unlike in a standard one, a new delay also holds for messages already sent. */
  #delayAnew(): void {
    for (const message of this.#messages.values()) {
      if (message.state !== "inFlight" && message.stored.receiveCount === 0) {
        message.stored.delayedUntil = message.stored.enqueuedAt + this.settings.delayMs;
        this.#showOrDelay(message);
      }
    }
  }

  #remove(message: QueuedMessage): void {
    this.#messages.delete(message.stored.id);
    this.#appearances.clear(message.appearance);
    this.#expiries.clear(message.expiry);
    this.#setState(message, undefined);
  }

  #setState(message: QueuedMessage, state: MessageState | undefined): void {
    if (message.state !== undefined) {
      this.#counts[message.state]--;
    }
    if (state !== undefined) {
      this.#counts[state]++;
    }
    this.#order.move(message, state);
    this.#world.stirred(this);
  }
}

function* due(alarms: Alarms<QueuedMessage>, now: number): Iterable<QueuedMessage> {
  for (let alarm = alarms.next(); isDue(alarm, now); alarm = alarms.next()) {
    alarms.clear(alarm);
    yield alarm.subject;
  }
}

function isDue(alarm: Alarm<QueuedMessage> | undefined, now: number): alarm is Alarm<QueuedMessage> {
  return alarm !== undefined && alarm.time <= now;
}

function forgetExpired(entries: Map<string, { expiresAt: number }>, now: number): void {
  for (const [key, entry] of entries) {
    if (entry.expiresAt > now) {
      break;
    }
    entries.delete(key);
  }
}

function countReceive(message: QueuedMessage, at: number): void {
  message.stored.receiveCount++;
  message.stored.firstReceivedAt ??= at;
  message.receivedAt = at;
}

function refuseFifoParameters(draft: Draft): void {
  if (draft.deduplicationId !== undefined) {
    throw invalidParameter(
      `Value ${draft.deduplicationId} for parameter MessageDeduplicationId is invalid. Reason: The request include ` +
        "parameter that is not valid for this queue type.",
    );
  }
}

export function deduplicationIdNeeded(): SqsError {
  return invalidParameter(
    "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
  );
}

function notAvailableForVisibilityChange(receiptHandle: string): SqsError {
  return invalidParameter(
    `Value ${receiptHandle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not ` +
      "available for visibility timeout change.",
  );
}
