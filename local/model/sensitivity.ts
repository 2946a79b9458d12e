import type { Event } from "./event.ts";
import type { Knob, KnobName, Knobs } from "./knobs.ts";
import type { Plan } from "./plan.ts";
import { costOf } from "./prices.ts";
import type { Run } from "./run.ts";
import { simulate } from "./simulate.ts";

/** What people and the owner notice of a run: the answers that an assumption may change. */
export interface Headline {
  readonly soldOutAt: number;
  readonly lastAnswerAt: number;
  readonly lastConfirmedAt: number;
  readonly winnerP99Ms: number;
  readonly loserP99Ms: number;
  readonly redisWaitMostMs: number;
  readonly refusals: number;
  readonly unhappy: number;
  readonly usd: number;
}

export const LABELS: Readonly<Record<keyof Headline, string>> = {
  soldOutAt: "sold out, s",
  lastAnswerAt: "last answer, s",
  lastConfirmedAt: "last confirmed, s",
  winnerP99Ms: "winner p99, ms",
  loserP99Ms: "loser p99, ms",
  redisWaitMostMs: "longest wait for Redis, ms",
  refusals: "refusals on the way",
  unhappy: "gave up",
  usd: "USD",
};

/** Differences below this are noise of a tick, or nothing that anyone would notice. */
const LEAST: Readonly<Record<keyof Headline, number>> = {
  ...{ soldOutAt: 0.25, lastAnswerAt: 2, lastConfirmedAt: 0.25, winnerP99Ms: 20, loserP99Ms: 20 },
  ...{ redisWaitMostMs: 20, refusals: 500, unhappy: 100, usd: 0.05 },
};
const SHARE = 0.1;

export function headlineOf(run: Run, plan: Plan, knobs: Knobs, region: string): Headline {
  return {
    soldOutAt: run.soldOutAt ?? Number.POSITIVE_INFINITY,
    lastAnswerAt: run.lastAnswerAt,
    lastConfirmedAt: run.lastConfirmedAt,
    winnerP99Ms: run.winnerMs?.p99 ?? 0,
    loserP99Ms: run.loserMs?.p99 ?? 0,
    redisWaitMostMs: run.redisWaitMostMs,
    refusals: run.refusals,
    unhappy: run.fates.throttled + run.fates.lost,
    usd: costOf(run, plan, knobs, region).usd,
  };
}

export interface Change {
  readonly of: keyof Headline;
  readonly from: number;
  readonly to: number;
}

export interface Sensitivity {
  readonly knob: KnobName;
  readonly halved: readonly Change[];
  readonly doubled: readonly Change[];
}

function changes(before: Headline, after: Headline): Change[] {
  return (Object.keys(LABELS) as (keyof Headline)[])
    .map((of) => ({ of, from: before[of], to: after[of] }))
    .filter(({ of, from, to }) => Math.abs(to - from) > Math.max(LEAST[of], SHARE * Math.abs(from)));
}

/**
 * Runs the model again with each figure halved and doubled, and all else as it was: what stands ready does not change because a guess
 * was wrong.
 */
export function sensitivities(it: {
  event: Event;
  plan: Plan;
  region: string;
  knobs: Readonly<Record<KnobName, Knob>>;
  values: Knobs;
}): Sensitivity[] {
  const { event, plan, region, knobs, values } = it;
  const headline = (some: Knobs, with_: Plan) => headlineOf(simulate(event, with_, some), with_, some, region);
  const before = headline(values, plan);
  return (Object.keys(knobs) as KnobName[]).map((knob) => {
    const scaled = (factor: number) => {
      const some = { ...values, [knob]: values[knob] * factor };
      // SQS's quota stands in the plan, where it may have been raised.
      const sqsSendsPerSecond = knob === "sqsSendsPerSecond" ? plan.sqsSendsPerSecond * factor : plan.sqsSendsPerSecond;
      return changes(before, headline(some, { ...plan, sqsSendsPerSecond }));
    };
    return { knob, halved: scaled(0.5), doubled: scaled(2) };
  });
}
