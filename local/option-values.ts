/** Reads options' values; what does not fit is an error whose message names the option and what it takes. */

/** Words with `--json` standing alone as `--json=-`, which `parseArgs` does not know: the result goes to standard output. */
export function withLoneJson(argv: readonly string[]): string[] {
  const lacksValue = (next: string | undefined) => next === undefined || next.startsWith("--");
  return argv.map((word, index) => (word === "--json" && lacksValue(argv[index + 1]) ? "--json=-" : word));
}

export function numberBetween(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= least && value <= most) return value;
  throw new Error(`${name} takes a number from ${least} to ${most}, not "${text}".`);
}

export function wholeNumber(name: string, text: string, least: number, most: number): number {
  const value = numberBetween(name, text, least, most);
  if (Number.isInteger(value)) return value;
  throw new Error(`${name} takes a whole number, not "${text}".`);
}

const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** An API on this machine: a load is an attack on whom it is not meant for. */
export function apiHere(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === "http:" && LOOPBACK.has(url.hostname)) return url.origin;
  throw new Error(`--api takes an http:// address of this machine, not "${text}".`);
}
