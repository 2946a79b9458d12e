import { builtinModules } from "node:module";
import { join } from "node:path";
import { type BuildResult, build, type Plugin } from "esbuild";

/**
 * The Lambda bundles, built the same way for the deployment, the laptop's stack and the bench: one self-contained file a
 * function, ESM, minified.
 */

const BUILTINS = new Set(builtinModules.filter((name) => !name.startsWith("_")));

/**
 * Gives Node's own modules through `process.getBuiltinModule` instead of an ESM import. An import of `node:http` makes Node
 * read every export of it, which loads a WebSocket and an HTTP client that nothing here uses: a fifth of a cold start
 * (`npm run bench` shows both).
 */
const lazyBuiltins: Plugin = {
  name: "lazy-builtins",
  setup(builder) {
    builder.onResolve({ filter: /^(node:)?[a-z0-9_/]+$/ }, ({ path }) => {
      const name = path.replace(/^node:/, "");
      return BUILTINS.has(name) ? { path: name, namespace: "lazy-builtin", sideEffects: false } : undefined;
    });
    builder.onLoad({ filter: /.*/, namespace: "lazy-builtin" }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(`node:${path}`)})`,
      loader: "js",
    }));
  },
};

export interface BundleOptions {
  /** Folder of the project. */
  readonly root: string;
  /** Folder to write `<name>/index.mjs` into. */
  readonly outDir: string;
  /** Files to bundle, by the name that each gets. */
  readonly entries: Readonly<Record<string, string>>;
  /** Off only to measure what it saves. */
  readonly lazyBuiltins?: boolean;
}

/** Bundles each entry into `<outDir>/<name>/index.mjs`. Throws with esbuild's messages when one does not build. */
export function bundle(options: BundleOptions): Promise<BuildResult> {
  return build({
    absWorkingDir: options.root,
    entryPoints: Object.fromEntries(
      Object.entries(options.entries).map(([name, file]) => [`${name}/index`, join(options.root, file)]),
    ),
    outdir: options.outDir,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    minify: true,
    platform: "node",
    target: "node24",
    format: "esm",
    // The AWS SDK's ESM half is much smaller than its CommonJS one, and can be shaken.
    mainFields: ["module", "main"],
    loader: { ".lua": "text" },
    alias: { "@aws-sdk/credential-provider-node": join(options.root, "infra/lambda-credentials.ts") },
    legalComments: "none",
    logLevel: "silent",
    banner: {
      js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);",
    },
    plugins: options.lazyBuiltins === false ? [] : [lazyBuiltins],
  });
}
