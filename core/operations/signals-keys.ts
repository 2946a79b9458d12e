import type { Ctx } from "../context.ts";
import { keys, type ShardKeys, shardKeys } from "../keys.ts";
import { limits } from "../limits.ts";
import { type BoardRecord, versionsOf } from "../rankings/board-records.ts";
import { newestHead } from "../rankings/generation.ts";
import { SHARDS } from "../rankings/shards.ts";
import { minuteOf, WINDOWS } from "../rankings/windows.ts";

/**
 * The keys that core/keys.ts knows, by what they belong to, and what they take. Each is asked for by its name: nothing here walks
 * through all keys of a server.
 */

/**
 * Whether a key has a TTL by core/keys.ts. `kept`: never, its loss would be a fault. `passing`: always, it would stay for good otherwise.
 */
type Lifetime = "kept" | "passing";

/** Keys of one kind. Where there are many only some of them are looked at. */
export interface Kind {
  readonly lifetime: Lifetime;
  readonly names: readonly string[];
  /** Most of them are not there: some would say nothing of the others, and to ask for one that is absent costs next to nothing. */
  readonly isSparse?: true;
}

/** What a set of keys takes. */
export interface KeyFigures {
  /** Keys that are there. */
  readonly keys: number;
  /** Memory of Redis, by MEMORY USAGE: of a large hash, set or sorted set Redis itself measures five members and multiplies. */
  readonly bytes: number;
  /** Keys that must have a TTL and have none, and the other way round; of those that were looked at. */
  readonly missingTtls: number;
  readonly unwantedTtls: number;
  /** Names that were looked at; the others of a kind were taken to be like them. */
  readonly looked: number;
  readonly isEstimate: boolean;
  /** The first of the keys whose TTL is wrong. */
  readonly wrong: readonly string[];
}

const NONE: KeyFigures = {
  ...{ keys: 0, bytes: 0, missingTtls: 0, unwantedTtls: 0, looked: 0, isEstimate: false, wrong: [] },
};

/** Names that an answer shows. */
const WRONG_MOST = 5;

export function sumOf(all: readonly KeyFigures[]): KeyFigures {
  return all.reduce(
    (sum, it) => ({
      keys: sum.keys + it.keys,
      bytes: sum.bytes + it.bytes,
      missingTtls: sum.missingTtls + it.missingTtls,
      unwantedTtls: sum.unwantedTtls + it.unwantedTtls,
      looked: sum.looked + it.looked,
      isEstimate: sum.isEstimate || it.isEstimate,
      wrong: [...sum.wrong, ...it.wrong].slice(0, WRONG_MOST),
    }),
    NONE,
  );
}

