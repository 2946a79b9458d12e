import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { constants } from "node:os";
import { takeSignals } from "../lease.ts";
import { NoLoad } from "./surroundings.ts";

/** Of a program that is run quietly, the end is kept: that is where it says what went wrong. */
const PRINTED_LENGTH = 4_000;

/**
 * Signals meant for us, passed on to the one program at work. That program is out of the terminal's reach, so a Ctrl-C is
 * one signal for it and not two: k6 takes a second one as "at once", without judging what it has measured.
 */
export class Interrupts {
  #receiver: ChildProcess | undefined;
  readonly #signals = takeSignals((signal) => this.#receiver?.kill(signal));
  readonly interrupted = this.#signals.interrupted;

  /** @throws {Interrupted} When a signal has come: what comes next is not wanted any more. */
  check(): void {
    this.interrupted.throwIfAborted();
  }

  /** Starts the program at work, unless a signal has come. */
  spawn(program: string, args: readonly string[], options: SpawnOptions): ChildProcess {
    this.check();
    this.#receiver = spawn(program, args, { ...options, detached: process.platform !== "win32" });
    return this.#receiver;
  }

  release(): void {
    this.#signals.release();
  }
}

type Where = Pick<SpawnOptions, "cwd" | "env">;

/** Runs a program that prints where we print. @returns its exit status, as a shell would show it */
export function show(program: string, args: readonly string[], where: Where, interrupts: Interrupts): Promise<number> {
  return ended(interrupts.spawn(program, args, { ...where, stdio: ["ignore", "inherit", "inherit"] }));
}

/** Runs a program quietly. */
export async function capture(
  program: string,
  args: readonly string[],
  where: Where,
  interrupts: Interrupts,
): Promise<{ status: number; printed: string }> {
  const child = interrupts.spawn(program, args, { ...where, stdio: ["ignore", "pipe", "pipe"] });
  const printed = keepPrinted(child);
  const status = await ended(child);
  interrupts.check();
  return { status, printed: printed() };
}

/** @returns what the program has printed so far, or the end of it */
function keepPrinted(child: ChildProcess): () => string {
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk) => {
      text = (text + String(chunk)).slice(-PRINTED_LENGTH);
    });
  }
  return () => text.trimEnd();
}

function ended(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.on("error", (error) => reject(new NoLoad(1, `${child.spawnfile} could not be started: ${error.message}`)));
    child.on("close", (code, signal) => resolve(statusOf(code, signal)));
  });
}

function statusOf(code: number | null, signal: NodeJS.Signals | null): number {
  return signal ? 128 + constants.signals[signal] : (code ?? 1);
}
