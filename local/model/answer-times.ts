import type { Knobs } from "./knobs.ts";
import { type Part, type Quantiles, together } from "./latency.ts";
import type { Work } from "./work.ts";

/** How long answers take, of parts, and how long they keep an environment. The way from the shopper to the gateway is not in it. */

/** Answers of one tick. */
export interface Answers {
  readonly winners: number;
  readonly fromMemory: number;
  /** Told "sold out" by Redis, and those of them whose environment then read who the holders are. */
  readonly losers: number;
  readonly learners: number;
  /** Told 503 because Redis did not answer in time. */
  readonly late: number;
  /** Share of all of them that waited for the start of an environment. */
  readonly startShare: number;
  /** Mean and 99th percentile of the wait for Redis, the time at which it is given up, and the wait for SQS: seconds. */
  readonly wait: number;
  readonly tailWait: number;
  readonly commandSeconds: number;
  readonly sendWait: number;
}

export class AnswerTimes {
  readonly #work: Work;
  readonly #knobs: Knobs;
  readonly #winners: Part[] = [];
  readonly #losers: Part[] = [];

  constructor(work: Work, knobs: Knobs) {
    this.#work = work;
    this.#knobs = knobs;
  }

  /** @returns seconds of environments that these answers kept busy */
  add(it: Answers): number {
    const { handler, sendSeconds, filterTrips } = this.#work;
    const { gatewaySeconds, tripSeconds, tailFactor } = this.#knobs;
    const winner = handler.winner + tripSeconds + it.wait + sendSeconds + it.sendWait;
    const ask = handler.call + tripSeconds + it.wait;
    const learn = ask + filterTrips * (tripSeconds + it.wait);
    // The 99th percentile of a sum is at most the sum of those of its parts.
    const tail = (trips: number) =>
      tailFactor * (gatewaySeconds + trips * tripSeconds) + handler.call + trips * it.tailWait;
    this.#note(
      this.#winners,
      it,
      it.winners,
      gatewaySeconds + winner,
      tailFactor * (gatewaySeconds + sendSeconds + tripSeconds) + handler.winner + it.tailWait + it.sendWait,
    );
    const memory = gatewaySeconds + handler.memory;
    this.#note(this.#losers, it, it.fromMemory, memory, tailFactor * gatewaySeconds + handler.memory);
    this.#note(this.#losers, it, it.learners, gatewaySeconds + learn, tail(1 + filterTrips));
    this.#note(this.#losers, it, it.losers - it.learners, gatewaySeconds + ask, tail(1));
    return (
      it.winners * winner +
      it.fromMemory * handler.memory +
      it.learners * learn +
      (it.losers - it.learners) * ask +
      it.late * (handler.call + it.commandSeconds)
    );
  }

  get winnerMs(): Quantiles | undefined {
    return inMs(together(this.#winners));
  }

  get loserMs(): Quantiles | undefined {
    return inMs(together(this.#losers));
  }

  #note(parts: Part[], { startShare }: Answers, amount: number, median: number, tail: number): void {
    const { coldSeconds } = this.#knobs;
    parts.push({ weight: amount * (1 - startShare), median, tail });
    parts.push({ weight: amount * startShare, median: median + coldSeconds, tail: tail + coldSeconds });
  }
}

function inMs(quantiles: Quantiles | undefined): Quantiles | undefined {
  return quantiles && { p50: 1_000 * quantiles.p50, p99: 1_000 * quantiles.p99 };
}
