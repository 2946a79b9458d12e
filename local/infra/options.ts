import { parseArgs } from "node:util";

export interface Options {
  /** Stages to evaluate. */
  readonly stages: readonly StageName[];
  /** Makes mistakes, each in a copy of the tree, and looks whether each is found. */
  readonly drill: boolean;
  /** Prints the table of permissions. */
  readonly permissions: boolean;
  /** Prints alarms and widgets beside the figures that they read. */
  readonly alarms: boolean;
}

export type Parsed = { options: Options } | { help: true } | { mistake: string };

export const STAGES = ["production", "staging", "dev"] as const;
export type StageName = (typeof STAGES)[number];

export const usage = `npm run check:infra -- [options]

Checks what is deployed without an AWS account: installs SST's components where they are missing, checks sst.config.ts and
infra/ against their types, evaluates the program for production, staging and dev, and holds every resource that it asks for
against the design, against functions/ and against local/.

  --stage NAME      only this one: ${STAGES.join(", ")}
  --permissions     also print the table of permissions
  --alarms          also print alarms and widgets beside what they read
  --drill           also make mistakes, each in a copy of the tree, and see whether each is found
  --help            this text

Exit status: 0 all is well, 1 something is not, 2 an option is wrong.
`;

const isStage = (name: string): name is StageName => STAGES.some((stage) => stage === name);

export function parseOptions(argv: readonly string[]): Parsed {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        stage: { type: "string" },
        permissions: { type: "boolean", default: false },
        alarms: { type: "boolean", default: false },
        drill: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) return { help: true };
    const { stage, permissions, alarms, drill } = values;
    if (stage !== undefined && !isStage(stage))
      throw new Error(`There is no stage "${stage}"; there is ${STAGES.join(", ")}.`);
    return { options: { stages: stage === undefined ? STAGES : [stage], permissions, alarms, drill } };
  } catch (error) {
    return { mistake: error instanceof Error ? error.message : String(error) };
  }
}
