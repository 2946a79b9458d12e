import { existsSync } from "node:fs";
import { basename } from "node:path";
import { withLock } from "./lock.mjs";
import { findProgram } from "./machine.mjs";
import { step } from "./progress.mjs";
import { runQuietly, SetupError } from "./run.mjs";

/** @typedef {import("./machine.mjs").Machine} Machine */

/**
 * @typedef {object} Manager
 * @property {string} tool
 * @property {string[]} [refresh] Arguments that renew the list of packages.
 * @property {string[]} install Arguments before the package's name.
 * @property {string[]} packages The first that can be installed is taken.
 * @property {string[]} typed What a user has to type who cannot be spared it, with a package that every release has.
 * @property {boolean} [asUser] Whether it wants no root.
 */

/** @type {Manager[]} */
const MANAGERS = [
  {
    tool: "apt-get",
    refresh: ["update"],
    // A fresh machine often updates itself in the background and holds the lock for a while.
    install: ["install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120"],
    packages: ["valkey-server", "redis-server"],
    typed: ["apt-get update", "apt-get install redis-server"],
  },
  { tool: "dnf", install: ["install", "-y"], packages: ["valkey", "redis"], typed: ["dnf install valkey"] },
  { tool: "yum", install: ["install", "-y"], packages: ["valkey", "redis"], typed: ["yum install redis"] },
  { tool: "apk", refresh: ["update"], install: ["add"], packages: ["valkey", "redis"], typed: ["apk add redis"] },
  {
    tool: "pacman",
    refresh: ["-Sy"],
    install: ["-S", "--needed", "--noconfirm"],
    packages: ["valkey", "redis"],
    typed: ["pacman -S valkey"],
  },
  {
    tool: "zypper",
    install: ["--non-interactive", "install"],
    packages: ["valkey", "redis"],
    typed: ["zypper install redis"],
  },
  { tool: "brew", install: ["install"], packages: ["valkey", "redis"], typed: ["brew install valkey"], asUser: true },
];

/** Debian starts a packaged server at once, except in the runlevel of a single user. The others ignore these. */
const PACKAGE_ENV = { RUNLEVEL: "1", DEBIAN_FRONTEND: "noninteractive" };

const OLDEST = [7, 0];
const SERVERS = ["valkey-server", "redis-server"];
const OR_ELSE =
  "Or set FIRSTCOME_REDIS_URL (redis://host:port) to one that runs already, " +
  "or FIRSTCOME_REDIS_SERVER to a binary, 7.0 or later.";

/**
 * Returns the binary of a Valkey or Redis server, 7.0 or later: `FIRSTCOME_REDIS_SERVER`, or what is on the PATH, or
 * what the system's package manager installs if that needs no password.
 *
 * @param {Machine} machine
 * @returns {Promise<string | undefined>} Undefined when `FIRSTCOME_REDIS_URL` names one that runs already.
 * @throws {SetupError} Names the command to type or the variable to set.
 */
export async function ensureRedis(machine) {
  if (machine.env.FIRSTCOME_REDIS_URL) return undefined;
  const binary = findServer(machine) ?? (await withLock(machine, async () => findServer(machine) ?? install(machine)));
  await checkVersion(machine, binary);
  return binary;
}

/** @param {Machine} machine */
function findServer(machine) {
  const named = machine.env.FIRSTCOME_REDIS_SERVER;
  if (!named) return SERVERS.map((server) => findProgram(machine, server)).find(Boolean);
  const binary = findProgram(machine, named);
  if (!binary) throw new SetupError(`FIRSTCOME_REDIS_SERVER names ${named}, and there is no such program.`);
  return binary;
}

/**
 * @param {Machine} machine
 * @param {string} binary
 */
async function checkVersion(machine, binary) {
  const { status, output } = await runQuietly(binary, ["--version"], { cwd: machine.root, env: machine.env });
  const version = /\bv=(\d+)\.(\d+)[.\d]*/.exec(output);
  if (status !== 0 || !version) {
    throw new SetupError(`${output.trimEnd()}\n\n${binary} --version does not answer like a server. ${OR_ELSE}`);
  }
  const [major = 0, minor = 0] = version.slice(1, 3).map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return;
  throw new SetupError(
    `${basename(binary)} ${version[0].slice(2)} (${binary}) is too old: ${OLDEST.join(".")} or later is needed.\n` +
      `Install a newer one (Valkey has packages for most systems: https://valkey.io/download).\n${OR_ELSE}`,
  );
}

/**
 * @param {Machine} machine
 * @returns {Promise<string>}
 */
async function install(machine) {
  const manager = MANAGERS.find(({ tool }) => findProgram(machine, tool));
  if (!manager) throw new SetupError(`Neither Valkey nor Redis is on this machine. Install one.\n${OR_ELSE}`);
  const prefix = await findPrivilege(machine, manager);
  if (!prefix) throw new SetupError(whatToType(machine, manager));
  const title = `No Valkey or Redis on this machine: installing one with ${manager.tool}`;
  return step(machine, title, (say) => installWith(machine, manager, prefix, say));
}

/**
 * @param {Machine} machine
 * @param {Manager} manager
 * @param {string[]} prefix
 * @param {(title: string) => void} say
 */
async function installWith(machine, manager, prefix, say) {
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
  for (const name of manager.packages) {
    const binary = (await run([...manager.install, name])) ? findServer(machine) : undefined;
    if (!binary) continue;
    say(`Installed ${basename(binary)} with ${manager.tool}${serviceNote(manager, binary)}`);
    return binary;
  }
  throw new SetupError(`${printed.trimEnd()}\n\n${manager.tool} could not install Valkey or Redis.\n${OR_ELSE}`);
}

/**
 * Where systemd rules, Debian starts the service whatever the runlevel is.
 *
 * @param {Manager} manager
 * @param {string} binary
 */
function serviceNote(manager, binary) {
  if (manager.tool !== "apt-get" || !existsSync("/run/systemd/system")) return "";
  return `; its service is not used here, to stop it: sudo systemctl disable --now ${basename(binary)}`;
}

/**
 * @param {Machine} machine
 * @param {Manager} manager
 * @returns {Promise<string[] | undefined>} The words to put before the manager, or undefined when it would need a
 *   password.
 */
async function findPrivilege(machine, manager) {
  if (manager.asUser || machine.uid === 0) return [];
  if (!findProgram(machine, "sudo")) return undefined;
  const where = { cwd: machine.root, env: machine.env };
  const { status } = await runQuietly("sudo", ["-n", "true"], where, {});
  return status === 0 ? ["sudo", "-n"] : undefined;
}

/**
 * @param {Machine} machine
 * @param {Manager} manager
 */
function whatToType(machine, manager) {
  const sudo = findProgram(machine, "sudo") ? "sudo " : "";
  const lines = manager.typed.map((line) => `${sudo}${line}`);
  return (
    "Neither Valkey nor Redis is on this machine, and installing one needs root. " +
    `${sudo ? "Type:" : "As root, type:"}\n\n  ${lines.join(" && ")}\n\n` +
    `and run the same command again.\n${OR_ELSE}`
  );
}
