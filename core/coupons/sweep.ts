import { type Ctx, StoreUnavailable } from "../context.ts";
import type { QueueDoor, QueueMessage } from "../doors/sqs.ts";
import { keys } from "../keys.ts";
import { knownIds } from "../known.ts";
import { limits } from "../limits.ts";
import type { Trace } from "../trace.ts";
import type { CampaignAbout } from "./campaign.ts";
import { aboutMemory } from "./campaign.ts";
import { confirmationOf, messageOf } from "./confirmation.ts";
import { type SweepEntry, sweepOutbox } from "./scripts.ts";

type SweepCtx = Pick<Ctx, "redis" | "confirmations" | "deadLetters" | "couponSecret" | "now" | "log">;

export interface Swept {
  readonly campaigns: number;
  /** Outbox entries that are still there, over all campaigns. */
  readonly waiting: number;
  readonly oldestMs: number;
  /** Entries that SQS has taken again. */
  readonly sent: number;
  /** Entries past their budget of attempts, which went to the dead letters to be classified. They stay in the outbox until then. */
  readonly spent: number;
  /** Entries that SQS did not acknowledge; they come round again. */
  readonly failed: number;
  /** The most often that any entry of this run has been sent again. */
  readonly attemptsMost: number;
}

/**
 * Sends again, in batches of ten, whatever has waited in an outbox for longer than `limits.sweepAgeMs`: what was decided and
 * never published (a crash, SQS out of reach), and what was published and never confirmed. Re-sending is harmless: the
 * message of an issuance is always the same, and the ledger takes it once. What is past its budget of attempts goes to the dead
 * letters, where it is classified without a person.
 *
 * What it sends carries the trace of its own run: the outbox does not know which request an entry came from.
 */
export function sweeper(): (ctx: SweepCtx, trace?: Trace) => Promise<Swept> {
  const recall = aboutMemory();
  const resumeAt = new Map<string, string>();

  return async (ctx, trace) => {
    const ids = await knownIds(ctx, keys.campaigns);
    const total = { campaigns: ids.length, waiting: 0, oldestMs: 0, sent: 0, spent: 0, failed: 0, attemptsMost: 0 };
    for (const campaignId of ids) {
      const about = await recall(ctx, campaignId);
      if (!about) continue;
      // Behind what the last run could not get past, so that ten thousand stuck ones do not hide the rest.
      let next = resumeAt.get(campaignId) ?? "-";
      resumeAt.delete(campaignId);
      for (let call = 0; call < limits.sweepCallsMost && next !== ""; call++) {
        const reply = await ctx.redis.run(
          sweepOutbox,
          { tally: keys.tally(campaignId), outbox: keys.outbox(campaignId) },
          {
            from: next,
            ageMs: limits.sweepAgeMs,
            idleMs: limits.sweepIdleMs,
            idleMostMs: limits.sweepIdleMostMs,
            most: limits.sweepEntries,
          },
        );
        if (reply.word === "missing") {
          next = "";
          break;
        }
        next = reply.next;
        if (call === 0) {
          total.waiting += reply.depth;
          total.oldestMs = Math.max(total.oldestMs, reply.oldestMs);
        }
        const { sent, spent } = await resend(ctx, about, reply.entries, reply.epoch, trace);
        total.sent += sent;
        total.spent += spent;
        total.failed += reply.entries.length - sent - spent;
        for (const { attempts } of reply.entries) total.attemptsMost = Math.max(total.attemptsMost, attempts);
      }
      if (next !== "") resumeAt.set(campaignId, next);
    }
    return total;
  };
}

async function resend(
  ctx: SweepCtx,
  about: CampaignAbout,
  entries: readonly SweepEntry[],
  epoch: number,
  trace: Trace | undefined,
): Promise<{ sent: number; spent: number }> {
  const messageFor = ({ outboxId, userId, ticket, nth, key }: SweepEntry): QueueMessage => {
    const issuedAt = Number(outboxId.slice(0, outboxId.indexOf("-")));
    const issuance = { campaignId: about.campaignId, userId, ticket, nth, issuedAt };
    return messageOf({ confirmation: confirmationOf(issuance, about, ctx.couponSecret, key), outboxId, epoch, trace });
  };
  const isSpent = ({ attempts }: SweepEntry) => attempts > limits.sweepAttemptsMost;
  const letters = entries.filter(isSpent).map((entry): QueueMessage => {
    const message = messageFor(entry);
    return {
      ...message,
      // Each time it comes round it is another letter, or SQS would swallow the later ones.
      deduplicationId: `${message.deduplicationId}.spent${entry.attempts}`,
      attributes: { ...message.attributes, reason: "attempts-spent" },
    };
  });
  const again = entries.filter((entry) => !isSpent(entry)).map(messageFor);
  return {
    sent: await sendAll(ctx, ctx.confirmations, again),
    spent: await sendAll(ctx, ctx.deadLetters, letters),
  };
}

/** Sends in batches of ten. @returns how many SQS has acknowledged */
async function sendAll(ctx: Pick<Ctx, "log">, queue: QueueDoor, messages: readonly QueueMessage[]): Promise<number> {
  let sent = 0;
  for (let from = 0; from < messages.length; from += limits.queueBatch) {
    try {
      const acknowledged = await queue.sendBatch(messages.slice(from, from + limits.queueBatch));
      sent += acknowledged.filter(Boolean).length;
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      ctx.log("sweep-send-failed", { reason: error.message });
    }
  }
  return sent;
}
