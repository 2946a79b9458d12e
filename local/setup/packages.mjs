import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { withLock } from "./lock.mjs";
import { envWithPath } from "./machine.mjs";
import { step } from "./progress.mjs";
import { runQuietly, SetupError } from "./run.mjs";

/** @typedef {import("./machine.mjs").Machine} Machine */

/**
 * What this module reads of an entry in a lock file.
 *
 * @typedef {object} LockEntry
 * @property {string} [version]
 * @property {string} [integrity]
 * @property {boolean} [optional]
 * @property {boolean} [link]
 * @property {string | string[]} [os]
 * @property {string | string[]} [cpu]
 * @property {string | string[]} [libc]
 */

/**
 * Makes `node_modules` of a folder match its package-lock.json, with `npm ci`. What was installed for the same lock
 * file is left alone; so is what a plain `npm install` has just put there.
 *
 * @param {Machine} machine
 * @param {string} folder
 * @param {string} node The Node that runs npm.
 * @param {string} title
 * @param {() => Promise<void>} [verify] Throws when what was installed is of no use; it is then tried again next time.
 * @throws {SetupError} With all that npm printed, when it fails.
 */
export async function installPackages(machine, folder, node, title, verify) {
  const stamp = stampOf(machine, folder);
  if (stamp.holds()) return;
  await withLock(machine, async () => {
    if (stamp.holds()) return;
    if (!isInstalled(machine, folder)) {
      // npm empties node_modules first. Cut off in the middle, it must not leave what looks like a whole installation.
      stamp.remove();
      rmSync(join(folder, "node_modules", ".package-lock.json"), { force: true });
      await step(machine, title, () => npmCi(machine, folder, node));
    }
    await verify?.();
    stamp.write();
  });
}

/**
 * @param {Machine} machine
 * @param {string} folder
 */
function stampOf(machine, folder) {
  const file = join(folder, "node_modules", ".firstcome-lock");
  const lock = readFileSync(join(folder, "package-lock.json"));
  // With the platform, because a folder may be shared with a container or a virtual machine.
  const wanted = `${createHash("sha256").update(lock).digest("hex")} ${machine.platform}-${machine.arch}\n`;
  return {
    holds: () => existsSync(file) && readFileSync(file, "utf8") === wanted,
    remove: () => rmSync(file, { force: true }),
    write: () => {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, wanted);
    },
  };
}

/**
 * Compares the lock file with the record that npm leaves in node_modules after a complete installation.
 *
 * @param {Machine} machine
 * @param {string} folder
 */
function isInstalled(machine, folder) {
  const wanted = readEntries(join(folder, "package-lock.json"));
  const present = readEntries(join(folder, "node_modules", ".package-lock.json"));
  if (!wanted || !present) return false;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === "" || entry.link) return true;
    const found = present[path];
    if (found) return found.version === entry.version && found.integrity === entry.integrity;
    return entry.optional === true && !fits(machine, entry);
  });
}

/**
 * @param {string} file
 * @returns {Record<string, LockEntry> | undefined}
 */
function readEntries(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8")).packages;
  } catch {
    return undefined;
  }
}

/**
 * Whether npm would surely have installed this optional package here. Which C library a machine has is npm's to find
 * out, and a package for every platform may belong to one for another.
 *
 * @param {Machine} machine
 * @param {LockEntry} entry
 */
function fits(machine, entry) {
  const { os = [], cpu = [], libc } = entry;
  return [os].flat().includes(machine.platform) && [cpu].flat().includes(machine.arch) && libc === undefined;
}

/**
 * @param {Machine} machine
 * @param {string} folder
 * @param {string} node
 */
async function npmCi(machine, folder, node) {
  const npm = findNpm(machine, node);
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--include=dev", "--include=optional"];
  const { status, output } = await runQuietly(npm.program, [...npm.args, ...args], {
    cwd: folder,
    env: envWithPath(machine, [dirname(node)]),
    shell: npm.shell,
  });
  if (status === 0) return;
  throw new SetupError(
    `${output.trimEnd()}\n\nnpm could not install the packages of ${folder} (status ${status}).\n` +
      "Its own words are above. Check the network and `npm config get registry`, then run the same command again.",
  );
}

/**
 * @param {Machine} machine
 * @param {string} node
 * @returns {{ program: string, args: string[], shell: boolean }}
 */
function findNpm(machine, node) {
  // Other package managers set this variable too, to a script of theirs.
  const running = machine.env.npm_execpath;
  const beside = join(dirname(machine.execPath), "node_modules", "npm", "bin", "npm-cli.js");
  for (const script of [running, machine.platform === "win32" ? beside : undefined]) {
    if (script && /^npm-cli\.c?js$/.test(basename(script)) && existsSync(script)) {
      return { program: node, args: [script], shell: false };
    }
  }
  // On Windows npm is a batch file, which only a shell can start.
  return { program: "npm", args: [], shell: machine.platform === "win32" };
}
