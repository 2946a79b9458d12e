/**
 * How large the two tests of a hundred thousand coupons are. They are the longest by far and find the same at a fifth of the size,
 * which is what `npm test` takes; `FIRSTCOME_FULL=1` takes the whole, for the figures in docs/answers.md.
 */
const isFull = process.env.FIRSTCOME_FULL === "1";

/** @returns so many of a hundred thousand, or a fifth of it */
export const scaled = (count: number): number => (isFull ? count : count / 5);
