import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { request } from "undici";
import * as z from "zod/mini";
import type { Options } from "./options.ts";

const REPO = fileURLToPath(new URL("../../", import.meta.url));
const STACK_FILE = join(REPO, ".local", "stack.json");

/** The first start may still have to unpack something. */
const START_MS = 60_000;
const STOP_MS = 15_000;
const PROBE_MS = 5_000;
const TAIL_LENGTH = 4_000;

const stackSchema = z.object({
  api: z.string(),
  dynamodb: z.string(),
  tables: z.object({ Ledger: z.string() }),
  pid: z.int(),
});

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
  const file = options.stack ?? STACK_FILE;
  const described = readStack(file);
  if (described) {
    const api = options.api ?? described.api;
    if (await answers(api)) {
      return { stack: { api, dynamodb: described.dynamodb, table: described.tables.Ledger }, stop: async () => {} };
    }
  }
  const isNamed = options.api !== undefined || options.stack !== undefined;
  if (isNamed) {
    throw new NoRush(
      described
        ? `${options.api ?? described.api} does not answer.`
        : `There is no stack described in ${file}. The ledger's address is needed from there.`,
    );
  }
  say("No stack is running: starting one for the time of the rush.");
  return startStack();
}

function readStack(file: string): z.infer<typeof stackSchema> | undefined {
  try {
    const parsed = z.safeParse(stackSchema, JSON.parse(readFileSync(file, "utf8")));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/** A stack that was killed leaves its file behind, so the file alone proves nothing. */
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
    env: { ...process.env, PORT: "0" },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      printed = (printed + String(chunk)).slice(-TAIL_LENGTH);
    });
  }
  const stop = onSignals(() => stopChild(child));
  try {
    const described = await untilReady(child);
    return { stack: { api: described.api, dynamodb: described.dynamodb, table: described.tables.Ledger }, stop };
  } catch (error) {
    await stop();
    if (!(error instanceof NoRush)) throw error;
    throw new NoRush(`${error.message}${printed ? ` It said:\n\n${printed.trimEnd()}` : ""}`);
  }
}

async function untilReady(child: ChildProcess): Promise<z.infer<typeof stackSchema>> {
  let failure: Error | undefined;
  child.on("error", (error) => {
    failure = error;
  });
  const deadline = performance.now() + START_MS;
  while (performance.now() < deadline) {
    const described = readStack(STACK_FILE);
    // Another process's file may be lying there, from a stack that was killed.
    if (described && described.pid === child.pid) return described;
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
  const listeners = Object.entries(statuses).map(([signal, status]) => {
    const listener = () => void cleanUp().finally(() => process.exit(status));
    process.once(signal, listener);
    return { signal, listener };
  });
  return async () => {
    for (const { signal, listener } of listeners) process.off(signal, listener);
    await cleanUp();
  };
}
