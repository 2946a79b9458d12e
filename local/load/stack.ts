import { once } from "node:events";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readStackFile } from "../stack-file.ts";
import { type Interrupts, keepPrinted } from "./run.ts";
import { NoLoad, type Surroundings } from "./surroundings.ts";

/** The first start may still have to unpack something. */
const START_MS = 60_000;
const STOP_MS = 15_000;

export interface Lease {
  readonly api: string;
  /** Stops the stack if it was started for this run; else does nothing. */
  stop(): Promise<void>;
}

/**
 * The running stack, or one for the time of the run.
 *
 * @throws {NoLoad} When there is none to be had.
 */
export async function obtainStack({ root, env, say }: Surroundings, interrupts: Interrupts): Promise<Lease> {
  const file = resolve(root, env.FIRSTCOME_STACK || ".local/stack.json");
  const running = readStackFile(file);
  if (running) return { api: running.api, stop: async () => {} };

  say("No stack is running: starting one for the time of the run.");
  const args = ["--import", "./local/register.mjs", "local/start.ts"];
  const stdio = ["ignore", "pipe", "pipe"] as const;
  const child = interrupts.spawn(process.execPath, args, { cwd: root, env: { ...env, PORT: "0" }, stdio: [...stdio] });
  const printed = keepPrinted(child);
  const exit = once(child, "exit");
  let hasEnded = false;
  // A program that could not even be spawned never exits: its error rejects here.
  const gone = exit
    .catch(() => {})
    .then(() => {
      hasEnded = true;
    });

  const stop = async () => {
    if (hasEnded) return;
    child.kill("SIGTERM");
    const insist = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    await gone;
    clearTimeout(insist);
  };

  try {
    const deadline = performance.now() + START_MS;
    while (performance.now() < deadline) {
      const stack = readStackFile(file);
      // Another stack may have been started meanwhile; only ours is ours to stop.
      if (stack && stack.pid === child.pid) return { api: stack.api, stop };
      interrupts.check();
      if (hasEnded) throw new NoLoad(1, `The stack ended before it was ready. It said:\n\n${printed()}`);
      await Promise.race([sleep(50), gone]);
    }
    throw new NoLoad(1, `The stack was not ready within ${START_MS / 1_000} s. It said:\n\n${printed()}`);
  } catch (error) {
    await stop();
    throw error;
  }
}
