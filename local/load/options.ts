import { resolve } from "node:path";
import { parseArgs } from "node:util";
import type { Script } from "./scripts.ts";
import { SLOWED, type Slowed } from "./slow/slow.ts";

export interface Options {
  /** The scripts to run, in this order: one, or all. */
  readonly scripts: readonly string[];
  /** The running API to load. Without it, the running stack, or one started for the time of the run. */
  readonly api?: string;
  /** What the scripts find in their environment: only what was given, since the defaults are the scripts' own. */
  readonly settings: Readonly<Record<string, string>>;
  /** Whether to watch the stack beside k6, and to say which part bounds the run. */
  readonly report?: true;
  /** The part to make slow. */
  readonly slow?: Slowed;
}

export type Parsed = { options: Options } | { help: true } | { mistake: string };

/** The word that stands for every script. */
const ALL = "all";

interface Setting {
  /** Its name in a script's environment. */
  readonly env: string;
  readonly takes: string;
  readonly text: string;
  readonly read: (name: string, text: string) => string;
}

/** By the option's name: what a script can be told. */
const SETTINGS = {
  rate: {
    ...{ env: "RATE", takes: "N", read: whole(100_000) },
    text: "people, asks or reads in a second (200); sold-out asks ten times as often",
  },
  duration: { env: "DURATION", takes: "TIME", read: time, text: "as 30s or 2m (10s)" },
  stock: { env: "STOCK", takes: "N", read: whole(10_000_000), text: "coupons there are" },
  repeats: { env: "REPEATS", takes: "R", read: share, text: "share who ask, or are sent, twice, 0 to 1 (0.1)" },
  cancels: { env: "CANCELS", takes: "R", read: share, text: "share who give their coupon back (0.1)" },
  uses: { env: "USES", takes: "R", read: share, text: "share who use it (0.3)" },
  "per-user": { env: "PER_USER", takes: "N", read: whole(5), text: "coupons that one user may have, 1 to 5 (3)" },
  admit: { env: "ADMIT", takes: "N", read: whole(10_000), text: "people let in per second (two thirds of the rate)" },
  capacity: { env: "CAPACITY", takes: "N", read: whole(1_000_000), text: "people inside at once (of two seconds)" },
  abandons: { env: "ABANDONS", takes: "R", read: share, text: "share who stop polling while they wait (0.1)" },
  products: { env: "PRODUCTS", takes: "N", read: whole(1_000), text: "products on the board (250)" },
} as const satisfies Record<string, Setting>;
type SettingName = keyof typeof SETTINGS;
const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[];

/** Which scripts take a setting, unless it is all of them. */
function takersOf(name: SettingName, scripts: readonly Script[]): string {
  const takers = scripts.filter(({ settings }) => settings.has(SETTINGS[name].env));
  return takers.length === scripts.length ? "" : `: ${takers.map((script) => script.name).join(", ")}`;
}

export function usage(scripts: readonly Script[]): string {
  const does = [
    ...scripts,
    { name: ALL, does: "Each of these, one after the other against one stack; the verdicts at the end." },
  ];
  const options = SETTING_NAMES.map((name) => {
    const { takes, text } = SETTINGS[name];
    return { name: `--${name} ${takes}`, does: `${text}${takersOf(name, scripts)}` };
  });
  options.push(
    { name: "--api URL", does: "another API; one that is not on this machine only with ALLOW_REMOTE=1" },
    { name: "--json FILE", does: "where one script's result goes as JSON (.local/k6-<script>.json)" },
    { name: "--report", does: "says which part bounds the run, and draws it (.local/load-<script>-report.svg, .json)" },
    { name: "--slow PART", does: `makes a part of a stack of the run's own slow: ${SLOWED.join(", ")}` },
    { name: "--help", does: "this text" },
  );
  return `npm run load -- <script> [options]

Puts the system under load with k6, and says whether what it promised held. Uses the running stack, or starts one for the
time of the run. Scripts:

${columns(does)}

Options, and the scripts that know them:

${columns(options)}

Environment: FIRSTCOME_K6, the k6 binary to use. Else it is the one on the PATH, or one that Go builds into .local/k6.

Exit status: 0 all held, 2 an option is wrong or there is no k6, 1 there is no stack, else k6's own (99: something did not
hold); with several scripts, that of the first one that did not end with 0.
`;
}

function columns(rows: readonly { readonly name: string; readonly does: string }[]): string {
  const width = Math.max(...rows.map(({ name }) => name.length));
  return rows.map(({ name, does }) => `  ${name.padEnd(width)}  ${does}`).join("\n");
}

/**
 * Reads the words behind the command.
 *
 * @param scripts The scripts there are.
 * @param folder What a file's name is relative to.
 */
export function parseOptions(argv: readonly string[], scripts: readonly Script[], folder: string): Parsed {
  try {
    const text = { type: "string" } as const;
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        ...{ rate: text, duration: text, stock: text, repeats: text, cancels: text, uses: text, "per-user": text },
        ...{ admit: text, capacity: text, abandons: text, products: text },
        ...{ api: text, json: text, slow: text, report: { type: "boolean", default: false } as const },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) return { help: true };
    const [wanted, ...more] = positionals;
    if (wanted === undefined) throw new Error("Which script?");
    const chosen = scripts.filter(({ name }) => wanted === ALL || wanted === name);
    if (chosen.length === 0) throw new Error(`There is no script "${wanted}".`);
    if (more.length > 0) throw new Error(`One script at a time, not also "${more.join(" ")}".`);
    const { api, json, report } = values;
    if (json !== undefined && chosen.length > 1) throw new Error("--json is for one script at a time.");
    const settings: Record<string, string> = {};
    for (const name of SETTING_NAMES) {
      const value = values[name];
      if (value === undefined) continue;
      const { env, read } = SETTINGS[name];
      const stranger = chosen.find((script) => !script.settings.has(env));
      if (stranger) throw new Error(`--${name} means nothing to ${stranger.name}.`);
      settings[env] = read(`--${name}`, value);
    }
    if (json !== undefined) settings.SUMMARY = resolve(folder, json);
    const slow = values.slow === undefined ? undefined : part("--slow", values.slow);
    if (slow && api !== undefined) throw new Error("--slow is for a stack of the run's own, not for --api.");
    return {
      options: {
        scripts: chosen.map(({ name }) => name),
        settings,
        ...(api === undefined ? {} : { api: address("--api", api) }),
        ...(report ? { report } : {}),
        ...(slow ? { slow } : {}),
      },
    };
  } catch (error) {
    return { mistake: error instanceof Error ? error.message : String(error) };
  }
}

function whole(most: number): Setting["read"] {
  return (name, text) => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= 1 && value <= most) return String(value);
    throw new Error(`${name} takes a whole number from 1 to ${most}, not "${text}".`);
  };
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

function part(name: string, text: string): Slowed {
  const found = SLOWED.find((slowed) => slowed === text);
  if (found) return found;
  throw new Error(`${name} takes one of ${SLOWED.join(", ")}, not "${text}".`);
}
