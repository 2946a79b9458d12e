import * as z from "zod/mini";

/** The commands that the console has buttons for: with which options, within which bounds, and with which words behind them. */

export interface Program {
  /** From the repo's folder. */
  readonly main: string;
  /** Reads the options. A body that fits is what the words are made of. */
  readonly options: z.ZodMiniType<object>;
  /** @param stackFile this stack's file */
  readonly words: (options: object, stackFile: string) => string[];
}

/** @param names each option's word; an option that is not given is left to the command */
function program<S extends z.ZodMiniType<object>>(
  main: string,
  options: S,
  names: Readonly<Record<keyof z.output<S>, string>>,
  where: (stackFile: string) => string[],
): Program {
  const words = Object.entries<string>(names);
  return {
    main,
    options,
    words: (given, stackFile) => [
      ...words.flatMap(([name, word]) => {
        const value = (given as Readonly<Record<string, unknown>>)[name];
        return value === undefined ? [] : [word, String(value)];
      }),
      ...where(stackFile),
    ],
  };
}

const whole = (most: number) => z.int().check(z.gte(1), z.lte(most));

/** The command itself sends everybody home after 300 s: a crowd that needs longer could only fail. */
const CROWD_MOST_SECONDS = 200;
const CROWD_PEOPLE = 600;

const crowdOptions = z
  .strictObject({
    people: z._default(whole(5_000), CROWD_PEOPLE),
    rate: z.optional(whole(1_000)),
    capacity: z.optional(whole(5_000)),
  })
  .check(
    z.refine(({ people, rate }) => rate === undefined || people / rate <= CROWD_MOST_SECONDS, {
      path: ["rate"],
      error: `So slowly not all come in within ${CROWD_MOST_SECONDS} s`,
    }),
  );

const onThisStack = (stackFile: string) => ["--stack", stackFile];

/** Sizes without options: each shows what it has to show within a minute or two on two cores. */
export const programs = {
  rush: program(
    "local/rush/main.ts",
    z.strictObject({ users: z._default(whole(50_000), 20_000), stock: z._default(whole(10_000), 2_000) }),
    { users: "--users", stock: "--stock" },
    onThisStack,
  ),
  crowd: program(
    "local/crowd/main.ts",
    crowdOptions,
    { people: "--people", rate: "--rate", capacity: "--capacity" },
    onThisStack,
  ),
  // On a stack of its own, which it starts: its clock leaps, parts of it are killed, and nothing else may be counted there.
  shop: program(
    "local/shop/main.ts",
    z.strictObject({ minutes: z._default(z.number().check(z.gte(0.2), z.lte(3)), 1) }),
    { minutes: "--minutes" },
    () => [],
  ),
} as const satisfies Readonly<Record<string, Program>>;

export type Demo = keyof typeof programs;

export const isDemo = (name: string): name is Demo => Object.hasOwn(programs, name);
