/**
 * How large the tests are that take longest: of 100,000 coupons (verifier, rebuild), and of 5,000 told and not replicated or not
 * confirmed (fence). They find the same at a fifth of the size, which is what `npm test` takes; `FIRSTCOME_FULL=1` takes the whole,
 * for the figures in docs/answers.md.
 */
const isFull = process.env.FIRSTCOME_FULL === "1";

/** @returns so many, or a fifth of it */
export const scaled = (count: number): number => (isFull ? count : count / 5);
