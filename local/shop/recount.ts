/**
 * A recount of product events in plain TypeScript: every event is kept, and every window is summed anew from all of them. It shares no
 * code with what it judges.
 */

export interface CountedEvent {
  readonly type: "view" | "like" | "cart" | "sale" | "refund";
  readonly productId: string;
  readonly category?: string | undefined;
  readonly quantity: number;
  readonly amount: number;
  /** Milliseconds since 1970. */
  readonly at: number;
}

export interface Sums {
  readonly views: number;
  readonly likes: number;
  readonly carts: number;
  readonly units: number;
  readonly amount: number;
}

export interface Weights {
  readonly view: number;
  readonly like: number;
  readonly cart: number;
  readonly sale: number;
  readonly revenue: number;
}

const MINUTE = 60_000;
const QUARTER = 15 * MINUTE;
const HOUR = 60 * MINUTE;

/**
 * What a window counts at a time: it is never shorter than its name and longer by less than one minute (1h), a quarter of an hour (24h)
 * or an hour (7d).
 */
const COUNTS: Readonly<Record<string, (at: number, now: number) => boolean>> = {
  "1h": (at, now) => Math.floor(at / MINUTE) >= Math.floor(now / MINUTE) - 60,
  "24h": (at, now) => Math.floor(at / QUARTER) >= Math.floor(now / QUARTER) - 96,
  "7d": (at, now) => Math.floor(at / HOUR) >= Math.floor(now / HOUR) - 168,
};

export class Recount {
  readonly #events: CountedEvent[] = [];

  add(events: readonly CountedEvent[]): void {
    for (const event of events) this.#events.push(event);
  }

  get size(): number {
    return this.#events.length;
  }

  /** Sums of each product in a window: every product that has an event in it. */
  window(name: "1h" | "24h" | "7d", nowMs: number): Map<string, Sums> {
    const counts = COUNTS[name];
    return sum(this.#events.filter(({ at }) => counts?.(at, nowMs)));
  }

  /**
   * Decayed sums of each product that has an event in the last seven days: an event counts half after each half-life. Its age is
   * counted from the minute in which it happened.
   */
  trending(nowMs: number, halfLifeHours: number): Map<string, Sums> {
    return sum(this.#decayed(nowMs, halfLifeHours, true));
  }

  /** The same by the events' ages in milliseconds: what the minutes leave out. */
  trendingByMilliseconds(nowMs: number, halfLifeHours: number): Map<string, Sums> {
    return sum(this.#decayed(nowMs, halfLifeHours, true, 1));
  }

  /** The trending sums with refunds added: what an error is relative to where sales and refunds nearly cancel each other. */
  trendingGross(nowMs: number, halfLifeHours: number): Map<string, Sums> {
    const decayed = this.#decayed(nowMs, halfLifeHours, true);
    return sum(decayed.map((event) => (event.type === "refund" ? { ...event, type: "sale" } : event)));
  }

  /**
   * By how much a trending sum may differ: what is left of a product's events that are more than seven days old. They may be counted
   * still, or forgotten with the product, or missing after a rebuild.
   */
  forgettable(nowMs: number, halfLifeHours: number): Map<string, number> {
    const left = new Map<string, number>();
    for (const { productId, quantity, amount } of this.#decayed(nowMs, halfLifeHours, false)) {
      left.set(productId, (left.get(productId) ?? 0) + quantity + amount);
    }
    return left;
  }

  #decayed(nowMs: number, halfLifeHours: number, isRecent: boolean, grain = MINUTE): CountedEvent[] {
    return this.#events
      .filter(({ at }) => COUNTS["7d"]?.(at, nowMs) === isRecent)
      .map((event) => {
        const hours = (nowMs - Math.floor(event.at / grain) * grain) / HOUR;
        const share = 2 ** (-hours / halfLifeHours);
        return { ...event, quantity: event.quantity * share, amount: event.amount * share };
      });
  }

  /**
   * The category that each product was last said to be of: by the minute of the event, then by the name. What was said more than seven
   * days ago may be forgotten by then, with the product or by a rebuild: `isLong` takes it into account, without it it is left out.
   */
  categories(nowMs: number, isLong = false): Map<string, string> {
    const told = new Map<string, { minute: number; category: string }>();
    for (const { productId, category, at } of this.#events) {
      if (category === undefined || !(isLong || COUNTS["7d"]?.(at, nowMs))) continue;
      const minute = Math.floor(at / MINUTE);
      const before = told.get(productId);
      if (!before || minute > before.minute || (minute === before.minute && category > before.category)) {
        told.set(productId, { minute, category });
      }
    }
    return new Map([...told].map(([productId, { category }]) => [productId, category]));
  }
}

function sum(events: readonly CountedEvent[]): Map<string, Sums> {
  const sums = new Map<string, { -readonly [K in keyof Sums]: number }>();
  for (const { type, productId, quantity, amount } of events) {
    const own = sums.get(productId) ?? { views: 0, likes: 0, carts: 0, units: 0, amount: 0 };
    sums.set(productId, own);
    if (type === "view") own.views += quantity;
    if (type === "like") own.likes += quantity;
    if (type === "cart") own.carts += quantity;
    if (type === "sale") own.units += quantity;
    if (type === "sale") own.amount += amount;
    if (type === "refund") own.units -= quantity;
    if (type === "refund") own.amount -= amount;
  }
  return sums;
}

export const scoreBy = (sums: Sums, weights: Weights): number =>
  sums.views * weights.view +
  sums.likes * weights.like +
  sums.carts * weights.cart +
  sums.units * weights.sale +
  sums.amount * weights.revenue;

/** The products of a board in their order: those with a score above 0, the highest first, of equal ones the greater name by its bytes. */
export function order(sums: ReadonlyMap<string, Sums>, weights: Weights): { productId: string; score: number }[] {
  return [...sums]
    .map(([productId, own]) => ({ productId, score: scoreBy(own, weights) }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score || Buffer.compare(Buffer.from(b.productId), Buffer.from(a.productId)));
}
