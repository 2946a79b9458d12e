import { randomUUID } from "node:crypto";
import {
  checkAttributes,
  checkCombination,
  checkQueueName,
  checkRedrivePolicy,
  defaultAttributes,
  mergeAttributes,
  type QueueAttributes,
} from "./attributes.ts";
import type { Change, MoveTask, QueueRecord } from "./changes.ts";
import { invalidParameter, queueDoesNotExist, queueNameExists, resourceNotFound } from "./errors.ts";
import { Queue, type QueueWorld } from "./queue.ts";

export interface AccountOptions {
  region: string;
  accountId: string;
  now: () => number;
}

export interface MoveRequest {
  sourceArn: string;
  destinationArn?: string | undefined;
  maximumPerSecond?: number | undefined;
}

/** Of the move tasks of a queue, the service remembers this many. */
const REMEMBERED_TASKS = 10;

/** All queues of one account in one region, and what concerns more than one of them. */
export class Account implements QueueWorld {
  /** Receives each lasting change; it stays without effect until the owner of the account sets it. */
  onChange: (change: Change) => void = () => {};

  readonly #options: AccountOptions;
  readonly #queues = new Map<string, Queue>();
  /** The latest first. */
  readonly #moveTasks: MoveTask[] = [];
  #stirred = new Set<Queue>();

  constructor(options: AccountOptions) {
    this.#options = options;
  }

  now(): number {
    return this.#options.now();
  }

  record(change: Change): void {
    this.onChange(change);
  }

  stirred(queue: Queue): void {
    this.#stirred.add(queue);
  }

  /** The queues in which messages may have become available since the last time this was asked. */
  takeStirred(): Iterable<Queue> {
    const stirred = this.#stirred;
    this.#stirred = new Set();
    return stirred;
  }

  queue(name: string): Queue {
    const queue = this.#queues.get(name);
    if (queue === undefined) {
      throw queueDoesNotExist();
    }
    return queue;
  }

  queueByArn(arn: string): Queue | undefined {
    const queue = this.#queues.get(arn.slice(arn.lastIndexOf(":") + 1));
    return queue?.arn === arn ? queue : undefined;
  }

