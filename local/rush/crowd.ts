import type { Random } from "./random.ts";

/** One wish for a coupon. */
export interface Ask {
  readonly user: string;
  readonly key?: string;
}

/** What happens at one moment of the rush: asks that leave at the same instant. */
export interface Step {
  readonly asks: readonly [Ask, ...Ask[]];
  /** Whether the user first waits for the answers to what they asked before. */
  readonly patient: boolean;
}

export interface Crowd {
  readonly users: readonly string[];
  readonly steps: readonly Step[];
}

/** What users do who ask more than once. Everyone else asks once. */
const HABITS = ["again", "at-once", "key-again", "key-at-once", "two-keys", "two-keys-at-once"] as const;
type Habit = (typeof HABITS)[number] | "once";

/** Deals out a crowd: who asks when, how often, and under which key. The same arguments make the same crowd. */
export function gather(count: number, duplicates: number, random: Random): Crowd {
  const users = Array.from({ length: count }, (_, index) => nameUser(index, random));
  const timed: { at: number; step: Step }[] = [];
  shuffled(users, random).forEach((user, place) => {
    const habit: Habit = random.next() < duplicates ? random.pick(HABITS) : "once";
    const [first, ...later] = stepsOf(user, habit, random);
    timed.push({ at: place, step: first });
    for (const step of later) timed.push({ at: place + random.next() * (count - place), step });
  });
  timed.sort((left, right) => left.at - right.at);
  return { users, steps: timed.map(({ step }) => step) };
}

function stepsOf(user: string, habit: Habit, random: Random): [Step, ...Step[]] {
  const some = 1 + random.below(3);
  const plain: Ask = { user };
  const keyed = (name: string): Ask => ({ user, key: `${name}-${random.below(1e9)}` });
  const one = (ask: Ask, patient = false): Step => ({ asks: [ask], patient });
  const together = (ask: Ask): Step => ({ asks: [ask, ...Array<Ask>(some).fill(ask)], patient: false });
  const again = (ask: Ask) => Array.from({ length: some }, () => one(ask, true));
  switch (habit) {
    case "once":
      return [one(plain)];
    case "again":
      return [one(plain), ...again(plain)];
    case "at-once":
      return [together(plain), one(plain, true)];
    case "key-again": {
      const ask = keyed("order");
      return [one(ask), ...again(ask)];
    }
    case "key-at-once": {
      const ask = keyed("order");
      return [together(ask), one(ask, true)];
    }
    case "two-keys":
      return [one(keyed("first")), one(keyed("second"), true)];
    case "two-keys-at-once":
      return [{ asks: [keyed("first"), keyed("second")], patient: false }];
  }
}

/** Ids in the shapes that identity providers give them, because a store may pack each shape in its own way. */
function nameUser(index: number, random: Random): string {
  const hex = (digits: number) => Array.from({ length: digits }, () => random.below(16).toString(16)).join("");
  const last = index.toString(16).padStart(12, "0");
  const shapes = [
    () => String(100_000 + index),
    () => `${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${last}`,
    () => `shopper-${index}@example.com`,
    () => `auth0|${index}|${hex(64)}`,
  ] as const;
  return random.pick(shapes)();
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const tagged = items.map((item) => ({ item, at: random.next() }));
  return tagged.sort((left, right) => left.at - right.at).map(({ item }) => item);
}
