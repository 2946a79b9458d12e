import { limits } from "../../core/limits.ts";
import { schedules } from "../../functions/routes.ts";
import { costs } from "../../infra/quotas.ts";

/** From a winner's message to the ledger: what SQS takes, what waits, what the persister writes, what the sweep sends again. */

interface Rates {
  readonly sendsPerSecond: number;
  readonly consumersAtOnce: number;
  readonly batchSeconds: number;
  readonly writesPerSecond: number;
}

export interface Sent {
  /** Who is told 201, and who 202 because SQS did not answer within the time that a publish may take. */
  readonly issued: number;
  readonly accepted: number;
  /** How long a send waits for its turn. */
  readonly waitSeconds: number;
}

/** EventBridge comes once a minute; the sweep has just been when the event opens, which is the worst moment. */
const SWEEP_SECONDS = schedules.sweep.rate === "1 minute" ? 60 : Number.NaN;
/** What is left of a coupon when nobody waits any more. */
const CRUMB = 0.02;
const SAMPLES = Array.from({ length: 201 }, (_, index) => index / 200);
const SWEPT_MOST = limits.sweepEntries * limits.sweepCallsMost;

export class Confirmations {
  readonly #rates: Rates;
  readonly #tickSeconds: number;
  #unsent = 0;
  #tick = 0;
  outbox = 0;
  queued = 0;
  confirmed = 0;
  batches = 0;
  /** In all, winners whose message went into the queue or the outbox, and confirmed ones, after each tick. */
  readonly #told: number[] = [];
  readonly #done: number[] = [];
  #toldSum = 0;

  constructor(rates: Rates, tickSeconds: number) {
    this.#rates = rates;
    this.#tickSeconds = tickSeconds;
  }

  get #persisted(): number {
    return (this.#rates.consumersAtOnce * costs.batchSize.value) / this.#rates.batchSeconds;
  }

  get #written(): number {
    return this.#rates.writesPerSecond / costs.writesPerCoupon.value;
  }

  /** Confirmations a second that the slower of persister and ledger takes. */
  get drainPerSecond(): number {
    return Math.min(this.#persisted, this.#written);
  }

  get isLedgerSlower(): boolean {
    return this.#written < this.#persisted;
  }

  get open(): number {
    return this.#unsent + this.outbox + this.queued;
  }

  /** One tick with so many winners. */
  step(winners: number): Sent {
    const { sendsPerSecond } = this.#rates;
    const seconds = this.#tickSeconds;
    const most = (sendsPerSecond * limits.queueBudgetMs) / 1_000;
    const waitSeconds = Math.min(limits.queueBudgetMs / 1_000, this.#unsent / sendsPerSecond);
    const accepted = Math.min(winners, Math.max(0, this.#unsent + winners - most - sendsPerSecond * seconds));
    const issued = winners - accepted;
    this.#unsent += issued;
    const sent = Math.min(this.#unsent, sendsPerSecond * seconds);
    this.#unsent -= sent;
    this.outbox += accepted;
    this.queued += sent + this.#swept();
    const confirmed = Math.min(this.queued, this.drainPerSecond * seconds);
    this.queued -= confirmed;
    this.confirmed += confirmed;
    this.batches += confirmed / costs.batchSize.value;
    this.#toldSum += winners;
    this.#told.push(this.#toldSum);
    this.#done.push(this.confirmed);
    this.#tick++;
    return { issued, accepted, waitSeconds };
  }

  #swept(): number {
    const at = this.#tick * this.#tickSeconds;
    const isDue = this.#tick > 0 && Math.abs(at % SWEEP_SECONDS) < this.#tickSeconds / 2;
    const swept = isDue ? Math.min(this.outbox, SWEPT_MOST) : 0;
    this.outbox -= swept;
    return swept;
  }

  /** Seconds from being told to being in the ledger, at these shares of all winners (0…1), as if they were confirmed in turn. */
  delays(shares: readonly number[]): number[] {
    const delayOf = (share: number) => this.#tickOf(this.#done, share) - this.#tickOf(this.#told, share);
    const sorted = SAMPLES.map(delayOf).sort((left, right) => left - right);
    const at = (share: number) => sorted[Math.ceil(share * (sorted.length - 1))] ?? 0;
    return shares.map((share) => Math.max(0, at(share)) * this.#tickSeconds);
  }

  /** Seconds after the opening at which the last one was in the ledger. */
  get lastAt(): number {
    return this.#toldSum > 0 ? (this.#tickOf(this.#done, 1) + 1) * this.#tickSeconds : 0;
  }

  /** The tick in which a sum has come to this share of all. */
  #tickOf(sums: readonly number[], share: number): number {
    const wanted = share * this.#toldSum - CRUMB;
    const tick = sums.findIndex((sum) => sum >= wanted);
    return tick < 0 ? sums.length - 1 : tick;
  }
}
