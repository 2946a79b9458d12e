/**
 * Durations of a kind, in memory that does not grow: counts in buckets, four to a doubling, from a sixty-fourth of a millisecond to two
 * minutes. A percentile is the middle of its bucket, so it is off by 9 % at most; count, sum and longest are exact.
 */
const PER_DOUBLING = 4;
const LEAST_MS = 1 / 64;
const BUCKETS = 23 * PER_DOUBLING;

export interface DurationFigures {
  readonly n: number;
  readonly sumMs: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export class Durations {
  readonly #counts = new Uint32Array(BUCKETS);
  #n = 0;
  #sumMs = 0;
  #maxMs = 0;

  /** How many there are so far. */
  get n(): number {
    return this.#n;
  }

  add(ms: number): void {
    const bucket = Math.round(Math.log2(Math.max(ms, LEAST_MS) / LEAST_MS) * PER_DOUBLING);
    const place = Math.min(bucket, BUCKETS - 1);
    this.#counts[place] = (this.#counts[place] ?? 0) + 1;
    this.#n++;
    this.#sumMs += ms;
    this.#maxMs = Math.max(this.#maxMs, ms);
  }

  /** The figures so far, and begins again. @returns undefined when there was nothing */
  take(): DurationFigures | undefined {
    if (this.#n === 0) return undefined;
    const figures = {
      n: this.#n,
      sumMs: toTenths(this.#sumMs),
      p50Ms: toTenths(this.#percentile(0.5)),
      p95Ms: toTenths(this.#percentile(0.95)),
      p99Ms: toTenths(this.#percentile(0.99)),
      maxMs: toTenths(this.#maxMs),
    };
    this.#counts.fill(0);
    this.#n = 0;
    this.#sumMs = 0;
    this.#maxMs = 0;
    return figures;
  }

  #percentile(share: number): number {
    let left = Math.ceil(this.#n * share);
    for (const [bucket, count] of this.#counts.entries()) {
      left -= count;
      if (left <= 0) return Math.min(LEAST_MS * 2 ** (bucket / PER_DOUBLING), this.#maxMs);
    }
    return this.#maxMs;
  }
}

/** A tenth of a millisecond is as fine as a log needs it. */
export function toTenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}
