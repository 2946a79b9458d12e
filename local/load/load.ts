import { lstatSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Interrupted, leaseStack, NoStack } from "../lease.ts";
import { obtainK6 } from "./k6.ts";
import { parseOptions, usage } from "./options.ts";
import { reportOn } from "./report/report.ts";
import { Interrupts, show } from "./run.ts";
import { readScripts } from "./scripts.ts";
import { leaseSlowed } from "./slow/slow.ts";
import { NoLoad, type Surroundings } from "./surroundings.ts";
import { readVerdict, type Verdict, verdictTable } from "./verdicts.ts";

/** Runs `npm run load`. @returns the exit status */
export async function load(argv: readonly string[], surroundings: Surroundings): Promise<number> {
  const { root, env, answer, say } = surroundings;
  const scripts = readScripts(root);
  // npm runs a script in the repo's folder, and says here where its user is.
  const parsed = parseOptions(argv, scripts, env.INIT_CWD ?? root);
  if ("help" in parsed) {
    answer(usage(scripts));
    return 0;
  }
  if ("mistake" in parsed) {
    say(`${parsed.mistake}\n\n${usage(scripts)}`);
    return 2;
  }
  const { api, settings, report, slow } = parsed.options;
  const interrupts = new Interrupts();
  try {
    const k6 = await obtainK6(surroundings, interrupts);
    const { interrupted } = interrupts;
    const terms = { root, env, say, interrupted };
    const ours = async () => (slow ? leaseSlowed(slow, terms) : leaseStack(terms));
    const lease = api === undefined ? await ours() : { stack: { api }, stop: async () => {} };
    try {
      mkdirSync(join(root, ".local"), { recursive: true });
      const verdicts: Verdict[] = [];
      for (const script of parsed.options.scripts) {
        const summary = settings.SUMMARY ?? join(root, ".local", `k6-${script}.json`);
        const settled = { SUMMARY: summary, ...settings, API: lease.stack.api };
        const words = Object.entries(settled).flatMap(([name, value]) => ["-e", `${name}=${value}`]);
        const quiet = surroundings.isWatched ? [] : ["--quiet"];
        // k6 tells its makers about every run unless it is told not to; and nobody asks it anything while it runs, so that two at
        // once need not share a port.
        const args = ["run", "--no-usage-report", "--address", "", ...quiet, ...words, join("k6", `${script}.js`)];
        // What an earlier run has left must not be taken for this one's.
        if (lstatSync(summary, { throwIfNoEntry: false })?.isFile()) rmSync(summary);
        const startedAt = performance.now();
        const run = (more: readonly string[]) => show(k6, [...args, ...more], { cwd: root, env }, interrupts);
        const reported = report && (await reportOn(run, { script, stack: lease.stack, folder: join(root, ".local") }));
        const status = reported ? reported.status : await run([]);
        const seconds = (performance.now() - startedAt) / 1_000;
        verdicts.push(readVerdict(summary, { script, status, seconds }));
        if (reported) answer(reported.text);
      }
      if (verdicts.length > 1) answer(verdictTable(verdicts));
      return verdicts.find(({ status }) => status !== 0)?.status ?? 0;
    } finally {
      await lease.stop();
    }
  } catch (error) {
    if (!(error instanceof NoLoad || error instanceof NoStack || error instanceof Interrupted)) throw error;
    say(error.message);
    return error.status;
  } finally {
    interrupts.release();
  }
}
