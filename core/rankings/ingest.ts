import { createHash } from "node:crypto";
import { type Ctx, StoreUnavailable } from "../context.ts";
import { limits } from "../limits.ts";
import type { Refusal } from "../words.ts";
import { type ActedEvent, withinCap } from "./actors.ts";
import { arrivalSlot, type BatchRecord, batches } from "./batch-records.ts";
import { messageBody, type Packed, pack } from "./rows.ts";
import { groupOf } from "./shards.ts";

/** Batches of product events on their way in: kept raw in the ledger, then sent to the queue, a message a shard. */

type IngestCtx = Pick<Ctx, "table" | "events" | "redis" | "now" | "log">;

/** An event as it was sent: without a time it happens now. */
export type SentEvent = Omit<ActedEvent, "at"> & { readonly at?: number | undefined };

export interface Batch {
  /** Who sends; two senders' keys are two keys. */
  readonly senderId: string;
  readonly key: string;
  readonly events: readonly SentEvent[];
}

export type Ingested = {
  readonly word: "accepted";
  readonly batchId: string;
  readonly accepted: number;
  readonly late: number;
};

const batchIdOf = (senderId: string, key: string): string =>
  createHash("sha256").update(`${senderId}\0${key}`).digest("base64url").slice(0, 22);

/** The slot of arrival that was noted last in a ledger: one write in ten minutes and container. */
const notedSlots = new WeakMap<Ctx["table"], number>();

/**
 * Takes a batch, once however often it comes. The answer comes when SQS has acknowledged all of it; until then the ledger knows
 * that it may not be sent, and the schedule sends it again. An event's time decides what it counts in: older than seven days,
 * it counts in nothing (`late`); ahead of our clock by up to five minutes, it counts as now; beyond that the batch is refused.
 *
 * What may be relied on: a record that says `isSent` was sent whole. Anything less is gone through again, whoever began it: the
 * content that stands is the one that counts, there is one at most, and messages name the arrival that it stands under.
 */
export async function ingest(ctx: IngestCtx, batch: Batch): Promise<Ingested | Refusal> {
  const now = ctx.now();
  const refused = refuseFuture(batch.events, now);
  if (refused) return refused;

  const batchId = batchIdOf(batch.senderId, batch.key);
  await batches.noteUnsent(ctx, batchId, now);
  const { record, isNew } = await recordFor(ctx, batchId, batch, now);
  // Of a new one nothing can stand yet, unless somebody else took it up in this moment: then writing finds it.
  const keeping = isNew ? keep : keptFor;
  const kept = record.isSent ? undefined : await keeping(ctx, record, batch);
  const { arrivedAt, accepted, late } = kept?.record ?? record;
  // Past that the shards would no longer know what they have counted of it; the ledger has it for the rebuild that comes.
  if (kept && now - arrivedAt < limits.batchResendMostMs) await send(ctx, kept, !isNew);
  if (!kept || now - arrivedAt < limits.batchResendMostMs) await batches.strikeUnsent(ctx, batchId, now);
  return { word: "accepted", batchId, accepted, late };
}

function refuseFuture(events: readonly SentEvent[], now: number): Refusal | undefined {
  const issues = events.flatMap(({ at }, index) =>
    at !== undefined && at > now + limits.eventAheadMs
      ? [{ in: "body", path: `events.${index}.at`, message: "Lies in the future: check the sender's clock" }]
      : [],
  );
  if (issues.length === 0) return undefined;
  const detail = `${issues.length} of ${events.length} events lie more than five minutes in the future.`;
  return { word: "invalid", detail, facts: { issues: issues.slice(0, 100) } };
}

const isLate = ({ at }: SentEvent, arrivedAt: number) => at !== undefined && at < arrivedAt - limits.eventBehindMs;

function newRecord(batchId: string, { events }: Batch, arrivedAt: number): BatchRecord {
  const late = events.filter((event) => isLate(event, arrivedAt)).length;
  return { batchId, arrivedAt, accepted: events.length - late, late, isSent: false };
}

async function recordFor(
  ctx: IngestCtx,
  batchId: string,
  batch: Batch,
  now: number,
): Promise<{ record: BatchRecord; isNew: boolean }> {
  const record = newRecord(batchId, batch, now);
  if (await batches.putNew(ctx, record)) return { record, isNew: true };
  const before = await batches.get(ctx, batchId);
  if (!before) throw new StoreUnavailable("ledger", "a batch was there, and is not");
  return { record: before, isNew: false };
}

/** A batch with its content, as it stands in the ledger. */
interface Kept {
  readonly record: BatchRecord;
  readonly packed: Packed;
}

const twice = () => new StoreUnavailable("ledger", "the batch comes twice at once");

