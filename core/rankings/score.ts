import { randomBytes } from "node:crypto";
import type { Ctx } from "../context.ts";
import { type ShardKeys, shardKeys } from "../keys.ts";
import { limits } from "../limits.ts";
import { type BoardVersion, versionName, weighted } from "./board-records.ts";
import type { Edition } from "./edition-records.ts";
import { type Metrics, type ProductRecord, readRecord, type TrendSums } from "./record.ts";
import { done, fill, putScores, take } from "./scripts.ts";
import { SHARDS } from "./shards.ts";
import { WINDOWS, type Window } from "./windows.ts";

/**
 * Keeping boards' scores. Counting does not touch a board: it marks products as changed, and those are scored here, once for all
 * that happened to them, for every version that is kept up. A version that was not there before is scored for every product,
 * beside the others. Whoever scores claims the shard first; a scorer that was overtaken writes no more, so that an old record never
 * replaces the score of a newer one.
 */

export interface VersionOf {
  readonly boardId: string;
  readonly version: BoardVersion;
}

/** The score of sums: an integer. Beyond what a double holds exactly it stays at that. */
export function scoreOf(metrics: Metrics, { weights }: Pick<BoardVersion, "weights">): number {
  const terms = weighted(weights).map(({ metric, weight }) => metrics[metric] * weight);
  const score = terms.reduce((sum, term) => sum + term, 0);
  if (terms.every(Number.isSafeInteger) && Number.isSafeInteger(score)) return score;
  return Math.max(-limits.scoreMost, Math.min(limits.scoreMost, Math.round(score)));
}

/** Trending sums at a time; units and amount less refunds. */
export function trendMetrics(sums: TrendSums, atHalfLives: number): Metrics {
  const at = (log: number) => 2 ** (log - atHalfLives);
  return {
    ...{ views: at(sums.views), likes: at(sums.likes), carts: at(sums.carts) },
    units: at(sums.sold.units) - at(sums.refunded.units),
    amount: at(sums.sold.amount) - at(sums.refunded.amount),
  };
}

const logsOf = ({ views, likes, carts, sold, refunded }: TrendSums) => [
  ...[views, likes, carts, sold.units, sold.amount, refunded.units, refunded.amount],
];

/**
 * The logarithm of a product's trending score: its order is the same at any time, so it need not be touched as time goes by.
 * -Infinity where it is not above 0.
 */
function trendingLog(sums: TrendSums, { weights }: Pick<BoardVersion, "weights">): number {
  // Taken relative to the greatest sum, so that nothing overflows.
  const greatest = Math.max(...logsOf(sums));
  if (greatest === Number.NEGATIVE_INFINITY) return greatest;
  const score = trendingScore(trendMetrics(sums, greatest), weights);
  return score > 0 ? greatest + Math.log2(score) : Number.NEGATIVE_INFINITY;
}

export function trendingScore(metrics: Metrics, weights: BoardVersion["weights"]): number {
  return weighted(weights).reduce((sum, { metric, weight }) => sum + metrics[metric] * weight, 0);
}

/** A product's scores on a board version: false where it is not listed. Trending as its logarithm. */
function rowOf(
  productId: string,
  record: ProductRecord | undefined,
  version: BoardVersion,
  halfLife: number,
): [string, ...(number | false)[]] {
  const isListed = record && (version.category === undefined || record.category === version.category);
  if (!isListed) return [productId, false, false, false, false];
  const scores = record.windows.map((metrics) => scoreOf(metrics, version));
  const sums = record.trends[halfLife];
  const log = sums ? trendingLog(sums, version) : Number.NEGATIVE_INFINITY;
  return [productId, ...scores.map((score) => score > 0 && score), Number.isFinite(log) && log];
}

export interface Scored {
  /** Products that were scored. */
  readonly products: number;
  /** Names of the versions that every product of every shard is scored for, as far as it has not changed since. */
  readonly built: ReadonlySet<string>;
}

/**
 * Claims all shards for a scorer. Whoever scores must read the boards behind this: then nobody who knows less of them strikes
 * off what it has not scored.
 */
export async function claimShards(
  ctx: Pick<Ctx, "redis">,
  edition: number,
  shards: readonly number[] = SHARDS,
): Promise<string> {
  const scorer = randomBytes(9).toString("base64url");
  await Promise.all(shards.map((shard) => ctx.redis.command("SET", shardKeys(shard, edition).claim, scorer)));
  return scorer;
}

