import { randomInt } from "node:crypto";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import type { Ctx } from "../context.ts";
import { keys, shardKeys } from "../keys.ts";
import { limits } from "../limits.ts";
import { type BoardRecord, type BoardVersion, versionName, weighted } from "./board-records.ts";
import type { Edition } from "./edition-records.ts";
import { halfLivesAt, METRICS, type Metrics, readRecord } from "./record.ts";
import { scoreOf, scoresKey, trendingScore, trendMetrics } from "./score.ts";
import { point } from "./scripts.ts";
import { SHARDS, shardOf } from "./shards.ts";
import { compareEntries, type Entry, topK } from "./top-k.ts";
import { WINDOWS, type Window } from "./windows.ts";

/**
 * Generations: the first places of a board in one window at one time, as an immutable list. Readers get whole generations only, so no
 * page is half of one and half of another, and a cursor goes on in the generation that it began in.
 */

/** One place: the rank is the place's number. */
export interface Place {
  readonly productId: string;
  /** An integer; of trending, the decayed score when it was published. */
  readonly score: number;
  /** Ranks gained against the generation an hour before; negative: lost. "new" where it was not there, or there was none. */
  readonly change: number | "new";
  /** Views, likes, carts, units, amount: what the score is made of. */
  readonly metrics: readonly number[];
}

/** What is known of a generation without its places. */
export interface GenerationHead {
  readonly generation: number;
  readonly revision: number;
  readonly version: number;
  /** In milliseconds since 1970. */
  readonly publishedAt: number;
  /** Places in it, and products that the board has in all. */
  readonly places: number;
  readonly of: number;
  readonly weights: BoardVersion["weights"];
  /** What it was made of: the edition, the half-life, and its place among those that the edition keeps sums for. */
  readonly edition: number;
  readonly halfLifeHours: number;
  readonly halfLife: number;
}

export interface Generation extends GenerationHead {
  readonly list: readonly Place[];
}

/** The first places of a board version, from the sorted sets. */
export async function firstPlaces(
  ctx: Pick<Ctx, "redis">,
  edition: Pick<Edition, "id">,
  boardId: string,
  version: number,
  window: Window,
  most: number,
): Promise<Entry[]> {
  return topK(SHARDS.length, most, async (shard, from, count) => {
    const key = scoresKey(shard, edition.id, boardId, version, window);
    const reply = await ctx.redis.command("ZREVRANGE", key, from, from + count - 1, "WITHSCORES");
    // Pairs where the connection speaks RESP3, a flat list where it does not.
    const flat = (reply as (string | string[])[]).flat();
    return Array.from({ length: flat.length / 2 }, (_, i) => ({
      productId: flat[2 * i] ?? "",
      score: Number(flat[2 * i + 1]),
    }));
  });
}

/** Reads the metrics that products' scores in a window are made of. */
export async function metricsOf(
  ctx: Pick<Ctx, "redis">,
  { edition, halfLifeHours, halfLife }: Pick<GenerationHead, "edition" | "halfLifeHours" | "halfLife">,
  window: Window,
  nowMs: number,
  products: readonly string[],
): Promise<Map<string, Metrics>> {
  const byShard = Map.groupBy(products, shardOf);
  const place = WINDOWS.indexOf(window);
  const found = new Map<string, Metrics>();
  await Promise.all(
    [...byShard].map(async ([shard, own]) => {
      const [records] = (await ctx.redis.commands([["HMGET", shardKeys(shard, edition).products, ...own]])) as [
        (Buffer | null)[],
      ];
      for (const [i, bytes] of records.entries()) {
        const productId = own[i];
        if (!bytes || productId === undefined) continue;
        const record = readRecord(bytes);
        const sums = record.trends[halfLife];
        const metrics =
          window === "trending" ? sums && trendMetrics(sums, halfLivesAt(nowMs, halfLifeHours)) : record.windows[place];
        if (metrics) found.set(productId, metrics);
      }
    }),
  );
  return found;
}

/** The score that a product stands in the sorted set with, as it is shown: of trending not the logarithm but its value now. */
const shownScore = (window: Window, stored: number, nowMs: number, halfLifeHours: number): number =>
  window === "trending" ? 2 ** (stored - halfLivesAt(nowMs, halfLifeHours)) : stored;

/**
 * Whether an edition is there in every shard, with every product scored for a board version. Looked at before and after the sorted
 * sets are read: of an edition that Redis has just lost, or that was replaced and removed, empty sets would be published as a board.
 */
