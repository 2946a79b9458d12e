/** Columns with two blanks between: the first to the left, the others to the right. The first row is the heading. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
  const rule = "─".repeat(widths.reduce((sum, width) => sum + width + 2, -2));
  return [lines[0] ?? "", rule, ...lines.slice(1)].join("\n");
}

export function whole(number: number): string {
  return Math.round(number).toLocaleString("en-US");
}

/** How many times as much, such as `1.24 ×`. */
export function times(ratio: number): string {
  return `${ratio.toFixed(2)} ×`;
}
