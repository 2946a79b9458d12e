import { parseArgs } from "node:util";
import { apiHere, numberBetween, wholeNumber, withLoneJson } from "../option-values.ts";

export interface Options {
  readonly users: number;
  readonly stock: number;
  /** Connections, and thereby requests under way at a time. */
  readonly concurrency: number;
  /** Share of the users that ask more than once, 0…1. */
  readonly duplicates: number;
  readonly seed: number;
  /** Seconds to wait for the last confirmation. */
  readonly wait: number;
  /** Where the machine-readable result goes: a file, or `-` for standard output. */
  readonly json?: string;
  /** Another API on this machine, in place of the one that the stack file names. */
  readonly api?: string;
  /** Another stack file. */
  readonly stack?: string;
}

export type Parsed = { options: Options } | { help: true } | { mistake: string };

export const USAGE = `npm run rush -- [options]

Lets a crowd rush for the coupons of one campaign, waits until they are in the ledger, and says whether the
guarantees G1 to G5 held. Uses the running stack, or starts one for the time of the rush.

  --users N         users who ask (2000)
  --stock N         coupons there are (100)
  --concurrency N   connections (64)
  --duplicates R    share of the users who ask more than once, 0 to 1 (0.2)
  --seed N          who repeats how, and in which order (a new one each time)
  --wait SECONDS    for the last confirmation, at most (120)
  --json [FILE]     write the result as JSON to a file, or to standard output
  --api URL         another API on this machine
  --stack FILE      another stack file (.local/stack.json)
  --help            this text

Exit status: 0 all guarantees hold, 1 one is violated or the rush could not be held, 2 an option is wrong.
`;

/** Reads the words behind the command. `newSeed` is asked only if none is given. */
export function parseOptions(argv: readonly string[], newSeed: () => number): Parsed {
  try {
    const { values } = parseArgs({
      args: withLoneJson(argv),
      options: {
        users: { type: "string", default: "2000" },
        stock: { type: "string", default: "100" },
        concurrency: { type: "string", default: "64" },
        duplicates: { type: "string", default: "0.2" },
        seed: { type: "string" },
        wait: { type: "string", default: "120" },
        json: { type: "string" },
        api: { type: "string" },
        stack: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) return { help: true };
    return {
      options: {
        users: wholeNumber("--users", values.users, 1, 1_000_000),
        stock: wholeNumber("--stock", values.stock, 1, 10_000_000),
        concurrency: wholeNumber("--concurrency", values.concurrency, 1, 10_000),
        duplicates: numberBetween("--duplicates", values.duplicates, 0, 1),
        seed: values.seed === undefined ? newSeed() : wholeNumber("--seed", values.seed, 0, 2 ** 32 - 1),
        wait: numberBetween("--wait", values.wait, 0, 86_400),
        ...(values.json === undefined ? {} : { json: values.json }),
        ...(values.api === undefined ? {} : { api: apiHere(values.api) }),
        ...(values.stack === undefined ? {} : { stack: values.stack }),
      },
    };
  } catch (error) {
    return { mistake: error instanceof Error ? error.message : String(error) };
  }
}
