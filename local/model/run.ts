import type { Quantiles } from "./latency.ts";
import type { PartName } from "./parts.ts";

/** What comes of an opening. */

/** A part that could not do at once what was asked of it. */
export interface Strain {
  readonly part: PartName;
  /** Second in which it first showed. */
  readonly from: number;
  /** Requests refused, timed out, told 202, or confirmations late, by the part. */
  readonly amount: number;
}

export interface Second {
  readonly second: number;
  /** People who ask for the first time, and requests for tickets and coupons with those that are repeated. */
  readonly come: number;
  readonly asked: number;
  readonly refusedByGateway: number;
  readonly refusedByLambda: number;
  readonly timedOut: number;
  readonly winners: number;
  readonly soldOut: number;
  readonly environments: number;
  /** Share of the second in which the primary worked, and the longest mean wait for it. */
  readonly redisBusy: number;
  readonly redisWaitMs: number;
  readonly waiting: number;
  readonly queued: number;
  readonly confirmed: number;
}

export interface Quantities {
  /** Requests that passed the gateway, and all that the edge took. */
  readonly requests: number;
  readonly edgeRequests: number;
  /** Requests that the gateway refused: not billed, but each a line in its log. */
  readonly refusedRequests: number;
  readonly invocations: number;
  /** Lines that functions write: of single requests, of words answered in a second, and of where a container's time went. */
  readonly requestLines: number;
  readonly answersLines: number;
  readonly spansLines: number;
  readonly busySeconds: number;
  readonly coldSeconds: number;
  readonly queueCalls: number;
  readonly ledgerWrites: number;
}

export interface Run {
  /** Everyone's end; together they are all users. `lost` asked to the end and heard only 503 from Redis that was too busy. */
  readonly fates: {
    readonly winners: number;
    readonly soldOut: number;
    readonly throttled: number;
    readonly lost: number;
  };
  readonly issued: number;
  readonly accepted: number;
  /** Refusals for a passing reason on the way, each of which made somebody ask again or give up. */
  readonly refusals: number;
  readonly soldOutAt: number | undefined;
  readonly lastAnswerAt: number;
  readonly lastConfirmedAt: number;
  readonly confirmDelay: Quantiles & { readonly most: number };
  readonly winnerMs: Quantiles | undefined;
  readonly loserMs: Quantiles | undefined;
  readonly redisBusyMost: number;
  readonly redisWaitMostMs: number;
  readonly redisGbitMost: number;
  /** Answers "sold out" that came from a container's memory, of all of them. */
  readonly fromMemory: number;
  readonly environmentsMost: number;
  readonly queuedMost: number;
  readonly strains: readonly Strain[];
  readonly seconds: readonly Second[];
  readonly quantities: Quantities;
}
