/**
 * The environments of one function. A request takes a free one; where none is free, Lambda starts one for it, as fast as the ramp
 * allows, and the request waits for the start; where it may not start one either, the request is refused. Amounts are fractions:
 * nobody is told apart.
 */

export interface Served {
  /** Requests that found a free environment, and earlier ones whose environment has just started. */
  readonly warm: number;
  readonly started: number;
  /** Refused because no more environments may be started now, or because the account has no more. */
  readonly refusedByRamp: number;
  readonly refusedByAccount: number;
  /** Environments that have begun to start, each with a request that waits for it. */
  readonly begun: number;
}

const RAMP_SECONDS = 10;

export class Fleet {
  readonly #ramp: number;
  readonly #starting: number[];
  readonly #kept: number;
  #allowed: number;
  #atWork = 0;
  ready: number;

  /**
   * @param ramp environments that may be added in ten seconds; what was not used is not saved up
   * @param coldTicks how many ticks a start takes
   */
  constructor(ready: number, ramp: number, coldTicks: number) {
    this.#ramp = ramp;
    this.#kept = ready;
    this.#allowed = ramp;
    this.#starting = Array<number>(coldTicks).fill(0);
    this.ready = ready;
  }

  get starting(): number {
    return this.#starting.reduce((sum, count) => sum + count, 0);
  }

  /** All that are there or on their way. */
  get size(): number {
    return this.ready + this.starting;
  }

  /** Concurrent executions that the account counts: those kept ready in any case, else those at work, and those that start. */
  get counted(): number {
    return Math.max(this.#kept, this.#atWork) + this.starting;
  }

  /**
   * One tick: `asked` requests, each `busySeconds` of an environment.
   * @param most executions at once that the account has for this function
   */
  step(asked: number, busySeconds: number, tickSeconds: number, most: number): Served {
    const started = this.#starting.shift() ?? 0;
    // Those at work are never more than the account allows, however many are there.
    const free = Math.max(0, (Math.min(this.ready, most - this.starting) * tickSeconds) / busySeconds);
    this.ready += started;
    const warm = Math.min(asked, free);
    const left = asked - warm;
    const begun = Math.min(left, this.#allowed, Math.max(0, most - this.size));
    this.#starting.push(begun);
    this.#allowed = Math.min(this.#ramp, this.#allowed - begun + (this.#ramp * tickSeconds) / RAMP_SECONDS);
    this.#atWork = Math.min(this.ready, ((warm + started) * busySeconds) / tickSeconds);
    // While some start, the ramp and the account are one thing: environments that are not there yet.
    const refused = left - begun;
    const isFull = this.size >= most && this.starting === 0;
    return { warm, started, begun, refusedByAccount: isFull ? refused : 0, refusedByRamp: isFull ? 0 : refused };
  }
}
