import type { Random } from "../rush/random.ts";
import { CATEGORIES } from "./boards.ts";

/**
 * What happens at the shop: batches of events, from one moment of the day to the next. The same seed makes the same day for the same
 * moments. A part of the events is awkward on purpose.
 */

export type EventType = "view" | "like" | "cart" | "sale" | "refund";

/** An event as it is sent. */
export interface ShopEvent {
  readonly type: EventType;
  readonly productId: string;
  readonly category?: string;
  readonly quantity?: number;
  readonly amount?: number;
  /** Milliseconds since 1970. Without it, it happens when it arrives. */
  readonly at?: number;
  readonly actorId?: string;
}

export interface ShopBatch {
  readonly key: string;
  readonly events: readonly ShopEvent[];
  /** Whether an event has no time, or one ahead of the clock: when it happens is decided by when the batch arrives. */
  readonly isUndated: boolean;
  /** Whether somebody is named who views: those have a cap, which Redis counts. */
  readonly isActed: boolean;
  /** How often it is sent at once, and how often again later. */
  readonly copiesAtOnce: number;
  readonly copiesLater: number;
  /** How many turns it is held back. */
  readonly turnsLate: number;
}

export interface Day {
  /** Products that bots view. */
  readonly ofBots: ReadonlySet<string>;
  /**
   * Batches of what happened from one time to another, in the order in which they are sent.
   * @param isNamed whether it may be said who views; without it, bots stay away
   */
  between(fromMs: number, toMs: number, events: number, isNamed?: boolean): ShopBatch[];
}

export interface DayRules {
  readonly products: number;
  readonly startsAt: number;
  readonly endsAt: number;
  /** Whether events may come without a time. */
  readonly undated: boolean;
}

/** Views of one product by one actor that count in an hour, by the contract. */
export const VIEWS_CAP = 10;

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY_MS = 24 * HOUR;
/** Late events are of an age at which it does not matter when exactly they arrive: clearly within the seven days, or clearly not. */
const LATE_MOST_MS = 6.4 * DAY_MS;
const TOO_LATE_MS = [7.6 * DAY_MS, 10 * DAY_MS] as const;
/** Who viewed is said of what happened lately: Redis keeps counters for each hour of which it is said. */
const TELLS_ACTOR_MS = 2 * HOUR;
/** A category is told by events of the last day only: told by one that leaves the seven days, it would go or stay. */
const TELLS_CATEGORY_MS = 20 * HOUR;
const AHEAD_MS = 4 * MINUTE;

const SHARES = {
  late: 0.05,
  tooLate: 0.004,
  /** Of the batches. */
  undated: 0.08,
  twiceAtOnce: 0.08,
  againLater: 0.1,
  heldBack: 0.15,
  /** Of the views, those whose sender says who viewed. */
  acted: 0.5,
  /** Of these, the one who comes back to a product all through an hour, up to the cap. */
  fans: 0.2,
  categoryTold: 0.3,
  /** Of these, to another category than the product's own. */
  moved: 0.02,
  /** Of the events, while it lasts. */
  flash: 0.3,
} as const;

const TYPES = [
  ["view", 0.7],
  ["like", 0.1],
  ["cart", 0.08],
  ["sale", 0.09],
  ["refund", 0.03],
] as const satisfies readonly (readonly [EventType, number])[];

const BATCH_MOST = 400;
const BOTS = 4;
const BOT_VIEWS = [60, 300] as const;
const ACTORS = 20_000;
/** Actors, each with a product and an hour. Bounds memory. */
const REMEMBERED_ACTORS = 200_000;
/** The flash item comes from nowhere, after so much of the day, and lasts for so much of it. */
const FLASH_FROM = 0.4;
const FLASH_FOR = 0.12;
export const FLASH_ITEM = "flash~item";

