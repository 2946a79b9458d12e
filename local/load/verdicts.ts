import { readFileSync } from "node:fs";
import * as z from "zod/mini";

/** What a script's summary says of itself; see `k6/lib/script.js`. */
const summarySchema = z.object({
  load: z.object({ asAsked: z.boolean(), faults: z.array(z.string()) }),
  integrity: z.object({
    holds: z.boolean(),
    violations: z.array(z.string()),
    unjudged: z._default(z.array(z.string()), []),
  }),
});

/** How one of several scripts went. */
export interface Verdict {
  readonly script: string;
  /** k6's exit status. */
  readonly status: number;
  readonly seconds: number;
  readonly integrity: "holds" | "VIOLATED" | "not judged";
  readonly load: "as asked" | "NOT AS ASKED" | "";
  readonly why: readonly string[];
}

/**
 * Reads the verdict of a run.
 *
 * @param file Its summary, which is not there when k6 gave up before the load.
 */
export function readVerdict(file: string, run: Pick<Verdict, "script" | "status" | "seconds">): Verdict {
  const summary = readSummary(file);
  if (!summary) return { ...run, integrity: "not judged", load: "", why: [`k6 ended with ${run.status}`] };
  const { integrity, load } = summary;
  return {
    ...run,
    integrity: integrity.violations.length > 0 ? "VIOLATED" : integrity.holds ? "holds" : "not judged",
    load: load.asAsked ? "as asked" : "NOT AS ASKED",
    why: [...integrity.violations, ...integrity.unjudged, ...load.faults],
  };
}

function readSummary(file: string): z.infer<typeof summarySchema> | undefined {
  try {
    return z.safeParse(summarySchema, JSON.parse(readFileSync(file, "utf8"))).data;
  } catch {
    return undefined;
  }
}

/** A line for each script, and below it what did not hold. */
export function verdictTable(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(({ script, status, seconds, integrity, load }) => [
    ...[script, `${Math.round(seconds)} s`, String(status), integrity, load],
  ]);
  const lines = [["script", "took", "exit", "integrity", "load"], ...rows];
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? [];
  const told = lines.map((line) =>
    line
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  const why = verdicts.map((verdict) => verdict.why.map((what) => `\n  ${verdict.script}: ${what}`).join(""));
  return `\n${told.join("\n")}\n${why.join("")}${why.some(Boolean) ? "\n" : ""}`;
}
