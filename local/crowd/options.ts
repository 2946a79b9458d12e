import { parseArgs } from "node:util";
import { apiHere, numberBetween, wholeNumber, withLoneJson } from "../option-values.ts";

export interface Options {
  readonly people: number;
  readonly capacity: number;
  /** People admitted per second. */
  readonly rate: number;
  /** Seconds. */
  readonly heartbeat: number;
  readonly passSeconds: number;
  readonly stock: number;
  /** Callers of the admitting job at a time. */
  readonly schedulers: number;
  /** Share of the people who stop polling while they wait, 0…1. */
  readonly abandon: number;
  readonly seed: number;
  /** Seconds after which the crowd is sent home, whatever it still waits for. */
  readonly limit: number;
  /** Where the machine-readable result goes: a file, or `-` for standard output. */
  readonly json?: string;
  /** Another API on this machine, in place of the one that the stack file names. */
  readonly api?: string;
  /** Another stack file. */
  readonly stack?: string;
}

export type Parsed = { options: Options } | { help: true } | { mistake: string };

export const USAGE = `npm run crowd -- [options]

Lets a crowd live in one waiting room: people who wait with the client library of web/, come in, ask for a coupon and give
their pass back, and others who abandon the line, poll too fast, leave and come back, have two pages open, or try without a
valid pass. Meanwhile many schedulers admit at once. Then it says, from what clients were told and what a sampler saw in
Redis, whether the room was fair (G8), coupons took a pass (G12), and waits were foretold. Uses the running stack, or starts
one for the time of the crowd.

  --people N          people who come (2000)
  --capacity N        people inside at once (a twentieth of the people)
  --rate N            people admitted per second (a fiftieth of the people)
  --heartbeat S       who has not polled for one and a half of it loses the place (a 200th of the people, 10 at least)
  --pass-seconds S    how long a pass lasts (10)
  --stock N           coupons there are (half the people)
  --schedulers N      callers of the admitting job at once (20)
  --abandon R         share of the people who stop polling while they wait, 0 to 1 (0.1)
  --seed N            who does what, and when (a new one each time)
  --limit S           sends everybody home after so long (300)
  --json [FILE]       write the result as JSON to a file, or to standard output
  --api URL           another API on this machine
  --stack FILE        another stack file (.local/stack.json)
  --help              this text

Exit status: 0 all held, 1 something did not or the crowd could not be let in, 2 an option is wrong.
`;

const DAY_SECONDS = 86_400;

/** Reads the words behind the command. `newSeed` is asked only if none is given. */
export function parseOptions(argv: readonly string[], newSeed: () => number): Parsed {
  try {
    const { values } = parseArgs({
      args: withLoneJson(argv),
      options: {
        people: { type: "string", default: "2000" },
        capacity: { type: "string" },
        rate: { type: "string" },
        heartbeat: { type: "string" },
        "pass-seconds": { type: "string", default: "10" },
        stock: { type: "string" },
        schedulers: { type: "string", default: "20" },
        abandon: { type: "string", default: "0.1" },
        seed: { type: "string" },
        limit: { type: "string", default: "300" },
        json: { type: "string" },
        api: { type: "string" },
        stack: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) return { help: true };
    const people = wholeNumber("--people", values.people, 1, 100_000);
    // In proportion, so that a larger crowd waits as long and asks as often: two cores carry some hundred polls a second.
    const { capacity = share(people, 20), rate = share(people, 50), stock = share(people, 2) } = values;
    const { heartbeat = `${Math.min(300, Math.max(10, Math.round(people / 200)))}` } = values;
    return {
      options: {
        people,
        capacity: wholeNumber("--capacity", capacity, 1, 1_000_000),
        rate: wholeNumber("--rate", rate, 1, 10_000),
        heartbeat: wholeNumber("--heartbeat", heartbeat, 1, 300),
        passSeconds: wholeNumber("--pass-seconds", values["pass-seconds"], 1, 3_600),
        stock: wholeNumber("--stock", stock, 1, 10_000_000),
        schedulers: wholeNumber("--schedulers", values.schedulers, 0, 1_000),
        abandon: numberBetween("--abandon", values.abandon, 0, 1),
        seed: values.seed === undefined ? newSeed() : wholeNumber("--seed", values.seed, 0, 2 ** 32 - 1),
        limit: numberBetween("--limit", values.limit, 1, DAY_SECONDS),
        ...(values.json === undefined ? {} : { json: values.json }),
        ...(values.api === undefined ? {} : { api: apiHere(values.api) }),
        ...(values.stack === undefined ? {} : { stack: values.stack }),
      },
    };
  } catch (error) {
    return { mistake: error instanceof Error ? error.message : String(error) };
  }
}

/** One of so many people, as an option's text. */
function share(people: number, of: number): string {
  return String(Math.max(1, Math.round(people / of)));
}
