import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Mistake, mistakes } from "./mistakes.ts";
import { run } from "./platform.ts";

/**
 * Makes each mistake in a copy of the tree and runs the copy's own check on it: a check that finds nothing would otherwise look
 * like a sound program.
 */

/** What the check reads. */
const COPIED = ["core", "functions", "infra", "local", "docs", "web", "sst.config.ts", "package.json"];
/** Large, and nobody's mistake. */
const LINKED = ["node_modules", ".sst"];

/** @returns whether every mistake was found */
export async function drill(root: string, say: (line: string) => void): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), "firstcome-drill-"));
  let found = 0;
  try {
    for (const name of LINKED) symlinkSync(join(root, name), join(folder, name));
    for (const name of COPIED) {
      cpSync(join(root, name), join(folder, name), {
        recursive: true,
        filter: (path) => !path.includes("node_modules"),
      });
    }
    writeFileSync(join(folder, "sst-env.d.ts"), readFileSync(join(root, "sst-env.d.ts")));
    for (const mistake of mistakes) {
      const startedAt = performance.now();
      const line = await caught(folder, mistake);
      if (line !== undefined) found += 1;
      const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
      say(`${line === undefined ? "NOT FOUND" : "found"}  ${mistake.title}, in ${mistake.file} (${seconds} s)`);
      if (line !== undefined) say(`       ${line}`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  say(`${found} of ${mistakes.length} mistakes found`);
  return found === mistakes.length;
}

/** @returns the line that tells of the mistake, or undefined */
async function caught(folder: string, { file, edit: [from, to], says }: Mistake) {
  const path = join(folder, file);
  const sound = readFileSync(path, "utf8");
  if (!sound.includes(from)) throw new Error(`local/infra/mistakes.ts: ${file} no longer has "${from}".`);
  writeFileSync(path, sound.replace(from, to));
  try {
    const args = [
      "--import",
      join(folder, "local/register.mjs"),
      join(folder, "local/infra/main.ts"),
      "--stage",
      "production",
    ];
    const { status, output } = await run(process.execPath, args, folder);
    if (status === 0) return undefined;
    return output.split("\n").find((line) => line.includes(file) && says.test(line));
  } finally {
    writeFileSync(path, sound);
  }
}
