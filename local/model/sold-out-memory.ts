import { limits } from "../../core/limits.ts";

/** Which environments know that nothing is left, and whom they tell so without asking Redis: core/coupons/sold-out.ts as a flow. */

/** Of strangers that the filter takes for holders, who then ask Redis. */
const MISTAKEN = 0.01;

export interface Told {
  readonly fromMemory: number;
  /** Environments for which reading who the holders are pays now. */
  readonly learning: number;
}

export class SoldOutMemory {
  readonly #tickSeconds: number;
  /** Answers after which an environment reads, on average; each takes from a half to one and a half of it by lot. */
  readonly #asksFirst: number;
  #asked = 0;
  #learned = 0;
  /** What an environment that has not read hears in this tick. */
  #hears = 0;

  constructor(tickSeconds: number, buckets: number) {
    this.#tickSeconds = tickSeconds;
    this.#asksFirst = asksFirst(buckets);
  }

  /** So many requests, spread evenly over so many environments. */
  tell(served: number, environments: number): Told {
    const informed = environments > 0 ? served * Math.min(1, this.#learned / environments) : 0;
    // Each asks again when its second is over.
    const refreshing = Math.min(informed, (this.#learned * this.#tickSeconds * 1_000) / limits.soldOutMemoryMs);
    this.#hears = environments > 0 ? served / environments : 0;
    const share = Math.min(1, Math.max(0, (this.#asked + this.#hears) / this.#asksFirst - 0.5));
    return {
      fromMemory: (informed - refreshing) * (1 - MISTAKEN),
      learning: Math.min(Math.max(0, environments * share - this.#learned), served - informed),
    };
  }

  /** They were answered: so many have read. */
  learn(environments: number): void {
    this.#asked += this.#hears;
    this.#learned += environments;
  }
}

/** Answers of Redis after which an environment reads the holders of so many buckets, on average. */
export const asksFirst = (buckets: number): number => Math.max(1, buckets * limits.soldOutAsksPerBucket);
