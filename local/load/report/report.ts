import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chartOf } from "./chart.ts";
import { evidenceOf, type Load } from "./evidence.ts";
import { watchK6 } from "./k6-watch.ts";
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
  const k6 = await watchK6();
  let status: number;
  try {
    status = await run(["--summary-export", k6File, "--address", k6.address]);
  } catch (error) {
    await k6.end();
    await watch.end();
    throw error;
  }
  const window = await k6.end();
  const seen = await watch.end();
  const load = readLoad(k6File);
  rmSync(k6File, { force: true });
  const missing = [...seen.missing, ...(load ? [] : ["k6's summary"])];
  const evidence = evidenceOf({ ...seen, missing, load, window });
  const verdict = judge(evidence);
  const strain = strainOf(evidence) ?? null;
  writeFileSync(files.json, `${JSON.stringify({ script, api: stack.api, strain, verdict, evidence }, null, 2)}\n`);
  writeFileSync(files.svg, chartOf(`${script} at ${stack.api}`, evidence, verdict));
  return { status, verdict, text: `${textOf(evidence, verdict)}\n${files.svg}\n${files.json}\n` };
}

type Metrics = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** Requests of one kind that the people of a script's part made. What k6 asks before and after the load has no part. */
const LOAD = /^http_reqs(\{(?:.*,)?part:.+\})$/;

/** Reads k6's end-of-test summary, in which metrics have names. Undefined when k6 ended before it wrote one. */
function readLoad(file: string): Load | undefined {
  if (!existsSync(file)) return undefined;
  const { metrics } = JSON.parse(readFileSync(file, "utf8")) as { metrics: Metrics };
  const kinds = Object.entries(metrics).flatMap(([name, { count = 0 }]) => {
    const [, tags] = LOAD.exec(name) ?? [];
    if (tags === undefined || count === 0) return [];
    const failed = (metrics[`http_req_failed${tags}`]?.value ?? 0) * count;
    return [{ count, failed, p95Ms: metrics[`http_req_duration${tags}`]?.["p(95)"] }];
  });
  const requests = kinds.reduce((sum, { count }) => sum + count, 0);
  const times = kinds.flatMap(({ p95Ms }) => p95Ms ?? []);
  return {
    requests,
    dropped: metrics.dropped_iterations?.count ?? 0,
    failedShare: requests > 0 ? kinds.reduce((sum, { failed }) => sum + failed, 0) / requests : 0,
    p95Ms: times.length > 0 ? Math.max(...times) : undefined,
  };
}
