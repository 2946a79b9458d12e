import type { Ctx } from "../context.ts";
import { keys } from "../keys.ts";
import { etaOf } from "./eta.ts";

/** How far the ledger is behind a campaign's issuances. */
export interface Backlog {
  /** Issuances that the ledger does not have yet. */
  readonly depth: number;
  /** Age of the oldest of them, in milliseconds; zero for none. */
  readonly oldestMs: number;
  /** When one that is issued now can be expected to be confirmed, in milliseconds: the backlog at the measured rate. */
  readonly expectedMs: number;
  /** When the ledger last refused a write of this campaign, in milliseconds since 1970. */
  readonly refusedAt: number | undefined;
}

const numberOf = (reply: Buffer | null | undefined) => (reply ? Number(reply) : undefined);

/** Reads a campaign's backlog from Redis: its outbox, and what the persister has measured and noted. */
export async function backlogOf(ctx: Pick<Ctx, "redis">, campaignId: string): Promise<Backlog> {
  const [depth, first, flow, time] = (await ctx.redis.commands([
    ["XLEN", keys.outbox(campaignId)],
    ["XRANGE", keys.outbox(campaignId), "-", "+", "COUNT", 1],
    ["HMGET", keys.flow(campaignId), "perSecond", "settledAt", "refusedAt"],
    ["TIME"],
  ])) as [number, [Buffer, unknown][], (Buffer | null)[], [Buffer, Buffer]];
  const nowMs = Number(time[0]) * 1_000 + Math.floor(Number(time[1]) / 1_000);
  const [perSecond, settledAt, refusedAt] = flow.map(numberOf);
  const issuedAt = Number.parseInt(first[0]?.[0].toString() ?? "", 10);
  if (depth === 0 || Number.isNaN(issuedAt)) return { depth: 0, oldestMs: 0, expectedMs: 0, refusedAt };
  const oldestMs = Math.max(0, nowMs - issuedAt);
  // Nothing was taken since the later of the two: before the oldest was issued there was nothing to take.
  const quietMs = Math.max(0, nowMs - Math.max(settledAt ?? 0, issuedAt));
  return { depth, oldestMs, expectedMs: etaOf({ ahead: depth, perSecond, quietMs }), refusedAt };
}
