import type { Weights } from "./recount.ts";

/** The boards of the shop: all of it and one category, with different weights, half-lives and sizes. */

export interface BoardRules {
  readonly boardId: string;
  readonly weights: Weights;
  readonly halfLifeHours: number;
  readonly size: number;
  readonly category?: string;
}

/** The board of all products. */
export const WHOLE_SHOP = "popular";

export const BOARDS: readonly BoardRules[] = [
  {
    boardId: WHOLE_SHOP,
    weights: { view: 1, like: 3, cart: 5, sale: 20, revenue: 0 },
    halfLifeHours: 6,
    size: 1_000,
  },
  {
    boardId: "revenue",
    // A product that is looked at and not bought loses; one whose refunds outweigh its sales is not listed.
    weights: { view: -100, like: 0, cart: 0, sale: 0, revenue: 1 },
    halfLifeHours: 48,
    size: 130,
  },
  {
    boardId: "shoes",
    weights: { view: 2, like: 1, cart: 0, sale: 7, revenue: 0 },
    halfLifeHours: 0.5,
    size: 250,
    category: "shoes",
  },
];

export const CATEGORIES = ["shoes", "hats", "books", "tea"] as const;

export const WINDOWS = ["1h", "24h", "7d", "trending"] as const;
export type Window = (typeof WINDOWS)[number];
/** Those whose sums are integers. */
export const SUMMED = ["1h", "24h", "7d"] as const;
export type Summed = (typeof SUMMED)[number];
