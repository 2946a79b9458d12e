/** A stream of numbers that the same seed repeats. */
export interface Random {
  /** 0 ≤ number < 1 */
  next(): number;
  /** A whole number, 0 ≤ number < below. */
  below(below: number): number;
  pick<T>(choices: readonly [T, ...T[]]): T;
  /** Another stream, so that what one part draws does not shift what the others get. */
  fork(): Random;
}

/** Mulberry32: 32 bits of state are enough to deal out a crowd, and it fits on a page. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number) => Math.floor(next() * limit);
  return {
    next,
    below,
    pick: (choices) => choices[below(choices.length)] ?? choices[0],
    fork: () => seeded(below(2 ** 32)),
  };
}
