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
 * Runs such a command with these words: on the running stack, or on one that is started for the time. A mistake, and whatever
 * its user can mend, is said without a stack trace.
 *
 * @returns the exit status: 0 all holds, 1 something is violated or it could not be held, 2 an option is wrong
 */
export async function runHeld<O extends Named, R>(it: Held<O, R>, argv: readonly string[]): Promise<number> {
  const parsed = it.parse(argv, () => randomInt(2 ** 32));
  if ("help" in parsed) {
    process.stdout.write(it.usage);
    return 0;
  }
  if ("mistake" in parsed) {
    process.stderr.write(`${parsed.mistake}\n\n${it.usage}`);
    return 2;
  }
  try {
    return await onStack(it, parsed.options);
  } catch (error) {
    // Its clients go on asking until this process ends.
    if (error instanceof Interrupted) process.exit(error.status);
    if (!(error instanceof NoRush || error instanceof NoStack)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
}

async function onStack<O extends Named, R>(it: Held<O, R>, options: O): Promise<number> {
  const { interrupted } = takeSignals();
  const lease = await obtainStack(options, { say: (line) => process.stderr.write(`${line}\n`), interrupted });
  try {
    const result = await Promise.race([it.hold(options, lease.stack), rejectionBy(interrupted)]);
    // Whoever takes the JSON from standard output wants nothing else there.
    (options.json === "-" ? process.stderr : process.stdout).write(`\n${it.toText(result)}`);
    if (options.json === "-") process.stdout.write(it.toJson(result));
    else if (options.json !== undefined) writeFileSync(options.json, it.toJson(result));
    return it.holds(result) ? 0 : 1;
  } finally {
    await lease.stop();
  }
}
