import type { Figure } from "./emf.ts";

/** What was written of metrics, added up by second and series, within bounds. */

/** CloudWatch keeps single seconds so long. */
const KEPT_SECONDS = 3 * 3_600;

export interface Bounds {
  /** Seconds of series that are held at most, some hundred bytes each; the oldest go first. A rush of a minute makes a few hundred. */
  readonly points: number;
  /** Series that are known at most; what comes after that is passed over. */
  readonly series: number;
}

const BOUNDS: Bounds = { points: 300_000, series: 5_000 };

export interface Point {
  sum: number;
  count: number;
  least: number;
  most: number;
}

export type SeriesName = Pick<Figure, "namespace" | "metric" | "dimensions">;

function textOf({ namespace, metric, dimensions }: SeriesName): string {
  const pairs = Object.entries(dimensions).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([namespace, metric, pairs]);
}

export class Figures {
  readonly #bounds: Bounds;
  readonly #series = new Map<string, number>();
  /** By second, in the order in which they came, which is nearly their own. */
  readonly #seconds = new Map<number, Map<number, Point>>();
  #points = 0;
  #newest = 0;

  constructor(bounds: Bounds = BOUNDS) {
    this.#bounds = bounds;
  }

  add(figure: Figure): void {
    const text = textOf(figure);
    const series = this.#series.get(text) ?? this.#series.size;
    if (series >= this.#bounds.series) return;
    this.#series.set(text, series);
    const { second, values } = figure;
    this.#newest = Math.max(this.#newest, second);
    const points = this.#seconds.get(second) ?? new Map<number, Point>();
    this.#seconds.set(second, points);
    let point = points.get(series);
    if (!point) {
      point = { sum: 0, count: 0, least: Number.POSITIVE_INFINITY, most: Number.NEGATIVE_INFINITY };
      points.set(series, point);
      this.#points += 1;
    }
    for (const value of values) addTo(point, { sum: value, count: 1, least: value, most: value });
    this.#forget();
  }

  #forget(): void {
    for (const [second, points] of this.#seconds) {
      if (this.#points <= this.#bounds.points && second > this.#newest - KEPT_SECONDS) return;
      this.#seconds.delete(second);
      this.#points -= points.size;
    }
  }

  /** Adds up a series from one second up to another, which is not part of it, by periods. @returns by the period's first second */
  periods(name: SeriesName, from: number, to: number, period: number): Map<number, Point> {
    const found = new Map<number, Point>();
    const series = this.#series.get(textOf(name));
    if (series === undefined) return found;
    for (let second = Math.max(from, this.#newest - KEPT_SECONDS); second < Math.min(to, this.#newest + 1); second++) {
      const point = this.#seconds.get(second)?.get(series);
      if (!point) continue;
      const begin = second - (second % period);
      const sums = found.get(begin);
      if (sums) addTo(sums, point);
      else found.set(begin, { ...point });
    }
    return found;
  }

  clear(): void {
    this.#series.clear();
    this.#seconds.clear();
    this.#points = 0;
    this.#newest = 0;
  }
}

function addTo(sums: Point, point: Point): void {
  sums.sum += point.sum;
  sums.count += point.count;
  sums.least = Math.min(sums.least, point.least);
  sums.most = Math.max(sums.most, point.most);
}
