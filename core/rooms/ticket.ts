import type { Ctx } from "../context.ts";
import { limits } from "../limits.ts";
import { memberOf } from "../member.ts";
import type { Refusal } from "../words.ts";
import { refuseMissingRoom, refuseRoom } from "./refusals.ts";
import type { TicketState, WaitReason } from "./states.ts";
import { readPass, readTicket, signPass, signTicket, type Ticket } from "./token.ts";
import { type Visit, visit, visitKeys } from "./visit.ts";
import { dueAfterMs, type Eta, etaOf, pollAfterMsOf } from "./wait.ts";

/** Tickets: taken, polled and given back. */

/** A ticket as the API shows it. */
export interface TicketView {
  readonly roomId: string;
  readonly number: number;
  readonly state: TicketState;
  /** 1 is next. Null while the order is not drawn yet, and for who shows no ticket while a room that was lost is rebuilt. */
  readonly position: number | null;
  readonly ahead: number | null;
  readonly etaSeconds: Eta;
  readonly pollAfterMs: number;
  /** The position is `turn` less the public document's `admitted` or, where people have left, a little less. */
  readonly turn: number | null;
  /** Why nobody moves at the moment. */
  readonly reason?: WaitReason | undefined;
  /** Proof of the place: shown again, it finds the place in a room that was lost. */
  readonly token?: string | undefined;
  readonly pass?: string | undefined;
  /** Milliseconds since 1970. */
  readonly passExpiresAt?: number | undefined;
}

/** Who comes, and what they show of earlier: both only ever for themselves. */
export interface Visitor {
  readonly roomId: string;
  readonly userId: string;
  readonly ticket?: string | undefined;
  readonly pass?: string | undefined;
}

type TicketCtx = Pick<Ctx, "redis" | "now" | "roomKeys">;

/** What the script takes where nothing is shown. */
export const NOTHING_SHOWN = {
  ...{ ticketEpoch: "", ticketNumber: "", ticketDrawn: "", dueAt: "" },
  ...{ passEpoch: "", passSeries: "", passNumber: "", passLeftMs: "" },
} as const;

/** What is shown, as the script takes it; what was not signed here for this visitor is nothing. */
function shownOf(ctx: TicketCtx, visitor: Visitor) {
  const nowMs = ctx.now();
  const pass = visitor.pass === undefined ? undefined : readPass(ctx.roomKeys, visitor.pass, visitor, nowMs);
  const read = visitor.ticket === undefined ? undefined : readTicket(ctx.roomKeys, visitor.ticket, visitor);
  const ticket = read && "ticket" in read ? read.ticket : undefined;
  const args = {
    ...NOTHING_SHOWN,
    ...(ticket && {
      ...{ ticketEpoch: ticket.epoch, ticketNumber: ticket.number, ticketDrawn: ticket.isDrawn ? 1 : 0 },
      dueAt: ticket.dueAt,
    }),
    ...(pass &&
      "pass" in pass && {
        ...{ passEpoch: pass.pass.epoch, passSeries: pass.pass.series, passNumber: pass.pass.number },
        passLeftMs: pass.pass.expiresAt - nowMs,
      }),
  };
  return { args, ticket };
}

/**
 * Goes to a room: `join` takes a ticket unless there is one, `poll` only looks. Either is the heartbeat, and may admit others.
 * @returns `created` with a new ticket, `found` with the one that there is, or why not
 */
async function go(
  ctx: TicketCtx,
  step: "join" | "poll",
  visitor: Visitor,
): Promise<{ word: "created" | "found"; ticket: TicketView } | Refusal> {
  const { roomId, userId } = visitor;
  const shown = shownOf(ctx, visitor);
  const reply = await ctx.redis.run(visit, visitKeys(roomId), {
    step,
    member: memberOf(userId),
    most: limits.visitPeopleMost,
    ...shown.args,
  });
  switch (reply.word) {
    case "created":
    case "found":
      return { word: reply.word, ticket: viewOf(ctx, visitor, reply, shown.ticket) };
    case "unknown":
      return { word: "unknown", detail: `You have no ticket of waiting room "${roomId}".` };
    case "room-full":
      return {
        word: "room-full",
        detail: `As many people wait in room "${roomId}" as it takes.`,
        retryAfterMs: 5 * limits.retryAfterMs,
      };
    case "missing":
      return refuseMissingRoom(ctx, roomId);
    case "recovering":
      return refuseRoom.recovering(roomId);
    case "left":
    case "ticked":
      throw new Error(`a ${step} was answered as ${reply.word}`);
  }
}

