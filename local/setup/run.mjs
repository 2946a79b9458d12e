import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { constants } from "node:os";

/** @typedef {import("node:child_process").ChildProcess} ChildProcess */
/** @typedef {{ cwd: string, env: NodeJS.ProcessEnv, shell?: boolean }} Where */

/** A reason to stop that the user can mend: shown as it is, without a stack. */
export class SetupError extends Error {}

/** The user asked to stop. `status` is what a shell would report for the signal: 130 for Ctrl-C. */
export class Interrupted extends Error {
  /** @param {NodeJS.Signals} signal */
  constructor(signal) {
    super(signal);
    this.status = statusOf(null, signal);
  }
}

const PASSED_ON = /** @type {NodeJS.Signals[]} */ (["SIGINT", "SIGTERM", "SIGHUP"]);

// npm passes a signal on that the terminal has already sent to everyone: what arrives within this time is one wish.
const ONE_WISH_MS = 500;

// npm undoes its work before it stops, which takes as long as the work did. A new start clears up anyway.
const PATIENCE_MS = 1_000;

const PARENT_CHECK_MS = 500;

/**
 * Runs a program that keeps the terminal: its input, output, exit status and signals are the launcher's own.
 *
 * @param {string} program
 * @param {string[]} args
 * @param {Where} where
 * @returns {Promise<{ status: number, stopped: boolean }>} `stopped` tells that a signal was passed on.
 */
export async function runInTerminal(program, args, where) {
  const signals = takeSignals({ reachedByTerminal: true });
  try {
    const { code, signal } = await ended(signals.passTo(spawn(program, args, { ...where, stdio: "inherit" })));
    return { status: statusOf(code, signal), stopped: signals.first() !== undefined };
  } finally {
    signals.release();
  }
}

/**
 * Runs a program without showing anything, and keeps what it printed.
 *
 * @param {string} program
 * @param {string[]} args
 * @param {Where} where
 * @param {{ onSignal?: () => void }} [gently] Given for a package manager, which must not be cut off half-way: it is
 *   taken out of the terminal's reach, is only ever asked to stop (SIGINT), and is waited for. `onSignal` is called
 *   when that happens.
 * @returns {Promise<{ status: number, output: string }>} Status 127 when the program could not be started.
 * @throws {Interrupted} After the program has ended, when the launcher was told to stop meanwhile.
 */
export async function runQuietly(program, args, where, gently) {
  const apart = gently !== undefined && process.platform !== "win32";
  /** @param {ChildProcess} child */
  const kill = (child) => void setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS).unref();
  const signals = takeSignals({
    reachedByTerminal: !apart,
    only: gently && "SIGINT",
    onSignal: gently ? gently.onSignal : kill,
  });
  /** @type {Buffer[]} */
  const printed = [];
  try {
    const child = signals.passTo(
      spawn(program, args, { ...where, detached: apart, stdio: ["ignore", "pipe", "pipe"] }),
    );
    child.stdout.on("data", (chunk) => printed.push(chunk));
    child.stderr.on("data", (chunk) => printed.push(chunk));
    const { code, signal } = await ended(child);
    // A daemon that the program left behind may hold the pipes open; nobody reads them any more.
    child.stdout.destroy();
    child.stderr.destroy();
    const told = signals.first();
    if (told) throw new Interrupted(told);
    return { status: statusOf(code, signal), output: Buffer.concat(printed).toString() };
  } catch (error) {
    if (error instanceof SetupError) return { status: 127, output: error.message };
    throw error;
  } finally {
    signals.release();
  }
}

/**
 * @param {ChildProcess} child
 * @returns {Promise<{ code: number | null, signal: NodeJS.Signals | null }>}
 */
function ended(child) {
  return new Promise((resolve, reject) => {
    child.on("error", (error) => {
      if (child.pid === undefined) reject(new SetupError(`${child.spawnfile} could not be started: ${error.message}`));
    });
    child.on("exit", (code, signal) => {
      // The last output usually arrives just after the exit.
      const done = () => resolve({ code, signal });
      child.on("close", done);
      setTimeout(done, 1_000).unref();
    });
  });
}

/**
 * Takes the signals meant for us, from now on: a child must not start before that, or a signal that comes just then
 * would end us and leave the child behind.
 *
 * @param {object} options
 * @param {boolean} options.reachedByTerminal Whether a Ctrl-C typed in the terminal reaches the child without our help.
 * @param {NodeJS.Signals | undefined} [options.only] Passed on in place of every other signal.
 * @param {((child: ChildProcess) => void) | undefined} [options.onSignal] Called at the first signal.
 */
function takeSignals({ reachedByTerminal, only, onSignal }) {
  /** @type {ChildProcess | undefined} */
  let receiver;
  /** @type {NodeJS.Signals | undefined} */
  let first;
  let last = "";
  let lastAt = 0;
  /** @param {NodeJS.Signals} signal */
  const take = (signal) => {
    const isFirst = first === undefined;
    const isEcho = signal === last && Date.now() - lastAt < ONE_WISH_MS;
    first ??= signal;
    last = signal;
    lastAt = Date.now();
    if (isEcho || receiver?.pid === undefined) return;
    if (isFirst) onSignal?.(receiver);
    // Twice would mean "at once" to many programs. A later one is passed on: it may have been meant for us alone.
    if (signal === "SIGINT" && isFirst && reachedByTerminal && hasTerminal()) return;
    try {
      process.kill(receiver.pid, only ?? signal);
    } catch {
      // It has just ended, or it runs as root through sudo and can only be waited for.
    }
  };
  for (const signal of PASSED_ON) process.on(signal, take);
  const watch = watchParent(() => take("SIGTERM"));
  return {
    /**
     * @template {ChildProcess} Child
     * @param {Child} child
     */
    passTo: (child) => {
      receiver = child;
      return child;
    },
    first: () => first,
    release: () => {
      clearInterval(watch);
      for (const signal of PASSED_ON) process.off(signal, take);
    },
  };
}

/**
 * Between npm and us stands a shell. When npm is told to stop, it stops the shell, and the shell does not tell us.
 *
 * @param {() => void} onLoss
 */
function watchParent(onLoss) {
  if (!process.env.npm_lifecycle_event) return undefined;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    onLoss();
  }, PARENT_CHECK_MS);
  return timer.unref();
}

function hasTerminal() {
  // On Windows the console tells every process itself, and a SIGINT from us would be a kill.
  if (process.platform === "win32") return true;
  try {
    closeSync(openSync("/dev/tty", "r"));
    return true;
  } catch {
    return false;
  }
}

/**
 * @param {number | null} code
 * @param {NodeJS.Signals | null} signal
 * @returns {number} The exit status a shell would show.
 */
function statusOf(code, signal) {
  return signal ? 128 + constants.signals[signal] : (code ?? 1);
}
