import { existsSync } from "node:fs";
import { basename } from "node:path";
import { withLock } from "./lock.mjs";
import { findProgram } from "./machine.mjs";
import { runQuietly, SetupError } from "./run.mjs";
import { findManager, findPrivilege, installPackage, whatToType } from "./system-packages.mjs";

/** @typedef {import("./machine.mjs").Machine} Machine */

/**
 * Packages by manager, the first that can be installed is taken; and what a user has to type who cannot be spared it, with a
 * package that every release has.
 *
 * @type {Record<string, { packages: string[], typed: string[] }>}
 */
const PACKAGES = {
  "apt-get": {
    packages: ["valkey-server", "redis-server"],
    typed: ["apt-get update", "apt-get install redis-server"],
  },
  dnf: { packages: ["valkey", "redis"], typed: ["dnf install valkey"] },
  yum: { packages: ["valkey", "redis"], typed: ["yum install redis"] },
  apk: { packages: ["valkey", "redis"], typed: ["apk add redis"] },
  pacman: { packages: ["valkey", "redis"], typed: ["pacman -S valkey"] },
  zypper: { packages: ["valkey", "redis"], typed: ["zypper install redis"] },
  brew: { packages: ["valkey", "redis"], typed: ["brew install valkey"] },
};

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
  const manager = findManager(machine, PACKAGES);
  const known = manager && PACKAGES[manager.tool];
  if (!known) throw new SetupError(`Neither Valkey nor Redis is on this machine. Install one.\n${OR_ELSE}`);
  const prefix = await findPrivilege(machine, manager);
  if (!prefix) {
    const why = "Neither Valkey nor Redis is on this machine, and installing one needs root.";
    throw new SetupError(`${why} ${whatToType(machine, known.typed)}\n${OR_ELSE}`);
  }
  const done = await installPackage(machine, manager, prefix, {
    title: `No Valkey or Redis on this machine: installing one with ${manager.tool}`,
    packages: known.packages,
    find: () => findServer(machine),
    installed: (binary) => `Installed ${basename(binary)} with ${manager.tool}${serviceNote(manager.tool, binary)}`,
  });
  if ("binary" in done) return done.binary;
  throw new SetupError(`${done.printed.trimEnd()}\n\n${manager.tool} could not install Valkey or Redis.\n${OR_ELSE}`);
}

/**
 * Where systemd rules, Debian starts the service whatever the runlevel is.
 *
 * @param {string} tool
 * @param {string} binary
 */
function serviceNote(tool, binary) {
  if (tool !== "apt-get" || !existsSync("/run/systemd/system")) return "";
  return `; its service is not used here, to stop it: sudo systemctl disable --now ${basename(binary)}`;
}
