/** The age in milliseconds from which a published list is old: three lists that did not come (core/limits.ts, publishEveryMs). */
const OLD_MS = 9_000;

export const isOldList = (ageMs: number): boolean => ageMs >= OLD_MS;