function viewOf(ctx: TicketCtx, visitor: Visitor, it: Visit, shown: Ticket | undefined): TicketView {
  const { roomId, userId } = visitor;
  const { number, standing, epoch, series } = it;
  if (standing !== "waiting") {
    const past = { position: 0, ahead: 0, turn: null, etaSeconds: { low: 0, high: 0 } };
    if (standing === "expired") return { roomId, number, state: standing, ...past, pollAfterMs: it.heartbeatMs };
    const expiresAt = ctx.now() + it.leftMs;
    return {
      ...{ roomId, number, state: standing, ...past },
      // Not later than a waiting person at most: in a room that was lost the pass is taken back for a heartbeat only where it is full.
      pollAfterMs: Math.max(limits.pollLeastMs, Math.ceil(Math.min(it.leftMs / 3, it.heartbeatMs / 2))),
      pass: signPass(ctx.roomKeys, { roomId, userId, number, epoch, series, expiresAt }),
      passExpiresAt: expiresAt,
    };
  }
  // An older ticket of another visit says nothing of this one's place.
  const shownAhead = shown?.number === it.number ? shown.ahead : undefined;
  const pausedMs = Math.max(it.opensMs, it.graceMs);
  // While people come back to a room that was lost, its line says nothing: what was shown last still holds, and who shows nothing
  // hears no place rather than one that would get worse.
  const ahead = it.graceMs > 0 ? (shownAhead ?? -1) : it.ahead;
  const isDrawn = ahead >= 0;
  const etaSeconds = etaOf({ ...it, ahead: isDrawn ? ahead : it.line, pausedMs });
  const pollAfterMs = pollAfterMsOf({ eta: etaSeconds, number, heartbeatMs: it.heartbeatMs, pausedMs });
  const dueAt = ctx.now() + dueAfterMs(pollAfterMs);
  const reason = reasonOf(it, shownAhead);
  return {
    ...{ roomId, number, state: standing },
    position: isDrawn ? ahead + 1 : null,
    ahead: isDrawn ? ahead : null,
    ...{ etaSeconds, pollAfterMs },
    turn: isDrawn ? it.admitted + ahead + 1 : null,
    ...(reason === undefined ? {} : { reason }),
    token: signTicket(ctx.roomKeys, { roomId, userId, number, isDrawn: it.place < 0, ahead, epoch, dueAt }),
  };
}

function reasonOf(it: Visit, shownAhead: number | undefined): WaitReason | undefined {
  if (it.graceMs > 0) return "rebuilding";
  if (shownAhead !== undefined && shownAhead >= 0 && it.ahead > shownAhead) return "rebuilt";
  if (!it.isOpen) return "closed";
  return it.opensMs > 0 ? "opens-later" : undefined;
}

/** Takes a ticket, or finds the one that the user already has. */
export const takeTicket = (ctx: TicketCtx, visitor: Visitor) => go(ctx, "join", visitor);

/** Polls a ticket: the heartbeat. */
export const pollTicket = (ctx: TicketCtx, visitor: Visitor) => go(ctx, "poll", visitor);

/**
 * Leaves the line, or gives a pass back: its place inside is free at once. Also when there is nothing to leave. The pass itself
 * is verified without a store, so it stays good until it expires, unless the room's passes are single-use.
 */
export async function leaveRoom(
  ctx: Pick<Ctx, "redis">,
  { roomId, userId }: Pick<Visitor, "roomId" | "userId">,
): Promise<{ word: "left" } | Refusal> {
  const reply = await ctx.redis.run(visit, visitKeys(roomId), {
    ...{ step: "leave", member: memberOf(userId), most: limits.visitPeopleMost },
    ...NOTHING_SHOWN,
  });
  if (reply.word === "left") return { word: "left" };
  if (reply.word === "missing") return refuseMissingRoom(ctx, roomId);
  if (reply.word === "recovering") return refuseRoom.recovering(roomId);
  throw new Error(`a leave was answered as ${reply.word}`);
}
