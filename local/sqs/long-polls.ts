import type { ReceiveRequest } from "./actions.ts";
import type { Queue } from "./queue.ts";

/** A consumer that found its queue empty and waits for messages. */
export interface Waiter {
  readonly request: ReceiveRequest;
  /** Sends the messages to the consumer; called once at most, and never after `LongPolls.leave`. */
  answer(messages: object[]): void;
}

/** A waiter and what it gets. The answer is not sent yet: what it says has to be written down first. */
export interface Served {
  waiter: Waiter;
  messages: object[];
}

/** The waiters of one queue, and the timer for the next message that time will make visible. */
interface WaitingLine {
  readonly waiters: Map<Waiter, NodeJS.Timeout>;
  wakeAt: number | undefined;
  timer: NodeJS.Timeout | undefined;
}

/** All consumers that wait, in the order in which they came. No waiter is ever given an empty answer early. */
export class LongPolls {
  readonly #lines = new Map<Queue, WaitingLine>();
  readonly #now: () => number;
  /** Called when time alone may have made messages of a queue visible. */
  readonly #onDue: (queue: Queue) => void;

  constructor(now: () => number, onDue: (queue: Queue) => void) {
    this.#now = now;
    this.#onDue = onDue;
  }

  join(waiter: Waiter): void {
    const { queue, waitSeconds } = waiter.request;
    const line = this.#lines.get(queue) ?? { waiters: new Map(), wakeAt: undefined, timer: undefined };
    this.#lines.set(queue, line);
    const giveUp = () => {
      this.leave(waiter);
      waiter.answer([]);
    };
    line.waiters.set(waiter, setTimeout(giveUp, waitSeconds * 1000));
    this.#setTimer(queue, line);
  }

  /** Takes a waiter out, so that no message is handed to a consumer that has gone away. */
  leave(waiter: Waiter): void {
    const { queue } = waiter.request;
    const line = this.#lines.get(queue);
    if (line === undefined) {
      return;
    }
    clearTimeout(line.waiters.get(waiter));
    line.waiters.delete(waiter);
    if (line.waiters.size === 0) {
      clearTimeout(line.timer);
      this.#lines.delete(queue);
    }
  }

  /** Hands the available messages of a queue to those who wait for them. */
  serve(queue: Queue): Served[] {
    const line = this.#lines.get(queue);
    const served: Served[] = [];
    if (line === undefined) {
      return served;
    }
    for (const waiter of line.waiters.keys()) {
      if (!queue.hasAvailableMessages()) {
        break;
      }
      const messages = waiter.request.attempt();
      if (messages.length > 0) {
        served.push({ waiter, messages });
        this.leave(waiter);
      }
    }
    if (line.waiters.size > 0) {
      this.#setTimer(queue, line);
    }
    return served;
  }

  /** Timers go by the real clock. After a leap of the queues' own, each is set anew. */
  clockMoved(): void {
    for (const [queue, line] of [...this.#lines]) {
      clearTimeout(line.timer);
      line.timer = undefined;
      line.wakeAt = undefined;
      this.#onDue(queue);
    }
  }

  /** Sends the waiters of one queue, or of all queues, away with nothing. */
  dismiss(queue?: Queue): void {
    const queues = queue === undefined ? [...this.#lines.keys()] : [queue];
    for (const line of queues.map((each) => this.#lines.get(each))) {
      for (const waiter of [...(line?.waiters.keys() ?? [])]) {
        this.leave(waiter);
        waiter.answer([]);
      }
    }
  }

  #setTimer(queue: Queue, line: WaitingLine): void {
    const wakeAt = queue.nextAppearance();
    if (wakeAt === line.wakeAt) {
      return;
    }
    clearTimeout(line.timer);
    line.wakeAt = wakeAt;
    line.timer = undefined;
    if (wakeAt !== undefined) {
      const wake = () => {
        line.wakeAt = undefined;
        this.#onDue(queue);
      };
      line.timer = setTimeout(wake, Math.max(0, wakeAt - this.#now()));
    }
  }
}
