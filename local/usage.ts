/** What a command says to `--help`, and to an option that is wrong. */

type Parsed<O> = { readonly options: O } | { readonly help: true } | { readonly mistake: string };

/** @returns the options, or, with what there was to say printed, the exit status */
export function optionsOrStatus<O>(parsed: Parsed<O>, usage: string): { options: O } | { status: number } {
  if ("help" in parsed) {
    process.stdout.write(usage);
    return { status: 0 };
  }
  if ("mistake" in parsed) {
    process.stderr.write(`${parsed.mistake}\n\n${usage}`);
    return { status: 2 };
  }
  return parsed;
}