/**
 * Scores what changed, then what new versions still lack, in every shard.
 * @param scorer who has claimed the shards
 * @param until when to stop, in milliseconds since 1970; what is left comes next time
 */
export async function score(
  ctx: Pick<Ctx, "redis" | "now">,
  scorer: string,
  edition: Edition,
  versions: readonly VersionOf[],
  until: number,
  shards: readonly number[] = SHARDS,
): Promise<Scored> {
  const results = await Promise.all(
    shards.map((shard) => scoreShard(ctx, shardKeys(shard, edition.id), edition, versions, scorer, until)),
  );
  const names = versions.map(({ boardId, version }) => versionName(boardId, version.version));
  return {
    products: results.reduce((sum, it) => sum + it.products, 0),
    built: new Set(names.filter((name) => results.every((it) => it.built.has(name)))),
  };
}

/** A version's name in the set of versions: where it is begun, where all products are listed for it; the bare name where all are scored. */
const begun = (name: string) => `${name}:begun`;
const listed = (name: string) => `${name}:listed`;

async function scoreShard(
  ctx: Pick<Ctx, "redis" | "now">,
  own: ShardKeys,
  edition: Edition,
  versions: readonly VersionOf[],
  scorer: string,
  until: number,
): Promise<{ products: number; built: Set<string> }> {
  const built = new Set((await ctx.redis.command("SMEMBERS", own.built)) as string[]);
  await dropVersions(ctx, own, built, versions);
  // Noted before anything is written for them: whoever removes them later must find them, however far this comes.
  const names = versions.map(({ boardId, version }) => versionName(boardId, version.version));
  const unnoted = names.filter((name) => !built.has(name) && !built.has(begun(name)));
  if (unnoted.length > 0) await ctx.redis.command("SADD", own.built, ...unnoted.map(begun));
  const changed = await scoreList(
    ctx,
    own,
    { incoming: own.dirty, list: own.scoring },
    edition,
    versions,
    scorer,
    until,
  );
  let { products } = changed;
  if (!changed.isDone) return { products, built };
  for (const one of versions) {
    const name = versionName(one.boardId, one.version.version);
    if (built.has(name)) continue;
    const list = own.remaining(one.boardId, one.version.version);
    if (!built.has(listed(name)) && !(await listAll(ctx, own, name, list, scorer, until))) break;
    const scored = await scoreList(ctx, own, { incoming: list, list }, edition, [one], scorer, until);
    products += scored.products;
    if (!scored.isDone) break;
    await ctx.redis.command("SADD", own.built, name);
    built.add(name);
  }
  return { products, built };
}

/**
 * Removes versions that are not kept up any more. A version that is newer than all that are known here may be somebody's who knows
 * more; one that was left behind never comes back.
 */
async function dropVersions(
  ctx: Pick<Ctx, "redis">,
  own: ShardKeys,
  names: ReadonlySet<string>,
  versions: readonly VersionOf[],
): Promise<void> {
  const newest = new Map<string, number>();
  for (const { boardId, version } of versions) {
    newest.set(boardId, Math.max(version.version, newest.get(boardId) ?? 0));
  }
  const kept = new Set(versions.map(({ boardId, version }) => versionName(boardId, version.version)));
  const dropped = [...names].filter((it) => {
    const { boardId, version } = nameParts(it);
    return !kept.has(versionName(boardId, version)) && version < (newest.get(boardId) ?? 0);
  });
  for (const name of dropped) {
    const { boardId, version } = nameParts(name);
    await ctx.redis.command("UNLINK", ...boardKeys(own, boardId, version));
  }
  if (dropped.length > 0) await ctx.redis.command("SREM", own.built, ...dropped);
}

function nameParts(name: string): { boardId: string; version: number } {
  const [boardId = "", version = ""] = name.split(":");
  return { boardId, version: Number(version) };
}

/** All keys of one board version in a shard. */
const boardKeys = (own: ShardKeys, boardId: string, version: number): string[] => [
  own.remaining(boardId, version),
  ...WINDOWS.map((window) => own.scores(boardId, version, window)),
];

