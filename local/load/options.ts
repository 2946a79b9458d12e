import { resolve } from "node:path";
import { parseArgs } from "node:util";

export interface Options {
  /** A file of `k6/`, without its ending. */
  readonly script: string;
  /** The running API to load. Without it, the running stack, or one started for the time of the run. */
  readonly api?: string;
  /** What the script finds in its environment: only what was given, since the defaults are the script's own. */
  readonly settings: Readonly<Record<string, string>>;
}

export type Parsed = { options: Options } | { help: true } | { mistake: string };

export const usage = (scripts: readonly string[]) => `npm run load -- <script> [options]

Puts the system under load with k6, and says whether what it promised held. Uses the running stack, or starts one for the
time of the run. Scripts: ${scripts.join(", ")}.

  --rate N          users who arrive in a second at the peak (200)
  --duration TIME   of the peak, as 30s or 2m (10s)
  --stock N         coupons there are (a tenth of the users)
  --repeats R       share of the users who ask twice, 0 to 1 (0.1)
  --api URL         another API; one that is not on this machine only with ALLOW_REMOTE=1
  --json FILE       where the result goes as JSON (.local/k6-<script>.json)
  --help            this text

Environment: FIRSTCOME_K6, the k6 binary to use. Else it is the one on the PATH, or one that Go builds into .local/k6.

Exit status: 0 all held, 2 an option is wrong or there is no k6, 1 there is no stack, else k6's own (99: something did not hold).
`;

/**
 * Reads the words behind the command.
 *
 * @param scripts The scripts there are.
 * @param folder What a file's name is relative to.
 */
export function parseOptions(argv: readonly string[], scripts: readonly string[], folder: string): Parsed {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        rate: { type: "string" },
        duration: { type: "string" },
        stock: { type: "string" },
        repeats: { type: "string" },
        api: { type: "string" },
        json: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) return { help: true };
    const [script, ...more] = positionals;
    if (script === undefined) throw new Error("Which script?");
    if (!scripts.includes(script)) throw new Error(`There is no script "${script}".`);
    if (more.length > 0) throw new Error(`One script at a time, not also "${more.join(" ")}".`);
    const { rate, duration, stock, repeats, api, json } = values;
    const settings = {
      ...(rate === undefined ? {} : { RATE: whole("--rate", rate, 100_000) }),
      ...(duration === undefined ? {} : { DURATION: time("--duration", duration) }),
      ...(stock === undefined ? {} : { STOCK: whole("--stock", stock, 10_000_000) }),
      ...(repeats === undefined ? {} : { REPEATS: share("--repeats", repeats) }),
      ...(json === undefined ? {} : { SUMMARY: resolve(folder, json) }),
    };
    return { options: { script, settings, ...(api === undefined ? {} : { api: address("--api", api) }) } };
  } catch (error) {
    return { mistake: error instanceof Error ? error.message : String(error) };
  }
}

function whole(name: string, text: string, most: number): string {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= most) return String(value);
  throw new Error(`${name} takes a whole number from 1 to ${most}, not "${text}".`);
}

function share(name: string, text: string): string {
  const value = Number(text);
  if (text.trim() !== "" && value >= 0 && value <= 1) return String(value);
  throw new Error(`${name} takes a number from 0 to 1, not "${text}".`);
}

function time(name: string, text: string): string {
  if (/^([1-9]\d*[smh])+$/.test(text)) return text;
  throw new Error(`${name} takes a time such as 30s or 2m, not "${text}".`);
}

function address(name: string, text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === "http:" || url?.protocol === "https:") return text;
  throw new Error(`${name} takes an http:// address, not "${text}".`);
}
