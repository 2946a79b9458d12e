import type { Ctx } from "../context.ts";
import { StoreUnavailable } from "../context.ts";
import { backlogOf } from "../coupons/backlog.ts";
import { campaigns } from "../coupons/campaign-records.ts";
import { isLive } from "../coupons/recover.ts";
import { limits } from "../limits.ts";
import type { Backend } from "../rooms/tick.ts";

/** What stands behind waiting rooms: campaigns, and how far the ledger is behind them. */

/** The live campaigns behind each room, by the room's id. */
export async function campaignsByRoom(ctx: Pick<Ctx, "table" | "now">): Promise<Map<string, string[]>> {
  const byRoom = new Map<string, string[]>();
  for await (const record of campaigns.all(ctx)) {
    if (record.roomId === undefined || !isLive(record, ctx.now())) continue;
    byRoom.set(record.roomId, [...(byRoom.get(record.roomId) ?? []), record.campaignId]);
  }
  return byRoom;
}

/** How the backend of these campaigns stands: the one that is worst off decides. */
export async function backendOf(
  ctx: Pick<Ctx, "redis" | "now" | "log">,
  campaignIds: readonly string[],
): Promise<Backend> {
  const backlogs = await Promise.all(
    campaignIds.map(async (campaignId) => {
      try {
        return await backlogOf(ctx, campaignId);
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
        // Its shard is away: nothing is issued there, so nothing more is to come from it.
        ctx.log("backlog-unclear", { campaignId, reason: error.message });
        return { depth: 0, oldestMs: 0, expectedMs: 0, refusedAt: undefined };
      }
    }),
  );
  return {
    // What is expected is seen long before anything is old, but a rate measured while little came says little of what the
    // ledger can: it is believed as far as something already waits for a third of it.
    lateMs: Math.max(
      0,
      ...backlogs.map(({ depth, oldestMs, expectedMs }) =>
        depth < limits.inflowIgnoredCoupons ? 0 : Math.min(expectedMs, 3 * oldestMs),
      ),
    ),
    isThrottled: backlogs.some(
      ({ refusedAt }) => refusedAt !== undefined && ctx.now() - refusedAt < limits.inflowThrottledMs,
    ),
  };
}
