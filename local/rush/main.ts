/** `npm run rush` */
import { runHeld } from "./held.ts";
import { parseOptions, USAGE } from "./options.ts";
import { holds, toJson, toText } from "./report.ts";
import { holdRush } from "./rush.ts";
import { stackOf } from "./stack.ts";

process.exitCode = await runHeld(
  {
    ...{ usage: USAGE, parse: parseOptions, holds, toText, toJson },
    hold: (options, stack) => holdRush(options, stackOf(stack), process.stderr),
  },
  process.argv.slice(2),
);
