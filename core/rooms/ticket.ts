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

const NOTHING = { shown: "", shownEpoch: "", shownSeries: "", place: "", untilMs: "" } as const;

/** What is shown, as the script takes it: a pass before a ticket, and nothing where neither was signed here for this one. */
function shownOf(ctx: TicketCtx, visitor: Visitor) {
  const nowMs = ctx.now();
  const pass = visitor.pass === undefined ? undefined : readPass(ctx.roomKeys, visitor.pass, visitor, nowMs);
  if (pass && "pass" in pass) {
    const { epoch, series, number, expiresAt } = pass.pass;
    const args = { shownEpoch: epoch, shownSeries: series, place: number, untilMs: expiresAt - nowMs };
    return { args: { shown: "pass", ...args }, ticket: undefined };
  }
  const ticket = visitor.ticket === undefined ? undefined : readTicket(ctx.roomKeys, visitor.ticket, visitor);
  if (ticket && "ticket" in ticket) {
    const { epoch, place, dueAt } = ticket.ticket;
    const args = { shown: "ticket", shownEpoch: epoch, shownSeries: 0, place, untilMs: dueAt };
    return { args, ticket: ticket.ticket };
  }
  return { args: NOTHING, ticket: undefined };
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
      pollAfterMs: Math.max(limits.pollLeastMs, Math.ceil(it.leftMs / 3)),
      pass: signPass(ctx.roomKeys, { roomId, userId, number, epoch, series, expiresAt }),
      passExpiresAt: expiresAt,
    };
  }
  // An older ticket of another visit says nothing of this one's place.
  const shownAhead = shown?.place === it.place ? shown.ahead : undefined;
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
    token: signTicket(ctx.roomKeys, { roomId, userId, place: it.place, ahead, epoch, dueAt }),
  };
}

function reasonOf(it: Visit, shownAhead: number | undefined): WaitReason | undefined {
  if (it.opensMs > 0) return "opens-later";
  if (it.graceMs > 0) return "rebuilding";
  return shownAhead !== undefined && shownAhead >= 0 && it.ahead > shownAhead ? "rebuilt" : undefined;
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
    ...NOTHING,
  });
  if (reply.word === "left") return { word: "left" };
  if (reply.word === "missing") return refuseMissingRoom(ctx, roomId);
  if (reply.word === "recovering") return refuseRoom.recovering(roomId);
  throw new Error(`a leave was answered as ${reply.word}`);
}