  queueNames(prefix: string): string[] {
    return [...this.#queues.keys()].filter((name) => name.startsWith(prefix)).sort();
  }

  createQueue(name: string, given: QueueAttributes, tags: Readonly<Record<string, string>>): Queue {
    const fifo = given.FifoQueue === "true";
    checkQueueName(name, fifo);
    checkAttributes(given, fifo);
    const existing = this.#queues.get(name);
    if (existing !== undefined) {
      return sameQueue(existing, given);
    }
    const attributes = mergeAttributes(defaultAttributes(fifo), given);
    this.#checkTogether({ arn: this.#arn(name), fifo }, attributes, given);
    const now = this.now();
    const record: QueueRecord = { id: randomUUID(), name, attributes, tags, createdAt: now, modifiedAt: now };
    const queue = this.#open(record);
    this.record({ type: "created", record });
    return queue;
  }

  deleteQueue(name: string): void {
    const queue = this.queue(name);
    this.#queues.delete(name);
    this.record({ type: "deleted", queue: name });
    this.stirred(queue);
  }

  setAttributes(queue: Queue, given: QueueAttributes): void {
    checkAttributes(given, queue.fifo);
    this.#checkTogether(queue, mergeAttributes(queue.attributes, given), given);
    queue.configure(given);
  }

  /** The queues that send their dead letters to this one. */
  deadLetterSources(queue: Queue): Queue[] {
    return [...this.#queues.values()].filter((source) => source.settings.redrive?.deadLetterTargetArn === queue.arn);
  }

  /** Moves the messages of a dead-letter queue back to where they came from, or to one given queue, all at once. */
  startMoveTask(request: MoveRequest): MoveTask {
    const source = this.queueByArn(request.sourceArn);
    if (source === undefined) {
      throw resourceNotFound("The resource that you specified for the SourceArn parameter doesn't exist.");
    }
    if (this.deadLetterSources(source).length === 0) {
      throw invalidParameter("Source queue must be configured as a Dead Letter Queue.");
    }
    const destination = this.#moveDestination(source, request);
    const messages = source.availableMessages();
    const task: MoveTask = {
      ...request,
      handle: randomUUID(),
      status: "COMPLETED",
      moved: 0,
      toMove: messages.length,
      startedAt: this.now(),
    };
    for (const message of messages) {
      const target = destination ?? this.queueByArn(message.deadLetterSourceArn ?? "");
      if (target === undefined) {
        task.status = "FAILED";
        task.failureReason =
          message.deadLetterSourceArn === undefined
            ? "CouldNotDetermineMessageSource"
            : "AWS.SimpleQueueService.NonExistentQueue";
        break;
      }
      source.redrive(message.id, target);
      task.moved++;
    }
    this.#rememberTask(task);
    this.record({ type: "move-task", task });
    return task;
  }

  moveTasks(sourceArn: string): MoveTask[] {
    if (this.queueByArn(sourceArn) === undefined) {
      throw resourceNotFound("The resource that you specified for the SourceArn parameter doesn't exist.");
    }
    return this.#moveTasks.filter((task) => task.sourceArn === sourceArn);
  }

  /** A task has always come to its end by the time somebody could ask to cancel it. */
  cancelMoveTask(handle: string): never {
    if (this.#moveTasks.some((task) => task.handle === handle)) {
      throw invalidParameter("Only active tasks can be cancelled.");
    }
    throw resourceNotFound("Task does not exist.");
  }

  /** Does one change of a journal again. */
  apply(change: Change): void {
    switch (change.type) {
      case "created":
        this.#open(change.record);
        break;
      case "deleted":
        this.#queues.delete(change.queue);
        break;
      case "configured":
        this.queue(change.queue).restoreAttributes(change.attributes, change.at);
        break;
      case "tagged":
        this.queue(change.queue).tags = change.tags;
        break;
      case "sent":
        this.queue(change.queue).enqueue(change.message, change.deduplicationKey);
        break;
      case "remembered":
        this.queue(change.queue).restoreSend(change.deduplicationKey, change.send);
        break;
      case "received":
        this.queue(change.queue).restoreReceive(change.ids, change.at);
        break;
      case "removed":
        this.queue(change.queue).restoreRemoval(change.ids);
        break;
      case "purged":
        this.queue(change.queue).restorePurge();
        break;
      case "moved":
        this.queue(change.queue).restoreRemoval([change.id]);
        this.queue(change.to).enqueue(change.message);
        break;
      case "move-task":
        this.#rememberTask(change.task);
        break;
    }
  }

  /** The shortest list of changes that leads from an empty account to this one. */
  *snapshot(): Iterable<Change> {
    for (const queue of this.#queues.values()) {
      yield* queue.snapshot();
    }
    for (const task of this.#moveTasks.toReversed()) {
      yield { type: "move-task", task };
    }
  }

  #open(record: QueueRecord): Queue {
    const queue = new Queue(this, this.#arn(record.name), record);
    this.#queues.set(record.name, queue);
    return queue;
  }

  #arn(name: string): string {
    return `arn:aws:sqs:${this.#options.region}:${this.#options.accountId}:${name}`;
  }

  #checkTogether(queue: { arn: string; fifo: boolean }, attributes: QueueAttributes, given: QueueAttributes): void {
    checkCombination(attributes);
    if (given.RedrivePolicy) {
      checkRedrivePolicy(given.RedrivePolicy, queue, (arn) => this.queueByArn(arn));
    }
  }

  #moveDestination(source: Queue, { sourceArn, destinationArn }: MoveRequest): Queue | undefined {
    if (destinationArn === undefined) {
      return undefined;
    }
    const destination = this.queueByArn(destinationArn);
    if (destination === undefined) {
      throw resourceNotFound("The resource that you specified for the DestinationArn parameter doesn't exist.");
    }
    if (destinationArn === sourceArn) {
      throw invalidParameter("Source queue arn and destination queue arn cannot be the same.");
    }
    if (destination.fifo !== source.fifo) {
      throw invalidParameter("Source queue and destination queue must be of the same type.");
    }
    return destination;
  }

  #rememberTask(task: MoveTask): void {
    this.#moveTasks.unshift(task);
    const ofThisQueue = this.#moveTasks.filter((other) => other.sourceArn === task.sourceArn);
    const oldest = ofThisQueue[REMEMBERED_TASKS];
    if (oldest !== undefined) {
      this.#moveTasks.splice(this.#moveTasks.indexOf(oldest), 1);
    }
  }
}

/** Creating a queue again is no error as long as the request does not ask for another queue than there is. */
function sameQueue(existing: Queue, given: QueueAttributes): Queue {
  for (const [name, value] of Object.entries(given)) {
    if ((existing.attributes[name] ?? "") !== value && !(name === "FifoQueue" && value === "false")) {
      throw queueNameExists(name);
    }
  }
  return existing;
}
