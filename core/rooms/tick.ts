import type { Ctx } from "../context.ts";
import { keys } from "../keys.ts";
import { limits } from "../limits.ts";
import { attach, promiseNumbers } from "./attach.ts";
import { type RoomRecord, rooms } from "./room-records.ts";
import { setPace } from "./scripts.ts";
import type { PaceReason } from "./states.ts";
import { NOTHING_SHOWN } from "./ticket.ts";
import { visit, visitKeys } from "./visit.ts";

/** The schedule's part: admits and drops where nobody polls, keeps rooms attached, and lets inflow follow the backend. */

type TickCtx = Pick<Ctx, "redis" | "table" | "now" | "log">;

/** How the backend of a room's campaigns stands. */
export interface Backend {
  /** How long a coupon that is issued now will take to be in the ledger, in milliseconds; zero when nothing waits. */
  readonly lateMs: number;
  /** Whether the ledger has refused writes lately. */
  readonly isThrottled: boolean;
}

export interface Ticked {
  readonly roomId: string;
  readonly word: "ticked" | "recovering";
  readonly waiting: number;
  readonly active: number;
  /** So far. */
  readonly admitted: number;
}

/** One look at a room: drops, admits. A room that is not attached is attached. */
export async function tick(ctx: TickCtx, roomId: string): Promise<Ticked> {
  for (let calls = 1; ; calls++) {
    const reply = await ctx.redis.run(visit, visitKeys(roomId), {
      ...{ step: "tick", member: "", most: limits.tickPeopleMost },
      ...NOTHING_SHOWN,
    });
    if (reply.word !== "ticked") break;
    if (reply.more && calls < limits.tickCallsMost) continue;
    const { line, active, admitted } = reply;
    return { roomId, word: "ticked", waiting: line, active, admitted };
  }
  const record = await rooms.get(ctx, roomId);
  if (record) await attach(ctx, record);
  return { roomId, word: "recovering", waiting: 0, active: 0, admitted: 0 };
}

/**
 * What wants doing once a second for a room: brings it in line with the ledger, promises numbers, notes that it is well, and
 * sets its pace.
 * @returns undefined while it is being recovered
 */
export async function tend(
  ctx: TickCtx,
  record: RoomRecord,
  backend: Backend,
): Promise<{ pace: number; reason: PaceReason | undefined; isLive: boolean } | undefined> {
  const attached = await attach(ctx, record);
  if (attached.word === "overtaken") return undefined;
  // Rules that would draw an order over people who wait come into force when nobody does; all else goes on.
  const { facts } = attached;
  const promised = await promiseNumbers(ctx, attached.word === "attached" ? attached.record : record, facts.numbered);
  const paced = await ctx.redis.run(
    setPace,
    { state: keys.state(record.roomId) },
    {
      lateMs: backend.lateMs,
      targetMs: limits.inflowTargetMs,
      throttled: backend.isThrottled ? 1 : 0,
      stepMs: limits.inflowStepMs,
      leastPace: limits.inflowLeastPace,
      riseBy: limits.inflowRiseBy,
      numbersTo: promised.numbersTo,
    },
  );
  if (paced.word === "missing") return undefined;
  const isLive = facts.waiting > 0 || facts.active > 0 || !facts.isOpened;
  await rooms.noteSeen(ctx, record.roomId, ctx.now());
  return { pace: paced.pace, reason: paced.reason, isLive };
}
