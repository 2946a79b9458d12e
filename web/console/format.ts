import { language } from "./language.ts";

/** Numbers and times as the page's language writes them. */

const formats = new Map<string, Intl.NumberFormat>();

function numberFormat(digits: number): Intl.NumberFormat {
  const key = `${language.value} ${digits}`;
  const format = formats.get(key) ?? new Intl.NumberFormat(language.value, { maximumFractionDigits: digits });
  formats.set(key, format);
  return format;
}

/** A number, with at most `digits` decimals. */
export const number = (value: number, digits = 0): string => numberFormat(digits).format(value);

/** A share (0…1) in percent. */
export const percent = (share: number): string => `${number(share * 100, share < 0.1 ? 1 : 0)} %`;

const UNITS = {
  en: { ms: "ms", s: "s", min: "min", h: "h", d: "d" },
  ko: { ms: "ms", s: "초", min: "분", h: "시간", d: "일" },
} as const;

/** A duration in milliseconds, in the unit that fits: `850 ms`, `1.2 s`, `3 min`. */
export function duration(ms: number): string {
  const units = UNITS[language.value];
  const steps = [
    [1_000, 1, units.ms],
    [60_000, 1_000, units.s],
    [3_600_000, 60_000, units.min],
    [86_400_000, 3_600_000, units.h],
  ] as const;
  const [, size, unit] = steps.find(([below]) => ms < below) ?? [0, 86_400_000, units.d];
  const value = ms / size;
  return `${number(value, value < 10 && size > 1 ? 1 : 0)} ${unit}`;
}

const SIZES = ["B", "kB", "MB", "GB", "TB"] as const;

/** Bytes, in powers of a thousand. */
export function bytes(count: number): string {
  const power = Math.min(SIZES.length - 1, count < 1 ? 0 : Math.floor(Math.log10(count) / 3));
  return `${number(count / 1_000 ** power, power > 0 ? 1 : 0)} ${SIZES[power]}`;
}

/** A time of day, to the second. `at` is ISO 8601 or milliseconds since 1970. */
export function clock(at: string | number): string {
  const two = "2-digit";
  return new Date(at).toLocaleTimeString(language.value, { hour: two, minute: two, second: two, hourCycle: "h23" });
}

/** A day and a time. */
export function moment(at: string | number): string {
  const day = new Date(at).toLocaleDateString(language.value, { dateStyle: "medium" });
  return `${day} ${clock(at)}`;
}
