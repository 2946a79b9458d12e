import { readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { build, type Metafile } from "esbuild";

/**
 * The console's files, built the same way for the deployment and the laptop's stack: `index.html`, and beside it scripts and a
 * style sheet whose names carry a hash of what is in them, so that caches may keep them for ever.
 */

/** Folder of the console's sources, from the project's root. */
const consoleSource = "web/console";

/**
 * Builds the console into a folder. Throws with esbuild's messages when it does not build.
 *
 * @param options `root` the project's folder, `outDir` the folder to write into
 * @returns names of the files that a first visit loads, `index.html` first
 */
export async function bundleConsole({ root, outDir }: { root: string; outDir: string }): Promise<string[]> {
  const source = join(root, consoleSource);
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [join(source, "main.tsx")],
    outdir: outDir,
    bundle: true,
    splitting: true,
    minify: true,
    format: "esm",
    platform: "browser",
    // What has the CSS function light-dark(): browsers since the middle of 2024.
    target: ["chrome123", "firefox120", "safari17.5"],
    jsx: "automatic",
    jsxImportSource: "preact",
    entryNames: "[name]-[hash]",
    chunkNames: "[name]-[hash]",
    assetNames: "[name]-[hash]",
    loader: { ".svg": "file" },
    legalComments: "none",
    logLevel: "silent",
    metafile: true,
  });
  const first = firstLoad(metafile);
  const tags = first.map((name) =>
    name.endsWith(".css") ? `<link rel="stylesheet" href="./${name}">` : `<link rel="modulepreload" href="./${name}">`,
  );
  const [script = ""] = first.filter((name) => name.startsWith("main-") && name.endsWith(".js"));
  const page = readFileSync(join(source, "index.html"), "utf8").replace(
    "<!-- assets -->",
    [...tags, `<script type="module" src="./${script}"></script>`].join("\n    "),
  );
  writeFileSync(join(outDir, "index.html"), page);
  return ["index.html", ...first];
}

/** What the entry needs before it runs: itself, its style sheet, and the chunks that it imports at once. */
function firstLoad({ outputs }: Metafile): string[] {
  const entry = Object.entries(outputs).find(([, { entryPoint }]) => entryPoint?.endsWith("main.tsx"));
  if (!entry) throw new Error("The console has no main.tsx.");
  const found = new Set<string>();
  const enter = (path: string) => {
    if (found.has(path)) return;
    found.add(path);
    for (const { path: next, kind } of outputs[path]?.imports ?? []) if (kind === "import-statement") enter(next);
  };
  enter(entry[0]);
  const { cssBundle } = entry[1];
  return [...found, ...(cssBundle === undefined ? [] : [cssBundle])].map((path) => basename(path));
}
