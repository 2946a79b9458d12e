import { findProgram } from "./machine.mjs";
import { step } from "./progress.mjs";
import { runQuietly } from "./run.mjs";

/** @typedef {import("./machine.mjs").Machine} Machine */

/**
 * A package manager of the system.
 *
 * @typedef {object} Manager
 * @property {string} tool
 * @property {string[]} [refresh] Arguments that renew the list of packages.
 * @property {string[]} install Arguments before the package's name.
 * @property {boolean} [asUser] Whether it wants no root.
 */

/** @type {Manager[]} */
const MANAGERS = [
  {
    tool: "apt-get",
    refresh: ["update"],
    // A fresh machine often updates itself in the background and holds the lock for a while.
    install: ["install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120"],
  },
  { tool: "dnf", install: ["install", "-y"] },
  { tool: "yum", install: ["install", "-y"] },
  { tool: "apk", refresh: ["update"], install: ["add"] },
  { tool: "pacman", refresh: ["-Sy"], install: ["-S", "--needed", "--noconfirm"] },
  { tool: "zypper", install: ["--non-interactive", "install"] },
  { tool: "brew", install: ["install"], asUser: true },
];

/** Debian starts a packaged server at once, except in the runlevel of a single user. The others ignore these. */
const PACKAGE_ENV = { RUNLEVEL: "1", DEBIAN_FRONTEND: "noninteractive" };

/**
 * The system's package manager, of those for which there is a package.
 *
 * @param {Machine} machine
 * @param {Record<string, unknown>} packages By the manager's tool.
 */
export function findManager(machine, packages) {
  return MANAGERS.find(({ tool }) => Object.hasOwn(packages, tool) && findProgram(machine, tool));
}

/**
 * @param {Machine} machine
 * @param {Manager} manager
 * @returns {Promise<string[] | undefined>} The words to put before the manager, or undefined when it would need a
 *   password.
 */
export async function findPrivilege(machine, manager) {
  if (manager.asUser || machine.uid === 0) return [];
  if (!findProgram(machine, "sudo")) return undefined;
  const where = { cwd: machine.root, env: machine.env };
  const { status } = await runQuietly("sudo", ["-n", "true"], where, {});
  return status === 0 ? ["sudo", "-n"] : undefined;
}

/**
 * What is to be installed.
 *
 * @typedef {object} Wanted
 * @property {string} title Said while it is being installed.
 * @property {string[]} packages The first that can be installed is taken.
 * @property {() => string | undefined} find Looks whether it is there now.
 * @property {(binary: string) => string} installed Said afterwards.
 */

/**
 * Installs the first package that can be installed.
 *
 * @param {Machine} machine
 * @param {Manager} manager
 * @param {string[]} prefix The words before the manager, from `findPrivilege`.
 * @param {Wanted} wanted
 * @returns {Promise<{ binary: string } | { printed: string }>} The program, or all that the manager printed instead.
 */
export function installPackage(machine, manager, prefix, wanted) {
  return step(machine, wanted.title, async (say) => {
    // sudo clears the environment, so the variables travel on the command line.
    const assignments = Object.entries(PACKAGE_ENV).map(([name, value]) => `${name}=${value}`);
    const words = [...prefix, ...(prefix.length > 0 ? ["env", ...assignments] : []), manager.tool];
    const [program = manager.tool, ...before] = words;
    const where = { cwd: machine.root, env: { ...machine.env, ...PACKAGE_ENV } };
    const onSignal = () => say(`Stopping as soon as ${manager.tool} can be stopped safely`);
    let printed = "";
    /** @param {string[]} args */
    const run = async (args) => {
      const { status, output } = await runQuietly(program, [...before, ...args], where, { onSignal });
      printed += `$ ${[...prefix, manager.tool, ...args].join(" ")}\n${output}`;
      return status === 0;
    };
    // A list that could not be renewed, because of one dead source perhaps, may still be good enough.
    if (manager.refresh) await run(manager.refresh);
    for (const name of wanted.packages) {
      const binary = (await run([...manager.install, name])) ? wanted.find() : undefined;
      if (!binary) continue;
      say(wanted.installed(binary));
      return { binary };
    }
    return { printed };
  });
}

/**
 * What a user has to type who cannot be spared it.
 *
 * @param {Machine} machine
 * @param {string[]} lines
 */
export function whatToType(machine, lines) {
  const sudo = findProgram(machine, "sudo") ? "sudo " : "";
  const typed = lines.map((line) => `${sudo}${line}`).join(" && ");
  return `${sudo ? "Type:" : "As root, type:"}\n\n  ${typed}\n\nand run the same command again.`;
}