export async function isSound(
  ctx: Pick<Ctx, "redis">,
  edition: Pick<Edition, "id">,
  boardId: string,
  version: number,
): Promise<boolean> {
  const looks = await Promise.all(
    SHARDS.flatMap((shard) => {
      const { origin, built } = shardKeys(shard, edition.id);
      return [
        ctx.redis.command("EXISTS", origin),
        ctx.redis.command("SISMEMBER", built, versionName(boardId, version)),
      ];
    }),
  );
  return looks.every((look) => Number(look) === 1);
}

/**
 * Makes the next generation of a board version in one window; nobody sees it yet.
 * @param ranksBefore products in their order an hour ago; undefined where nothing is known of then
 */
export async function makeGeneration(
  ctx: Pick<Ctx, "redis" | "now">,
  edition: Edition,
  { boardId, revision }: BoardRecord,
  version: BoardVersion,
  window: Window,
  ranksBefore: readonly string[] | undefined,
): Promise<Generation> {
  const publishedAt = ctx.now();
  const [newest, entries, counts] = await Promise.all([
    newestHead(ctx, boardId, window),
    firstPlaces(ctx, edition, boardId, version.version, window, version.size),
    Promise.all(
      SHARDS.map((shard) => ctx.redis.command("ZCARD", scoresKey(shard, edition.id, boardId, version.version, window))),
    ),
  ]);
  const source = {
    edition: edition.id,
    halfLifeHours: version.halfLifeHours,
    halfLife: edition.halfLives.indexOf(version.halfLifeHours),
  };
  const names = entries.map(({ productId }) => productId);
  const metrics = await metricsOf(ctx, source, window, publishedAt, names);
  const rankBefore = new Map(ranksBefore?.map((productId, index) => [productId, index + 1]));
  const scored = entries.flatMap(({ productId, score }) => {
    const shown = shownScore(window, score, publishedAt, version.halfLifeHours);
    const own = metrics.get(productId);
    const fresh = own ? freshScore(window, shown, own, version) : shown;
    return own && fresh <= 0 ? [] : [{ productId, score: fresh }];
  });
  // A product that was counted between the two readings has another score by now than the one it is listed with. The list is to be
  // right in itself: scores that are the sum of what is said of them, in their order.
  const list = scored.sort(compareEntries).map(({ productId, score }, index): Place => {
    const before = rankBefore.get(productId);
    const found = metrics.get(productId);
    return {
      productId,
      score,
      change: before === undefined ? "new" : before - (index + 1),
      metrics: METRICS.map((metric) => found?.[metric] ?? 0),
    };
  });
  return {
    // By time; the last digits keep two publishers of one millisecond apart. Above the newest one, also where its publisher's clock
    // was ahead: a board must not stand still until others have caught up.
    generation: Math.max(publishedAt * 1_000 + randomInt(1_000), (newest?.generation ?? 0) + 1 + randomInt(1_000)),
    ...{ revision, version: version.version, publishedAt, places: list.length },
    of: Math.max(
      list.length,
      counts.reduce<number>((sum, count) => sum + Number(count), 0),
    ),
    weights: version.weights,
    ...source,
    list,
  };
}

/** Of two trending scores of the same events, one by way of the logarithm: they differ by less than this. */
const SAME = 1e-9;

/** The score by these metrics; the listed one where that is the same. */
function freshScore(window: Window, listed: number, metrics: Metrics, version: BoardVersion): number {
  if (window !== "trending") return scoreOf(metrics, version);
  const fresh = trendingScore(metrics, version.weights);
  return Math.abs(fresh - listed) <= SAME * Math.abs(listed) ? listed : fresh;
}

/** Lets readers see a generation. @returns false where a newer one, or a newer state of the board, has been published meanwhile */
export async function showGeneration(
  ctx: Pick<Ctx, "redis">,
  boardId: string,
  window: Window,
  { list, ...head }: Generation,
): Promise<boolean> {
  const key = keys.generation(boardId, window, head.generation);
  const size = limits.generationPageRows;
  const pages = Array.from({ length: Math.ceil(list.length / size) }, (_, page) => [
    String(page),
    JSON.stringify(list.slice(page * size, (page + 1) * size).map(toRow)),
  ]).flat();
  const content = JSON.stringify(head);
  // Nobody can see it before the pointer stands; its pages are there by then.
  await ctx.redis.commands([
    ["HSET", key, "head", content, ...pages],
    ["PEXPIRE", key, limits.generationMs],
  ]);
  const { edition, revision, generation } = head;
  const pointer = keys.pointer(boardId, window);
  return (await ctx.redis.run(point, { pointer }, { edition, revision, generation, content })) === "pointed";
}