/** The content of a batch: the one that stands, or this one, under the batch's time of arrival or, where that is long ago, a new one. */
async function keptFor(ctx: IngestCtx, record: BatchRecord, batch: Batch): Promise<Kept> {
  const packed = await batches.raw(ctx, record);
  if (packed && packed !== "abandoned") return { record, packed };
  if (!packed) {
    if (ctx.now() - record.arrivedAt < limits.rawWriteMs / 2) return keep(ctx, record, batch);
    // Whoever began it may still be about to write: from here on that is in vain.
    if (!(await batches.abandon(ctx, record))) return keptFor(ctx, record, batch);
  }
  const again = newRecord(record.batchId, batch, ctx.now());
  if (!(await batches.putAgain(ctx, again, record.arrivedAt))) throw twice();
  return keep(ctx, again, batch);
}

/** Writes the content, as it counts from now on. */
async function keep(ctx: IngestCtx, record: BatchRecord, { events }: Batch): Promise<Kept> {
  const { arrivedAt } = record;
  const timely = events
    .filter((event) => !isLate(event, arrivedAt))
    .map((event) => ({ ...event, at: Math.min(event.at ?? arrivedAt, arrivedAt) }));
  const packed = pack((await withinCap(ctx, record.batchId, timely)).events);
  await noteSlot(ctx, arrivalSlot(arrivedAt));
  // Whoever reads all that came until a time must find this: too late, it has to come again with another time of arrival.
  if (ctx.now() - arrivedAt > limits.rawWriteMs) throw new StoreUnavailable("ledger", "the batch took too long");
  if (await batches.putRaw(ctx, record, packed)) return { record, packed };
  const before = await batches.raw(ctx, record);
  if (!before || before === "abandoned") throw twice();
  return { record, packed: before };
}

async function noteSlot(ctx: IngestCtx, slot: number): Promise<void> {
  if (notedSlots.get(ctx.table) === slot) return;
  await batches.noteSlot(ctx, slot);
  notedSlots.set(ctx.table, slot);
}

/**
 * Sends a batch's messages and, when SQS has acknowledged all of them, says so in its record.
 * @param isAgain whether it may have been sent before: then the shards look whether they have counted it
 */
async function send(
  ctx: Pick<Ctx, "table" | "events" | "now">,
  { record, packed }: Kept,
  isAgain: boolean,
): Promise<void> {
  const { batchId, arrivedAt } = record;
  const messages = [...packed].map(([shard, parts]) => ({
    body: messageBody({ batchId, arrivedAt, shard, isAgain, parts }),
    groupId: groupOf(shard),
    deduplicationId: `${batchId}-${shard}`,
  }));
  const calls = Array.from({ length: Math.ceil(messages.length / limits.queueBatch) }, (_, i) =>
    ctx.events.sendBatch(messages.slice(i * limits.queueBatch, (i + 1) * limits.queueBatch)),
  );
  const sent = (await Promise.all(calls)).flat();
  if (sent.includes(false)) throw new StoreUnavailable("queue", "part of the batch was not taken");
  await batches.putAgain(ctx, { ...record, isSent: true }, arrivedAt);
}

/**
 * Sends batches again that may not be in the queue. One that is too old for that counts in the raw batches only.
 * @param cut of the live edition: what arrived before was loaded from the raw batches
 * @param until when to stop, in milliseconds since 1970; what is left comes next time
 * @returns how many were sent, and how many only a rebuild can count
 */
export async function resendBatches(
  ctx: Pick<Ctx, "table" | "events" | "now" | "log">,
  cut = 0,
  until = Number.POSITIVE_INFINITY,
): Promise<{ resent: number; stranded: number }> {
  const words: Resent[] = [];
  for await (const notes of batches.unsent(ctx)) {
    for (let from = 0; from < notes.length && ctx.now() <= until; from += RESENT_AT_ONCE) {
      words.push(...(await Promise.all(notes.slice(from, from + RESENT_AT_ONCE).map((it) => resend(ctx, it, cut)))));
    }
    if (ctx.now() > until) break;
  }
  const count = (word: Resent) => words.filter((it) => it === word).length;
  if (count("sent") > 0) ctx.log("event-batches-resent", { resent: count("sent") });
  return { resent: count("sent"), stranded: count("stranded") };
}

const RESENT_AT_ONCE = 10;
type Resent = "young" | "struck" | "sent" | "stranded";

async function resend(
  ctx: Pick<Ctx, "table" | "events" | "now">,
  { batchId, notedAt }: { batchId: string; notedAt: number },
  cut: number,
): Promise<Resent> {
  if (ctx.now() - notedAt < limits.batchResendAfterMs) return "young";
  const record = await batches.get(ctx, batchId);
  const packed = record && !record.isSent ? await batches.raw(ctx, record) : undefined;
  if (record && packed && packed !== "abandoned" && record.arrivedAt >= cut) {
    if (ctx.now() - record.arrivedAt >= limits.batchResendMostMs) return "stranded";
    await send(ctx, { record, packed }, true);
    await batches.strikeUnsent(ctx, batchId, notedAt);
    return "sent";
  }
  // Sent, or counted by the live edition from the ledger. Or cut off before its content was written: its sender was told nothing,
  // and sends it again or not; the record says that it is not sent.
  await batches.strikeUnsent(ctx, batchId, notedAt);
  return "struck";
}
