import { accessSync, constants, statSync } from "node:fs";
import { delimiter, isAbsolute, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Everything the launcher knows about the machine it runs on. It is handed from step to step instead of being read
 * from `process`, so that a test can describe another machine.
 *
 * @typedef {object} Machine
 * @property {string} root The repo's folder.
 * @property {NodeJS.ProcessEnv} env
 * @property {string} nodeVersion Version of the Node that runs the launcher, without a leading "v".
 * @property {string} execPath Binary of that Node.
 * @property {string} platform As `process.platform`.
 * @property {string} arch As `process.arch`.
 * @property {number | undefined} uid User id; undefined where there is none (Windows).
 * @property {NodeJS.WriteStream} stdout Only for what was asked for (the usage).
 * @property {NodeJS.WriteStream} stderr For everything the launcher says on its own.
 * @property {number} progressEveryMs How often a long step reports where there is no terminal.
 */

/**
 * Describes the real machine.
 *
 * @returns {Machine}
 */
export function thisMachine() {
  return {
    root: fileURLToPath(new URL("../../", import.meta.url)),
    env: process.env,
    nodeVersion: process.versions.node,
    execPath: process.execPath,
    platform: process.platform,
    arch: process.arch,
    uid: process.getuid?.(),
    stdout: process.stdout,
    stderr: process.stderr,
    progressEveryMs: 5_000,
  };
}

/**
 * Returns a copy of the environment with folders put before the others of PATH.
 *
 * @param {Machine} machine
 * @param {string[]} folders
 * @returns {NodeJS.ProcessEnv}
 */
export function envWithPath(machine, folders) {
  const name = pathName(machine);
  const rest = machine.env[name];
  return { ...machine.env, [name]: [...folders, ...(rest ? [rest] : [])].join(delimiter) };
}

/**
 * Finds a program the way a shell would: a name on the PATH, or a path as it stands.
 *
 * @param {Machine} machine
 * @param {string} program
 * @returns {string | undefined} Absolute path of the binary, or undefined when there is none.
 */
export function findProgram(machine, program) {
  const file = machine.platform === "win32" && !program.endsWith(".exe") ? `${program}.exe` : program;
  if (isAbsolute(file) || /[\\/]/.test(file)) return isRunnable(resolve(file)) ? resolve(file) : undefined;
  return (machine.env[pathName(machine)] ?? "")
    .split(delimiter)
    .filter(isAbsolute)
    .map((folder) => join(folder, file))
    .find(isRunnable);
}

/** @param {Machine} machine */
function pathName(machine) {
  // Windows spells it "Path", and a copied environment no longer ignores case.
  return Object.keys(machine.env).find((name) => name.toUpperCase() === "PATH") ?? "PATH";
}

/** @param {string} file */
function isRunnable(file) {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
