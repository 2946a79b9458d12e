import { randomBytes } from "node:crypto";
import type { Ctx } from "../context.ts";
import { keys } from "../keys.ts";
import { registerAll } from "../known.ts";
import { limits } from "../limits.ts";
import { type RoomRecord, rooms } from "./room-records.ts";
import { packRules } from "./rules.ts";
import { putRoom, type RoomFacts, showRoom } from "./scripts.ts";

/**
 * Keeps Redis's copy of a room what the ledger says. A room that Redis has lost, or may have lost some of (the server is another
 * one, or was started again), begins a new epoch: its numbers go on above all that were ever given, passes of before are void,
 * and for one heartbeat nobody is admitted while people come back and show what they hold: a ticket finds its place, a pass what
 * was left of it.
 */

type AttachCtx = Pick<Ctx, "redis" | "table" | "now" | "log">;

export const placeOf = (roomId: string) => ({
  rules: keys.rules(roomId),
  state: keys.state(roomId),
  waiting: keys.waiting(roomId),
  passes: keys.passes(roomId),
  numbers: keys.numbers(roomId),
  spent: keys.spent(roomId),
});

const NO_FILLING = { filling: "", epoch: "", numbersFrom: "", numbersTo: "", graceMs: "", lostAt: "" } as const;

export async function readRoom(ctx: Pick<Ctx, "redis">, roomId: string): Promise<RoomFacts | undefined> {
  const shown = await ctx.redis.run(showRoom, placeOf(roomId), {});
  return shown.word === "found" ? shown.facts : undefined;
}

/** A changed record and what became of the change in Redis. */
export type Attached =
  | { readonly word: "attached"; readonly record: RoomRecord; readonly facts: RoomFacts }
  | { readonly word: "conflict"; readonly waiting: number; readonly facts: RoomFacts }
  /** Somebody else was faster; the next look sees what they did. */
  | { readonly word: "overtaken" };

/**
 * Brings one room into Redis as the ledger has it: its rules where they are older, all of it where it is missing or was lost.
 * Every step can be repeated, and of several at once one succeeds.
 */
export async function attach(ctx: AttachCtx, record: RoomRecord): Promise<Attached> {
  const { roomId } = record;
  const facts = await readRoom(ctx, roomId);
  if (!facts || facts.isRecovering || facts.epoch !== record.epoch || facts.filling !== record.filling) {
    return refill(ctx, record);
  }
  if (facts.version >= record.version) return { word: "attached", record, facts };
  const put = await ctx.redis.run(putRoom, placeOf(roomId), {
    step: "change",
    content: packRules(record, record),
    ...NO_FILLING,
  });
  if (put.word === "conflict") return { ...put, facts };
  if (put.word === "missing") return { word: "overtaken" };
  const after = await readRoom(ctx, roomId);
  return after ? { word: "attached", record, facts: after } : { word: "overtaken" };
}

async function refill(ctx: AttachCtx, before: RoomRecord): Promise<Attached> {
  const { roomId } = before;
  const now = ctx.now();
  const isFirst = before.filling === undefined;
  const graceMs = isFirst ? 0 : Math.max(before.heartbeatSeconds * 1_000, limits.graceLeastMs);
  // A second loss while people still came back from the first: they still hold what they held then.
  const isAgain = before.graceUntil !== undefined && now < before.graceUntil;
  const seenAt = Math.max((await rooms.seenAt(ctx, roomId)) ?? 0, now - limits.roomOutageMostMs);
  const lostAt = isAgain ? before.lostAt : seenAt;
  const next: RoomRecord = {
    ...before,
    version: before.version + 1,
    epoch: isFirst ? before.epoch : before.epoch + 1,
    filling: randomBytes(8).toString("hex"),
    numbersTo: before.numbersTo + limits.numbersAhead,
    ...(isFirst ? {} : { lostAt, graceUntil: now + graceMs }),
  };
  // Before Redis knows anything of it: a room that Redis has and the set of ids has not would be taken for one that never was.
  await registerRooms(ctx);
  if (!(await rooms.putNext(ctx, next))) return { word: "overtaken" };
  await ctx.redis.command("SADD", keys.rooms, roomId);
  const filled = await ctx.redis.run(putRoom, placeOf(roomId), {
    step: "fill",
    content: packRules(next, next),
    filling: next.filling ?? "",
    epoch: next.epoch,
    numbersFrom: before.numbersTo,
    numbersTo: next.numbersTo,
    graceMs,
    lostAt: lostAt ?? 0,
  });
  if (filled.word !== "filled") return { word: "overtaken" };
  // A filling that comes late, after another loss and another filling, is not opened: its numbers may be given already.
  if ((await rooms.get(ctx, roomId))?.filling !== next.filling) return { word: "overtaken" };
  const armed = await ctx.redis.run(putRoom, placeOf(roomId), {
    ...{ step: "arm", content: "", ...NO_FILLING },
    filling: next.filling ?? "",
  });
  if (armed.word !== "armed") return { word: "overtaken" };
  if (!isFirst) ctx.log("room-recovering", { roomId, epoch: next.epoch, graceMs });
  const facts = await readRoom(ctx, roomId);
  return facts ? { word: "attached", record: next, facts } : { word: "overtaken" };
}

/** Makes sure that Redis knows the id of every room of the ledger. */
export function registerRooms(ctx: Pick<Ctx, "redis" | "table">): Promise<number> {
  return registerAll(ctx, keys.rooms, async function* () {
    for await (const record of rooms.all(ctx)) if (record.filling !== undefined) yield record.roomId;
  });
}

/** Promises more numbers, in the ledger first, when half of those ahead are used up. @returns the record with its highest number */
export async function promiseNumbers(
  ctx: Pick<Ctx, "table">,
  record: RoomRecord,
  numbered: number,
): Promise<RoomRecord> {
  if (record.numbersTo - numbered > limits.numbersAhead / 2) return record;
  const next = { ...record, version: record.version + 1, numbersTo: numbered + limits.numbersAhead };
  return (await rooms.putNext(ctx, next)) ? next : record;
}
