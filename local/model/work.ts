import { bucketCount } from "../../core/coupons/member.ts";
import { limits } from "../../core/limits.ts";
import type { Knobs } from "./knobs.ts";

/** What the measured unit costs come to in AWS: seconds of a primary's thread, and of an environment. */

/** Lambda gives a whole processor at this many megabytes: infra/stages.ts. */
const PROCESSOR_MB = 1_769;
/** Buckets of holders in one round trip: core/coupons/sold-out.ts. */
const BUCKETS_AT_ONCE = 100;

/**
 * A script's CPU, and what each call costs beside it (network, TLS): what is left of the share of a second that infra/quotas.ts gives
 * to a winner's.
 */
export function engineMicros(knobs: Knobs, scriptMicros: number, calls = 1): number {
  const beside = Math.max(0, 1e6 / knobs.scriptsPerPrimary - knobs.issuedMicros);
  return scriptMicros * knobs.nodeFactor + beside * calls;
}

export function workOf(knobs: Knobs, stock: number, memoryMb: number) {
  const buckets = bucketCount(stock);
  const filterTrips = Math.ceil(buckets / BUCKETS_AT_ONCE);
  const engine = (micros: number, calls = 1) => engineMicros(knobs, micros, calls) / 1e6;
  const processor = Math.min(1, memoryMb / PROCESSOR_MB);
  const handler = (micros: number) => (micros * knobs.armFactor) / processor / 1e6;
  const winner = handler(knobs.handlerIssuedMicros);
  return {
    filterTrips,
    filterBytes: buckets * knobs.bucketBytes,
    /** Whether sold-out answers come from memory at all: core/coupons/sold-out.ts. */
    hasFilter: buckets * limits.holdersPerBucket <= limits.soldOutFilterStock,
    redis: {
      winner: engine(knobs.issuedMicros),
      loser: engine(knobs.soldOutMicros),
      filter: engine(buckets * knobs.bucketMicros, filterTrips),
      settle: engine(knobs.settledMicros),
      join: engine(knobs.joinMicros),
      poll: engine(knobs.pollMicros),
      connect: (knobs.connectMicros * knobs.nodeFactor) / 1e6,
    },
    handler: { winner, call: handler(knobs.handlerReplayedMicros), memory: handler(knobs.handlerSoldOutMicros) },
    /** SQS, as what is left of a winner's time. */
    sendSeconds: Math.max(0, knobs.issueSeconds - winner - knobs.tripSeconds),
  };
}

export type Work = ReturnType<typeof workOf>;
