// What k6 hands to handleSummary(), made readable by people and by programs.

/**
 * Reads the end-of-test data in both of k6's formats: the usual one, and the "machine-readable" one, which is to replace it.
 *
 * @returns {{ read: (metric: string, value: string) => number | undefined, checks: number, failedChecks: string[] }} `read` gives
 *   undefined where nothing was measured; `checks` are different ones.
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
    checks: checks.length,
    failedChecks: checks.filter(({ fails }) => fails > 0).map(({ name }) => name),
  };
}

function checksOf({ checks, groups }) {
  return [...checks, ...groups.flatMap(checksOf)];
}

/** Whether a figure meets a condition such as `count==0`. What was never counted is 0. */
export function meets(read, metric, condition) {
  const [, value, sign, bound] = /^(.+?)(==|<=|>=|<|>)(.+)$/.exec(condition);
  const figure = read(metric, value) ?? 0;
  const limit = Number(bound);
  const holds = {
    ...{ "==": figure === limit, "<=": figure <= limit, ">=": figure >= limit },
    ...{ "<": figure < limit, ">": figure > limit },
  };
  return { holds: holds[sign], figure };
}

const shownAs = (value) => (typeof value === "number" ? String(Math.round(value * 10) / 10) : (value ?? "-"));

/** A titled table: names, and figures under their columns' heads. */
export function grid(title, heads, rows) {
  const lines = [[title, ...heads], ...rows.map(([name, ...figures]) => [`  ${name}`, ...figures.map(shownAs)])];
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const told = lines.map((line) =>
    line.map((text, column) => (column === 0 ? text.padEnd(widths[0]) : text.padStart(widths[column]))).join("  "),
  );
  return [...told.map((line) => line.trimEnd()), ""].join("\n");
}

/** A titled table of names and values. */
export const table = (title, rows) => grid(title, [""], rows);
