import { type Ctx, StoreUnavailable } from "../context.ts";
import { keys } from "../keys.ts";
import { limits } from "../limits.ts";
import { type Trace, traceAttributes } from "../trace.ts";
import { type AdmitWord, admit } from "./admit.ts";
import { type Delivery, type Marker, readMessage } from "./confirmation.ts";
import { type EpochMemory, epochMemory } from "./epoch-memory.ts";
import { markers } from "./recovery-records.ts";
import { settle } from "./scripts.ts";

/** A message as the queue hands it over. */
export interface Received {
  readonly messageId: string;
  readonly body: string;
  readonly groupId: string;
  /** How often the queue has handed it out, this time included. */
  readonly receiveCount: number;
  /** Of whoever sent it. */
  readonly trace?: Trace | undefined;
}

export interface Confirmed {
  /** Messages that must come again, in order; with each all later ones of its group, so that the group keeps its order. */
  readonly failed: readonly Received[];
  readonly recorded: number;
  readonly alreadyRecorded: number;
  readonly deadLettered: number;
}

type ConfirmCtx = Pick<Ctx, "redis" | "table" | "deadLetters" | "now" | "log">;

/** Words after which the outbox entry may go: the ledger has the coupon. */
const KEPT: ReadonlySet<AdmitWord> = new Set(["recorded", "already-recorded"]);

/**
 * Makes the verb that writes confirmations into the ledger and takes them out of the outbox. What it remembers (campaigns'
 * epochs, for a second) is made here and owned by the caller's container.
 *
 * Groups are worked on at the same time, each group in order. What cannot be written for a passing reason comes again; what
 * can never be written (not a confirmation, or another coupon stands in its place) goes to the dead letters at once with its
 * reason, so that it does not hold up its group; its outbox entry stays until it was decided there. When only Redis is out of
 * reach the messages are done all the same: the ledger has them, and the sweeper brings their outbox entries round again.
 */
export function confirmer(): (ctx: ConfirmCtx, batch: readonly Received[]) => Promise<Confirmed> {
  const recall = epochMemory();

  return async (ctx, batch) => {
    const groups = Map.groupBy(batch, (received) => received.groupId);
    const tally = { recorded: 0, alreadyRecorded: 0, deadLettered: 0 };
    const kept: Delivery[] = [];
    const recorded: Delivery[] = [];
    const failed: Received[] = [];
    const refused = new Set<string>();

    await Promise.all(
      [...groups.values()].map(async (group) => {
        // A group's records have different users and tickets, so their writes need no order among themselves.
        const outcomes = await admitGroup(ctx, recall, group);
        for (const { delivery, word, error } of outcomes) {
          if (delivery && word && KEPT.has(word)) kept.push(delivery);
          if (delivery && word === "recorded") recorded.push(delivery);
          if (delivery && error !== undefined) refused.add(delivery.confirmation.campaignId);
        }
        for (const [index, outcome] of outcomes.entries()) {
          if (await settles(ctx, outcome, tally)) continue;
          // The rest of the group was written all the same; its messages come again harmlessly.
          for (const rest of outcomes.slice(index)) failed.push(rest.received);
          return;
        }
      }),
    );

    if (recorded.length > 0) ctx.log("recorded", { coupons: recorded.map(lineOf) });
    await Promise.all([removeFromOutbox(ctx, kept), noteRefusals(ctx, refused)]);
    return { failed, ...tally };
  };
}

/** What leads from a request's id to a coupon, and back: one log line a batch has up to ten of them. */
function lineOf({ confirmation: { campaignId, ticket }, trace }: Delivery) {
  return { campaignId, ticket, ...traceAttributes(trace) };
}

interface Outcome {
  readonly received: Received;
  readonly delivery?: Delivery | undefined;
  readonly marker?: Marker | undefined;
  readonly word?: AdmitWord | undefined;
  readonly error?: unknown;
}

async function admitGroup(ctx: ConfirmCtx, recall: EpochMemory, group: readonly Received[]): Promise<Outcome[]> {
  const read = group.map((received): Outcome => {
    const message = readMessage(received.body);
    if (message && "marker" in message) return { received, marker: message };
    return { received, delivery: message && { ...message, trace: received.trace } };
  });
  const deliveries = read.flatMap(({ delivery }) => (delivery ? [delivery] : []));
  const results = await admit(ctx, recall, deliveries);
  const resultOf = new Map(deliveries.map((delivery, index) => [delivery, results[index]]));
  return read.map((outcome) => {
    const result = outcome.delivery && resultOf.get(outcome.delivery);
    return typeof result === "object" ? { ...outcome, error: result.error } : { ...outcome, word: result };
  });
}

/** @returns whether the message is done; if not, it and all behind it in its group come again */
async function settles(
  ctx: ConfirmCtx,
  { received, delivery, marker, word, error }: Outcome,
  tally: { recorded: number; alreadyRecorded: number; deadLettered: number },
): Promise<boolean> {
  if (error !== undefined) {
    const { messageId, trace } = received;
    ctx.log("confirm-failed", { messageId, ...traceAttributes(trace), reason: String(error) });
    return false;
  }
  if (marker) return noted(ctx, marker);
  if (delivery && word && KEPT.has(word)) {
    if (word === "recorded") tally.recorded++;
    else tally.alreadyRecorded++;
    return true;
  }
  if (!(await deadLetter(ctx, received, word ?? "not-a-confirmation"))) return false;
  tally.deadLettered++;
  return true;
}

/** Notes that everything before a recovery's marker is done. @returns false when the ledger could not be told */
export async function noted(ctx: Pick<Ctx, "table" | "now" | "log">, marker: Marker): Promise<boolean> {
  try {
    await markers.note(ctx, marker);
    return true;
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    ctx.log("marker-unclear", { campaignId: marker.campaignId, reason: error.message });
    return false;
  }
}

/** @returns whether SQS has taken it; if not, the message stays where it is and comes again */
async function deadLetter(ctx: ConfirmCtx, received: Received, reason: string): Promise<boolean> {
  const { messageId, groupId, trace } = received;
  ctx.log("dead-letter", { messageId, groupId, ...traceAttributes(trace), reason });
  try {
    await ctx.deadLetters.send({
      body: received.body,
      groupId,
      deduplicationId: messageId,
      attributes: { ...traceAttributes(trace), reason },
    });
    return true;
  } catch (error) {
    ctx.log("dead-letter-failed", { messageId, reason: String(error) });
    return false;
  }
}

/** Notes with each campaign that the ledger has just refused its writes: waiting rooms before it slow down. */
async function noteRefusals(ctx: ConfirmCtx, campaignIds: ReadonlySet<string>): Promise<void> {
  await Promise.all(
    [...campaignIds].map(async (campaignId) => {
      try {
        await ctx.redis.command("HSET", keys.flow(campaignId), "refusedAt", ctx.now());
      } catch (error) {
        ctx.log("refusal-unclear", { campaignId, reason: String(error) });
      }
    }),
  );
}

/** How long a measuring window of the drain rate lasts at least: a few batches, and short enough that an ETA follows within a second. */
const RATE_WINDOW_MS = 250;

/** Takes deliveries out of the outbox. What Redis does not hear now, the next re-send settles. */
export async function removeFromOutbox(ctx: Pick<Ctx, "redis" | "log">, settled: readonly Delivery[]): Promise<void> {
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
