/**
 * The packed string that the deciding script reads and counts. Packed, because reading it costs one GET and one unpack,
 * about a quarter of an HMGET of the same fields (`npm run bench`); every issue pays this.
 *
 * | bytes | field | |
 * |---|---|---|
 * | 0–3 | stock | tickets are 1…stock |
 * | 4–7 | issued | the highest ticket given so far; freed tickets below it wait in the free list |
 * | 8 | gate | zero when open; otherwise the sum of {@link GATE} bits, and the script looks closer |
 * | 9–12 | etaMs | coarse time until a new coupon is confirmed, kept by `settle.lua`; zero while a recovery empties the buckets |
 * | 13–20 | closesAt | milliseconds since 1970 |
 * | 21–28 | base | milliseconds since 1970, a day before the creation; issue times are stored relative to it |
 * | 29–32 | version | rises with every change of the campaign |
 * | 33–40 | opensAt | milliseconds since 1970 |
 * | 41–44 | returned | coupons given back so far; with the version it tells a sold-out answer from a later one |
 * | 45–48 | epoch | rises with every recovery; travels with each confirmation |
 * | 49–88 | node | `master_replid` of the server that this campaign is attached to: the fence (docs/decisions/0003) |
 * | 89–104 | filling | names the filling of Redis, at the creation or by a recovery, that the ledger has agreed to |
 */
export const GATE = {
  /** Not opened yet: compare with the Redis clock. Cleared for good by the first issue, so a clock that steps back closes nothing. */
  scheduled: 1,
  /** An operator's pause. */
  paused: 2,
  /** Closing time was seen to be past. Latched, so a clock that steps back opens nothing. */
  closed: 4,
  /** Somebody gave a ticket back: the free list is asked before the counter. */
  freed: 8,
  /** The ledger has not agreed to this filling yet: nothing may be issued. */
  unarmed: 16,
  /** Redis may lack issuances that the ledger has: nothing may be issued until it was recovered. */
  fenced: 32,
} as const;

/** What a tally says, decoded by `show-campaign.lua`. Times in milliseconds since 1970, by the Redis clock. */
export interface Tally {
  readonly stock: number;
  /** The highest ticket given so far. */
  readonly issued: number;
  /** Tickets that wait in the free list. */
  readonly free: number;
  readonly gate: number;
  readonly etaMs: number;
  readonly version: number;
  readonly opensAt: number;
  readonly closesAt: number;
  readonly base: number;
  readonly now: number;
}
