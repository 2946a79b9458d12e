import type { Random } from "../rush/random.ts";

/**
 * What somebody does.
 * - `patient`: waits with the client library, asks for a coupon, gives the pass back
 * - `keeps`: keeps the pass until it has expired, and then tries it once more
 * - `abandons`: stops polling while waiting, and is never heard of again
 * - `hurries`: polls much too fast, without the library
 * - `returns`: leaves the line while waiting, and comes back to its end
 * - `two-pages`: waits in two pages at once
 */
export const HABITS = ["abandons", "hurries", "returns", "two-pages", "keeps", "patient"] as const;
export type Habit = (typeof HABITS)[number];

/** What somebody tries in place of a valid pass: each must be refused. */
export const TRICKS = ["no-pass", "strangers-pass", "damaged-pass", "ticket-as-pass"] as const;
export type Trick = (typeof TRICKS)[number];

export interface Person {
  readonly user: string;
  /** When they come, in milliseconds from the start. */
  readonly atMs: number;
  readonly habit: Habit;
  readonly trick?: Trick;
  /** Whether they follow the room's public document between their polls. */
  readonly watches: boolean;
  /** Who abandons or leaves does so when the place is this share of what it was at first. */
  readonly untilShare: number;
  /** Between coming in and the coupon, and between that and going. */
  readonly pausesMs: readonly [number, number];
  /** How long who leaves stays away. */
  readonly awayMs: number;
  /** How often who hurries asks. */
  readonly hurryMs: number;
}

/** Of a thousand people. Those who abandon come on top; everybody else is patient. */
const PER_MILLE: readonly (readonly [Habit, number])[] = [
  ["hurries", 8],
  ["returns", 30],
  ["two-pages", 30],
  ["keeps", 50],
];
const TRICKSTERS_PER_MILLE = 5;
/** Share of those who follow the public document: a page does, but in one process each look is work for the two cores as well. */
const WATCHERS = 0.2;

/** Deals out a crowd that arrives evenly over a time. The same arguments make the same crowd. */
export function gather(count: number, overMs: number, abandon: number, random: Random): Person[] {
  const habits = shuffled(deal<Habit>(count, [["abandons", 1_000 * abandon], ...PER_MILLE], "patient"), random);
  const tricky = TRICKS.map((trick) => [trick, TRICKSTERS_PER_MILLE] as const);
  const tricks = shuffled(deal<Trick | undefined>(count, tricky, undefined), random);
  return habits.map((habit, index) => {
    const trick = tricks[index];
    return {
      user: nameUser(index, random),
      atMs: Math.round((overMs * (index + random.next())) / count),
      habit,
      ...(trick === undefined ? {} : { trick }),
      watches: random.next() < WATCHERS,
      untilShare: 0.1 + 0.85 * random.next(),
      pausesMs: [200 + random.below(800), 100 + random.below(700)],
      awayMs: 500 + random.below(2_500),
      hurryMs: 150 + random.below(250),
    };
  });
}

/** So many of each kind, one at the least so that a small crowd has them all too, and all others of the last. */
function deal<T>(count: number, perMille: readonly (readonly [T, number])[], others: T): T[] {
  const dealt = perMille.flatMap(([kind, share]) =>
    share > 0 ? Array<T>(Math.max(1, Math.round((count * share) / 1_000))).fill(kind) : [],
  );
  return [...dealt, ...Array<T>(Math.max(0, count - dealt.length)).fill(others)].slice(0, count);
}

/** Ids in the shapes that identity providers give them, because a store may pack each shape in its own way. */
function nameUser(index: number, random: Random): string {
  const hex = (digits: number) => Array.from({ length: digits }, () => random.below(16).toString(16)).join("");
  const shapes = [
    () => String(100_000 + index),
    () => `${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${index.toString(16).padStart(12, "0")}`,
    () => `shopper-${index}@example.com`,
    () => `auth0|${index}|${hex(64)}`,
  ] as const;
  return random.pick(shapes)();
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const tagged = items.map((item) => ({ item, at: random.next() }));
  return tagged.sort((left, right) => left.at - right.at).map(({ item }) => item);
}
