import { keys, shardKeys } from "../../core/keys.ts";
import { halfLivesAt, readRecord } from "../../core/rankings/record.ts";
import { seeded } from "../rush/random.ts";
import { openClient } from "./client.ts";
import { timedCommand } from "./rankings-calls.ts";
import { shortName } from "./rankings-events.ts";
import { applyAll, type Cell, workOf } from "./rankings-race.ts";
import { HALF_LIFE_HOURS, MINUTE_MS, Stage } from "./rankings-stage.ts";
import { encode } from "./resp.ts";
import { alternate, median, medianOf } from "./rounds.ts";
import type { Bench } from "./section.ts";
import type { Server } from "./server.ts";

/** Decay: at write time in the script, against a job that scales a sorted set down every few minutes. */

export const HALF_LIVES = [0, 1, 4] as const;
export const TICK_MINUTES = 5;
const RIVAL = keys.pointer("bench-rival", "decayed");
const PRODUCTS = 20;

/** CPU of the server a row, by half-lives; in microseconds. */
export async function decayAtWrite(bench: Bench, products: number): Promise<number[]> {
  const { server, progress, quick } = bench;
  await server.clear();
  const stages = new Map<string, Stage>();
  try {
    for (const count of HALF_LIVES) {
      const halfLives = Array.from({ length: count }, (_, i) => 6 * 2 ** i);
      stages.set(String(count), await Stage.open(server, { id: 1 + count, halfLives }));
    }
    const cell: Cell = { popularity: "zipf", size: 500, shards: 1 };
    const work = workOf(cell, products, quick ? 0.2 : 1);
    const names = HALF_LIVES.map(String);
    const rounds = await alternate(names, quick ? 3 : 9, (name) =>
      progress.step(`boards: counting with ${name} half-lives`, async () => {
        const stage = stages.get(name);
        if (!stage) throw new Error(`there is no stage of ${name} half-lives`);
        stage.nowMs += MINUTE_MS;
        return applyAll(server, stage, work);
      }),
    );
    return names.map((name) => medianOf(rounds[name] ?? [], (round) => round.rowCpuMicros));
  } finally {
    for (const stage of stages.values()) stage.close();
  }
}

export interface Rescale {
  readonly products: number;
  /** CPU microseconds of ZUNIONSTORE k 1 k WEIGHTS f, in one piece. */
  readonly unionMicros: number;
  /** Reading and rewriting all, a thousand at a time: wall milliseconds. */
  readonly rewriteMs: number;
  /** Increments that came meanwhile, and those that the rewriting has wiped out. */
  readonly increments: number;
  readonly lost: number;
}

const CHUNK = 1_000;

async function scoresOf(server: Server): Promise<Map<string, number>> {
  const flat = (await server.client.call("ZRANGE", RIVAL, 0, -1, "WITHSCORES")) as string[];
  return new Map(Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i] ?? "", Number(flat[2 * i + 1])]));
}

export async function rescale({ server, progress }: Bench, products: number, rounds: number): Promise<Rescale> {
  await server.clear();
  for (let from = 0; from < products; from += CHUNK) {
    const pairs = Array.from({ length: CHUNK }, (_, i) => [1 + (((from + i) * 7_919) % 99_991), shortName(from + i)]);
    await server.client.call("ZADD", RIVAL, ...pairs.flat());
  }
  const unions: number[] = [];
  await progress.step("boards: scaling a set down by ZUNIONSTORE", async () => {
    for (let round = 0; round < rounds; round++) {
      unions.push((await timedCommand(server, "ZUNIONSTORE", RIVAL, 1, RIVAL, "WEIGHTS", 0.997)).cpuMicros);
    }
  });
  const sumOf = (scores: ReadonlyMap<string, number>) => [...scores.values()].reduce((sum, score) => sum + score, 0);
  const before = sumOf(await scoresOf(server));
  const other = await openClient(server.port);
  const state = { isRewriting: true, increments: 0 };
  const random = seeded(6);
  // Each when the reply to the one before has come: what one caller has under way.
  const increment = async () => {
    while (state.isRewriting) {
      await other.call("ZINCRBY", RIVAL, 1, shortName(random.below(products)));
      state.increments++;
    }
  };
  // All factors are 1, so that what is missing afterwards is what was lost.
  const startedAt = performance.now();
  const incrementing = increment();
  let cursor = "0";
  do {
    const [next, flat] = (await server.client.call("ZSCAN", RIVAL, cursor, "COUNT", CHUNK)) as [string, string[]];
    const pairs = Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i + 1] ?? "0", flat[2 * i] ?? ""]);
    if (pairs.length > 0) await server.client.call("ZADD", RIVAL, ...pairs.flat());
    cursor = next;
  } while (cursor !== "0");
  const rewriteMs = performance.now() - startedAt;
  state.isRewriting = false;
  await incrementing;
  await other.close();
  const lost = before + state.increments - sumOf(await scoresOf(server));
  return { products, unionMicros: median(unions), rewriteMs, increments: state.increments, lost: Math.round(lost) };
}

