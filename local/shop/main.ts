/** `npm run shop` */
import { randomInt } from "node:crypto";
import { copyFileSync, writeFileSync } from "node:fs";
import { openProgress } from "../chaos/progress.ts";
import { Interrupted, NoStack, rejectionBy, takeSignals } from "../lease.ts";
import { NoRush } from "../rush/stack.ts";
import { obtainGround } from "./ground.ts";
import { type Options, parseOptions, USAGE } from "./options.ts";
import { holds, toJson, toText } from "./report.ts";
import { holdDay } from "./shop.ts";

/** Like the other commands that hold something against a stack, but the stack is one whose clock leaps. @returns the exit status */
async function main(argv: readonly string[]): Promise<number> {
  const parsed = parseOptions(argv, () => randomInt(2 ** 32));
  if ("help" in parsed) {
    process.stdout.write(USAGE);
    return 0;
  }
  if ("mistake" in parsed) {
    process.stderr.write(`${parsed.mistake}\n\n${USAGE}`);
    return 2;
  }
  const { interrupted } = takeSignals();
  try {
    return await hold(parsed.options, interrupted);
  } catch (error) {
    // What it has begun goes on until this process ends.
    if (error instanceof Interrupted) process.exit(error.status);
    if (!(error instanceof NoRush || error instanceof NoStack)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
}

async function hold(options: Options, interrupted: AbortSignal): Promise<number> {
  const progress = openProgress(process.stderr);
  // A start that is under way is waited for: what it has started could not be stopped otherwise.
  const ground = await obtainGround(options, progress.show, interrupted);
  try {
    const result = await Promise.race([holdDay(options, ground, progress), rejectionBy(interrupted)]);
    // Whoever takes the JSON from standard output wants nothing else there.
    (options.json === "-" ? process.stderr : process.stdout).write(`\n${toText(result)}`);
    if (options.json === "-") process.stdout.write(toJson(result));
    else if (options.json !== undefined) writeFileSync(options.json, toJson(result));
    return holds(result) ? 0 : 1;
  } finally {
    progress.clear();
    if (options.log !== undefined) copyFileSync(ground.first.log, options.log);
    await ground.stop();
  }
}

process.exitCode = await main(process.argv.slice(2));
