import { existsSync } from "node:fs";
import { withLock } from "./lock.mjs";
import { findProgram } from "./machine.mjs";
import { SetupError } from "./run.mjs";
import { findManager, findPrivilege, installPackage, whatToType } from "./system-packages.mjs";

/** @typedef {import("./machine.mjs").Machine} Machine */

/**
 * Packages by manager. Ubuntu's apt-get has none: its Chromium is a snap.
 *
 * @type {Record<string, { packages: string[], typed: string[] }>}
 */
const PACKAGES = {
  "apt-get": { packages: ["chromium"], typed: ["apt-get update", "apt-get install chromium"] },
  dnf: { packages: ["chromium"], typed: ["dnf install chromium"] },
  apk: { packages: ["chromium"], typed: ["apk add chromium"] },
  pacman: { packages: ["chromium"], typed: ["pacman -S chromium"] },
};

const PROGRAMS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge"];
/** Where macOS has them. */
const APPLICATIONS = ["Google Chrome", "Chromium", "Microsoft Edge"].map(
  (name) => `/Applications/${name}.app/Contents/MacOS/${name}`,
);

/**
 * Returns the binary of a Chromium for the tests of the console: `FIRSTCOME_CHROMIUM`, or what is on this machine, or what the
 * system's package manager installs if that needs no password. All the rest works without one, so nothing ends for want of it:
 * it is said what is not tested, and why.
 *
 * @param {Machine} machine
 * @returns {Promise<string | undefined>}
 * @throws {SetupError} When `FIRSTCOME_CHROMIUM` names no program.
 */
export async function ensureChromium(machine) {
  return findChromium(machine) ?? withLock(machine, async () => findChromium(machine) ?? install(machine));
}

/** @param {Machine} machine */
function findChromium(machine) {
  const named = machine.env.FIRSTCOME_CHROMIUM;
  if (named) {
    const binary = findProgram(machine, named);
    if (!binary) throw new SetupError(`FIRSTCOME_CHROMIUM names ${named}, and there is no such program.`);
    return binary;
  }
  const found = PROGRAMS.map((program) => findProgram(machine, program)).find(Boolean);
  return found ?? (machine.platform === "darwin" ? APPLICATIONS.find(existsSync) : undefined);
}

/** @param {Machine} machine */
async function install(machine) {
  /** @param {string} why */
  const without = (why) => {
    machine.stderr.write(`No Chromium on this machine, so the console is not tested in a browser. ${why}\n`);
    return undefined;
  };
  const manager = findManager(machine, PACKAGES);
  const known = manager && PACKAGES[manager.tool];
  if (!known) return without("Install one, or set FIRSTCOME_CHROMIUM to a Chrome.");
  const prefix = await findPrivilege(machine, manager);
  if (!prefix) return without(`Installing one needs root. ${whatToType(machine, known.typed)}`);
  const done = await installPackage(machine, manager, prefix, {
    title: `No Chromium on this machine: installing one with ${manager.tool}, for the tests of the console`,
    packages: known.packages,
    find: () => findChromium(machine),
    installed: (binary) => `Installed ${binary} with ${manager.tool}`,
  });
  if ("binary" in done) return done.binary;
  return without(`${manager.tool} could not install it:\n${done.printed.trimEnd()}`);
}
