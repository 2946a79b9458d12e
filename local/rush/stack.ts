import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { request } from "undici";
import { readStackFile, type StackFile } from "../stack-file.ts";
import type { Options } from "./options.ts";

const REPO = fileURLToPath(new URL("../../", import.meta.url));
const STACK_FILE = process.env.FIRSTCOME_STACK || join(REPO, ".local", "stack.json");
/** What a stack of our own writes. Where others write too, its file might be overwritten before it is read. */
const OWN_FOLDER = join(REPO, ".local", `rush-${process.pid}`);
const OWN_STACK_FILE = join(OWN_FOLDER, "stack.json");

/** The first start may still have to unpack something. */
const START_MS = 60_000;
const STOP_MS = 15_000;
const PROBE_MS = 5_000;
const TAIL_LENGTH = 4_000;

/** What a rush needs to know of a stack. */
export interface Stack {
  readonly api: string;
  readonly dynamodb: string;
  readonly table: string;
}

export interface Lease {
  readonly stack: Stack;
  /** Stops the stack if this rush has started it; else does nothing. */
  stop(): Promise<void>;
}

/** A reason not to hold the rush that its user can mend. */
export class NoRush extends Error {}

/**
 * Finds the stack that the options mean. Only where they name none, and none is running, one is started.
 * @throws {NoRush} When there is none to be had.
 */
export async function obtainStack(options: Options, say: (text: string) => void): Promise<Lease> {
  const path = options.stack ?? STACK_FILE;
  const file = readStackFile(path);
  const stack = file && describe(file, options.api);
  if (stack && (await answers(stack.api))) return { stack, stop: async () => {} };
  if (options.api !== undefined || options.stack !== undefined) {
    throw new NoRush(stack ? `${stack.api} does not answer.` : `${path} describes no running stack.`);
  }
  say("No stack is running: starting one for the time of the rush.");
  return startStack();
}

function describe(file: StackFile, api = file.api): Stack {
  const table = file.tables.Ledger;
  if (table === undefined) throw new NoRush("The stack file names no ledger.");
  return { api, dynamodb: file.dynamodb, table };
}

/** Processes outlive what they are for, and their numbers are given again: a file and a process alone prove nothing. */
async function answers(api: string): Promise<boolean> {
  try {
    const { body } = await request(new URL("/health", api), { signal: AbortSignal.timeout(PROBE_MS) });
    await body.dump();
    return true;
  } catch {
    return false;
  }
}

async function startStack(): Promise<Lease> {
  const child = spawn(process.execPath, ["--import", "./local/register.mjs", "local/start.ts"], {
    cwd: REPO,
    env: { ...process.env, PORT: "0", FIRSTCOME_STACK: OWN_STACK_FILE },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      printed = (printed + String(chunk)).slice(-TAIL_LENGTH);
    });
  }
  const stop = onSignals(async () => {
    await stopChild(child);
    rmSync(OWN_FOLDER, { recursive: true, force: true });
  });
  try {
    return { stack: describe(await untilReady(child)), stop };
  } catch (error) {
    await stop();
    if (!(error instanceof NoRush)) throw error;
    throw new NoRush(`${error.message}${printed ? ` It said:\n\n${printed.trimEnd()}` : ""}`);
  }
}

async function untilReady(child: ChildProcess): Promise<StackFile> {
  let failure: Error | undefined;
  child.on("error", (error) => {
    failure = error;
  });
  const deadline = performance.now() + START_MS;
  while (performance.now() < deadline) {
    const file = readStackFile(OWN_STACK_FILE);
    if (file) return file;
    if (failure) throw new NoRush(`The stack could not be started: ${failure.message}`);
    if (hasEnded(child)) throw new NoRush("The stack ended before it was ready.");
    await sleep(100);
  }
  throw new NoRush(`The stack was not ready within ${START_MS / 1_000} s.`);
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const isPatient = await Promise.race([ended.then(() => true), sleep(STOP_MS, false, { ref: false })]);
  if (isPatient) return;
  child.kill("SIGKILL");
  await ended;
}

/** Whoever stops the rush stops what it has started. @returns the same clean-up for the rush's own end */
function onSignals(cleanUp: () => Promise<void>): () => Promise<void> {
  const statuses = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
  let cleaned: Promise<void> | undefined;
  const cleanUpOnce = () => {
    cleaned ??= cleanUp();
    return cleaned;
  };
  for (const [signal, status] of Object.entries(statuses)) {
    // Stays in place: a terminal and npm each send the same signal, and the second would end us in the midst of it.
    process.on(signal, () => void cleanUpOnce().finally(() => process.exit(status)));
  }
  return cleanUpOnce;
}
