import { randomInt } from "node:crypto";
import { writeFileSync } from "node:fs";
import { Interrupted, NoStack, rejectionBy, takeSignals } from "../lease.ts";
import type { StackFile } from "../stack-file.ts";
import { NoRush, obtainStack } from "./stack.ts";

/** A command that holds something against a stack, and judges it. */
export interface Held<O, R> {
  readonly usage: string;
  readonly parse: (
    argv: readonly string[],
    newSeed: () => number,
  ) => { options: O } | { help: true } | { mistake: string };
  readonly hold: (options: O, stack: StackFile) => Promise<R>;
  readonly holds: (result: R) => boolean;
  readonly toText: (result: R) => string;
  readonly toJson: (result: R) => string;
}

interface Named {
  readonly api?: string;
  readonly stack?: string;
  readonly json?: string;
}

/**
 * Runs such a command with these words: on the running stack, or on one that is started for the time.
 *
 * @returns the exit status: 0 all holds, 1 something is violated or it could not be held, 2 an option is wrong
 */
export function runHeld<O extends Named, R>(it: Held<O, R>, argv: readonly string[]): Promise<number> {
  return runParsed(it, argv, async (options, interrupted) => {
    const lease = await obtainStack(options, { say: (line) => process.stderr.write(`${line}\n`), interrupted });
    try {
      return tell(it, options, await Promise.race([it.hold(options, lease.stack), rejectionBy(interrupted)]));
    } finally {
      await lease.stop();
    }
  });
}

/**
 * Reads the words and does the work. A mistake, and whatever its user can mend, is said without a stack trace.
 *
 * @returns what the work did, 1 where it could not be done, 2 where an option is wrong
 */
export async function runParsed<O>(
  { usage, parse }: Pick<Held<O, never>, "usage" | "parse">,
  argv: readonly string[],
  work: (options: O, interrupted: AbortSignal) => Promise<number>,
): Promise<number> {
  const parsed = parse(argv, () => randomInt(2 ** 32));
  if ("help" in parsed) {
    process.stdout.write(usage);
    return 0;
  }
  if ("mistake" in parsed) {
    process.stderr.write(`${parsed.mistake}\n\n${usage}`);
    return 2;
  }
  const { interrupted } = takeSignals();
  try {
    return await work(parsed.options, interrupted);
  } catch (error) {
    // What it has begun goes on until this process ends.
    if (error instanceof Interrupted) process.exit(error.status);
    if (!(error instanceof NoRush || error instanceof NoStack)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
}

/** Says the result, to people and, where that was asked for, to programs. @returns the exit status */
export function tell<R>(
  { toText, toJson, holds }: Pick<Held<never, R>, "toText" | "toJson" | "holds">,
  { json }: Pick<Named, "json">,
  result: R,
): number {
  // Whoever takes the JSON from standard output wants nothing else there.
  (json === "-" ? process.stderr : process.stdout).write(`\n${toText(result)}`);
  if (json === "-") process.stdout.write(toJson(result));
  else if (json !== undefined) writeFileSync(json, toJson(result));
  return holds(result) ? 0 : 1;
}
