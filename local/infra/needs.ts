import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { build } from "esbuild";

/** What a function's code asks for and what it writes, read from a bundle in which names are kept. */
export interface Needs {
  /** Links by their names: `Redis`, `Ledger`, `Confirmations`, …; `Metrics`, for which there is nothing to link. */
  readonly links: ReadonlySet<string>;
  /** Methods of the table's door that are called. */
  readonly ledger: ReadonlySet<string>;
  /** Methods of a queue's door that are called, whichever queue's. */
  readonly queue: ReadonlySet<string>;
  /** Methods of the door to metrics that are called. */
  readonly metricReads: ReadonlySet<string>;
  /** Metrics that it writes, with the dimensions that their values are told apart by, `a,b` where there are two; empty for none. */
  readonly metrics: ReadonlyMap<string, string>;
  /** Events that it logs. */
  readonly events: ReadonlySet<string>;
}

const LEDGER_METHODS = ["get", "getBatch", "query", "put", "remove"];
const METRIC_METHODS = ["sums"];
const SEND = ["send", "sendBatch"];
const QUEUE_METHODS = [...SEND, "depth", "postpone"];

const linkName = (setting: string) => setting.charAt(0).toUpperCase() + setting.slice(1);

export async function needsOf(root: string, files: readonly string[]): Promise<Map<string, Needs>> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: Object.fromEntries(files.map((file) => [file, join(root, "functions", `${file}.ts`)])),
    outdir: root,
    bundle: true,
    write: false,
    metafile: true,
    treeShaking: true,
    minifySyntax: true,
    format: "esm",
    platform: "node",
    packages: "external",
    loader: { ".lua": "text" },
    logLevel: "silent",
  });
  const needs = new Map<string, Needs>();
  for (const { path, text } of outputFiles) {
    const file = basename(path, ".js");
    const inputs = metafile.outputs[`${file}.js`]?.inputs ?? {};
    const links = new Set<string>();
    // What a store's file takes from the settings, and what the function itself calls of a file that offers more than one.
    for (const input of Object.keys(inputs)) {
      if (!input.startsWith("functions/stores/") || input.endsWith("/settings.ts")) continue;
      for (const [, setting = ""] of readFileSync(join(root, input), "utf8").matchAll(/\bsettings\.(\w+)\(\)/g)) {
        links.add(linkName(setting));
      }
    }
    if (/\bcouponSecret\(\)/.test(readFileSync(join(root, "functions", `${file}.ts`), "utf8")))
      links.add("CouponSecret");
    // The doors' own files define the methods; everywhere else they are called.
    const called = (object: string, methods: readonly string[]) =>
      methods.filter((method) => new RegExp(String.raw`\b(?:${object})\d*\.${method}\(`).test(text));
    const queue = called("confirmations|deadLetters|events|queue", QUEUE_METHODS);
    needs.set(file, {
      links,
      ledger: new Set(called("table", LEDGER_METHODS)),
      queue: new Set(queue.map((method) => (SEND.includes(method) ? "send" : method))),
      metricReads: new Set(called("metrics", METRIC_METHODS)),
      metrics: metricsIn(text),
      events: new Set([...text.matchAll(/\blog\d*\("([a-z-]+)"/g)].map(([, event = ""]) => event)),
    });
  }
  return needs;
}

/** Names in the calls of `metrics({ dimension }, { Name: value })`. */
export function metricsIn(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const { index } of text.matchAll(/\bmetrics\d*\(\s*\{/g)) {
    const dimensions = objectAt(text, text.indexOf("{", index));
    const values = objectAt(text, text.indexOf("{", dimensions.end));
    for (const name of values.keys) found.set(name, dimensions.keys.join(","));
  }
  return found;
}

/** The keys of the object literal that begins at this place, and the place behind it. */
function objectAt(text: string, from: number): { keys: string[]; end: number } {
  const keys: string[] = [];
  let depth = 0;
  let part = "";
  for (let at = from; at < text.length; at++) {
    const char = text.charAt(at);
    if (depth === 1 && (char === "," || char === "}")) {
      const [key] = /\w+/.exec(part) ?? [];
      if (key) keys.push(key);
      part = "";
    } else if (depth > 0) part += char;
    if ("{([".includes(char)) depth += 1;
    if ("})]".includes(char)) depth -= 1;
    if (depth === 0) return { keys, end: at + 1 };
  }
  return { keys, end: text.length };
}
