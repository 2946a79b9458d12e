import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { bundle } from "../../infra/bundle.ts";
import { functionFiles, ROOT } from "../stack.ts";
import { linkedEnv } from "./linked.ts";
import { alternate, median, ratioOf } from "./rounds.ts";
import { type Bench, ratioBar, type Section } from "./section.ts";
import { table, times, whole } from "./table.ts";

const run = promisify(execFile);

const ISSUE = "issue-coupon";
const EMPTY = "empty handler";
const PLAIN = "plain stack";
/** One kilobyte is 1,000 bytes. */
const BYTES_MOST = 550_000;
const COLD_MOST = 0.7;

/** Bundles a function the way SST does by default: nothing stubbed. */
async function bundlePlainly(outfile: string, entry: string): Promise<void> {
  await build({
    absWorkingDir: ROOT,
    entryPoints: [join(ROOT, entry)],
    outfile,
    bundle: true,
    minify: true,
    platform: "node",
    target: "node24",
    format: "esm",
    mainFields: ["module", "main"],
    logLevel: "silent",
    banner: {
      js: 'import{createRequire as __createRequire}from"node:module";const require=__createRequire(import.meta.url);',
    },
  });
}

/** @returns the bundles' files by name */
async function bundleAll(folder: string): Promise<ReadonlyMap<string, string>> {
  const names = functionFiles();
  const built = join(folder, "built");
  const plain = join(folder, "plain/index.mjs");
  const ours = Object.fromEntries(names.map((name) => [name, `functions/${name}.ts`]));
  await bundle({ root: ROOT, outDir: built, entries: { ...ours, empty: "local/bench/empty-function.ts" } });
  await bundlePlainly(plain, "local/bench/plain-stack.ts");
  const issueFirst = [ISSUE, ...names.filter((name) => name !== ISSUE)];
  return new Map([
    [EMPTY, join(built, "empty/index.mjs")],
    [PLAIN, plain],
    ...issueFirst.map((name) => [name, join(built, name, "index.mjs")] as const),
  ]);
}

async function importCold(file: string, env: NodeJS.ProcessEnv, preload: "http" | "nothing"): Promise<number> {
  const script = join(import.meta.dirname, "cold-import.mjs");
  const { stdout } = await run(process.execPath, [script, file, preload], { env });
  const ms = Number(stdout.trim().split("\n").at(-1));
  if (!(ms > 0)) throw new Error(`${file} could not be imported: ${stdout}`);
  return ms;
}

export const bundles: Section = {
  name: "bundle",
  summary: "size and cold import of the functions, against a plain stack of the same libraries",
  async run(bench) {
    const { folder, server, quick, progress } = bench;
    const files = await progress.step("bundle: all functions", () => bundleAll(join(folder, "bundles")));
    const env = linkedEnv(server, {
      endpoint: "http://127.0.0.1:9",
      url: "http://127.0.0.1:9/000000000000/bench.fifo",
    });
    const samples = quick ? 3 : 11;
    const cold = (names: readonly string[], preload: "http" | "nothing") =>
      alternate(names, samples, (name, round) =>
        progress.step(`bundle: sample ${round + 1} of ${samples}, ${name}`, () =>
          importCold(files.get(name) ?? "", env, preload),
        ),
      );
    const alone = await cold([...files.keys()], "nothing");
    const withHttp = await cold([EMPTY, PLAIN, ISSUE], "http");
    const sizes = new Map(
      [...files].map(([name, file]) => {
        const bytes = readFileSync(file);
        return [name, { bytes: bytes.length, gzip: gzipSync(bytes).length }];
      }),
    );
    return outcomeOf(bench, sizes, alone, withHttp);
  },
};

type Times = Readonly<Record<string, readonly number[]>>;
type Sizes = ReadonlyMap<string, { bytes: number; gzip: number }>;

function outcomeOf({ quick }: Bench, sizes: Sizes, alone: Times, withHttp: Times) {
  const ratio = (all: Times, name: string) => ratioOf(all[name] ?? [], all[PLAIN] ?? [], (ms) => ms);
  const ms = (all: Times, name: string) => (all[name] ? median(all[name]).toFixed(1) : "–");
  const bytesOf = (name: string) => sizes.get(name)?.bytes ?? Number.NaN;
  const kb = (bytes: number) => (bytes / 1_000).toFixed(1);
  const bars = [
    {
      name: "size of issue-coupon",
      wanted: `≤ ${whole(BYTES_MOST / 1_000)} KB`,
      measured: `${kb(bytesOf(ISSUE))} KB`,
      meets: bytesOf(ISSUE) <= BYTES_MOST,
    },
    ratioBar("cold import of issue-coupon ÷ plain stack", ratio(alone, ISSUE), COLD_MOST),
    ratioBar("the same, node:http loaded before", ratio(withHttp, ISSUE), COLD_MOST),
  ];
  const text = `Median of ${quick ? 3 : 11} fresh processes each.

${table([
  ["", "KB", "gzip KB", "÷ plain", "import ms", "÷ plain", "ms, http loaded", "÷ plain"],
  ...[...sizes].map(([name, { bytes, gzip }]) => [
    name,
    kb(bytes),
    kb(gzip),
    times(bytes / bytesOf(PLAIN)),
    ms(alone, name),
    times(ratio(alone, name)),
    ms(withHttp, name),
    withHttp[name] ? times(ratio(withHttp, name)) : "–",
  ]),
])}

import ms: what \`await import(bundle)\` takes, process start not counted. http loaded: node:http is there before, as in Lambda's
runtime. plain stack: middy, zod, ioredis and the SQS client by their own first pages (plain-stack.ts), bundled as SST does.
1 KB is 1,000 bytes.`;
  return { text, bars, figures: { sizes: Object.fromEntries(sizes), alone, withHttp } };
}
