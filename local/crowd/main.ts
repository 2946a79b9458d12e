/** `npm run crowd` */
import { openProgress } from "../chaos/progress.ts";
import { runHeld } from "../rush/held.ts";
import { holdCrowd } from "./crowd.ts";
import { parseOptions, USAGE } from "./options.ts";
import { holds, toJson, toText } from "./report.ts";

process.exitCode = await runHeld(
  {
    ...{ usage: USAGE, parse: parseOptions, holds, toText, toJson },
    hold: (options, stack) => holdCrowd(options, stack, openProgress(process.stderr)),
  },
  process.argv.slice(2),
);
