import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { optionsOrStatus } from "../usage.ts";
import { bundles } from "./bundles.ts";
import { handler } from "./handler.ts";
import { issue } from "./issue.ts";
import { type Machine, machineLine, thisMachine } from "./machine.ts";
import { membership } from "./membership.ts";
import { memory } from "./memory.ts";
import { type Options, parseOptions } from "./options.ts";
import { openProgress } from "./progress.ts";
import { rankings } from "./rankings.ts";
import { boards } from "./rankings-boards.ts";
import { window } from "./rankings-window.ts";
import { rooms } from "./rooms.ts";
import type { Bar, Bench, Outcome, Section } from "./section.ts";
import { type Server, startServer } from "./server.ts";
import { stuck } from "./stuck.ts";
import { table } from "./table.ts";
import { watchers } from "./watchers.ts";

const SECTIONS: readonly Section[] = [
  issue,
  memory,
  membership,
  handler,
  bundles,
  stuck,
  rooms,
  watchers,
  rankings,
  window,
  boards,
];

const USAGE = `npm run bench -- [section…] [options]

Measures the parts one by one, each beside what one would otherwise do: in turn, round after round, and what counts is the
median of their ratios. Absolute figures are this machine's. Starts a Redis of its own.

${SECTIONS.map(({ name, summary }) => `  ${name.padEnd(14)}${summary}`).join("\n")}

  --quick       fewer and smaller rounds: to see that it runs, not to quote
  --json FILE   write all figures as JSON
  --help        this text

Exit status: 0 measured (a bar that is missed is said, not punished), 1 could not measure, 2 an option is wrong.
`;

/** Runs `npm run bench`. @returns the exit status */
async function main(argv: readonly string[]): Promise<number> {
  const names = SECTIONS.map(({ name }) => name);
  const parsed = optionsOrStatus(parseOptions(argv, names), USAGE);
  if ("status" in parsed) return parsed.status;
  const folder = mkdtempSync(join(tmpdir(), "firstcome-bench-"));
  let server: Server | undefined;
  const clean = async () => {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => clean().finally(() => process.exit(130)));
  }
  try {
    server = await startServer();
    await bench(parsed.options, {
      server,
      folder,
      quick: parsed.options.quick,
      progress: openProgress(process.stderr),
    });
    return 0;
  } catch (error) {
    process.stderr.write(`The bench stopped: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  } finally {
    await clean();
  }
}

async function bench(options: Options, it: Bench): Promise<void> {
  const machine = await thisMachine(it.server);
  const outcomes: { name: string; outcome: Outcome }[] = [];
  for (const { name, summary, run } of SECTIONS.filter((section) => options.sections.includes(section.name))) {
    process.stderr.write(`${name} …\n`);
    const outcome = await run(it);
    outcomes.push({ name, outcome });
    process.stdout.write(`\n## ${name}: ${summary}\n\n${outcome.text}\n\n`);
  }
  const bars = outcomes.flatMap(({ outcome }) => outcome.bars);
  process.stdout.write(`\n## summary\n\n${summaryText(machine, bars, options.quick)}\n`);
  if (options.json !== undefined) {
    const figures = Object.fromEntries(outcomes.map(({ name, outcome }) => [name, outcome.figures]));
    writeFileSync(options.json, `${JSON.stringify({ machine, quick: options.quick, bars, figures }, null, 2)}\n`);
  }
}

function summaryText(machine: Machine, bars: readonly Bar[], quick: boolean): string {
  const rows = bars.map(({ name, wanted, measured, meets }) => [name, wanted, measured, meets ? "meets" : "misses"]);
  const note = quick ? "\nA quick run: to see that it runs, not to quote.\n" : "";
  return `${machineLine(machine)}\n${note}\n${table([["bar", "wanted", "measured", ""], ...rows])}\n`;
}

const status = await main(process.argv.slice(2));
// Written out, then gone: what a failed start has left behind must not keep the process.
process.stdout.write("", () => process.exit(status));
