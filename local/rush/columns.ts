import type { Latency } from "./figures.ts";

/** Text of reports. */

/** Columns: the first to the left, the others to the right. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  "),
  );
}

/** Milliseconds: half, 95 %, 99 %, the longest. */
export function times(latency: Latency | undefined): string[] {
  if (!latency) return ["–", "–", "–", "–"];
  return [latency.p50, latency.p95, latency.p99, latency.most].map((ms) => ms.toFixed(1));
}

/** A whole number with commas. */
export function whole(number: number): string {
  return Math.round(number).toLocaleString("en-US");
}
