/**
 * Evaluates the SST program without AWS, in a process of its own: `evaluate.ts <root> <platform> <stage> <live|dev> <result>`.
 * It is bundled as SST's command line does it, run under Pulumi's own mocks, and every resource that it asks for is written down.
 * Real components, real types, real graph; not the Pulumi engine, not AWS's own checks.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { BuildOptions } from "esbuild";
import { startCommandLine } from "./command-line.ts";
import type { Evaluation, GraphResource } from "./graph.ts";
import { type Asked, answerTo, outputsOf } from "./mocks.ts";
import { withUploads } from "./uploads.ts";

/** The part of Pulumi's library that is used here; the library itself is the platform's. */
interface Pulumi {
  readonly runtime: {
    setMocks(mocks: Mocks, project: string, stack: string, preview: boolean): Promise<void>;
    runInPulumiStack(program: () => Promise<unknown>): Promise<unknown>;
    disconnect(): Promise<void>;
  };
}

interface Mocks {
  newResource(args: Asked): Promise<{ id: string; state: Record<string, unknown> }>;
  call(args: { token: string; inputs: Record<string, unknown> }): Record<string, unknown>;
}

const [root = "", platform = "", stage = "", mode = "", result = ""] = process.argv.slice(2);
const dev = mode === "dev";
const region = process.env.FIRSTCOME_REGION ?? "ap-northeast-2";
const work = mkdtempSync(join(tmpdir(), "firstcome-infra-"));
const scripts = ["app", "run"].map((name) => join(platform, `check-${process.pid}-${name}.mjs`));
const [appScript = "", runScript = ""] = scripts;

const require = createRequire(join(platform, "package.json"));
const pulumi = require("@pulumi/pulumi") as Pulumi;
const { build } = require("esbuild") as { build(options: BuildOptions): Promise<unknown> };

/** As in SST's command line: a program in ESM that finds the platform's packages beside it. */
const common: BuildOptions = {
  mainFields: ["module", "main"],
  format: "esm",
  platform: "node",
  target: "es2023",
  bundle: true,
  logLevel: "silent",
  nodePaths: [join(platform, "node_modules")],
  external: [
    "@pulumi/*",
    "undici",
    "@pulumiverse/*",
    "@sst-provider/*",
    "@aws-sdk/*",
    "esbuild",
    "archiver",
    "glob",
    "vite",
  ],
};
const banner = `import { createRequire as __createRequire } from "module"; const require = __createRequire(import.meta.url);
import { fileURLToPath as __fromUrl } from "url"; const __filename = __fromUrl(import.meta.url); const __dirname = __fromUrl(new URL(".", import.meta.url));`;
const config = JSON.stringify(join(root, "sst.config.ts"));

/** What `app()` in sst.config.ts answers. */
async function readApp(): Promise<Record<string, unknown>> {
  await build({
    ...common,
    banner: { js: `${banner}\nfunction $config(it) { return it; }` },
    stdin: {
      contents: `import it from ${config}; export default await it.app({ stage: ${JSON.stringify(stage)} });`,
      resolveDir: root,
      loader: "ts",
    },
    // Only app() is asked: what run() imports needs SST's globals.
    external: [...(common.external ?? []), "./infra/*"],
    outfile: appScript,
  });
  const { default: app } = (await import(pathToFileURL(appScript).href)) as { default: Record<string, unknown> };
  return app;
}

async function readProgram(app: Record<string, unknown>): Promise<() => Promise<unknown>> {
  const lock = JSON.parse(readFileSync(join(platform, "../provider-lock.json"), "utf8")) as readonly {
    alias: string;
    package: string;
  }[];
  const globals = [
    ...lock.map((provider) => `import * as ${provider.alias} from "${provider.package}";`),
    `import * as sst from ${JSON.stringify(join(platform, "src/components"))};`,
  ].join("\n");
  const paths = { home: work, root, work, platform };
  await build({
    ...common,
    banner: { js: banner },
    stdin: {
      contents: `import { run } from ${JSON.stringify(join(platform, "src/auto/run.ts"))}; import it from ${config}; export const program = () => run(it.run);`,
      resolveDir: root,
      sourcefile: "check.ts",
      loader: "ts",
    },
    define: {
      $app: JSON.stringify({ protect: false, removal: "retain", ...app, stage }),
      $cli: JSON.stringify({ command: "diff", dev, paths, state: { version: {} } }),
      $dev: String(dev),
    },
    inject: [join(platform, "src/shim/run.js")],
    plugins: [
      {
        name: "globals",
        setup: (it) =>
          it.onLoad({ filter: /\.(js|ts|jsx|tsx)$/ }, async ({ path }) =>
            path.startsWith(platform)
              ? undefined
              : { contents: `${globals}\n${await readFile(path, "utf8")}`, loader: "default" },
          ),
      },
    ],
    outfile: runScript,
  });
  const { program } = (await import(pathToFileURL(runScript).href)) as { program: () => Promise<unknown> };
  return program;
}

const resources: GraphResource[] = [];
const errors: string[] = [];
// An error of esbuild's carries the file and the line in its message; a stack would show the bundle's own.
const fail = (error: unknown) => void errors.push(error instanceof Error ? error.message : String(error));
process.on("unhandledRejection", fail);

const commandLine = await startCommandLine(root);
process.env.SST_SERVER = commandLine.url;
process.env.SST_AWS_REGION = region;
let isEnded = false;

async function evaluate(): Promise<void> {
  await pulumi.runtime.setMocks(
    {
      newResource: async (args) => {
        const { type, name } = args;
        // Written down before anything is waited for: the order of the list is the order in which the program asks.
        const place = resources.push({ type, name, inputs: args.inputs }) - 1;
        resources[place] = { type, name, inputs: await withUploads(args.inputs) };
        return { id: `${name}-id`, state: outputsOf(args, region) };
      },
      call: ({ token, inputs }) => answerTo(token, inputs, region),
    },
    "firstcome",
    stage,
    false,
  );
  const program = await readProgram(await readApp());
  await pulumi.runtime.runInPulumiStack(program);
  await pulumi.runtime.disconnect();
  isEnded = true;
}

// As Pulumi's language host does it: everything has been applied when nothing is left to do. A program in which something went
// wrong may never come to its end, and leaves nothing to do all the same.
process.once("exit", () => {
  for (const script of scripts) rmSync(script, { force: true });
  rmSync(work, { recursive: true, force: true });
  if (!isEnded && errors.length === 0) fail("sst.config.ts: the program did not come to its end.");
  const evaluation: Evaluation = {
    resources,
    errors: [...new Set(errors)],
    bundles: commandLine.bundles,
  };
  writeFileSync(result, JSON.stringify(evaluation));
});
evaluate().catch(fail);
