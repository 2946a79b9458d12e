import { limits } from "../limits.ts";

/** What an ETA is made of. */
export interface Flow {
  /** Confirmations that must be taken before and with this one. */
  readonly ahead: number;
  /** Confirmations per second that the ledger took lately; undefined before the first measurement. */
  readonly perSecond: number | undefined;
  /** Milliseconds since the ledger last took one, while others waited. */
  readonly quietMs: number;
}

/** Assumed until measured: what one persister does against DynamoDB; the first window replaces it within a second of work. */
const PER_SECOND_ASSUMED = 100;
/** The shortest ETA: a confirmation takes a queue, a function and two writes. */
const SHORTEST_MS = 250;
/** Quiet for longer than this is a standstill, not the pause between two batches. */
const STANDSTILL_MS = 2_000;

/**
 * When to expect a pending coupon's confirmation, in milliseconds from now: the backlog at the measured rate, plus, when
 * nothing moves, as long again as nothing has moved. (Of a standstill nobody knows the end; expecting its middle to be now
 * is off by less than a factor of two for half of all moments in it.) Always finite, at most `limits.etaMostMs`.
 */
export function etaOf(flow: Flow): number {
  const drainMs = (Math.max(1, flow.ahead) * 1_000) / (flow.perSecond ?? PER_SECOND_ASSUMED);
  const standstillMs = flow.quietMs > STANDSTILL_MS ? flow.quietMs : 0;
  return Math.round(Math.min(Math.max(SHORTEST_MS, drainMs + standstillMs), limits.etaMostMs));
}
