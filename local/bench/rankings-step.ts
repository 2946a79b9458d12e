import { keys } from "../../core/keys.ts";
import { limits } from "../../core/limits.ts";
import { expire } from "../../core/rankings/expire.ts";
import { type Call, timedCommand, timedDoor } from "./rankings-calls.ts";
import { fullRow, shortName } from "./rankings-events.ts";
import { boardVersion, MINUTE_MS, Stage } from "./rankings-stage.ts";
import type { Bench } from "./section.ts";
import type { Server } from "./server.ts";

/** A minute passes on one board: a fifth of its products leaves the last hour, and has new events in it. */

/** Products of a shard lie in so many minutes, of which one leaves at a time. */
const GROUPS = 5;
const SHARD = 0;
const VERSIONS = [{ boardId: "bench", version: boardVersion(1) }];
/** Minutes until what came in one has left the last hour. */
const LEAVES_AFTER = 61;

const RIVAL = {
  win: keys.pointer("bench-rival", "win"),
  new: keys.pointer("bench-rival", "new"),
  old: keys.pointer("bench-rival", "old"),
  copy: keys.pointer("bench-rival", "copy"),
};

/** Of one minute. */
export interface Step {
  /** Every call of ours, in turn. */
  readonly calls: readonly Call[];
  /** ZUNIONSTORE win 3 win new old WEIGHTS 1 1 -1. */
  readonly union: Call;
  /** Of the set that the union makes. */
  readonly del: Call;
  readonly unlink: Call;
}

export interface Steps {
  readonly products: number;
  readonly leaving: number;
  readonly steps: readonly Step[];
}

const groupRows = (products: number, group: number) =>
  Array.from({ length: Math.ceil((products - group) / GROUPS) }, (_, i) => {
    const index = i * GROUPS + group;
    return fullRow(shortName(index), index);
  });

/** A board of so many products in one shard, each with events in one of five minutes. */
async function fill(stage: Stage, products: number): Promise<void> {
  const first = stage.minute;
  for (let group = 0; group < GROUPS; group++) await stage.fill(SHARD, first + group, groupRows(products, group));
  await stage.score(VERSIONS, [SHARD]);
}

async function addScores(server: Server, key: string, rows: readonly (readonly [string, ...unknown[]])[]) {
  for (let from = 0; from < rows.length; from += 1_000) {
    const pairs = rows.slice(from, from + 1_000).flatMap(([name], i) => [1 + ((from + i) % 9_973), name]);
    await server.client.call("ZADD", key, ...pairs);
  }
}

/** The same sums as plain sorted sets. */
async function fillRival(server: Server, products: number): Promise<void> {
  for (let group = 0; group < GROUPS; group++) await addScores(server, RIVAL.win, groupRows(products, group));
  await addScores(server, RIVAL.old, groupRows(products, 0));
  await addScores(server, RIVAL.new, groupRows(products, 0));
}

async function passMinute(server: Server, stage: Stage, first: number, products: number, round: number): Promise<Step> {
  const calls: Call[] = [];
  const door = timedDoor(server, stage.ctx.redis, calls);
  const leaving = first + round;
  const rows = groupRows(products, round % GROUPS);
  stage.nowMs = (leaving + LEAVES_AFTER) * MINUTE_MS;
  for (let from = 0; from < rows.length; from += limits.applyRows) {
    await stage.apply(SHARD, { minute: stage.minute, rows: rows.slice(from, from + limits.applyRows) }, door);
  }
  const expired = await expire({ redis: door, now: stage.ctx.now }, stage.edition.id, [SHARD]);
  if (expired.rows !== rows.length || expired.faults > 0)
    throw new Error(`${expired.rows} rows left, not ${rows.length}`);
  const scored = await stage.score(VERSIONS, [SHARD], door);
  if (scored.products !== rows.length) throw new Error(`${scored.products} were scored, not ${rows.length}`);

  // What leaves and what comes have the same sums, so the set is the same after each round.
  const union = await timedCommand(
    server,
    ...["ZUNIONSTORE", RIVAL.win, 3, RIVAL.win, RIVAL.new, RIVAL.old, "WEIGHTS", 1, 1, -1],
  );
  const remove = async (command: "DEL" | "UNLINK") => {
    await server.client.call("COPY", RIVAL.win, RIVAL.copy);
    return timedCommand(server, command, RIVAL.copy);
  };
  return { calls, union, del: await remove("DEL"), unlink: await remove("UNLINK") };
}

/** Lets minutes pass on a board of so many products. */
export async function letMinutesPass({ server, progress }: Bench, products: number, rounds: number): Promise<Steps> {
  await server.clear();
  const stage = await Stage.open(server);
  try {
    const first = stage.minute;
    await progress.step(`window: ${products} products, counted and scored`, () => fill(stage, products));
    await fillRival(server, products);
    const steps: Step[] = [];
    for (let round = 0; round < rounds; round++) {
      const work = () => passMinute(server, stage, first, products, round);
      steps.push(await progress.step(`window: minute ${round + 1} of ${rounds}, ${products} products`, work));
    }
    return { products, leaving: Math.ceil(products / GROUPS), steps };
  } finally {
    stage.close();
  }
}
