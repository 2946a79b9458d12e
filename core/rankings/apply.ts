import { createHash } from "node:crypto";
import { type Ctx, StoreUnavailable } from "../context.ts";
import { shardKeys } from "../keys.ts";
import { limits } from "../limits.ts";
import { defineScript, UnexpectedReply } from "../lua.ts";
import applyText from "./apply.lua";
import { beginRebuild, ensureEdition, restartRebuild } from "./edition.ts";
import { buildingOf, type Edition, type EditionMemory, editionMemory, editions, liveOf } from "./edition-records.ts";
import { halfLivesAt } from "./record.ts";
import { type EventMessage, type Part, readMessage } from "./rows.ts";
import { groupOf } from "./shards.ts";
import { bucketExpiresAtSeconds, minuteOf, slotOf, TIERS } from "./windows.ts";

/** Counting what the queue brings. */

type ApplyReply =
  | { readonly word: "applied"; readonly rows: number }
  | { readonly word: "duplicate" | "late" | "missing" };

export const applyScript = defineScript(
  "apply",
  applyText,
  ["origin", "fence", "seen", "marks", "slots", "minutes", "quarters", "hours", "products", "totals", "dirty"],
  [
    ...(["group", "sequence", "part", "arrivedAt", "digest", "memorySeconds", "minute"] as const),
    ...(["minutesUntil", "quartersUntil", "hoursUntil", "ages", "rows"] as const),
  ],
  (raw): ApplyReply => {
    const [word, rows] = Array.isArray(raw) ? (raw as unknown[]) : [raw];
    switch (word) {
      case "applied":
        return { word, rows: Number(rows) };
      case "duplicate":
      case "late":
      case "missing":
        return { word };
      default:
        throw new UnexpectedReply("apply", raw);
    }
  },
);

/** Names a place in an ordered stream of parts: those up to the last that was applied are duplicates. */
export interface Place {
  readonly group: string;
  /** Digits; compared as a number of any length. */
  readonly sequence: string;
  readonly part: number;
  /** When the batch came, in milliseconds since 1970; 0 for what does not come from the queue. */
  readonly arrivedAt: number;
  /** Names the part however it comes, so that it is known should it be sent again. */
  readonly batch?: string | undefined;
}

const digestOf = (batch: string): Buffer => createHash("sha256").update(batch).digest().subarray(0, 8);

/** Applies one part in one edition, once. */
export function applyPart(
  ctx: Pick<Ctx, "redis" | "now">,
  edition: Pick<Edition, "id" | "halfLives">,
  shard: number,
  { group, sequence, part, arrivedAt, batch }: Place,
  { minute, rows }: Part,
): Promise<ApplyReply> {
  const own = shardKeys(shard, edition.id);
  const { origin, fence, marks, slots, products, totals, dirty } = own;
  const [minuteSlot = 0, quarterSlot = 0, hourSlot = 0] = TIERS.map((tier) => slotOf(tier, minute));
  const [minutesUntil = 0, quartersUntil = 0, hoursUntil = 0] = TIERS.map((tier) =>
    bucketExpiresAtSeconds(tier, slotOf(tier, minute)),
  );
  return ctx.redis.run(
    applyScript,
    {
      ...{ origin, fence, marks, slots, products, totals, dirty, seen: own.seen(minuteOf(ctx.now())) },
      ...{ minutes: own.minutes(minuteSlot), quarters: own.quarters(quarterSlot), hours: own.hours(hourSlot) },
    },
    {
      ...{ group, sequence, part, arrivedAt, minute, minutesUntil, quartersUntil, hoursUntil },
      digest: batch === undefined ? "" : digestOf(batch),
      memorySeconds: (limits.batchMemoryMinutes + SEEN_SLACK) * 60,
      ages: edition.halfLives.map((hours) => halfLivesAt(minute * 60_000, hours)).join(" "),
      rows: JSON.stringify(rows),
    },
  );
}

/** Minutes by which the clocks of two hosts, and the time between look and write, are allowed to differ. */
const SEEN_SLACK = 5;

/** Parts of a message that was sent again which an edition has counted under another sequence number. */
async function seenParts(
  ctx: Pick<Ctx, "redis" | "now">,
  edition: Edition,
  { batchId, shard, parts }: EventMessage,
): Promise<Set<number>> {
  const { seen } = shardKeys(shard, edition.id);
  const last = minuteOf(ctx.now()) + SEEN_SLACK;
  const minutes = Array.from({ length: limits.batchMemoryMinutes + 2 * SEEN_SLACK }, (_, i) => last - i);
  const texts = (await ctx.redis.commands(minutes.map((minute) => ["GET", seen(minute)]))) as (Buffer | null)[];
  const digests = new Set<string>();
  for (const text of texts) {
    for (let at = 0; text && at < text.length; at += 8) digests.add(text.toString("hex", at, at + 8));
  }
  return new Set([...parts.keys()].filter((part) => digests.has(digestOf(`${batchId}:${part}`).toString("hex"))));
}

/** A message as the queue hands it over. */
export interface ReceivedEvents {
  readonly messageId: string;
  readonly body: string;
  readonly groupId: string;
  readonly sequence: string;
}

