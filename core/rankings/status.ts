import { type Ctx, StoreUnavailable } from "../context.ts";
import { shardKeys } from "../keys.ts";
import { boards } from "./board-records.ts";
import { type BreakerState, breakers } from "./breaker.ts";
import { type Edition, editions, liveOf, type RebuildReport } from "./edition-records.ts";
import { newestHead } from "./generation.ts";
import { SHARDS } from "./shards.ts";
import { WINDOWS, type Window } from "./windows.ts";

/** How the rankings are: for an operator, and for whoever begins a rebuild and waits for its end. */

export interface ShardStatus {
  readonly shard: number;
  /** Whether Redis has it. */
  readonly isOpen: boolean;
  readonly products: number;
  /** Products that changed and are not scored yet. */
  readonly changed: number;
  readonly buckets: number;
}

export interface RankingsStatus {
  readonly editions: readonly Edition[];
  readonly lastRebuild?: RebuildReport | undefined;
  /** Empty, like `boards`, while Redis is out of reach. */
  readonly shards: readonly ShardStatus[];
  /** Batches that wait, by shards' messages. */
  readonly queue: { readonly waiting: number; readonly inFlight: number };
  readonly breaker: BreakerState;
  readonly boards: readonly { boardId: string; version: number; window: Window; generation: number; ageMs: number }[];
}

export async function rankingsStatus(ctx: Pick<Ctx, "redis" | "table" | "events" | "now">): Promise<RankingsStatus> {
  const [state, records, queue, breaker] = await Promise.all([
    editions.get(ctx),
    boards.all(ctx),
    ctx.events.depth(),
    breakers.get(ctx),
  ]);
  const live = liveOf(state);
  const look = async () => ({
    shards: live ? await Promise.all(SHARDS.map((shard) => shardStatus(ctx, shard, live.id))) : [],
    heads: await Promise.all(
      records.flatMap(({ boardId }) => WINDOWS.map((window) => headStatus(ctx, boardId, window))),
    ),
  });
  const { shards, heads } = await look().catch((error: unknown) => {
    // The rest is worth knowing most when Redis is out of reach.
    if (!(error instanceof StoreUnavailable)) throw error;
    return { shards: [], heads: [] };
  });
  return {
    editions: state.editions,
    lastRebuild: state.lastRebuild,
    ...{ shards, queue, breaker },
    boards: heads.flatMap((head) => head ?? []),
  };
}

async function headStatus(ctx: Pick<Ctx, "redis" | "now">, boardId: string, window: Window) {
  const head = await newestHead(ctx, boardId, window);
  if (!head) return undefined;
  const { version, generation, publishedAt } = head;
  return { boardId, version, window, generation, ageMs: Math.max(0, ctx.now() - publishedAt) };
}

async function shardStatus(ctx: Pick<Ctx, "redis">, shard: number, edition: number): Promise<ShardStatus> {
  const { origin, products, dirty, scoring, slots } = shardKeys(shard, edition);
  const [isOpen, productCount, changed, scored, buckets] = (
    await Promise.all([
      ctx.redis.command("EXISTS", origin),
      ctx.redis.command("HLEN", products),
      ctx.redis.command("SCARD", dirty),
      ctx.redis.command("SCARD", scoring),
      ctx.redis.command("HLEN", slots),
    ])
  ).map(Number);
  return {
    shard,
    isOpen: isOpen === 1,
    products: productCount ?? 0,
    changed: (changed ?? 0) + (scored ?? 0),
    buckets: buckets ?? 0,
  };
}
