import type { Random } from "../rush/random.ts";

/**
 * What a shopper does. `returns` gives the coupon back and asks anew; `insists` asks again, twice at most, after "sold-out",
 * which is how a ticket that was given back finds somebody.
 */
const HABITS = ["again", "at-once", "two-keys", "cancels", "returns", "insists"] as const;

export type Habit = "once" | (typeof HABITS)[number];

export interface Shopper {
  readonly user: string;
  /** When they come, in milliseconds from the start of the round. */
  readonly atMs: number;
  readonly habit: Habit;
  /** How long they wait before each further thing they do. */
  readonly pausesMs: readonly [number, number];
}

/** Share of those who do more than ask once. */
const BUSY = 0.45;

/** Deals out a crowd that arrives evenly over a time. The same arguments make the same crowd. */
export function gather(count: number, overMs: number, random: Random): Shopper[] {
  const pause = () => 200 + random.below(1_300);
  return Array.from({ length: count }, (_, index) => ({
    user: nameUser(index, random),
    atMs: Math.round((overMs * index) / count),
    habit: random.next() < BUSY ? random.pick(HABITS) : "once",
    pausesMs: [pause(), pause()],
  }));
}

/** Numbers and addresses, because Redis packs the two in different ways. */
function nameUser(index: number, random: Random): string {
  return random.pick([`${100_000 + index}`, `shopper-${index}@example.com`]);
}
