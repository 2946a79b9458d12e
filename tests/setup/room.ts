import type { Ctx } from "../../core/context.ts";
import { keys } from "../../core/keys.ts";
import { putRoom, type RoomDetails } from "../../core/rooms/room.ts";
import type { RoomRules } from "../../core/rooms/rules.ts";
import { tick } from "../../core/rooms/tick.ts";
import { leaveRoom, pollTicket, type TicketView, takeTicket } from "../../core/rooms/ticket.ts";
import { isRefusal } from "../../core/words.ts";
import { unique } from "./client.ts";

/** A room in a real Redis, and a clock that a test can move: by the room's own memory of when it was last visited. */
export interface TestRoom {
  readonly roomId: string;
  put(rules: Partial<RoomRules>): Promise<RoomDetails>;
  take(userId: string, shown?: { ticket?: string; pass?: string }): Promise<TicketView>;
  poll(userId: string, shown?: { ticket?: string; pass?: string }): Promise<TicketView>;
  leave(userId: string): Promise<void>;
  tick(): ReturnType<typeof tick>;
  /** Lets so much of the room's time pass at once. What heartbeats are measured by stands still beyond half a heartbeat. */
  jump(ms: number): Promise<void>;
  /** Lets time pass in steps of a quarter of a second with a look of the schedule after each, as when it runs. */
  wait(ms: number): Promise<void>;
}

/** Where the packed state has the time of the last visit; see core/rooms/room-state.ts. */
const AT_BYTE = 126;
const STEP_MS = 250;

export async function openRoom(ctx: Ctx, content: Partial<RoomRules> = {}, roomId = unique("r")): Promise<TestRoom> {
  let rules: RoomRules = {
    ...{ roomId, capacity: 10, admitPerSecond: 5, passSeconds: 60, heartbeatSeconds: 10 },
    ...{ open: true, renewable: false, singleUse: false, order: "arrival" },
  };
  const put = async (changed: Partial<RoomRules>) => {
    rules = { ...rules, ...changed };
    const result = await putRoom(ctx, rules);
    if (isRefusal(result)) throw new Error(`no room: ${result.detail}`);
    return result.room;
  };
  const jump = async (ms: number) => {
    const [state] = (await ctx.redis.commands([["GET", keys.state(roomId)]])) as [Buffer];
    state.writeDoubleBE(state.readDoubleBE(AT_BYTE) - ms, AT_BYTE);
    await ctx.redis.command("SET", keys.state(roomId), state);
  };
  const ticketOf = async (asked: ReturnType<typeof takeTicket>): Promise<TicketView> => {
    const result = await asked;
    if (isRefusal(result)) throw new Error(result.word);
    return result.ticket;
  };
  await put(content);
  return {
    roomId,
    put,
    jump,
    take: (userId, shown = {}) => ticketOf(takeTicket(ctx, { roomId, userId, ...shown })),
    poll: (userId, shown = {}) => ticketOf(pollTicket(ctx, { roomId, userId, ...shown })),
    leave: async (userId) => {
      const result = await leaveRoom(ctx, { roomId, userId });
      if (isRefusal(result)) throw new Error(result.word);
    },
    tick: () => tick(ctx, roomId),
    wait: async (ms) => {
      for (let passed = 0; passed < ms; passed += STEP_MS) {
        await jump(Math.min(STEP_MS, ms - passed));
        await tick(ctx, roomId);
      }
    },
  };
}
