import { parseArgs } from "node:util";
import { apiHere, numberBetween, wholeNumber, withLoneJson } from "../option-values.ts";

export interface Options {
  /** Minutes that the shop is open, checkpoints not counted. */
  readonly minutes: number;
  /** How many times faster than the real one the stack's clock goes, on average. */
  readonly speed: number;
  readonly products: number;
  /** Events a second of real time, on average over the day. */
  readonly rate: number;
  readonly checkpoints: number;
  readonly seed: number;
  /** Whether parts of the stack are killed. */
  readonly chaos: boolean;
  /** Where the machine-readable result goes: a file, or `-` for standard output. */
  readonly json?: string;
  /** Where to keep what the stack's processes have printed. */
  readonly log?: string;
  /** Another API on this machine, in place of the one that the stack file names. */
  readonly api?: string;
  /** Another stack file. */
  readonly stack?: string;
}

export type Parsed = { options: Options } | { help: true } | { mistake: string };

export const USAGE = `npm run shop -- [options]

Holds a shop's day in minutes: views, likes, carts, sales and refunds of products of which few are popular and most are not,
a flash item, bots, events that come late or without a time, batches that are sent twice and out of order. Meanwhile the
process that counts is killed again and again, the API now and then, Redis once or twice. At every checkpoint each window of
each product and all pages of the boards are compared with a recount of all events that shares no code with what it judges
(G9). It starts a stack of its own, whose clock leaps: API, functions and SQS live through 26 hours. Redis and DynamoDB keep
the real time.

  --minutes N        how long the shop is open (3); the checkpoints come on top
  --speed N          how fast the stack's clock goes (so that 26 hours pass); 1: the real clock
  --products N       products (2000)
  --rate N           events a second of real time (500)
  --checkpoints N    times at which everything is compared (three a minute, at least 2, at most 9)
  --chaos on|off     whether parts of the stack are killed (on)
  --seed N           what happens, when, and to what (a new one each time)
  --json [FILE]      write the result as JSON to a file, or to standard output
  --log FILE         keep what the stack's processes have printed
  --stack FILE       with --speed 1: a running stack that has counted nothing yet, by its file
  --api URL          with --speed 1: its API, in place of the one that the file (.local/stack.json) names
  --help             this text

Exit status: 0 all held, 1 something did not or the day could not be held, 2 an option is wrong.
`;

/** Hours of the shop's day: enough that what happened in the first ones leaves the last 24. */
const DAY_HOURS = 26;

/** Reads the words behind the command. `newSeed` is asked only if none is given. */
export function parseOptions(argv: readonly string[], newSeed: () => number): Parsed {
  try {
    const { values } = parseArgs({
      args: withLoneJson(argv),
      options: {
        minutes: { type: "string", default: "3" },
        speed: { type: "string" },
        products: { type: "string", default: "2000" },
        rate: { type: "string", default: "500" },
        checkpoints: { type: "string" },
        chaos: { type: "string", default: "on" },
        seed: { type: "string" },
        json: { type: "string" },
        log: { type: "string" },
        api: { type: "string" },
        stack: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) return { help: true };
    const minutes = numberBetween("--minutes", values.minutes, 0.2, 24 * 60);
    const { speed = `${Math.max(2, (DAY_HOURS * 60) / minutes)}` } = values;
    const { checkpoints = `${Math.min(9, Math.max(2, Math.round(3 * minutes)))}` } = values;
    const options: Options = {
      minutes,
      speed: numberBetween("--speed", speed, 1, 10_000),
      products: wholeNumber("--products", values.products, 10, 100_000),
      rate: numberBetween("--rate", values.rate, 1, 100_000),
      checkpoints: wholeNumber("--checkpoints", checkpoints, 1, 1_000),
      chaos: onOrOff("--chaos", values.chaos),
      seed: values.seed === undefined ? newSeed() : wholeNumber("--seed", values.seed, 0, 2 ** 32 - 1),
      ...(values.json === undefined ? {} : { json: values.json }),
      ...(values.log === undefined ? {} : { log: values.log }),
      ...(values.api === undefined ? {} : { api: apiHere(values.api) }),
      ...(values.stack === undefined ? {} : { stack: values.stack }),
    };
    const isGiven = options.api !== undefined || options.stack !== undefined;
    if (isGiven && options.speed !== 1) {
      throw new Error("--api and --stack mean a stack that runs already, at normal speed: add --speed 1.");
    }
    return { options };
  } catch (error) {
    return { mistake: error instanceof Error ? error.message : String(error) };
  }
}

function onOrOff(name: string, text: string): boolean {
  if (text === "on" || text === "off") return text === "on";
  throw new Error(`${name} takes on or off, not "${text}".`);
}
