import { randomInt } from "node:crypto";
import { writeFileSync } from "node:fs";
import { Interrupted, NoStack, rejectionBy, takeSignals } from "../lease.ts";
import { type Options, parseOptions, USAGE } from "./options.ts";
import { holds, toJson, toText } from "./report.ts";
import { holdRush } from "./rush.ts";
import { NoRush, obtainStack, stackOf } from "./stack.ts";

/** Runs `npm run rush`. @returns the exit status */
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
  try {
    return await rush(parsed.options);
  } catch (error) {
    // The crowd goes on asking until this process ends.
    if (error instanceof Interrupted) process.exit(error.status);
    if (!(error instanceof NoRush || error instanceof NoStack)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
}

async function rush(options: Options): Promise<number> {
  const { interrupted } = takeSignals();
  const lease = await obtainStack(options, { say: (line) => process.stderr.write(`${line}\n`), interrupted });
  try {
    const held = holdRush(options, stackOf(lease.stack), process.stderr);
    const result = await Promise.race([held, rejectionBy(interrupted)]);
    // Whoever takes the JSON from standard output wants nothing else there.
    (options.json === "-" ? process.stderr : process.stdout).write(`\n${toText(result)}`);
    if (options.json === "-") process.stdout.write(toJson(result));
    else if (options.json !== undefined) writeFileSync(options.json, toJson(result));
    return holds(result) ? 0 : 1;
  } finally {
    await lease.stop();
  }
}

process.exitCode = await main(process.argv.slice(2));
