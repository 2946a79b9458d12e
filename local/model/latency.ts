/**
 * A latency of which median and 99th percentile are known, as a time that cannot be undercut and an exponential rest; and what many
 * of them, each with its weight, have together.
 */
export interface Part {
  readonly weight: number;
  readonly median: number;
  readonly tail: number;
}

/** Values between which each part's distribution is cut. */
const CUTS = Array.from({ length: 99 }, (_, index) => (index + 0.5) / 100).concat(0.9925, 0.9975);
const MASSES = Array<number>(99).fill(0.01).concat(0.005, 0.005);
const spread = (share: number) => Math.log(1 / (1 - share));
const HALF = spread(0.5);
const NINETY_NINE = spread(0.99);

export interface Quantiles {
  readonly p50: number;
  readonly p99: number;
}

/** Parts that are alike to a hundredth, as one each. */
function merged(parts: readonly Part[]): Part[] {
  const alike = new Map<string, Part>();
  const about = (value: number) => Math.round(100 * Math.log(Math.max(value, 1e-6)));
  for (const part of parts) {
    if (part.weight <= 0) continue;
    const key = `${about(part.median)} ${about(part.tail)}`;
    const before = alike.get(key);
    alike.set(key, before ? { ...before, weight: before.weight + part.weight } : part);
  }
  return [...alike.values()];
}

/** @returns undefined where nobody was answered */
export function together(parts: readonly Part[]): Quantiles | undefined {
  const all = merged(parts);
  if (all.length === 0) return undefined;
  const samples = all.flatMap(({ weight, median, tail }) =>
    CUTS.map((cut, index) => ({
      weight: weight * (MASSES[index] ?? 0),
      value: Math.max(0, median + ((tail - median) * (spread(cut) - HALF)) / (NINETY_NINE - HALF)),
    })),
  );
  samples.sort((left, right) => left.value - right.value);
  const total = samples.reduce((sum, { weight }) => sum + weight, 0);
  const at = (share: number) => {
    let sum = 0;
    for (const { weight, value } of samples) {
      sum += weight;
      if (sum >= share * total) return value;
    }
    return samples.at(-1)?.value ?? 0;
  };
  return { p50: at(0.5), p99: at(0.99) };
}