/** Removes every key of an edition from one shard. */
export async function dropEdition(ctx: Pick<Ctx, "redis">, shard: number, edition: number): Promise<void> {
  const own = shardKeys(shard, edition);
  const [slots, built] = (await Promise.all([
    ctx.redis.command("HKEYS", own.slots),
    ctx.redis.command("SMEMBERS", own.built),
  ])) as [string[], string[]];
  const buckets = slots.flatMap((name) => {
    const [tier = "", slot = ""] = name.split(":");
    const make = { minutes: own.minutes, quarters: own.quarters, hours: own.hours }[tier];
    return make ? [make(Number(slot))] : [];
  });
  const versions = built.map(nameParts).flatMap(({ boardId, version }) => boardKeys(own, boardId, version));
  const { origin, fence, marks, products, totals, dirty, scoring, claim } = own;
  // What names the others goes last: cut off before, this finds them again.
  const many = [...buckets, ...versions, origin, fence, marks, products, totals, dirty, scoring, claim];
  for (let from = 0; from < many.length; from += 500) {
    await ctx.redis.command("UNLINK", ...many.slice(from, from + 500));
  }
  await ctx.redis.command("UNLINK", own.slots, own.built);
}

/** Lists every product as to be scored for a version. @returns false where it was overtaken, or the time was up */
async function listAll(
  ctx: Pick<Ctx, "redis" | "now">,
  { origin, claim, built, products }: ShardKeys,
  name: string,
  remaining: string,
  scorer: string,
  until: number,
): Promise<boolean> {
  let cursor = "0";
  do {
    if (ctx.now() > until) return false;
    const filled = await ctx.redis.run(
      fill,
      { origin, claim, built, products, remaining },
      { scorer, begun: begun(name), listed: listed(name), cursor, most: limits.scoreRows },
    );
    if (filled.word !== "filled") return false;
    ({ cursor } = filled);
  } while (cursor !== "0");
  return true;
}

/** Scores a list of products to its end. @returns isDone false where it was overtaken, or the time was up */
async function scoreList(
  ctx: Pick<Ctx, "redis" | "now">,
  own: ShardKeys,
  { incoming, list }: { incoming: string; list: string },
  edition: Edition,
  versions: readonly VersionOf[],
  scorer: string,
  until: number,
): Promise<{ products: number; isDone: boolean }> {
  const { origin, claim, products } = own;
  let count = 0;
  // First what an earlier scorer has left behind, then what changed since. What changes meanwhile waits for the next time, or products
  // that change all the time would come round for ever.
  for (const first of incoming === list ? [list] : [list, incoming]) {
    let dirty = first;
    for (;;) {
      if (ctx.now() > until) return { products: count, isDone: false };
      const taken = await ctx.redis.run(
        take,
        { origin, claim, dirty, list, products },
        { scorer, most: limits.scoreRows },
      );
      if (taken.word !== "taken") return { products: count, isDone: false };
      if (taken.products.length === 0) break;
      dirty = list;
      if (!(await scoreTaken(ctx, own, list, edition, versions, scorer, taken.products))) {
        return { products: count, isDone: false };
      }
      count += taken.products.length;
    }
  }
  return { products: count, isDone: true };
}

/** Puts the scores of products into every version, then strikes them off the list. @returns false where it was overtaken */
async function scoreTaken(
  ctx: Pick<Ctx, "redis">,
  own: ShardKeys,
  list: string,
  edition: Edition,
  versions: readonly VersionOf[],
  scorer: string,
  taken: readonly { productId: string; record: Buffer | null }[],
): Promise<boolean> {
  const { claim } = own;
  const records = taken.map(({ productId, record }) => ({
    productId,
    record: record ? readRecord(record) : undefined,
  }));
  for (const { boardId, version } of versions) {
    const halfLife = edition.halfLives.indexOf(version.halfLifeHours);
    const rows = records.map(({ productId, record }) => rowOf(productId, record, version, halfLife));
    const scores = scoreKeys(own, boardId, version.version);
    const put = await ctx.redis.run(putScores, { claim, ...scores }, { scorer, rows: JSON.stringify(rows) });
    if (put === "overtaken") return false;
  }
  const names = JSON.stringify(records.map(({ productId }) => productId));
  return (await ctx.redis.run(done, { claim, list }, { scorer, rows: names })) !== "overtaken";
}

function scoreKeys(own: ShardKeys, boardId: string, version: number) {
  const [hour = "", day = "", week = "", trending = ""] = WINDOWS.map((window) => own.scores(boardId, version, window));
  return { hour, day, week, trending };
}

/** The sorted set of one shard that holds a board version's scores in a window. */
export const scoresKey = (shard: number, edition: number, boardId: string, version: number, window: Window): string =>
  shardKeys(shard, edition).scores(boardId, version, window);
