import { type Recount, type Sums, scoreBy, type Weights } from "../recount.ts";
import type { Judged, Seen, Violation } from "./evidence.ts";
import { NAMES, NOTHING } from "./sums.ts";

/**
 * Trending sums are kept as logarithms: each addition rounds, so they are equal up to this, relative to the sum (of sales and refunds
 * together). What is left of events that have left the seven days may be there or not.
 */
export const TREND_ERROR = 1e-10;

/** By how much ages counted in minutes make a sum smaller than ages in milliseconds, at most: less than a minute's decay. */
export const minuteError = (halfLifeHours: number): number => 2 ** (1 / (60 * halfLifeHours)) - 1;

/** The beginning of what logarithms are relative to: 2026. Written down, as the recount is: a judge does not ask the accused. */
const BEGINNING = Date.UTC(2026, 0, 1);
const HOUR = 3_600_000;

/** Each product's trending sums, of each half-life, are those of the recount up to the stated error. */
export function judgeTrends(seen: Seen, recount: Recount): Judged {
  const violations: Violation[] = [];
  let compared = 0;
  let worst = 0;
  for (const [place, halfLife] of seen.halfLives.entries()) {
    const trends = recount.trending(seen.from, halfLife);
    const gross = recount.trendingGross(seen.from, halfLife);
    const forgettable = recount.forgettable(seen.from, halfLife);
    for (const [product, wanted] of trends) {
      compared++;
      const found = trendOf(seen, product, place, halfLife);
      for (const name of NAMES) {
        const scale = gross.get(product)?.[name] ?? 0;
        const error = Math.max(0, Math.abs(found[name] - wanted[name]) - (forgettable.get(product) ?? 0));
        if (scale > 0) worst = Math.max(worst, error / scale);
        if (error <= TREND_ERROR * scale) continue;
        const what = `${found[name]} ${name} at a half-life of ${halfLife} h, the recount has ${wanted[name]}`;
        violations.push({ product, what });
        break;
      }
    }
  }
  return { violations, compared, worst };
}

/** Of the views, likes and carts, by what share ages in minutes were off ages in milliseconds, in parts of what is stated. */
export function minutesAgainstMilliseconds(seen: Seen, recount: Recount): { worst: number; ofStated: number } {
  let worst = 0;
  let ofStated = 0;
  for (const [place, halfLife] of seen.halfLives.entries()) {
    const forgettable = recount.forgettable(seen.from, halfLife);
    for (const [product, wanted] of recount.trendingByMilliseconds(seen.from, halfLife)) {
      const found = trendOf(seen, product, place, halfLife);
      for (const name of ["views", "likes", "carts"] as const) {
        if (wanted[name] <= 0) continue;
        const error = Math.abs(found[name] - wanted[name]) - (forgettable.get(product) ?? 0);
        worst = Math.max(worst, error / wanted[name]);
        ofStated = Math.max(ofStated, error / wanted[name] / minuteError(halfLife));
      }
    }
  }
  return { worst, ofStated };
}

function trendOf(seen: Seen, product: string, place: number, halfLife: number): Sums {
  const trend = seen.records.get(product)?.trends[place];
  if (!trend) return NOTHING;
  const at = (log: number) => 2 ** (log - (seen.from - BEGINNING) / HOUR / halfLife);
  return {
    ...{ views: at(trend.views), likes: at(trend.likes), carts: at(trend.carts) },
    units: at(trend.sold.units) - at(trend.refunded.units),
    amount: at(trend.sold.amount) - at(trend.refunded.amount),
  };
}

/** Trending scores at a time, each with the error that it may have. */
export function trendingScores(
  recount: Recount,
  now: number,
  halfLifeHours: number,
  weights: Weights,
): Map<string, { score: number; error: number }> {
  const size: Weights = {
    ...{ view: Math.abs(weights.view), like: Math.abs(weights.like), cart: Math.abs(weights.cart) },
    ...{ sale: Math.abs(weights.sale), revenue: Math.abs(weights.revenue) },
  };
  const heaviest = Math.max(...Object.values(size));
  const gross = recount.trendingGross(now, halfLifeHours);
  const forgettable = recount.forgettable(now, halfLifeHours);
  const scores = new Map<string, { score: number; error: number }>();
  for (const [product, sums] of recount.trending(now, halfLifeHours)) {
    const error =
      TREND_ERROR * scoreBy(gross.get(product) ?? NOTHING, size) + heaviest * (forgettable.get(product) ?? 0);
    scores.set(product, { score: scoreBy(sums, weights), error });
  }
  return scores;
}
