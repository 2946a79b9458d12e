import type { Ctx } from "../context.ts";
import { keys } from "../keys.ts";
import { limits } from "../limits.ts";
import { type Delivery, readMessage } from "./confirmation.ts";
import { type LedgerWord, coupons as ledger } from "./ledger.ts";
import { settle } from "./scripts.ts";

/** A message as the queue hands it over. */
export interface Received {
  readonly messageId: string;
  readonly body: string;
  readonly groupId: string;
  /** How often the queue has handed it out, this time included. */
  readonly receiveCount: number;
}

export interface Confirmed {
  /** Messages that must come again, in order; with each all later ones of its group, so that the group keeps its order. */
  readonly failed: readonly Received[];
  readonly recorded: number;
  readonly alreadyRecorded: number;
  readonly deadLettered: number;
}

type ConfirmCtx = Pick<Ctx, "redis" | "table" | "deadLetters" | "now" | "log">;

/** A measuring window of the drain rate: long enough for a few batches, short enough that an ETA follows within a second. */
const RATE_WINDOW_MS = 250;

/**
 * Writes confirmations into the ledger and takes them out of the outbox.
 *
 * Groups are worked on at the same time, each group in order. What cannot be written for a passing reason comes again; what
 * can never be written (not a confirmation, or another coupon stands in its place) goes to the dead letters at once with its
 * reason, so that it does not hold up its group. When only Redis is out of reach the messages are done all the same: the
 * ledger has them, and the sweeper brings their outbox entries round again.
 */
export async function confirm(ctx: ConfirmCtx, batch: readonly Received[]): Promise<Confirmed> {
  const groups = Map.groupBy(batch, (received) => received.groupId);
  const tally = { recorded: 0, alreadyRecorded: 0, deadLettered: 0 };
  const settled: Delivery[] = [];
  const failed: Received[] = [];

  await Promise.all(
    [...groups.values()].map(async (group) => {
      // A group's records have different users and tickets, so their writes need no order among themselves.
      const outcomes = await recordGroup(ctx, group);
      for (const [index, { received, delivery, word, error }] of outcomes.entries()) {
        if (delivery && (word === "recorded" || word === "already-recorded")) {
          settled.push(delivery);
          if (word === "recorded") tally.recorded++;
          else tally.alreadyRecorded++;
          continue;
        }
        if (error === undefined && (await deadLetter(ctx, received, word ?? "not-a-confirmation"))) {
          tally.deadLettered++;
          // The dead letter has it now; left in the outbox it would be sent, and dead-lettered, again and again.
          if (delivery) settled.push(delivery);
          continue;
        }
        if (error !== undefined) ctx.log("confirm-failed", { messageId: received.messageId, reason: String(error) });
        for (const rest of outcomes.slice(index)) failed.push(rest.received);
        // The rest of the group was written all the same; its outbox entries may go, and its messages come again harmlessly.
        for (const rest of outcomes.slice(index + 1)) {
          if (rest.delivery && (rest.word === "recorded" || rest.word === "already-recorded"))
            settled.push(rest.delivery);
        }
        return;
      }
    }),
  );

  await removeFromOutbox(ctx, settled);
  return { failed, ...tally };
}

interface Outcome {
  readonly received: Received;
  readonly delivery?: Delivery | undefined;
  readonly word?: LedgerWord | undefined;
  readonly error?: unknown;
}

async function recordGroup(ctx: ConfirmCtx, group: readonly Received[]): Promise<Outcome[]> {
  const read = group.map((received) => ({ received, delivery: readMessage(received.body) }));
  const deliveries = read.flatMap(({ delivery }) => (delivery ? [delivery] : []));
  const results = await ledger.record(
    ctx,
    deliveries.map((delivery) => delivery.confirmation),
  );
  const resultOf = new Map(deliveries.map((delivery, index) => [delivery, results[index]]));
  return read.map(({ received, delivery }) => {
    const result = delivery && resultOf.get(delivery);
    if (typeof result === "object") return { received, delivery, error: result.error };
    return { received, delivery, word: result };
  });
}

/** @returns whether SQS has taken it; if not, the message stays where it is and comes again */
async function deadLetter(ctx: ConfirmCtx, received: Received, reason: string): Promise<boolean> {
  ctx.log("dead-letter", { messageId: received.messageId, groupId: received.groupId, reason });
  try {
    await ctx.deadLetters.send({
      body: received.body,
      groupId: received.groupId,
      deduplicationId: received.messageId,
      attributes: { reason },
    });
    return true;
  } catch (error) {
    ctx.log("dead-letter-failed", { messageId: received.messageId, reason: String(error) });
    return false;
  }
}

async function removeFromOutbox(ctx: ConfirmCtx, settled: readonly Delivery[]): Promise<void> {
  const byCampaign = Map.groupBy(settled, (delivery) => delivery.confirmation.campaignId);
  await Promise.all(
    [...byCampaign].map(async ([campaignId, deliveries]) => {
      try {
        await ctx.redis.run(
          settle,
          { tally: keys.tally(campaignId), outbox: keys.outbox(campaignId), flow: keys.flow(campaignId) },
          {
            ids: deliveries.map((delivery) => delivery.outboxId).join(" "),
            windowMs: RATE_WINDOW_MS,
            etaMostMs: limits.etaMostMs,
          },
        );
      } catch (error) {
        ctx.log("settle-unclear", { campaignId, count: deliveries.length, reason: String(error) });
      }
    }),
  );
}

/** Seconds until a failed message should come again: doubles with each time it came, up to `limits.backoffMostSeconds`. */
export function backoffSeconds(receiveCount: number): number {
  const doublings = Math.min(Math.max(0, receiveCount - 1), 16);
  return Math.min(limits.backoffFirstSeconds * 2 ** doublings, limits.backoffMostSeconds);
}
