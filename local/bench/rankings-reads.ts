import { firstPlaces, isSound, makeGeneration, readPage, showGeneration } from "../../core/rankings/generation.ts";
import { scoresKey } from "../../core/rankings/score.ts";
import { rank } from "../../core/rankings/scripts.ts";
import { SHARDS, shardOf } from "../../core/rankings/shards.ts";
import { seeded } from "../rush/random.ts";
import { type Cost, costOf } from "./rankings-calls.ts";
import { shortName } from "./rankings-events.ts";
import { boardVersion, type Stage } from "./rankings-stage.ts";
import { median } from "./rounds.ts";
import type { Server } from "./server.ts";

/** Reading a board of sixteen shards, and publishing it. */

export const WINDOW = "7d";
export const BOARD = "bench";
export const PAGE = 100;

/** Of one call, or of all calls that one answer takes. */
export interface ReadCost {
  readonly wallMicros: number;
  /** CPU of the server's process. */
  readonly cpuMicros: number;
}

const perCall = ({ seconds, cpu }: Cost, calls: number): ReadCost => ({
  wallMicros: (seconds * 1e6) / calls,
  cpuMicros: (cpu * 1e6) / calls,
});

async function repeat(server: Server, rounds: number, calls: number, work: () => Promise<unknown>): Promise<ReadCost> {
  const all: ReadCost[] = [];
  for (let round = 0; round < rounds; round++) {
    const cost = await costOf(server, async () => {
      for (let call = 0; call < calls; call++) await work();
    });
    all.push(perCall(cost, calls));
  }
  return { wallMicros: median(all.map((it) => it.wallMicros)), cpuMicros: median(all.map((it) => it.cpuMicros)) };
}

/** Makes and shows the board's next generation, again and again. */
export async function publish(server: Server, stage: Stage, size: number, rounds: number) {
  const { ctx, edition } = stage;
  const version = boardVersion(1, size);
  const record = { boardId: BOARD, revision: 1, current: version };
  let nowMs = stage.nowMs;
  let generation = 0;
  const before = (await firstPlaces(ctx, edition, BOARD, 1, WINDOW, size)).map(({ productId }) => productId);
  const cost = await repeat(server, rounds, 5, async () => {
    nowMs += 3_000;
    const soundBefore = await isSound(ctx, edition, BOARD, 1);
    const now = () => nowMs;
    const made = await makeGeneration({ redis: ctx.redis, now }, edition, record, version, WINDOW, before);
    const soundAfter = await isSound(ctx, edition, BOARD, 1);
    if (!soundBefore || !soundAfter || made.places !== size || !(await showGeneration(ctx, BOARD, WINDOW, made)))
      throw new Error(`${made.places} places were published, not ${size}`);
    ({ generation } = made);
  });
  return { generation, cost };
}

export interface Pages {
  readonly page: ReadCost;
  readonly merge: ReadCost;
}

/** The first hundred: as a stored page, and merged from the shards. */
export async function readPages(
  server: Server,
  { ctx, edition }: Stage,
  generation: number,
  rounds: number,
): Promise<Pages> {
  const page = await repeat(server, rounds, 100, async () => {
    const read = await readPage(ctx, BOARD, WINDOW, generation, 0);
    if (read?.places.length !== PAGE) throw new Error("the page is not there");
  });
  const merge = await repeat(server, rounds, 50, () => firstPlaces(ctx, edition, BOARD, 1, WINDOW, PAGE));
  return { page, merge };
}

/** A board of scores only, as large as wanted. */
export async function fillScores(
  server: Server,
  { edition }: Stage,
  boardId: string,
  products: number,
  score: (index: number) => number,
): Promise<void> {
  const lists = SHARDS.map(() => [] as (string | number)[]);
  const flush = async (shard: number, most: number) => {
    const list = lists[shard];
    if (!list || list.length <= most) return;
    await server.client.call("ZADD", scoresKey(shard, edition.id, boardId, 1, WINDOW), ...list.splice(0));
  };
  for (let i = 0; i < products; i++) {
    const name = shortName(i);
    const shard = shardOf(name);
    lists[shard]?.push(score(i), name);
    await flush(shard, 2_000);
  }
  for (const shard of SHARDS) await flush(shard, 0);
}

/** Ranks of products anywhere on a board. */
export function readRanks(
  server: Server,
  { ctx, edition }: Stage,
  boardId: string,
  products: number,
  score: (index: number) => number,
  rounds: number,
): Promise<ReadCost> {
  const random = seeded(3);
  const key = (shard: number) => scoresKey(shard, edition.id, boardId, 1, WINDOW);
  return repeat(server, rounds, 50, async () => {
    const index = random.below(products);
    const place = { score: String(score(index)), product: shortName(index) };
    const counted = await Promise.all(SHARDS.map((shard) => ctx.redis.run(rank, { scores: key(shard) }, place)));
    const of = counted.reduce((sum, it) => sum + it.of, 0);
    if (of !== products) throw new Error(`${of} products are on the board, not ${products}`);
  });
}
