import { spawn } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { constants } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { request } from "undici";
import { readStackFile, type StackFile } from "./stack-file.ts";

/**
 * A stack for the time of a run: the one that is running, or else one that is started for the run and stopped after it.
 */

const PROBE_MS = 5_000;
const POLL_MS = 50;
/** Of what a stack has printed, the end is shown: that is where it says what went wrong. */
const SHOWN_LENGTH = 4_000;

export interface Lease {
  readonly stack: StackFile;
  /** Stops the stack if it was started for this run; else does nothing. Safe to call twice. */
  stop(): Promise<void>;
}

export interface Terms {
  /** The repo's folder. */
  readonly root: string;
  readonly env: NodeJS.ProcessEnv;
  /** Prints a line on what is going on. */
  readonly say: (line: string) => void;
  /** Aborted when the run is not wanted any more: a start under way is then given up, with the signal's reason. */
  readonly interrupted: AbortSignal;
}

/** How long a stack may take. The first start may still have to unpack something. */
const PATIENCE = { startMs: 60_000, stopMs: 15_000 };

/** There is no stack to be had: shown to the user without a stack trace. */
export class NoStack extends Error {
  readonly status = 1;
}

/** The run was asked to end. */
export class Interrupted extends Error {
  /** What a shell shows for the signal. */
  readonly status: number;

  constructor(signal: NodeJS.Signals) {
    super("Stopped.");
    this.status = 128 + constants.signals[signal];
  }
}

/**
 * Takes the signals that ask this process to end; the first aborts `interrupted` with {@link Interrupted}. They stay taken
 * until the release: a terminal and npm each send the same signal, and a second one, if it were not taken, would end this
 * process in the midst of stopping what it has started.
 *
 * @param onSignal Told of each.
 */
export function takeSignals(onSignal?: (signal: NodeJS.Signals) => void): {
  interrupted: AbortSignal;
  release: () => void;
} {
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  const controller = new AbortController();
  const take = (signal: NodeJS.Signals) => {
    controller.abort(new Interrupted(signal));
    onSignal?.(signal);
  };
  for (const signal of signals) process.on(signal, take);
  return {
    interrupted: controller.signal,
    release: () => {
      for (const signal of signals) process.off(signal, take);
    },
  };
}

/** Where a running stack has written what runs where, unless it was told otherwise. */
export function stackFileOf({ root, env }: Pick<Terms, "root" | "env">): string {
  return resolve(root, env.FIRSTCOME_STACK || ".local/stack.json");
}

/** Whether an API answers, be it to say that it is not well. Processes' numbers are given again: a file alone proves nothing. */
export async function answers(api: string, interrupted: AbortSignal): Promise<boolean> {
  try {
    const signal = AbortSignal.any([AbortSignal.timeout(PROBE_MS), interrupted]);
    const { body } = await request(new URL("/health", api), { signal });
    await body.dump();
    return true;
  } catch {
    interrupted.throwIfAborted();
    return false;
  }
}

/**
 * The running stack, or one for the time of the run.
 *
 * @throws {NoStack} When there is none to be had. Says what the stack has printed.
 */
export async function leaseStack(terms: Terms, patience = PATIENCE): Promise<Lease> {
  const running = readStackFile(stackFileOf(terms));
  const isUp = running !== undefined && (await answers(running.api, terms.interrupted));
  if (isUp) return { stack: running, stop: async () => {} };
  terms.say("No stack is running: starting one for the time of the run.");
  return startStack(terms, patience);
}

async function startStack({ root, env, interrupted }: Terms, { startMs, stopMs }: typeof PATIENCE): Promise<Lease> {
  // In a folder of its own: where others write too, its file might be overwritten before it is read, or theirs by it.
  mkdirSync(join(root, ".local"), { recursive: true });
  const folder = mkdtempSync(join(root, ".local", "lease-"));
  const stackFile = join(folder, "stack.json");
  // To a file and not to a pipe: all of it is there once the stack has ended, and nobody has to read along.
  const output = openSync(join(folder, "start.log"), "w");
  const child = spawn(process.execPath, ["--import", "./local/register.mjs", "local/start.ts"], {
    cwd: root,
    env: { ...env, PORT: "0", FIRSTCOME_STACK: stackFile },
    stdio: ["ignore", output, output],
    // Out of the terminal's reach: a Ctrl-C is for us, and we stop the stack when nothing needs it any more.
    detached: process.platform !== "win32",
  });
  closeSync(output);
  const ended = new Promise<string>((settle) => {
    child.on("error", (error) => settle(`The stack could not be started: ${error.message}.`));
    child.on("exit", () => settle("The stack ended before it was ready."));
  });

  const end = async () => {
    child.kill("SIGTERM");
    const insist = setTimeout(() => child.kill("SIGKILL"), stopMs);
    await ended;
    clearTimeout(insist);
    // A stack that was killed may have parts that are still on their way out, and write.
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= end();
    return stopped;
  };

  try {
    const deadline = performance.now() + startMs;
    while (performance.now() < deadline) {
      interrupted.throwIfAborted();
      const stack = readStackFile(stackFile);
      if (stack) return { stack, stop };
      const why = await Promise.race([ended, sleep(POLL_MS)]);
      if (why !== undefined) throw new NoStack(why + saidIn(folder));
    }
    throw new NoStack(`The stack was not ready within ${startMs / 1_000} s.${saidIn(folder)}`);
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What a stack and its parts have printed into its folder, which is about to go. */
function saidIn(folder: string): string {
  const logs = { "Its parts": "stack.log", It: "start.log" };
  return Object.entries(logs)
    .map(([who, log]) => [who, endOf(join(folder, log))])
    .filter(([, text]) => text)
    .map(([who, text]) => `\n\n${who} said:\n\n${text}`)
    .join("");
}

function endOf(file: string): string {
  try {
    return readFileSync(file, "utf8").slice(-SHOWN_LENGTH).trim();
  } catch {
    return "";
  }
}

/** Rejects when the signal is aborted, with its reason: raced against work that cannot be told to stop. */
export function rejectionBy(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.throwIfAborted();
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}
