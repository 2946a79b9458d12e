import { useRef } from "preact/hooks";
import type { Reading } from "../poll.ts";

/** A figure over time, as a chart takes it: seconds since 1970, and a value or a gap for each. */
export interface Series {
  readonly at: readonly number[];
  readonly values: readonly (number | null)[];
}

/**
 * Keeps what a polled document said over the last seconds. Where nothing came for a while, there is a gap: a line drawn across it
 * would tell something that nobody has seen.
 *
 * @param seconds how far back
 */
export function useHistory<T>(
  reading: Reading<T>,
  figureOf: (value: T) => number | undefined,
  { seconds = 120, everyMs = 1_000 } = {},
): Series {
  const kept = useRef<{ at: number[]; values: (number | null)[] }>({ at: [], values: [] });
  const now = reading.at === undefined ? undefined : reading.at / 1_000;
  // A clock that was set back: a line over times that go back cannot be drawn, so it begins anew.
  if (now !== undefined && now < (kept.current.at.at(-1) ?? now)) kept.current = { at: [], values: [] };
  const { at, values } = kept.current;
  const last = at.at(-1);
  if (reading.value !== undefined && now !== undefined && now !== last) {
    if (last !== undefined && now - last > (3 * everyMs) / 1_000) {
      at.push(last + 0.001);
      values.push(null);
    }
    at.push(now);
    values.push(figureOf(reading.value) ?? null);
    while (at[0] !== undefined && at[0] < now - seconds) {
      at.shift();
      values.shift();
    }
  }
  return { at: [...at], values: [...values] };
}

/** How much a rising figure rose each second, from how it stood. */
export function ratesOf({ at, values }: Series): Series {
  const rates = values.map((value, i) => {
    const before = values[i - 1];
    const seconds = (at[i] ?? 0) - (at[i - 1] ?? 0);
    return value === null || before === null || before === undefined || seconds <= 0
      ? null
      : Math.max(0, (value - before) / seconds);
  });
  return { at, values: rates };
}
