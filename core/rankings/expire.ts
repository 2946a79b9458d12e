import type { Ctx } from "../context.ts";
import { shardKeys } from "../keys.ts";
import { limits } from "../limits.ts";
import { advance, drain } from "./scripts.ts";
import { SHARDS } from "./shards.ts";
import { bucketExpiresAtSeconds, leftAt, slotOf, TIERS } from "./windows.ts";

/** Letting events leave their windows. */

export interface Expired {
  /** Buckets that were emptied, and rows in them. */
  readonly buckets: number;
  readonly rows: number;
  /** Shards that Redis does not have. */
  readonly missing: readonly number[];
  /** Shards that another server holds than the one on which they were opened: it may lack what was acknowledged. */
  readonly moved: readonly number[];
  /**
   * Products whose sums cannot be trusted any more: in buckets that were gone before their time, or left with a rest. Counted as long
   * as the edition lives, so that whoever looks hears of it.
   */
  readonly faults: number;
}

/**
 * Moves the windows of an edition on to now, and takes out of them what has left: bucket by bucket, a bounded number of products per
 * call. Several may do so at once, and each may be cut off anywhere.
 * @param shards of these only
 */
export async function expire(
  ctx: Pick<Ctx, "redis" | "now">,
  edition: number,
  shards: readonly number[] = SHARDS,
): Promise<Expired> {
  const results = await Promise.all(shards.map((shard) => expireShard(ctx, edition, shard)));
  return {
    buckets: sum(results.map((it) => it.buckets)),
    rows: sum(results.map((it) => it.rows)),
    faults: sum(results.map((it) => it.faults)),
    missing: shards.filter((_, i) => results[i]?.isMissing),
    moved: shards.filter((_, i) => results[i]?.isMoved),
  };
}

const sum = (list: readonly number[]) => list.reduce((total, it) => total + it, 0);

async function expireShard(ctx: Pick<Ctx, "redis" | "now">, edition: number, shard: number) {
  const own = shardKeys(shard, edition);
  const { origin, marks, slots, products, totals, dirty } = own;
  const [minutes = 0, quarters = 0, hours = 0] = TIERS.map((tier) => leftAt(tier, ctx.now()));
  const result = { buckets: 0, rows: 0, faults: 0, isMissing: false, isMoved: false };
  const advanced = await ctx.redis.run(advance, { origin, marks, slots }, { minutes, quarters, hours });
  if (advanced.word === "missing") return { ...result, isMissing: true };
  result.isMoved = !advanced.isSameServer;
  result.faults = advanced.faults;
  // What the fine tiers hand down may have left the coarse one too, so the coarse tiers come later, with what they got.
  const buckets = new Set(advanced.slots);
  for (const [index, tier] of TIERS.entries()) {
    const next = TIERS[index + 1];
    const left = advanced.marks[index] ?? 0;
    const due = [...buckets]
      .filter((name) => name.startsWith(`${tier.name}:`))
      .map((name) => Number(name.slice(tier.name.length + 1)))
      .filter((slot) => slot <= left)
      .sort((a, b) => a - b);
    for (const slot of due) {
      const nextSlot = next ? slotOf(next, slot * tier.minutes) : 0;
      if (next) buckets.add(`${next.name}:${nextSlot}`);
      const into = next ? own[next.name](nextSlot) : own.minutes(slot);
      let cursor = "0";
      do {
        const drained = await ctx.redis.run(
          drain,
          { marks, slots, leaving: own[tier.name](slot), into, products, totals, dirty },
          {
            ...{ tier: index + 1, slot, cursor, most: limits.evictRows },
            intoUntil: next ? bucketExpiresAtSeconds(next, nextSlot) : 0,
          },
        );
        cursor = drained.word === "more" ? drained.cursor : "0";
        if (drained.word === "lost") result.faults += drained.count;
        else if (drained.word !== "early") result.rows += drained.taken;
      } while (cursor !== "0");
      result.buckets++;
    }
  }
  return result;
}
