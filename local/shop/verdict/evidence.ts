import type { Metrics, ProductRecord } from "../../../core/rankings/record.ts";
import type { BoardRules, Window } from "../boards.ts";
import type { ProductAnswer, Rebuild } from "../desk.ts";

/** What is seen of the rankings at one checkpoint, while nothing moves. */
export interface Seen {
  /** By the stack's clock, when it began and ended. The same where the clock stood still. */
  readonly from: number;
  readonly until: number;
  /** Half-lives that records keep trending sums for, in the order of their places. */
  readonly halfLives: readonly number[];
  /** From Redis, past the API. */
  readonly records: ReadonlyMap<string, ProductRecord>;
  /** Sums of all shards, of 1h, 24h and 7d. */
  readonly totals: readonly Metrics[];
  readonly pages: readonly SeenPages[];
  readonly products: readonly SeenProduct[];
}

/** All pages of one board in one window, put together. */
export interface SeenPages {
  readonly board: BoardRules;
  readonly window: Window;
  /** Of each page. */
  readonly generations: readonly number[];
  readonly sources: readonly string[];
  readonly of: number;
  readonly publishedAt: number;
  readonly items: readonly { readonly rank: number; readonly productId: string; readonly score: number }[];
}

/** One product as the API tells of it. */
export interface SeenProduct {
  readonly board: BoardRules;
  readonly window: Window;
  readonly productId: string;
  readonly from: number;
  readonly until: number;
  /** Undefined where nothing is known of it. */
  readonly answer: ProductAnswer | undefined;
}

/** What the day leaves behind besides its checkpoints. */
export interface Aftermath {
  /** What was wrong with answers to those who sent. */
  readonly flaws: readonly string[];
  /** Checkpoints at which the system did not come to rest, and why. */
  readonly restless: readonly string[];
  readonly rebuilds: readonly Rebuild[];
}

export interface Violation {
  readonly product?: string;
  readonly what: string;
}

/** What one look at the evidence came to. */
export interface Judged {
  readonly violations: readonly Violation[];
  /** How much was compared. */
  readonly compared: number;
  /** The worst error, where one is allowed. */
  readonly worst?: number;
}
