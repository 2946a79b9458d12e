import { type Part, type ProductEvent, type Row, rowSums } from "../../core/rankings/rows.ts";
import { shardOf } from "../../core/rankings/shards.ts";
import type { EventType } from "../../core/rankings/states.ts";
import { type Random, seeded } from "../rush/random.ts";

/** Events of a shop, drawn with a seed, and how they are packed for a number of shards. */

/** How often each product is drawn: by Zipf's law with exponent 1, the same over the hundred products of a flash sale, or all alike. */
export type Popularity = "zipf" | "flash" | "uniform";
/** Products of a flash sale: events of its first minutes are of these. */
export const FLASH_PRODUCTS = 100;

/** Of a hundred events. Refunds are a fifth of sales. */
const MIX: readonly (readonly [EventType, number])[] = [
  ["view", 80],
  ["like", 6],
  ["cart", 9],
  ["sale", 4],
  ["refund", 1],
];
export const MIX_TEXT = MIX.map(([type, share]) => `${share} % ${type}s`).join(", ");

const CATEGORIES = 20;
export const shortName = (index: number): string => `p-${10_000 + index}`;

/** Draws places of products, the most popular being 0. */
function drawer(popularity: Popularity, all: number, random: Random): () => number {
  if (popularity === "uniform") return () => random.below(all);
  const products = popularity === "flash" ? Math.min(all, FLASH_PRODUCTS) : all;
  const sums = new Float64Array(products);
  let sum = 0;
  for (let i = 0; i < products; i++) sums[i] = sum += 1 / (i + 1);
  return () => {
    const wanted = random.next() * sum;
    let [low, high] = [0, products - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sums[middle] ?? 0) > wanted) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}

function typeOf(hundredth: number): EventType {
  let below = 0;
  for (const [type, share] of MIX) {
    below += share;
    if (hundredth < below) return type;
  }
  return "view";
}

/** An endless stream of events of one moment. */
export function eventSource(
  popularity: Popularity,
  products: number,
  seed: number,
  tellsCategory = true,
): (at: number) => ProductEvent {
  const random = seeded(seed);
  const draw = drawer(popularity, products, random);
  return (at) => {
    const index = draw();
    const type = typeOf(random.below(100));
    const isMoney = type === "sale" || type === "refund";
    const quantity = isMoney ? 1 + random.below(2) : 1;
    const price = 1_000 + ((index * 7_919) % 90_000);
    return {
      ...{ type, productId: shortName(index), quantity, at },
      ...(tellsCategory ? { category: `c-${index % CATEGORIES}` } : {}),
      amount: isMoney ? quantity * price : 0,
    };
  };
}

/** Parts for each of so many shards. With sixteen they are those that ingestion makes. */
export type Message = ReadonlyMap<number, readonly Part[]>;

export function packFor(events: readonly ProductEvent[], shards: number): Message {
  const byShard = Map.groupBy(events, ({ productId }) => shardOf(productId) % shards);
  return new Map(
    [...byShard].map(([shard, own]) => {
      const sums = rowSums();
      for (const event of own) sums.addEvent(event);
      return [shard, sums.parts()] as const;
    }),
  );
}

/** Metrics that a row changes: views, likes, carts, units, amount. */
function metricsIn([, , views = 0, likes = 0, carts = 0, ...money]: Row): number {
  const [sold = 0, refunded = 0, soldAmount = 0, refundedAmount = 0] = money;
  return [views, likes, carts, sold || refunded, soldAmount || refundedAmount].filter((it) => it !== 0).length;
}

/** What a message boils down to. */
export interface Content {
  readonly calls: number;
  /** Distinct products. */
  readonly rows: number;
  /** Distinct pairs of product and metric. */
  readonly pairs: number;
}

export function contentOf(message: Message): Content {
  const parts = [...message.values()].flat();
  const rows = parts.flatMap((part) => part.rows);
  return { calls: parts.length, rows: rows.length, pairs: rows.reduce((sum, row) => sum + metricsIn(row), 0) };
}

/** Accumulators of one pair of product and metric: the windows 1h, 24h, 7d, and the bucket. */
export const ACCUMULATORS = 4;

/** A row in which a product has something of every metric. */
export const fullRow = (productId: string, index: number): Row =>
  [
    ...[productId, `c-${index % CATEGORIES}`, 1 + (index % 50), 1 + (index % 5), 1 + (index % 3)],
    ...[1 + (index % 2), 0, 1_000 + ((index * 7_919) % 90_000)],
  ] as unknown as Row;
