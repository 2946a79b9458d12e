import { join } from "node:path";
import { run } from "./platform.ts";

/**
 * Checks `sst.config.ts` and `infra/` against the types of SST's own components and of AWS's resources. What they import from
 * elsewhere, and SST's sources, are judged by others (`npm run check`; SST). SST's components are sources, not declarations, so the
 * stricter settings of the root's tsconfig.json would find fault with them.
 * @returns a line for each fault
 */
export async function typeFaults(root: string): Promise<string[]> {
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  const args = [compiler, "-p", join(root, "infra/tsconfig.json"), "--pretty", "false"];
  const { status, output } = await run(process.execPath, args, root);
  const lines = output.split("\n");
  const faults = lines.filter((line) => /^(sst\.config|infra\/[\w-]+)\.ts\(/.test(line));
  // A compiler that could not begin names no file.
  if (status !== 0 && !lines.some((line) => /\(\d+,\d+\): error /.test(line))) faults.push(output.trim());
  return faults;
}