export interface Applied {
  /** Messages that must come again; with each all later ones of its group. */
  readonly failed: readonly string[];
  readonly messages: number;
  readonly rows: number;
  readonly duplicates: number;
  readonly late: number;
  /** Messages that nobody can read. */
  readonly unreadable: number;
}

type ApplyCtx = Pick<Ctx, "redis" | "table" | "now" | "log">;

/**
 * Makes the verb that counts messages. Groups are worked on at the same time, each in order; where one message fails for a passing
 * reason, it and what follows in its group come again. Every edition that takes the message's batch from the queue counts it; the
 * fence and the memory of batches in each tell what it has counted already, so that a message may be cut off anywhere and come
 * again. A live edition that Redis has lost begins a rebuild; messages are not kept waiting for it, because their raw batches
 * are there.
 */
export function applier(
  memory: EditionMemory = editionMemory(),
): (ctx: ApplyCtx, batch: readonly ReceivedEvents[]) => Promise<Applied> {
  return async (ctx, batch) => {
    const tally = { messages: 0, rows: 0, duplicates: 0, late: 0, unreadable: 0 };
    const failed: string[] = [];
    await Promise.all(
      [...Map.groupBy(batch, ({ groupId }) => groupId).values()].map(async (group) => {
        for (const [index, received] of group.entries()) {
          try {
            await applyMessage(ctx, memory, received, tally);
            tally.messages++;
          } catch (error) {
            // Whatever it is, it is this group's: the others go on.
            const { groupId } = received;
            if (error instanceof StoreUnavailable) ctx.log("events-not-applied", { groupId, reason: error.message });
            else
              ctx.log("bug", {
                groupId,
                error: error instanceof Error ? (error.stack ?? error.message) : String(error),
              });
            for (const { messageId } of group.slice(index)) failed.push(messageId);
            return;
          }
        }
      }),
    );
    return { failed, ...tally };
  };
}

type Tally = { -readonly [K in "rows" | "duplicates" | "late" | "unreadable"]: number };

async function applyMessage(
  ctx: ApplyCtx,
  memory: EditionMemory,
  received: ReceivedEvents,
  tally: Tally,
): Promise<void> {
  const message = readMessage(received.body);
  if (!message || groupOf(message.shard) !== received.groupId) {
    // Nothing that we have sent. It would hold up its group for ever, so it goes by, and is counted.
    tally.unreadable++;
    ctx.log("events-unreadable", { group: received.groupId, messageId: received.messageId });
    return;
  }
  let state = await memory.read(ctx);
  if (!liveOf(state) && !buildingOf(state)) {
    // The first events of all come before any board.
    ({ state } = await ensureEdition(ctx));
    memory.forget();
  }
  const takers = state.editions.filter((edition) => message.arrivedAt >= edition.cut);
  const outcomes = await Promise.all(takers.map((edition) => applyTo(ctx, edition, received.sequence, message, tally)));
  const lost = takers.filter((_, index) => outcomes[index] === false);
  if (lost.length > 0) {
    memory.forget();
    await replaceLost(ctx, lost, takers, message);
  }
}

/** @returns false where Redis does not have the edition */
async function applyTo(
  ctx: ApplyCtx,
  edition: Edition,
  sequence: string,
  message: EventMessage,
  tally: Tally,
): Promise<boolean> {
  const { batchId, arrivedAt, shard, isAgain, parts } = message;
  const seen = isAgain ? await seenParts(ctx, edition, message) : undefined;
  for (const [part, content] of parts.entries()) {
    if (seen?.has(part)) {
      if (edition.state === "live") tally.duplicates++;
      continue;
    }
    const place = { group: groupOf(shard), sequence, part, arrivedAt, batch: `${batchId}:${part}` };
    const applied = await applyPart(ctx, edition, shard, place, content);
    if (applied.word === "missing") return false;
    if (edition.state !== "live") continue;
    if (applied.word === "applied") tally.rows += applied.rows;
    else if (applied.word === "duplicate") tally.duplicates++;
    else tally.late += content.rows.length;
  }
  return true;
}

/** Redis has lost an edition, or part of it. The message may only go when another one counts it. */
async function replaceLost(
  ctx: ApplyCtx,
  lost: readonly Edition[],
  takers: readonly Edition[],
  { arrivedAt }: EventMessage,
): Promise<void> {
  // One that was replaced meanwhile is gone for good: the next look finds what took its place.
  const { editions: known } = await editions.get(ctx);
  if (!lost.every(({ id }) => known.some((it) => it.id === id))) {
    throw new StoreUnavailable("redis", "an edition of the rankings was replaced");
  }
  const lostBuilding = lost.find(({ state }) => state === "building");
  const building = lostBuilding
    ? await restartRebuild(ctx, lostBuilding.id)
    : await beginRebuild(ctx, "Redis has lost the rankings");
  // From its raw batch, or because it was just applied there.
  const isApplied = takers.some(({ id }) => id === building?.id) && !lost.some(({ id }) => id === building?.id);
  if (!building || !(isApplied || arrivedAt < building.cut)) {
    throw new StoreUnavailable("redis", "the rankings are missing");
  }
}
