import { parseArgs } from "node:util";
import { FAULT_NAMES, FAULTS, type FaultName, isFaultName } from "./faults.ts";

export interface Options {
  readonly seed: number;
  /** Numbers of the rounds to run, from 1. */
  readonly rounds: readonly number[];
  /** The faults to choose from. */
  readonly faults: readonly FaultName[];
  /** Where the machine-readable result goes. */
  readonly json?: string;
  /** Where to keep what the processes have printed. */
  readonly log?: string;
}

export type Parsed = { options: Options } | { help: true } | { list: true } | { mistake: string };

export const USAGE = `npm run chaos -- [options]

Breaks the whole system in the middle of a rush, in each round in another way, waits until it is well again, and judges it:
nothing oversold, nobody twice, whoever was told a coupon has it, no stock lost, nothing said that is not documented, and
nothing issued while a campaign is fenced. Uses processes of its own: Redis with a replica, SQS, DynamoDB, the API, the
worker. Everything that chance decides comes from the seed.

  --rounds N      rounds to run (10)
  --seed N        what chance decides (another one each time)
  --round K       only the K-th round of the seed
  --fault NAME    choose from this fault only; repeatable
  --list          say which faults there are
  --json FILE     write the result as JSON
  --log FILE      keep what the processes have printed
  --help          this text

Exit status: 0 all held, 1 something did not or the rounds could not be run, 2 an option is wrong.
`;

const ROUNDS_MOST = 10_000;

/** Reads the words behind the command. `newSeed` is asked only if none is given. */
export function parseOptions(argv: readonly string[], newSeed: () => number): Parsed {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        rounds: { type: "string", default: "10" },
        seed: { type: "string" },
        round: { type: "string" },
        fault: { type: "string", multiple: true, default: [] },
        list: { type: "boolean", default: false },
        json: { type: "string" },
        log: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) return { help: true };
    if (values.list) return { list: true };
    const rounds = Array.from({ length: whole("--rounds", values.rounds, 1, ROUNDS_MOST) }, (_, index) => index + 1);
    return {
      options: {
        seed: values.seed === undefined ? newSeed() : whole("--seed", values.seed, 0, 2 ** 32 - 1),
        rounds: values.round === undefined ? rounds : [whole("--round", values.round, 1, ROUNDS_MOST)],
        faults: values.fault.length > 0 ? [...new Set(values.fault.map(known))] : FAULT_NAMES,
        ...(values.json === undefined ? {} : { json: values.json }),
        ...(values.log === undefined ? {} : { log: values.log }),
      },
    };
  } catch (error) {
    return { mistake: error instanceof Error ? error.message : String(error) };
  }
}

/** The text of `--list`. */
export function listFaults(): string {
  const width = Math.max(...FAULT_NAMES.map((name) => name.length));
  return FAULT_NAMES.map((name) => `  ${name.padEnd(width)}  ${FAULTS[name].says}\n`).join("");
}

function known(name: string): FaultName {
  if (isFaultName(name)) return name;
  throw new Error(`There is no fault "${name}"; --list says which there are.`);
}

function whole(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isInteger(value) && value >= least && value <= most) return value;
  throw new Error(`${name} takes a whole number from ${least} to ${most}, not "${text}".`);
}
