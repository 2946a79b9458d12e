// What k6 hands to handleSummary(), made readable by people and by programs.

/**
 * Reads the end-of-test data in both of k6's formats: the one of v1, and the "machine-readable" one that v1 has on request.
 *
 * @returns {(metric: string, value: string) => number | undefined} Undefined where nothing was measured.
 */
export function readMetrics(data) {
  const metrics = Array.isArray(data.results?.metrics)
    ? Object.fromEntries(data.results.metrics.map((metric) => [metric.name, metric]))
    : data.metrics;
  return (metric, value) => {
    const values = metrics[metric]?.values;
    return values?.[value] ?? values?.[value.replace(/[()]/g, "")] ?? undefined;
  };
}

/** Checks that failed, by name. */
export function failedChecks(data) {
  if (data.results)
    return (data.results.checks?.results ?? []).filter(({ fails }) => fails > 0).map(({ name }) => name);
  const all = (group) => [...group.checks, ...group.groups.flatMap(all)];
  return all(data.root_group)
    .filter(({ fails }) => fails > 0)
    .map(({ name }) => name);
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
