import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Interrupted, leaseStack, NoStack } from "../lease.ts";
import { obtainK6 } from "./k6.ts";
import { parseOptions, usage } from "./options.ts";
import { Interrupts, show } from "./run.ts";
import { NoLoad, type Surroundings } from "./surroundings.ts";

/** Runs `npm run load`. @returns the exit status */
export async function load(argv: readonly string[], surroundings: Surroundings): Promise<number> {
  const { root, env, answer, say } = surroundings;
  const scripts = readdirSync(join(root, "k6"))
    .filter((file) => file.endsWith(".js"))
    .map((file) => file.slice(0, -".js".length));
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
  const { script, api, settings } = parsed.options;
  const interrupts = new Interrupts();
  try {
    const k6 = await obtainK6(surroundings, interrupts);
    const { interrupted } = interrupts;
    const lease =
      api === undefined ? await leaseStack({ root, env, say, interrupted }) : { stack: { api }, stop: async () => {} };
    try {
      mkdirSync(join(root, ".local"), { recursive: true });
      const settled = { SUMMARY: join(root, ".local", `k6-${script}.json`), ...settings, API: lease.stack.api };
      const words = Object.entries(settled).flatMap(([name, value]) => ["-e", `${name}=${value}`]);
      const quiet = surroundings.isWatched ? [] : ["--quiet"];
      // k6 tells its makers about every run unless it is told not to.
      const args = ["run", "--no-usage-report", ...quiet, ...words, join("k6", `${script}.js`)];
      return await show(k6, args, { cwd: root, env }, interrupts);
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
