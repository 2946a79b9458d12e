import type { StageSizes } from "../../infra/stages.ts";
import type { Findings } from "./findings.ts";
import type { Graph } from "./graph.ts";
import type { Needs } from "./needs.ts";

/** One evaluated stage, as the judges look at it. */
export interface Subject {
  readonly root: string;
  readonly stage: string;
  /** As `sst dev` runs it: no network, no Redis of its own, functions on the laptop. */
  readonly isDev: boolean;
  readonly sizes: StageSizes;
  readonly graph: Graph;
  readonly bundles: Readonly<Record<string, number>>;
  /** What each function's code asks for, by the function's file. */
  readonly needs: ReadonlyMap<string, Needs>;
}

export type Judge = (subject: Subject, findings: Findings) => void;
