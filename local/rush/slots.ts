const CUT_AT = 1_000;

/** A bounded number of places, given out in the order of asking. One may ask for several at once and gets them together. */
export class Slots {
  readonly #most: number;
  #free: number;
  readonly #waiting: { count: number; go: () => void }[] = [];
  #served = 0;

  constructor(most: number) {
    this.#most = most;
    this.#free = most;
  }

  /** Waits for places. @returns how many were taken: no more than there are at all. Give each of them back. */
  take(wanted: number): Promise<number> {
    const count = Math.min(wanted, this.#most);
    return new Promise((resolve) => {
      this.#waiting.push({ count, go: () => resolve(count) });
      this.#serve();
    });
  }

  give(count: number): void {
    this.#free += count;
    this.#serve();
  }

  #serve(): void {
    let next = this.#waiting[this.#served];
    while (next && next.count <= this.#free) {
      this.#free -= next.count;
      next.go();
      next = this.#waiting[++this.#served];
    }
    // Cut off now and then: a shift for each would cost as much as the queue is long.
    if (this.#served < CUT_AT) return;
    this.#waiting.splice(0, this.#served);
    this.#served = 0;
  }
}