/** A sum without the error of adding many (Neumaier). */
function exactSum(terms: readonly number[]): number {
  let [sum, rest] = [0, 0];
  for (const term of terms) {
    const next = sum + term;
    rest += Math.abs(sum) >= Math.abs(term) ? sum - next + term : term - next + sum;
    sum = next;
  }
  return sum + rest;
}

export interface DecayError {
  readonly events: number;
  readonly days: number;
  /** The greatest share by which a product's sum is off. */
  readonly atWrite: number;
  /** Of the job, right after it ran and right before. */
  readonly afterJob: number;
  readonly beforeJob: number;
}

/** The same events in both ways, minute by minute, and how far each is off. */
export async function decayErrors({ server, progress, quick }: Bench): Promise<DecayError> {
  await server.clear();
  const stage = await Stage.open(server);
  try {
    const days = quick ? 1 : 6;
    const minutes = days * 1_440;
    const random = seeded(7);
    const first = stage.minute - minutes;
    const end = stage.minute;
    const perMinute = Array.from({ length: minutes }, () => new Array<number>(PRODUCTS).fill(0));
    const events = minutes * PRODUCTS;
    for (let i = 0; i < events; i++) {
      const minute = perMinute[random.below(minutes)];
      const product = random.below(PRODUCTS);
      if (minute) minute[product] = (minute[product] ?? 0) + 1;
    }
    const factor = 2 ** (-TICK_MINUTES / 60 / HALF_LIFE_HOURS);
    await progress.step(`boards: decay of ${events} events, minute by minute`, async () => {
      for (const [index, counts] of perMinute.entries()) {
        const rows = counts.flatMap((count, product) => (count > 0 ? [[shortName(product), "", count] as const] : []));
        if (rows.length > 0) await stage.apply(0, { minute: first + index, rows });
        const commands = rows.map(([name, , count]) => ["ZINCRBY", RIVAL, count, name]);
        const isTick = (index + 1) % TICK_MINUTES === 0;
        if (isTick) commands.push(["ZUNIONSTORE", RIVAL, 1, RIVAL, "WEIGHTS", factor]);
        await server.client.send(commands.map((command) => encode(command)));
      }
    });
    const exact = Array.from({ length: PRODUCTS }, (_, product) =>
      exactSum(perMinute.map((counts, i) => (counts[product] ?? 0) * 2 ** ((first + i - end) / 60 / HALF_LIFE_HOURS))),
    );
    const job = await scoresOf(server);
    const errors = (found: (name: string) => number, scale = 1) =>
      Math.max(...exact.map((sum, product) => Math.abs(found(shortName(product)) / (sum * scale) - 1)));
    const trends = new Map<string, number>();
    for (let product = 0; product < PRODUCTS; product++) {
      const name = shortName(product);
      const bytes = String(await server.client.call("HGET", shardKeys(0, stage.edition.id).products, name));
      const log = readRecord(Buffer.from(bytes, "latin1")).trends[0]?.views ?? Number.NaN;
      trends.set(name, 2 ** (log - halfLivesAt(end * MINUTE_MS, HALF_LIFE_HOURS)));
    }
    return {
      ...{ events, days },
      atWrite: errors((name) => trends.get(name) ?? Number.NaN),
      afterJob: errors((name) => job.get(name) ?? Number.NaN),
      beforeJob: errors((name) => job.get(name) ?? Number.NaN, factor),
    };
  } finally {
    stage.close();
  }
}
