import { randomInt } from "node:crypto";
import { writeFileSync } from "node:fs";
import { Interrupted, rejectionBy, takeSignals } from "../lease.ts";
import { NoRush } from "../rush/stack.ts";
import { findClock } from "./clock.ts";
import { listFaults, type Options, parseOptions, USAGE } from "./options.ts";
import { type Parts, startParts } from "./parts.ts";
import { NotReady } from "./patience.ts";
import { planRound, seedOfRound } from "./plan.ts";
import { openProgress } from "./progress.ts";
import { header, holds, lineOf, type Numbered, replayOf, toJson, toText, totalsOf } from "./report.ts";
import { runRound } from "./round.ts";

/** Runs `npm run chaos`. @returns the exit status */
async function main(argv: readonly string[]): Promise<number> {
  const parsed = parseOptions(argv, () => randomInt(2 ** 32));
  if ("help" in parsed) {
    process.stdout.write(USAGE);
    return 0;
  }
  if ("list" in parsed) {
    process.stdout.write(listFaults());
    return 0;
  }
  if ("mistake" in parsed) {
    process.stderr.write(`${parsed.mistake}\n\n${USAGE}`);
    return 2;
  }
  const { interrupted } = takeSignals();
  try {
    return await chaos(parsed.options, interrupted);
  } catch (error) {
    // Whatever is under way goes on until this process ends.
    if (error instanceof Interrupted) process.exit(error.status);
    process.stderr.write(`${error instanceof NotReady || error instanceof NoRush ? error.message : reasonOf(error)}\n`);
    process.exit(1);
  }
}

const reasonOf = (error: unknown) => (error instanceof Error ? (error.stack ?? error.message) : String(error));

async function chaos(options: Options, interrupted: AbortSignal): Promise<number> {
  const progress = openProgress(process.stderr);
  const server = process.env.FIRSTCOME_REDIS_SERVER || "redis-server";
  const clock = await findClock(server);
  if (!clock && options.faults.includes("failover-clock-back")) {
    process.stdout.write(
      "failover-clock-back is left out: no libfaketime that this Redis server can be started with.\n",
    );
    if (options.faults.length === 1) return 1;
  }
  process.stdout.write(`seed ${options.seed}\n`);

  // A start that is under way is waited for: what it has started could not be stopped otherwise.
  const parts = await startParts(server, progress.show);
  try {
    interrupted.throwIfAborted();
    return await Promise.race([runAll(options, parts, clock, progress), rejectionBy(interrupted)]);
  } finally {
    progress.clear();
    if (options.log !== undefined) parts.keepLog(options.log);
    await parts.stop();
  }
}

async function runAll(
  { seed, rounds, faults, json }: Options,
  parts: Parts,
  clock: Awaited<ReturnType<typeof findClock>>,
  progress: ReturnType<typeof openProgress>,
): Promise<number> {
  const done: Numbered[] = [];
  process.stdout.write(`${header()}\n`);
  for (const number of rounds) {
    const plan = planRound(seedOfRound(seed, number), faults, (name) => name !== "failover-clock-back" || !!clock);
    const what = `round ${number} of ${rounds.at(-1)}, ${plan.faults.map(({ name }) => name).join(" + ")}`;
    try {
      const behind = clock ?? (() => process.env);
      const round = { number, ...(await runRound(plan, parts, behind, (text) => progress.show(`${what}: ${text}`))) };
      done.push(round);
      progress.clear();
      process.stdout.write(`${lineOf(round, faults)}\n`);
      progress.show("all parts come back to where they were");
      await parts.restore();
    } catch (error) {
      process.stderr.write(`${what} could not be run to its end; again: ${replayOf(plan.seed, faults)}\n`);
      throw error;
    }
  }
  progress.clear();
  process.stdout.write(`\n${toText(totalsOf(done))}`);
  if (json !== undefined) writeFileSync(json, toJson(seed, done));
  return done.every(holds) ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
