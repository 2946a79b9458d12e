/**
 * The windows that boards have, and the tiers of buckets behind them. An event lies in the bucket of its minute until that leaves the
 * last hour; its sums are then handed down to the bucket of its quarter of an hour, and from there to that of its hour. What
 * leaves a tier is subtracted from the tier's window. So a window is never shorter than its name says, and longer by less than one bucket.
 */

export const WINDOWS = ["1h", "24h", "7d", "trending"] as const;
export type Window = (typeof WINDOWS)[number];

export type Tier = "minutes" | "quarters" | "hours";

interface TierShape {
  readonly name: Tier;
  /** The window that what leaves this tier leaves with it. */
  readonly window: Exclude<Window, "trending">;
  /** Length of a bucket. */
  readonly minutes: number;
  /** Buckets of the window, beside the one that is being filled. */
  readonly span: number;
}

/** From the finest. In this order the scripts number them, and the windows of a record. */
export const TIERS: readonly TierShape[] = [
  { name: "minutes", window: "1h", minutes: 1, span: 60 },
  { name: "quarters", window: "24h", minutes: 15, span: 96 },
  { name: "hours", window: "7d", minutes: 60, span: 168 },
];

const MINUTE_MS = 60_000;

export const minuteOf = (ms: number): number => Math.floor(ms / MINUTE_MS);

/** The bucket of a tier that a minute lies in; minutes and buckets are counted from 1970. */
export const slotOf = (tier: TierShape, minute: number): number => Math.floor(minute / tier.minutes);

/** The last bucket of a tier that has left its window at a time. */
export const leftAt = (tier: TierShape, nowMs: number): number => slotOf(tier, minuteOf(nowMs)) - tier.span - 1;

/** A day after the bucket should have left its window: whatever evicts it is late by then, and it would only take space. */
export const bucketExpiresAtSeconds = (tier: TierShape, slot: number): number =>
  (slot + tier.span + 2) * tier.minutes * 60 + 86_400;

/** The last buckets that have left their windows in one shard. */
export type Marks = Readonly<Record<Tier, number>>;

/** Whether an event of this minute counts in a window, by what has left it. */
export const counts = (tier: TierShape, minute: number, marks: Marks): boolean =>
  slotOf(tier, minute) > marks[tier.name];
