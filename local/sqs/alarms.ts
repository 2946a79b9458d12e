const UNSET = -1;

/** A moment at which something is due for `subject`; it is unset while it stands in no list. */
export class Alarm<T> {
  readonly subject: T;
  time = 0;
  /** Its place in the heap of the list it stands in, kept so that it can be moved or taken out. */
  position = UNSET;

  constructor(subject: T) {
    this.subject = subject;
  }
}

/**
 * Alarms by time: the next one is at hand at once, and setting, moving or clearing one takes
 * O(log n). Cleared alarms leave at once, so that a deleted message is not held in memory
 * until the end of a retention period that lasts days.
 */
export class Alarms<T> {
  readonly #heap: Alarm<T>[] = [];

  next(): Alarm<T> | undefined {
    return this.#heap[0];
  }

  set(alarm: Alarm<T>, time: number): void {
    alarm.time = time;
    if (alarm.position === UNSET) {
      this.#heap.push(alarm);
      alarm.position = this.#heap.length - 1;
    }
    this.#settle(alarm);
  }

  clear(alarm: Alarm<T>): void {
    if (alarm.position === UNSET) {
      return;
    }
    const hole = alarm.position;
    const last = this.#heap.pop();
    alarm.position = UNSET;
    if (last !== undefined && last !== alarm) {
      this.#place(last, hole);
      this.#settle(last);
    }
  }

  #settle(alarm: Alarm<T>): void {
    this.#rise(alarm);
    this.#sink(alarm);
  }

  #rise(alarm: Alarm<T>): void {
    let position = alarm.position;
    while (position > 0) {
      const parentPosition = (position - 1) >> 1;
      const parent = this.#heap[parentPosition];
      if (parent === undefined || parent.time <= alarm.time) {
        break;
      }
      this.#place(parent, position);
      position = parentPosition;
    }
    this.#place(alarm, position);
  }

  #sink(alarm: Alarm<T>): void {
    let position = alarm.position;
    for (;;) {
      const child = this.#earlierChild(position);
      if (child === undefined || child.time >= alarm.time) {
        break;
      }
      const childPosition = child.position;
      this.#place(child, position);
      position = childPosition;
    }
    this.#place(alarm, position);
  }

  #earlierChild(position: number): Alarm<T> | undefined {
    const left = this.#heap[2 * position + 1];
    const right = this.#heap[2 * position + 2];
    return left !== undefined && right !== undefined && right.time < left.time ? right : left;
  }

  #place(alarm: Alarm<T>, position: number): void {
    this.#heap[position] = alarm;
    alarm.position = position;
  }
}
