import type { Series } from "./series.ts";

/** How fast a rising figure rises, over some seconds: people come in one by one, and a single second says little. */

/** A second for each value: how much it rose in the last `seconds`; a gap until so much is known. */
export function steadyRatesOf({ at, values }: Series, seconds: number): Series {
  let from = 0;
  const rates = values.map((value, i) => {
    const now = at[i] ?? 0;
    if (value === null) {
      // What was before a gap cannot be compared with what comes after it.
      from = i + 1;
      return null;
    }
    while (from + 1 < i && now - (at[from + 1] ?? now) >= seconds) from++;
    const before = values[from];
    const passed = now - (at[from] ?? now);
    if (before === null || before === undefined || passed < seconds) return null;
    return Math.max(0, (value - before) / passed);
  });
  return { at, values: rates };
}

/** The last known rate. */
export const lastOf = ({ values }: Series): number | undefined => values.at(-1) ?? undefined;