/** Products' names, the most popular first, in several shapes: of equal scores the greater name by its bytes comes first. */
export function productNames(count: number): string[] {
  const shapes = [
    (n: number) => `p-${n}`,
    (n: number) => `P.${n}`,
    (n: number) => `sku:${n}@eu`,
    (n: number) => `~${n.toString(36)}`,
    (n: number) => `${n}_${"x".repeat(n % 40)}`,
  ] as const;
  return Array.from({ length: count }, (_, n) => (shapes[n % shapes.length] ?? shapes[0])(n));
}

/** How busy an hour of the day is: four at night, half past three in the afternoon; 1 on average. */
export function busyAt(ms: number): number {
  const hour = (ms % DAY_MS) / HOUR;
  return 1 - 0.75 * Math.cos((2 * Math.PI * (hour - 4)) / 24);
}

/** Draws an index by Zipf's law: the n-th is drawn as often as 1/n says. */
export function zipf(count: number): (random: Random) => number {
  let sum = 0;
  const upTo = Float64Array.from({ length: count }, (_, n) => {
    sum += 1 / (n + 1);
    return sum;
  });
  return (random) => {
    const wanted = random.next() * sum;
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((upTo[middle] ?? 0) > wanted) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}

export function openDay(rules: DayRules, random: Random): Day {
  const names = productNames(rules.products);
  const popular = zipf(rules.products);
  const categoryOf = (place: number) => CATEGORIES[place % CATEGORIES.length] ?? CATEGORIES[0];
  const bots = Array.from({ length: BOTS }, (_, bot) => ({
    actorId: `bot-${bot}`,
    productId: names[popular(random)] ?? "",
    seed: random.below(2 ** 20),
  }));
  const seen = new Map<string, number>();
  let count = 0;

  const flashFrom = rules.startsAt + FLASH_FROM * (rules.endsAt - rules.startsAt);
  const flashUntil = flashFrom + FLASH_FOR * (rules.endsAt - rules.startsAt);

  function typeOf(): EventType {
    let left = random.next();
    for (const [type, share] of TYPES) {
      if (left < share) return type;
      left -= share;
    }
    return "view";
  }

  /** Late ones are minutes to days old, each order of magnitude as often as another. */
  function ageOf(): number {
    const draw = random.next();
    if (draw < SHARES.tooLate) {
      const [least, most] = TOO_LATE_MS;
      return least + random.next() * (most - least);
    }
    return draw < SHARES.tooLate + SHARES.late ? MINUTE * (LATE_MOST_MS / MINUTE) ** random.next() : 0;
  }

  /** Somebody who has not viewed it so often in that hour that one more would be too many. */
  function innocentOf(productId: string, at: number, quantity: number): string | undefined {
    const isFan = random.next() < SHARES.fans;
    const actorId = isFan ? `a-fan-${Math.floor(at / HOUR)}` : `a-${random.below(ACTORS)}`;
    const name = `${actorId} ${productId} ${Math.floor(at / HOUR)}`;
    const views = (seen.get(name) ?? 0) + quantity;
    if (views > VIEWS_CAP) return undefined;
    seen.set(name, views);
    return actorId;
  }

  /** Nobody comes back to hours that are so long gone. */
  function forgetBefore(hour: number): void {
    for (const name of seen.keys()) if (Number(name.slice(name.lastIndexOf(" ") + 1)) < hour) seen.delete(name);
  }

  function eventOf(fromMs: number, toMs: number, isNamed: boolean): ShopEvent {
    const happened = fromMs + random.next() * (toMs - fromMs);
    const age = ageOf();
    const at = Math.floor(happened - age);
    const isFlash = happened >= flashFrom && happened < flashUntil && age === 0 && random.next() < SHARES.flash;
    const place = popular(random);
    const productId = isFlash ? FLASH_ITEM : (names[place] ?? "");
    const type = typeOf();
    const isMoney = type === "sale" || type === "refund";
    const isTold = age < TELLS_CATEGORY_MS && random.next() < SHARES.categoryTold;
    const category = isFlash ? "shoes" : random.next() < SHARES.moved ? random.pick(CATEGORIES) : categoryOf(place);
    const quantity = isMoney ? 1 + random.below(3) : type === "view" && random.next() < 0.02 ? VIEWS_CAP : 1;
    const isActed = isNamed && type === "view" && age < TELLS_ACTOR_MS && random.next() < SHARES.acted;
    const actorId = isActed ? innocentOf(productId, at, quantity) : undefined;
    return {
      ...{ type, productId, at },
      ...(isTold ? { category } : {}),
      ...(quantity > 1 ? { quantity } : {}),
      ...(isMoney ? { amount: quantity * (100 + random.below(20_000)) } : {}),
      ...(actorId === undefined ? {} : { actorId }),
    };
  }

  /** Of each hour one minute, in which each bot views its product hundreds of times. */
  function botEvents(fromMs: number, toMs: number): ShopEvent[] {
    const events: ShopEvent[] = [];
    for (let hour = Math.floor(fromMs / HOUR); hour * HOUR < toMs; hour++) {
      for (const { actorId, productId, seed } of bots) {
        const minute = hour * 60 + (((seed ^ Math.imul(hour, 7_919)) >>> 0) % 60);
        if (minute * MINUTE < fromMs || minute * MINUTE >= toMs) continue;
        const [least, most] = BOT_VIEWS;
        const views = least + random.below(most - least);
        // Which of its views count would be another question, were they of different minutes.
        const at = () => Math.min(minute * MINUTE + random.below(MINUTE), Math.floor(toMs) - 1);
        for (let i = 0; i < views; i++) events.push({ type: "view", productId, actorId, at: at() });
      }
    }
    return events;
  }

  function batchOf(events: readonly ShopEvent[], isUndated: boolean): ShopBatch {
    return {
      key: `batch-${count++}`,
      ...{ events, isUndated },
      isActed: events.some(({ actorId }) => actorId !== undefined),
      copiesAtOnce: random.next() < SHARES.twiceAtOnce ? 1 + random.below(2) : 0,
      copiesLater: random.next() < SHARES.againLater ? 1 + random.below(2) : 0,
      // What happens when it arrives is not held back.
      turnsLate: !isUndated && random.next() < SHARES.heldBack ? 1 + random.below(8) : 0,
    };
  }

  /** Takes the times from some events, and sets others ahead. */
  function undate(events: readonly ShopEvent[], toMs: number): ShopEvent[] {
    return events.map(({ at: _, actorId: _a, ...event }) => {
      const draw = random.next();
      if (draw < 0.4) return event;
      return { ...event, at: Math.floor(draw < 0.5 ? toMs + AHEAD_MS * random.next() : toMs - 1) };
    });
  }

  return {
    ofBots: new Set(bots.map(({ productId }) => productId)),
    between(fromMs, toMs, events, isNamed = true) {
      if (seen.size > REMEMBERED_ACTORS) forgetBefore(Math.floor((fromMs - 2 * TELLS_ACTOR_MS) / HOUR));
      const happened = Array.from({ length: events }, () => eventOf(fromMs, toMs, isNamed));
      if (isNamed) happened.push(...botEvents(fromMs, toMs));
      const mixed = shuffled(happened, random);
      const batches: ShopBatch[] = [];
      while (mixed.length > 0) {
        const some = mixed.splice(0, 1 + random.below(BATCH_MOST));
        const isUndated = rules.undated && random.next() < SHARES.undated && !some.some(isOfBot);
        batches.push(batchOf(isUndated ? undate(some, toMs) : some, isUndated));
      }
      return batches;
    },
  };
}

const isOfBot = ({ actorId }: ShopEvent) => actorId?.startsWith("bot-") === true;

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const tagged = items.map((item) => ({ item, at: random.next() }));
  return tagged.sort((left, right) => left.at - right.at).map(({ item }) => item);
}
