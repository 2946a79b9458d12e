import { Alarm } from "./alarms.ts";
import type { StoredMessage } from "./message.ts";

export type MessageState = "delayed" | "visible" | "inFlight";

/** A message in a queue: what is stored of it, and where it stands at the moment. */
export class QueuedMessage {
  readonly stored: StoredMessage;
  state: MessageState | undefined;
  /** When its delay or its visibility timeout ends. */
  readonly appearance: Alarm<QueuedMessage>;
  readonly expiry: Alarm<QueuedMessage>;
  /** When it was last handed out: a visibility timeout may not stretch over more than 12 hours from here. */
  receivedAt = 0;
  /** Rises with each change of its visibility, so that a receive can tell whether it was touched since. */
  visibilityChanges = 0;
  previous: QueuedMessage | undefined;
  next: QueuedMessage | undefined;

  constructor(stored: StoredMessage) {
    this.stored = stored;
    this.appearance = new Alarm<QueuedMessage>(this);
    this.expiry = new Alarm<QueuedMessage>(this);
  }
}

/** Messages one after the other; taking one out of the middle costs no more than taking the first. */
class Line {
  first: QueuedMessage | undefined;
  #last: QueuedMessage | undefined;

  append(message: QueuedMessage): void {
    message.previous = this.#last;
    message.next = undefined;
    if (this.#last === undefined) {
      this.first = message;
    } else {
      this.#last.next = message;
    }
    this.#last = message;
  }

  remove(message: QueuedMessage): void {
    if (message.previous === undefined) {
      this.first = message.next;
    } else {
      message.previous.next = message.next;
    }
    if (message.next === undefined) {
      this.#last = message.previous;
    } else {
      message.next.previous = message.previous;
    }
    message.previous = undefined;
    message.next = undefined;
  }
}

/** Decides which messages a receive may take, and in which order. */
export interface DeliveryOrder {
  /** Follows a message from one state to the next; `undefined` stands for outside of the queue. */
  move(message: QueuedMessage, to: MessageState | undefined): void;

  /**
   * The messages a receive may take now. The receiver takes them out, or leaves off, while it
   * walks along: this is a walk through the live queue, not through a copy.
   */
  candidates(): Iterable<QueuedMessage>;

  hasCandidates(): boolean;
}

/** The order of a standard queue: oldest first, and nothing ever waits for another message. */
export class StandardOrder implements DeliveryOrder {
  readonly #visible = new Line();

  move(message: QueuedMessage, to: MessageState | undefined): void {
    if (message.state === "visible") {
      this.#visible.remove(message);
    }
    if (to === "visible") {
      this.#visible.append(message);
    }
    message.state = to;
  }

  *candidates(): Iterable<QueuedMessage> {
    let message = this.#visible.first;
    while (message !== undefined) {
      const next: QueuedMessage | undefined = message.next;
      yield message;
      message = next;
    }
  }

  hasCandidates(): boolean {
    return this.#visible.first !== undefined;
  }
}

/** The messages that share a group id, in the order in which they were sent, whatever their state. */
class Group extends Line {
  readonly id: string;
  inFlight = 0;

  constructor(id: string) {
    super();
    this.id = id;
  }

  /** While one of its messages is out with a consumer, the rest of the group waits. */
  get open(): boolean {
    return this.inFlight === 0 && this.first?.state === "visible";
  }
}

/**
 * The order of a FIFO queue. Each group keeps its order, through failures and redeliveries too. Groups
 * take turns: one that was served and opens again goes behind those that were already open.
 */
export class FifoOrder implements DeliveryOrder {
  readonly #groups = new Map<string, Group>();
  readonly #open = new Set<Group>();

  move(message: QueuedMessage, to: MessageState | undefined): void {
    const group = this.#groupOf(message);
    if (message.state === undefined) {
      group.append(message);
    }
    if (to === undefined) {
      group.remove(message);
    }
    group.inFlight += Number(to === "inFlight") - Number(message.state === "inFlight");
    message.state = to;
    this.#review(group);
  }

  *candidates(): Iterable<QueuedMessage> {
    for (const group of this.#open) {
      let message = group.first;
      while (message?.state === "visible") {
        const next: QueuedMessage | undefined = message.next;
        yield message;
        message = next;
      }
    }
  }

  hasCandidates(): boolean {
    return this.#open.size > 0;
  }

  #groupOf(message: QueuedMessage): Group {
    const id = message.stored.groupId ?? "";
    let group = this.#groups.get(id);
    if (group === undefined) {
      group = new Group(id);
      this.#groups.set(id, group);
    }
    return group;
  }

  #review(group: Group): void {
    if (group.first === undefined) {
      this.#groups.delete(group.id);
    }
    if (group.open) {
      this.#open.add(group);
    } else {
      this.#open.delete(group);
    }
  }
}
