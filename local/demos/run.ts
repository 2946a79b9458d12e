import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readWatchLine, type Subject } from "../watch-line.ts";
import { openLastLines } from "./last-lines.ts";
import { type Report, readReport, type Verdict } from "./report.ts";

/** One run of a demo: its process, and what is known of it. */

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** A report has a hundred examples of each violation at the most: far below this. */
const REPORT_LENGTH = 4_000_000;
/** After so long without an end it is killed: longer than the program gives itself (leash.ts). */
const INSIST_MS = 25_000;

/** `failed`: it came to no verdict, and the last lines say why. `stopped`: it was asked to end. */
export type RunState = "running" | "stopped" | "held" | "violated" | "failed";

export interface RunDocument {
  readonly state: RunState;
  readonly startedAt: string;
  readonly endedAt?: string;
  /** What can be watched meanwhile; known some seconds after the start. */
  readonly subject?: Subject;
  /** What it has printed last, for people. */
  readonly lines: readonly string[];
  /** Its own verdict, once it has one. */
  readonly verdict: readonly Verdict[];
}

export interface Run {
  read(): RunDocument;
  isRunning(): boolean;
  /** Asks it to end. @returns settled when it has */
  stop(): Promise<void>;
}

/**
 * Starts a program of this repo.
 *
 * @param main from the repo's folder
 * @param words those behind it; `--json -` is added, so that the verdict comes apart from what people read
 */
export function openRun(main: string, words: readonly string[]): Run {
  const startedAt = new Date();
  const file = (path: string) => join(ROOT, path);
  const imports = ["local/register.mjs", "local/demos/leash.ts"].flatMap((path) => ["--import", file(path)]);
  const child = spawn(process.execPath, [...imports, file(main), ...words, "--json", "-"], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  let subject: Subject | undefined;
  let ended: { readonly at: Date; readonly report: Report | undefined } | undefined;
  let isStopped = false;
  let json = "";
  const { promise: closed, resolve: close } = Promise.withResolvers<void>();
  const lines = openLastLines((line) => {
    subject ??= readWatchLine(line);
  });
  child.stderr?.setEncoding("utf8").on("data", lines.add);
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    if (json.length < REPORT_LENGTH) json += text;
  });
  const end = () => {
    ended ??= { at: new Date(), report: readReport(json) };
    json = "";
    close();
  };
  child.once("error", (error) => {
    lines.add(`${error.message}\n`);
    if (child.pid === undefined) end();
  });
  child.once("close", end);

  function stateOf(): RunState {
    if (!ended) return "running";
    const { report } = ended;
    if (!report) return isStopped ? "stopped" : "failed";
    if (report.holds) return "held";
    // A run that could not have shown otherwise, or was cut short, has broken nothing and proved nothing.
    return report.verdict.some(({ holds }) => !holds) ? "violated" : "failed";
  }

  return {
    isRunning: () => ended === undefined,
    read: () => ({
      state: stateOf(),
      startedAt: startedAt.toISOString(),
      ...(ended ? { endedAt: ended.at.toISOString() } : {}),
      ...(subject ? { subject } : {}),
      lines: lines.read(),
      verdict: ended?.report?.verdict ?? [],
    }),
    stop() {
      if (ended) return closed;
      isStopped = true;
      child.kill("SIGTERM");
      const insist = setTimeout(() => child.kill("SIGKILL"), INSIST_MS).unref();
      return closed.finally(() => clearTimeout(insist));
    },
  };
}
