// What k6 hands to handleSummary(), made readable by people and by programs.

/**
 * Reads the end-of-test data in both of k6's formats: the usual one, and the "machine-readable" one, which is to replace it.
 *
 * @returns {{ read: (metric: string, value: string) => number | undefined, failedChecks: string[] }} `read` gives undefined
 *   where nothing was measured.
 */
export function readEnd(data) {
  // The machine-readable format hands out figures wrapped in objects of k6's own; as JSON they are numbers.
  const { metrics, results, root_group: root } = JSON.parse(JSON.stringify(data));
  const byName = results ? Object.fromEntries(results.metrics.map((metric) => [metric.name, metric])) : metrics;
  const checks = results ? (results.checks?.results ?? []) : checksOf(root);
  return {
    read: (metric, value) => {
      const values = byName[metric]?.values;
      return values?.[value] ?? values?.[value.replace(/[()]/g, "")] ?? undefined;
    },
    failedChecks: checks.filter(({ fails }) => fails > 0).map(({ name }) => name),
  };
}

function checksOf({ checks, groups }) {
  return [...checks, ...groups.flatMap(checksOf)];
}

/** A titled table of names and values. */
export function table(title, rows) {
  const width = Math.max(...rows.map(([name]) => name.length));
  const figures = rows.map(([, value]) =>
    typeof value === "number" ? String(Math.round(value * 10) / 10) : (value ?? "-"),
  );
  const figureWidth = Math.max(...figures.map((figure) => figure.length));
  const lines = rows.map(([name], index) => `  ${name.padEnd(width)}  ${figures[index].padStart(figureWidth)}`);
  return [title, ...lines, ""].join("\n");
}
