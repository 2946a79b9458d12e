import { limits } from "../../core/limits.ts";
import type { PartName } from "./parts.ts";
import type { Second, Strain } from "./run.ts";

/** What is written down while an opening runs: who ended how, each second, and which part was short of what. */

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Less than half a request is a crumb of a fraction. */
const CRUMB = 0.5;
/** An answer that nobody gets is no last answer. */
const SOMEBODY = 0.01;

/** Lines a second in which a container writes where its time went: when that second brings many invocations, and else. */
const BUSY_LINES = 1_000 / limits.spansEveryMs;
const QUIET_LINES = 1_000 / limits.spansQuietMs;

const emptySpoken = () => ({ won: 0, soldOut: 0, late: 0, invocations: 0 });

const emptySecond = (second: number): Mutable<Second> => ({
  ...{ second, come: 0, asked: 0, refusedByGateway: 0, refusedByLambda: 0, timedOut: 0, winners: 0, soldOut: 0 },
  ...{ environments: 0, redisBusy: 0, redisWaitMs: 0, waiting: 0, queued: 0, confirmed: 0 },
});

export class Book {
  readonly fates = { winners: 0, soldOut: 0, throttled: 0, lost: 0 };
  readonly told = { issued: 0, accepted: 0, memory: 0, byRedis: 0 };
  readonly used = { requests: 0, refusedRequests: 0, edgeRequests: 0, invocations: 0, busySeconds: 0, coldSeconds: 0 };
  readonly lines = { requestLines: 0, answersLines: 0, spansLines: 0 };
  /** Answers of this second by word, as the issuing function counts them, and all invocations of it. */
  spoken = emptySpoken();
  readonly most = { redisGbit: 0, redisWaitMs: 0, environments: 0, queued: 0 };
  readonly seconds: Second[] = [];
  now = emptySecond(0);
  refusals = 0;
  soldOutAt: number | undefined;
  lastAnswerAt = 0;
  readonly #strained = new Map<PartName, { from: number; amount: number }>();

  get decided(): number {
    const { winners, soldOut, throttled, lost } = this.fates;
    return winners + soldOut + throttled + lost;
  }

  strain(part: PartName, amount: number, at: number): void {
    if (amount < CRUMB) return;
    const before = this.#strained.get(part);
    if (before) before.amount += amount;
    else this.#strained.set(part, { from: Math.floor(at), amount });
  }

  /** So many have won, and so many have heard that nothing is left, by then. */
  answer(winners: number, soldOut: number, by: number): void {
    this.fates.winners += winners;
    this.fates.soldOut += soldOut;
    this.now.winners += winners;
    this.now.soldOut += soldOut;
    if (winners + soldOut > SOMEBODY) this.lastAnswerAt = by;
  }

  endSecond(): void {
    const { environments } = this.now;
    const { invocations, ...words } = this.spoken;
    for (const times of Object.values(words)) this.lines.answersLines += Math.min(times, environments);
    // Work is spread evenly over containers here; a line is written once somebody was served.
    const often = invocations >= limits.spansMany * environments ? BUSY_LINES : QUIET_LINES;
    this.lines.spansLines += Math.min(invocations, environments * often);
    this.spoken = emptySpoken();
    this.seconds.push(this.now);
    this.now = emptySecond(this.seconds.length);
  }

  /** Whose shortage showed first, first. */
  get strains(): Strain[] {
    return [...this.#strained]
      .map(([part, it]) => ({ part, ...it }))
      .sort((left, right) => left.from - right.from || right.amount - left.amount);
  }
}