/** A place as it is stored: without names of fields. */
const toRow = ({ productId, score, change, metrics }: Place) => [productId, score, change, ...metrics];

function toPlace([productId, score, change, ...metrics]: readonly (string | number)[]): Place {
  return {
    productId: String(productId),
    score: Number(score),
    change: change === "new" ? "new" : Number(change),
    metrics: metrics.map(Number),
  };
}

/** The newest generation's head, as Redis has it. */
export async function newestHead(
  ctx: Pick<Ctx, "redis">,
  boardId: string,
  window: Window,
): Promise<GenerationHead | undefined> {
  const text = (await ctx.redis.command("GET", keys.pointer(boardId, window))) as string | null;
  return text === null ? undefined : (JSON.parse(text) as GenerationHead);
}

/** A generation's head by its number, and one stored page; undefined where it is gone. */
export async function readPage(
  ctx: Pick<Ctx, "redis">,
  boardId: string,
  window: Window,
  generation: number,
  page: number,
): Promise<{ head: GenerationHead; places: Place[] } | undefined> {
  const key = keys.generation(boardId, window, generation);
  const [head, rows] = (await ctx.redis.command("HMGET", key, "head", page)) as (string | null)[];
  if (!head) return undefined;
  return {
    head: JSON.parse(head) as GenerationHead,
    places: rows ? (JSON.parse(rows) as (string | number)[][]).map(toPlace) : [],
  };
}

/** Digits of a metric that is kept in a copy: trending metrics have sixteen, which nobody needs and which do not compress. */
const COPIED_DIGITS = 6;

/** A generation as the text of its copy. A list that does not fit is cut: the first places are those that are asked for. */
function copyText(list: readonly Place[]): { rows: string; places: number } {
  const short = (value: number) => (Number.isInteger(value) ? value : Number(value.toPrecision(COPIED_DIGITS)));
  for (let places = list.length; ; places = Math.floor(places / 2)) {
    const rows = list.slice(0, places).map((place) => toRow({ ...place, metrics: place.metrics.map(short) }));
    const text = deflateRawSync(JSON.stringify(rows)).toString("base64");
    if (text.length <= limits.copyLength) return { rows: text, places };
  }
}

/** A generation's copy in the ledger: what is served when Redis is out of reach. */
export const snapshots = {
  put: (ctx: Pick<Ctx, "table">, boardId: string, window: Window, generation: Generation): Promise<boolean> => {
    const { list, ...head } = generation;
    const { rows, places } = copyText(list);
    return ctx.table.put(
      { pk: `generation:${boardId}`, sk: window },
      { generation: head.generation, head: JSON.stringify({ ...head, places }), rows },
      { absent: true, below: { generation: head.generation } },
    );
  },

  get: async (ctx: Pick<Ctx, "table">, boardId: string, window: Window): Promise<Generation | undefined> => {
    const item = await ctx.table.get({ pk: `generation:${boardId}`, sk: window });
    if (!item) return undefined;
    const rows = JSON.parse(inflateRawSync(Buffer.from(String(item.rows), "base64")).toString("utf8"));
    const head = JSON.parse(String(item.head)) as GenerationHead;
    return { ...head, list: (rows as (string | number)[][]).map(toPlace) };
  },
};

/** How much of a score comes from each metric. */
export interface Contribution {
  readonly metric: keyof Metrics;
  readonly value: number;
  readonly weight: number;
  /** value × weight */
  readonly score: number;
  /** Of the sum of all contributions' sizes; 0 to 1. */
  readonly share: number;
}

export function contributionsOf(metrics: Metrics, weights: BoardVersion["weights"]): Contribution[] {
  const parts = weighted(weights).map(({ metric, weight }) => ({
    metric,
    value: metrics[metric],
    weight,
    score: metrics[metric] * weight,
  }));
  const whole = parts.reduce((sum, { score }) => sum + Math.abs(score), 0);
  return parts.map((part) => ({ ...part, share: whole === 0 ? 0 : Math.abs(part.score) / whole }));
}
