/** Kinds of findings, and whether a repair mends them. They stand apart from the comparison because the contract lists them. */
export const FINDING_KINDS = {
  /** Somebody holds a ticket in Redis, and neither the ledger nor the outbox has it. */
  missingInLedger: "mended",
  /** The ledger or the outbox has a coupon, and Redis does not know its holder. */
  missingInRedis: "mended",
  /** Two hold one ticket in Redis. */
  duplicateTickets: "reported",
  /** Somebody holds a ticket in Redis that the ledger gave to another. */
  heldByAnother: "reported",
  /** A ticket above the stock is held. */
  overIssued: "reported",
  /** A ticket was given, nobody has it, and it does not wait to be given again. */
  lostTickets: "mended",
  /** A ticket waits to be given again although somebody has it. */
  freeButHeld: "mended",
  /** A ticket waits in the free list that the counter has not reached: it would be given twice. */
  freeNotIssued: "mended",
  /** Tickets wait in the free list, and the flag that makes the script look there is missing. */
  freeUnflagged: "mended",
  /** The counter stands below a ticket that somebody has: it would be given again. */
  counterBehind: "mended",
  /** The ledger has a coupon as given back, and its holder still stands in Redis. */
  notReleased: "mended",
  /** The ledger has the ticket of a coupon and not the coupon. */
  halfRecorded: "mended",
} as const;
export type FindingKind = keyof typeof FINDING_KINDS;

export interface CouponFinding {
  readonly kind: FindingKind;
  readonly ticket: number;
  readonly userId?: string | undefined;
  readonly nth?: number | undefined;
}
