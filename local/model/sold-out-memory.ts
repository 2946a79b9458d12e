import { limits } from "../../core/limits.ts";

/** Which environments know that nothing is left, and whom they tell so without asking Redis: core/coupons/sold-out.ts as a flow. */

/** Of strangers that the filter takes for holders, who then ask Redis. */
const MISTAKEN = 0.01;

export interface Told {
  readonly fromMemory: number;
  /** Environments that hear it now for the first time, and read who the holders are. */
  readonly learning: number;
}

export class SoldOutMemory {
  readonly #tickSeconds: number;
  #learned = 0;

  constructor(tickSeconds: number) {
    this.#tickSeconds = tickSeconds;
  }

  /** So many requests, spread evenly over so many environments. */
  tell(served: number, environments: number): Told {
    const informed = environments > 0 ? served * Math.min(1, this.#learned / environments) : 0;
    // Each asks again when its second is over.
    const refreshing = Math.min(informed, (this.#learned * this.#tickSeconds * 1_000) / limits.soldOutMemoryMs);
    return {
      fromMemory: (informed - refreshing) * (1 - MISTAKEN),
      learning: Math.min(Math.max(0, environments - this.#learned), served - informed),
    };
  }

  learn(environments: number): void {
    this.#learned += environments;
  }
}
