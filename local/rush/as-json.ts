/** Violations that are written out one by one; all are counted. */
const EXAMPLES = 100;

/** A verdict's result for a program: with each finding how often it was violated, and examples. */
export function resultAsJson(
  result: { readonly findings: readonly { readonly violations: readonly unknown[] }[] },
  holds: boolean,
): string {
  const { findings, ...rest } = result;
  const verdict = findings.map(({ violations, ...finding }) => ({
    ...finding,
    violations: violations.length,
    examples: violations.slice(0, EXAMPLES),
  }));
  return `${JSON.stringify({ holds, ...rest, verdict }, null, 2)}\n`;
}
