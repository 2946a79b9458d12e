/** The middle one of some figures; the mean of the two in the middle when their number is even. */
export function median(figures: readonly number[]): number {
  const sorted = [...figures].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN;
  return (lower + upper) / 2;
}

/**
 * Measures contestants in turn, round after round, so that a neighbour's load falls on all of them; every other round goes
 * backwards. @returns each contestant's figures, one entry a round
 */
export async function alternate<K extends string, M>(
  names: readonly K[],
  rounds: number,
  measure: (name: K, round: number) => Promise<M>,
): Promise<Record<K, M[]>> {
  const all = Object.fromEntries(names.map((name) => [name, [] as M[]])) as Record<K, M[]>;
  for (let round = 0; round < rounds; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) all[name].push(await measure(name, round));
  }
  return all;
}

/** The median of a figure over the rounds. */
export function medianOf<M>(rounds: readonly M[], figure: (round: M) => number): number {
  return median(rounds.map(figure));
}

/** The median over the rounds of `above` divided by `below` in the same round. */
export function ratioOf<M>(above: readonly M[], below: readonly M[], figure: (round: M) => number): number {
  return median(
    above.map((one, round) => {
      const other = below[round];
      return other === undefined ? Number.NaN : figure(one) / figure(other);
    }),
  );
}
