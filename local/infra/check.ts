import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { functionList } from "../../infra/function-list.ts";
import { sizesOf } from "../../infra/stages.ts";
import { envTypes } from "./env-types.ts";
import { evaluateStage } from "./evaluation.ts";
import { Findings } from "./findings.ts";
import { Graph } from "./graph.ts";
import { needed, permissions } from "./judges/access.ts";
import { api, network } from "./judges/api.ts";
import { cacheWords } from "./judges/cache-words.ts";
import { consoleFiles } from "./judges/console.ts";
import { edge } from "./judges/edge.ts";
import { clock, functions, queueConsumers } from "./judges/functions.ts";
import { names } from "./judges/names.ts";
import { allQueues, ledger, redis } from "./judges/stores.ts";
import { alarms, dashboard } from "./judges/watching.ts";
import { needsOf } from "./needs.ts";
import type { StageName } from "./options.ts";
import type { Judge } from "./subject.ts";
import { typeFaults } from "./types.ts";

const JUDGES: readonly Judge[] = [
  redis,
  ledger,
  allQueues,
  functions,
  queueConsumers,
  clock,
  api,
  network,
  edge,
  cacheWords,
  consoleFiles,
  permissions,
  needed,
  alarms,
  dashboard,
  names,
];

export interface Report {
  /** One line each, beginning with the file in which to mend it; none: all is well. */
  readonly faults: readonly string[];
  /** The graph of the first stage. */
  readonly graph: Graph | undefined;
}

/** The whole check. `say` hears of each step when it is done. */
export async function check(
  root: string,
  platform: string,
  stages: readonly StageName[],
  say: (line: string) => void,
): Promise<Report> {
  const clockFrom = (startedAt: number) => `${((performance.now() - startedAt) / 1_000).toFixed(1)} s`;
  const startedAt = performance.now();
  const faults = await typeFaults(root);
  say(`types        ${faults.length === 0 ? "sound" : `${faults.length} faults`}, ${clockFrom(startedAt)}`);
  // A program that does not fit its types is not worth evaluating: what follows would only repeat it.
  if (faults.length > 0) return { faults, graph: undefined };

  const files = functionList.map(({ file }) => file).filter((file) => existsSync(join(root, `functions/${file}.ts`)));
  const needs = await needsOf(root, files).catch((error: unknown) =>
    error instanceof Error ? error.message : String(error),
  );
  if (typeof needs === "string") return { faults: [needs], graph: undefined };
  let first: Graph | undefined;
  for (const name of stages) {
    const beganAt = performance.now();
    const isDev = name === "dev";
    const stage = isDev ? "somebody" : name;
    const { resources, errors, bundles } = await evaluateStage(root, platform, stage, isDev);
    const graph = new Graph(resources);
    first ??= graph;
    const findings = new Findings();
    // After an error there is only a part of the graph, and its gaps would hide what is to be mended.
    if (errors.length > 0) findings.lines.push(...errors);
    else {
      for (const judge of JUDGES) judge({ root, stage, isDev, sizes: sizesOf(stage), graph, bundles, needs }, findings);
      if (name === "production") keepEnvTypes(root, graph, findings);
    }
    faults.push(...findings.lines.map((line) => `${line} (${name})`));
    const verdict =
      findings.lines.length === 0 ? `${findings.checked} assertions hold` : `${findings.lines.length} faults`;
    say(`${name.padEnd(12)} ${graph.size} resources, ${verdict}, ${clockFrom(beganAt)}`);
  }
  return { faults, graph: first };
}

/** Writes `sst-env.d.ts` anew where it is behind; a fault, so that a build does not pass without it. */
function keepEnvTypes(root: string, graph: Graph, findings: Findings): void {
  const file = join(root, "sst-env.d.ts");
  const text = envTypes(graph);
  const isCurrent = existsSync(file) && readFileSync(file, "utf8") === text;
  if (!isCurrent) writeFileSync(file, text);
  findings.that("sst-env.d.ts", isCurrent, "was not current; it is now. Commit it.");
}
