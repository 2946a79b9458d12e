import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chartOf } from "./chart.ts";
import { evidenceOf, type Load } from "./evidence.ts";
import { judge, strainOf, type Verdict } from "./rules.ts";
import { textOf } from "./text.ts";
import { type Watched, watchStack } from "./watch.ts";

export interface Reported {
  /** k6's exit status. */
  readonly status: number;
  readonly verdict: Verdict;
  readonly text: string;
}

/**
 * Watches a stack while k6 runs, then writes the files and says what bounds the run.
 *
 * @param run runs k6 with more words at the end, and gives its exit status
 * @param about.folder where the report's files go
 */
export async function reportOn(
  run: (more: readonly string[]) => Promise<number>,
  about: { readonly script: string; readonly stack: Watched; readonly folder: string },
): Promise<Reported> {
  const { script, stack, folder } = about;
  const k6File = join(folder, `load-${script}-k6.json`);
  const files = { json: join(folder, `load-${script}-report.json`), svg: join(folder, `load-${script}-report.svg`) };
  const watch = await watchStack(stack);
  let status: number;
  try {
    status = await run(["--summary-export", k6File]);
  } catch (error) {
    await watch.end();
    throw error;
  }
  const seen = await watch.end();
  const load = readLoad(k6File);
  rmSync(k6File, { force: true });
  const missing = [...seen.missing, ...(load ? [] : ["k6's summary"])];
  const evidence = evidenceOf({ ...seen, missing, load });
  const verdict = judge(evidence);
  const strain = strainOf(evidence) ?? null;
  writeFileSync(files.json, `${JSON.stringify({ script, api: stack.api, strain, verdict, evidence }, null, 2)}\n`);
  writeFileSync(files.svg, chartOf(`${script} at ${stack.api}`, evidence, verdict));
  return { status, verdict, text: `${textOf(evidence, verdict)}\n${files.svg}\n${files.json}\n` };
}

/** k6's end-of-test summary: metrics by name. Undefined when it ended before it wrote one. */
export function readLoad(file: string): Load | undefined {
  if (!existsSync(file)) return undefined;
  const { metrics } = JSON.parse(readFileSync(file, "utf8")) as { metrics: Record<string, Record<string, number>> };
  return {
    requests: metrics.http_reqs?.count ?? 0,
    dropped: metrics.dropped_iterations?.count ?? 0,
    failedShare: metrics.http_req_failed?.value ?? 0,
    p95Ms: metrics.http_req_duration?.["p(95)"],
  };
}
