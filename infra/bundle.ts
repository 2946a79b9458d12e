import { join } from "node:path";
import { type BuildResult, build } from "esbuild";

/**
 * The Lambda bundles, built the same way for the deployment, the laptop's stack and the bench: one self-contained file a
 * function, ESM, minified.
 */

export interface BundleOptions {
  /** Folder of the project. */
  readonly root: string;
  /** Folder to write `<name>/index.mjs` into. */
  readonly outDir: string;
  /** Files to bundle, by the name that each gets. */
  readonly entries: Readonly<Record<string, string>>;
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
  });
}
