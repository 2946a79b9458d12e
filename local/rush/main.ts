import { randomInt } from "node:crypto";
import { writeFileSync } from "node:fs";
import { type Options, parseOptions, USAGE } from "./options.ts";
import { holds, toJson, toText } from "./report.ts";
import { holdRush } from "./rush.ts";
import { NoRush, obtainStack } from "./stack.ts";

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
    if (!(error instanceof NoRush)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
}

async function rush(options: Options): Promise<number> {
  const lease = await obtainStack(options, (text) => process.stderr.write(`${text}\n`));
  try {
    const result = await holdRush(options, lease.stack, process.stderr);
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
