import { type Ctx, StoreUnavailable } from "../context.ts";
import { keys } from "../keys.ts";
import { limits } from "../limits.ts";
import type { CampaignAbout } from "./campaign.ts";
import { aboutMemory } from "./campaign.ts";
import { confirmationOf, messageOf } from "./confirmation.ts";
import { type SweepEntry, sweepOutbox } from "./scripts.ts";

type SweepCtx = Pick<Ctx, "redis" | "confirmations" | "couponSecret" | "now" | "log">;

export interface Swept {
  readonly campaigns: number;
  /** Outbox entries that are still there, over all campaigns. */
  readonly waiting: number;
  readonly oldestMs: number;
  /** Entries that SQS has taken again. */
  readonly sent: number;
  /** Entries that SQS did not acknowledge; they come round again. */
  readonly failed: number;
  /** The most often that any entry of this run has been sent again. */
  readonly attemptsMost: number;
}

/**
 * Sends again, in batches of ten, whatever has waited in an outbox for longer than `limits.sweepAgeMs`: what was decided and
 * never published (a crash, SQS out of reach), and what was published and never confirmed. Re-sending is harmless: the
 * message of an issuance is always the same, and the ledger takes it once.
 */
export function sweeper(): (ctx: SweepCtx) => Promise<Swept> {
  const recall = aboutMemory();

  return async (ctx) => {
    const ids = (await ctx.redis.command("SMEMBERS", keys.campaigns)) as string[];
    const total = { campaigns: ids.length, waiting: 0, oldestMs: 0, sent: 0, failed: 0, attemptsMost: 0 };
    for (const campaignId of ids) {
      const about = await recall(ctx, campaignId);
      if (!about) continue;
      let next = "-";
      for (let call = 0; call < limits.sweepCallsMost && next !== ""; call++) {
        const reply = await ctx.redis.run(
          sweepOutbox,
          { outbox: keys.outbox(campaignId) },
          {
            from: next,
            ageMs: limits.sweepAgeMs,
            idleMs: limits.sweepIdleMs,
            idleMostMs: limits.sweepIdleMostMs,
            most: limits.sweepEntries,
          },
        );
        if (reply.word === "missing") break;
        next = reply.next;
        if (call === 0) {
          total.waiting += reply.depth;
          total.oldestMs = Math.max(total.oldestMs, reply.oldestMs);
        }
        const sent = await resend(ctx, about, reply.entries);
        total.sent += sent;
        total.failed += reply.entries.length - sent;
        for (const { attempts } of reply.entries) total.attemptsMost = Math.max(total.attemptsMost, attempts);
      }
    }
    return total;
  };
}

async function resend(ctx: SweepCtx, about: CampaignAbout, entries: readonly SweepEntry[]): Promise<number> {
  const messages = entries.map(({ outboxId, userId, ticket, nth, key }) => {
    const issuedAt = Number(outboxId.slice(0, outboxId.indexOf("-")));
    const issuance = { campaignId: about.campaignId, userId, ticket, nth, issuedAt };
    return messageOf(confirmationOf(issuance, about, ctx.couponSecret, key), outboxId);
  });
  let sent = 0;
  for (let from = 0; from < messages.length; from += limits.queueBatch) {
    try {
      const acknowledged = await ctx.confirmations.sendBatch(messages.slice(from, from + limits.queueBatch));
      sent += acknowledged.filter(Boolean).length;
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      ctx.log("sweep-send-failed", { campaignId: about.campaignId, reason: error.message });
    }
  }
  return sent;
}