const kept = (...names: readonly string[]): Kind => ({ lifetime: "kept", names });
const passing = (...names: readonly string[]): Kind => ({ lifetime: "passing", names });
const sparse = (...names: readonly string[]): Kind => ({ ...passing(...names), isSparse: true });
const range = <T>(from: number, count: number, make: (at: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(from + i));

export const registryKinds = (): Kind[] => [kept(keys.campaigns), kept(keys.rooms)];

export function campaignKinds(campaignId: string, buckets: number): Kind[] {
  const { tally, about, free, outbox, flow } = keys;
  return [
    kept(...[tally, about, free, outbox, flow].map((name) => name(campaignId))),
    kept(...range(0, buckets, (bucket) => keys.holders(campaignId, bucket))),
  ];
}

export function roomKinds(roomId: string): Kind[] {
  const { rules, state, waiting, beats, passes, numbers, spent } = keys;
  return [kept(...[rules, state, waiting, beats, passes, numbers, spent].map((name) => name(roomId)))];
}

const HOUR_MINUTES = 60;
/** How long a sketch of an hour's views outlives its hour, in hours: cap-views.lua. */
const SKETCH_HOURS = 2;

/**
 * Of one shard of the rankings in one edition, without what belongs to boards. Left out are the counts of capped views, which are named
 * for their batches and last ten minutes.
 * @param slots names of its buckets, as `slots` has them
 */
export function shardKinds(shard: number, edition: number, slots: readonly string[], nowMs: number): Kind[] {
  const own = shardKeys(shard, edition);
  const { origin, fence, marks, products, totals, dirty, scoring, claim, built } = own;
  const minute = minuteOf(nowMs);
  const hour = Math.floor(minute / HOUR_MINUTES);
  const hours = limits.actorHoursMost + SKETCH_HOURS;
  return [
    kept(origin, fence, marks, own.slots, products, totals, dirty, scoring, claim, built),
    ...(["minutes", "quarters", "hours"] as const).map((tier) =>
      passing(
        ...slots.filter((name) => name.startsWith(`${tier}:`)).map((name) => own[tier](Number(name.split(":")[1]))),
      ),
    ),
    sparse(...range(minute - limits.batchMemoryMinutes, limits.batchMemoryMinutes + 1, own.seen)),
    sparse(...range(hour - hours, hours + 1, (at) => keys.actors(shard, at))),
  ];
}

/** Of a board in one shard: its versions' scores. */
export function boardShardKinds(own: ShardKeys, record: BoardRecord): Kind[] {
  const names = versionsOf(record).flatMap(({ version }) => [
    ...WINDOWS.map((window) => own.scores(record.boardId, version, window)),
    own.remaining(record.boardId, version),
  ]);
  return [kept(...names)];
}

/** What a board has published: of the generations only the newest of each window, whose forerunners live ten minutes. */
export function publishedKinds(boardId: string, newest: readonly (readonly [window: string, generation: number])[]) {
  return [
    kept(...WINDOWS.map((window) => keys.pointer(boardId, window))),
    passing(...newest.map(([window, generation]) => keys.generation(boardId, window, generation))),
    passing(...WINDOWS.map((window) => keys.history(boardId, window))),
  ];
}

/** Names of a kind that are looked at: all, or as many as may be, evenly spread. */
export function sampled(names: readonly string[], most: number = limits.signalsSampled): readonly string[] {
  if (names.length <= most) return names;
  return range(0, most, (i) => names[Math.floor((i * names.length) / most)] ?? "");
}

/** Keys asked for in one round trip: well below a millisecond of Redis time, in which others wait. */
const KEYS_AT_ONCE = 100;

/** Measures keys that lie in one cluster slot. */
export async function measure(ctx: Pick<Ctx, "redis">, kinds: readonly Kind[]): Promise<KeyFigures> {
  const looks = kinds.flatMap(({ lifetime, names, isSparse }) => {
    const some = isSparse ? names : sampled(names);
    return some.map((name) => ({ name, lifetime, standsFor: names.length / some.length }));
  });
  const figures: KeyFigures[] = [];
  for (let from = 0; from < looks.length; from += KEYS_AT_ONCE) {
    const batch = looks.slice(from, from + KEYS_AT_ONCE);
    const commands = batch.flatMap(({ name }) => [["PTTL", name] as const, ["MEMORY", "USAGE", name] as const]);
    const replies = (await ctx.redis.commands(commands)) as (number | null)[];
    for (const [i, { name, lifetime, standsFor }] of batch.entries()) {
      const [ttl, bytes] = [Number(replies[2 * i]), replies[2 * i + 1]];
      const isEstimate = standsFor > 1;
      if (ttl === ABSENT || bytes === null || bytes === undefined) {
        figures.push({ ...NONE, looked: 1, isEstimate });
        continue;
      }
      const isWrong = (ttl === FOREVER) === (lifetime === "passing");
      figures.push({
        keys: standsFor,
        bytes: bytes * standsFor,
        missingTtls: isWrong && lifetime === "passing" ? 1 : 0,
        unwantedTtls: isWrong && lifetime === "kept" ? 1 : 0,
        ...{ looked: 1, isEstimate, wrong: isWrong ? [name] : [] },
      });
    }
  }
  const sum = sumOf(figures);
  return { ...sum, keys: Math.round(sum.keys), bytes: Math.round(sum.bytes) };
}

/** PTTL's replies for a key that is not there, and for one that has no TTL. */
const ABSENT = -2;
const FOREVER = -1;

/** One shard of the rankings, boards aside. */
export async function measureShard(
  ctx: Pick<Ctx, "redis" | "now">,
  shard: number,
  edition: number,
): Promise<KeyFigures> {
  const slots = (await ctx.redis.command("HKEYS", shardKeys(shard, edition).slots)) as string[];
  return measure(ctx, shardKinds(shard, edition, slots, ctx.now()));
}

/** One board over all shards, and what it has published. */
export async function measureBoard(
  ctx: Pick<Ctx, "redis">,
  record: BoardRecord,
  edition: number | undefined,
): Promise<KeyFigures> {
  const { boardId } = record;
  const published = async () => {
    const heads = await Promise.all(
      WINDOWS.map(async (window) => [window, (await newestHead(ctx, boardId, window))?.generation ?? -1] as const),
    );
    const newest = heads.filter(([, generation]) => generation >= 0);
    return measure(ctx, publishedKinds(boardId, newest));
  };
  const shards = edition === undefined ? [] : SHARDS.map((shard) => shardKeys(shard, edition));
  return sumOf(await Promise.all([published(), ...shards.map((own) => measure(ctx, boardShardKinds(own, record)))]));
}
