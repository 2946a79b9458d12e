import type { Ctx } from "../context.ts";
import { keys } from "../keys.ts";

/** How far the ledger is behind a campaign's issuances. */
export interface Backlog {
  /** Age of the oldest issuance that the ledger does not have yet, in milliseconds; zero for none. */
  readonly oldestMs: number;
  /** When the ledger last refused a write of this campaign, in milliseconds since 1970. */
  readonly refusedAt: number | undefined;
}

/** Reads a campaign's backlog from Redis: the first entry of its outbox, and what the persister has noted. */
export async function backlogOf(ctx: Pick<Ctx, "redis">, campaignId: string): Promise<Backlog> {
  const [first, refusedAt, time] = (await ctx.redis.commands([
    ["XRANGE", keys.outbox(campaignId), "-", "+", "COUNT", 1],
    ["HGET", keys.flow(campaignId), "refusedAt"],
    ["TIME"],
  ])) as [[Buffer, unknown][], Buffer | null, [Buffer, Buffer]];
  const nowMs = Number(time[0]) * 1_000 + Math.floor(Number(time[1]) / 1_000);
  const issuedAt = Number.parseInt(first[0]?.[0].toString() ?? "", 10);
  return {
    oldestMs: Number.isNaN(issuedAt) ? 0 : Math.max(0, nowMs - issuedAt),
    refusedAt: refusedAt === null ? undefined : Number(refusedAt),
  };
}
