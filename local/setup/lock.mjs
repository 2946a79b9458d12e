import {
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { step } from "./progress.mjs";

/** @typedef {import("./machine.mjs").Machine} Machine */

const POLL_MS = 200;
const BEAT_MS = 2_000;

/**
 * Without a beat for this long the owner is gone, even if a process with its number lives: in a container every run
 * has the same few process numbers.
 */
const SILENT_MS = 60_000;

/**
 * Does work that no other launch in this checkout does at the same time; waits, visibly, while another does.
 * A lock whose owner has died is taken over.
 *
 * @template T
 * @param {Machine} machine
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock(machine, work) {
  const folder = join(machine.root, ".local", "setup-lock");
  if (!take(folder)) {
    await step(machine, "Waiting for another command of this folder to finish its setup", () => waitFor(folder));
  }
  const own = join(folder, String(process.pid));
  const beat = setInterval(() => {
    try {
      const now = new Date();
      utimesSync(own, now, now);
    } catch {
      // Someone removed .local; the work goes on, only unguarded.
    }
  }, BEAT_MS);
  try {
    return await work();
  } finally {
    clearInterval(beat);
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * The lock is a folder that holds one file named after its owner. It is made aside and renamed into place, so it never
 * exists without its owner's name.
 *
 * @param {string} folder
 * @returns {boolean} Whether the lock is now ours.
 */
function take(folder) {
  const aside = `${folder}-${process.pid}`;
  mkdirSync(aside, { recursive: true });
  writeFileSync(join(aside, String(process.pid)), "");
  try {
    // Fails when there is a folder of that name with something in it.
    renameSync(aside, folder);
    return true;
  } catch {
    rmSync(aside, { recursive: true, force: true });
    return false;
  }
}

/** @param {string} folder */
async function waitFor(folder) {
  let seen = "";
  let silentMs = 0;
  while (true) {
    const owner = ownerOf(folder);
    const state = owner ? `${owner.pid} ${owner.beatAt}` : "";
    // Counted in our own waiting, so that a laptop's sleep does not count.
    silentMs = state === seen ? silentMs + POLL_MS : 0;
    seen = state;
    if (owner && (!isAlive(owner.pid) || silentMs > SILENT_MS)) breakLock(folder, owner.pid);
    if (take(folder)) return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/**
 * Removes the lock of one owner. The file's name makes it safe: of several waiters only one succeeds, and a new
 * owner's lock is not touched.
 *
 * @param {string} folder
 * @param {number} pid
 */
function breakLock(folder, pid) {
  try {
    unlinkSync(join(folder, String(pid)));
    rmdirSync(folder);
  } catch {
    // Another waiter was quicker.
  }
}

/** @param {string} folder */
function ownerOf(folder) {
  try {
    const [name] = readdirSync(folder);
    return name ? { pid: Number(name), beatAt: statSync(join(folder, name)).mtimeMs } : undefined;
  } catch {
    return undefined;
  }
}

/** @param {number} pid */
function isAlive(pid) {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === "EPERM";
  }
}
