/** `npm run shop` */
import { copyFileSync } from "node:fs";
import { openProgress } from "../chaos/progress.ts";
import { rejectionBy } from "../lease.ts";
import { runParsed, tell } from "../rush/held.ts";
import { obtainGround } from "./ground.ts";
import { type Options, parseOptions, USAGE } from "./options.ts";
import { holds, toJson, toText } from "./report.ts";
import { holdDay } from "./shop.ts";

/** Like the other commands that hold something against a stack, but the stack is one whose clock leaps. @returns the exit status */
async function hold(options: Options, interrupted: AbortSignal): Promise<number> {
  const progress = openProgress(process.stderr);
  // A start that is under way is waited for: what it has started could not be stopped otherwise.
  const ground = await obtainGround(options, progress.show, interrupted);
  try {
    const result = await Promise.race([holdDay(options, ground, progress), rejectionBy(interrupted)]);
    return tell({ holds, toText, toJson }, options, result);
  } finally {
    progress.clear();
    if (options.log !== undefined) copyFileSync(ground.first.log, options.log);
    await ground.stop();
  }
}

process.exitCode = await runParsed({ usage: USAGE, parse: parseOptions }, process.argv.slice(2), hold);
