import { parseArgs } from "node:util";

export interface Options {
  /** Names of the sections to run, in their own order. */
  readonly sections: readonly string[];
  readonly quick: boolean;
  /** Where all figures go as JSON. */
  readonly json?: string;
}

export type Parsed = { options: Options } | { help: true } | { mistake: string };

export function parseOptions(argv: readonly string[], names: readonly string[]): Parsed {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        quick: { type: "boolean", default: false },
        json: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) return { help: true };
    const stranger = positionals.find((name) => !names.includes(name));
    if (stranger !== undefined) return { mistake: `There is no section "${stranger}".` };
    return {
      options: {
        sections: positionals.length === 0 ? names : names.filter((name) => positionals.includes(name)),
        quick: values.quick,
        ...(values.json === undefined ? {} : { json: values.json }),
      },
    };
  } catch (error) {
    return { mistake: error instanceof Error ? error.message : String(error) };
  }
}
