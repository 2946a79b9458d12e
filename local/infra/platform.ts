import { spawn } from "node:child_process";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";

/** SST's platform: its components and their types, which its command line writes into `.sst/platform`. */

/**
 * Two switches of SST's own keep it from downloading the Pulumi engine and Bun, which only a deployment needs; packages come from
 * npm instead. Neither asks AWS for anything.
 */
const SWITCHES = { SST_SKIP_DEPENDENCY_CHECK: "1", SST_NO_BUN: "1", SST_TELEMETRY_DISABLED: "1" };

const fileOf = (root: string, path: string) => {
  const file = join(root, path);
  return existsSync(file) ? readFileSync(file, "utf8").trim() : undefined;
};

function isInstalled(root: string): boolean {
  const { version } = JSON.parse(readFileSync(join(root, "node_modules/sst/package.json"), "utf8")) as {
    version: string;
  };
  const platform = join(root, ".sst/platform");
  return (
    fileOf(root, ".sst/platform/version") === version &&
    existsSync(join(root, ".sst/provider-lock.json")) &&
    existsSync(join(platform, "config.d.ts")) &&
    ["@pulumi/aws", "@pulumi/pulumi", "esbuild"].every((name) => existsSync(join(platform, "node_modules", name)))
  );
}

/**
 * Installs the platform unless it stands there in the version of the package.
 * @returns its folder
 */
export async function ensurePlatform(root: string, progress: (step: string) => void): Promise<string> {
  if (!isInstalled(root)) {
    progress("Installing SST's components and their types into .sst (once: a minute, 320 MB)");
    const command = [join(root, "node_modules/sst/bin/sst.mjs"), "install", "--stage", "check"];
    const { status, output } = await run(process.execPath, command, root, SWITCHES);
    if (status !== 0 || !isInstalled(root))
      throw new Error(`sst install ended with ${status}:\n${output.slice(-3_000)}`);
  }
  return realpathSync(join(root, ".sst/platform"));
}

/** Runs a program and keeps what it printed. */
export async function run(
  program: string,
  args: readonly string[],
  cwd: string,
  variables: Readonly<Record<string, string>> = {},
): Promise<{ status: number | null; output: string }> {
  const child = spawn(program, args, { cwd, env: { ...process.env, ...variables }, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  child.stderr.on("data", (chunk) => {
    output += chunk;
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status) => resolve({ status, output }));
  });
}
