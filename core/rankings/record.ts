/**
 * A product's record in Redis, and a row of a bucket. All numbers are big-endian doubles: sums are integers, which a double holds
 * exactly up to 2^53.
 *
 * | bytes | what |
 * |---|---|
 * | 1 | n: half-lives that trending sums are kept for |
 * | 4 | minute of its newest event, since 1970 |
 * | 4 | minute of the event that its category is of |
 * | 3 × 8 (3 + n) | views, likes, carts: the sums in 1h, 24h, 7d, then n trending sums |
 * | 2 × 8 (3 + 2n) | units, amount: the sums, then n trending sums of sales, then n of refunds |
 * | the rest | category |
 *
 * A trending sum is kept as its logarithm: `y = log2(Σ q · 2^(m/H))`, with the quantity q, the beginning m of each event's minute in
 * hours since 2026 began, and the half-life H in hours. Its value at a time t is `2^(y − t/H)`: nothing needs to be touched as time
 * goes by, and nothing overflows. (2026, because a smaller y is a more exact one.)
 *
 * A row of a bucket, like the totals of a shard, is five doubles: views, likes, carts, units, amount (totals: of each window in turn).
 */

export const METRICS = ["views", "likes", "carts", "units", "amount"] as const;
type Metric = (typeof METRICS)[number];
export type Metrics = Readonly<Record<Metric, number>>;

export interface ProductRecord {
  readonly newestMinute: number;
  readonly category: string;
  /** Sums in 1h, 24h and 7d. */
  readonly windows: readonly Metrics[];
  /** For each half-life: the logarithms of the trending sums; units and amount as sales and refunds. */
  readonly trends: readonly TrendSums[];
}

export interface TrendSums {
  readonly views: number;
  readonly likes: number;
  readonly carts: number;
  readonly sold: { readonly units: number; readonly amount: number };
  readonly refunded: { readonly units: number; readonly amount: number };
}

const HEAD = 9;

/** Reads a packed record. */
export function readRecord(bytes: Buffer): ProductRecord {
  const n = bytes.readUInt8(0);
  const single = 8 * (3 + n);
  const double = 8 * (3 + 2 * n);
  const starts = [0, single, 2 * single, 3 * single, 3 * single + double].map((start) => HEAD + start);
  const at = (metric: number, place: number) => bytes.readDoubleBE((starts[metric] ?? 0) + 8 * place);
  const windows = [0, 1, 2].map((window) => metricsOf(METRICS.map((_, metric) => at(metric, window))));
  const trends = Array.from({ length: n }, (_, i) => ({
    ...{ views: at(0, 3 + i), likes: at(1, 3 + i), carts: at(2, 3 + i) },
    sold: { units: at(3, 3 + i), amount: at(4, 3 + i) },
    refunded: { units: at(3, 3 + n + i), amount: at(4, 3 + n + i) },
  }));
  return {
    newestMinute: bytes.readUInt32BE(1),
    category: bytes.toString("utf8", HEAD + 3 * single + 2 * double),
    windows,
    trends,
  };
}

function metricsOf(values: readonly number[]): Metrics {
  const [views = 0, likes = 0, carts = 0, units = 0, amount = 0] = values;
  return { views, likes, carts, units, amount };
}

/** Reads a shard's totals, of 1h, 24h and 7d; of an empty shard too. */
export function readTotals(bytes: Buffer | null): Metrics[] {
  if (!bytes) return [0, 1, 2].map(() => metricsOf([]));
  return [0, 1, 2].map((window) =>
    metricsOf(METRICS.map((_, metric) => bytes.readDoubleBE(8 * (5 * window + metric)))),
  );
}

const BEGINNING_MS = Date.UTC(2026, 0, 1);

/** A time in half-lives, as trending sums take it. */
export const halfLivesAt = (ms: number, halfLifeHours: number): number =>
  (ms - BEGINNING_MS) / 3_600_000 / halfLifeHours;
