import * as z from "zod/mini";
import { limits } from "../../core/limits.ts";
import { PACE_REASONS, ROOM_STATES, TICKET_STATES, WAIT_REASONS } from "../../core/rooms/states.ts";
import { contract } from "./contract.ts";
import { cursorOut, pageQuery, roomId, timeIn, timeOut } from "./fields.ts";

const count = z.int().check(z.gte(0));
const capacity = z.int().check(z.gte(1), z.lte(limits.roomCapacityMost));
/** A whole number is kept in every second; a fraction on average. */
const admitPerSecond = z.number().check(z.gt(0), z.lte(limits.roomRateMost));
const passSeconds = z.int().check(z.gte(1), z.lte(limits.passSecondsMost));
const heartbeatSeconds = z.int().check(z.gte(1), z.lte(limits.heartbeatSecondsMost));
const order = z.enum(["arrival", "shuffle"]);

const overrideFields = {
  capacity: z.optional(capacity),
  admitPerSecond: z.optional(admitPerSecond),
  open: z.optional(z.boolean()),
};
const rulesFields = {
  capacity,
  admitPerSecond,
  passSeconds,
  maxWaiting: z.optional(z.int().check(z.gte(1), z.lte(limits.roomWaitingMost))),
};

/** The public document. `inflow` is what is admitted in fact; below a pace of 1 the backend is the reason. */
const room = z.object({
  roomId,
  state: z.enum(ROOM_STATES),
  waiting: count,
  active: count,
  capacity,
  serving: count,
  admitted: count,
  admitPerSecond,
  inflow: z.object({
    perSecond: z.nullable(z.number()),
    pace: z.number(),
    reason: z.optional(z.enum(PACE_REASONS)),
  }),
  passSeconds,
  heartbeatSeconds,
  order,
  draw: z.optional(z.object({ seedHash: z.string(), seed: z.optional(z.string()) })),
  opensAt: z.optional(timeOut),
  version: count,
  serverTime: timeOut,
});

const details = z.extend(room, {
  rules: z.object({
    ...rulesFields,
    heartbeatSeconds,
    open: z.boolean(),
    renewable: z.boolean(),
    singleUse: z.boolean(),
    order,
    opensAt: z.optional(timeOut),
    override: z.optional(z.object({ ...overrideFields, from: z.optional(timeOut), until: timeOut })),
  }),
});

export const putRoom = contract({
  method: "PUT",
  path: "/rooms/{roomId}",
  who: "operator",
  summary: "Make a waiting room, or replace its rules: in force at once, also while people wait",
  params: z.object({ roomId }),
  body: z
    .strictObject({
      ...rulesFields,
      heartbeatSeconds: z._default(heartbeatSeconds, 30),
      open: z._default(z.boolean(), true),
      renewable: z._default(z.boolean(), false),
      singleUse: z._default(z.boolean(), false),
      opensAt: z.optional(timeIn),
      order: z._default(order, "arrival"),
      override: z.optional(
        z
          .strictObject({ ...overrideFields, from: z.optional(timeIn), until: timeIn })
          .check(z.refine((it) => it.until > (it.from ?? 0), { path: ["until"], error: "Must be after from" })),
      ),
    })
    .check(
      z.refine((it) => it.order === "arrival" || it.opensAt !== undefined, {
        path: ["opensAt"],
        error: "An order is drawn at the opening: say when that is",
      }),
    ),
  answers: { changed: details },
  refusals: ["conflict", "recovering", "unavailable"],
});

export const showRoom = contract({
  method: "GET",
  path: "/rooms/{roomId}",
  who: "anyone",
  summary: "One waiting room, live; cacheable for a second. A position is at most the number less serving",
  params: z.object({ roomId }),
  answers: { found: room },
  refusals: ["unknown", "recovering", "unavailable"],
});

export const listRooms = contract({
  method: "GET",
  path: "/rooms",
  who: "operator",
  summary: "All waiting rooms, a page at a time",
  query: pageQuery,
  answers: { listed: z.object({ items: z.array(details), cursor: cursorOut }) },
  refusals: ["unavailable"],
});

export const revokePasses = contract({
  method: "POST",
  path: "/ops/rooms/{roomId}/revoke",
  who: "operator",
  summary: "Make every pass of a room void that was given until now",
  params: z.object({ roomId }),
  body: z.optional(z.strictObject({})),
  answers: { changed: details },
  refusals: ["unknown", "conflict", "unavailable"],
});

const ticket = z.object({
  roomId,
  number: z.int().check(z.gte(1)),
  state: z.enum(TICKET_STATES),
  /** Null while the order is not drawn yet, and for who shows no ticket while a room that was lost is rebuilt. */
  position: z.nullable(count),
  ahead: z.nullable(count),
  etaSeconds: z.object({ low: count, high: count }),
  pollAfterMs: count,
  /** The position is at most this less `admitted` of the public document. */
  turn: z.nullable(count),
  reason: z.optional(z.enum(WAIT_REASONS)),
  /** Proof of the place. Sent along as Waiting-Room-Ticket, it finds the place in a room that was lost. */
  token: z.optional(z.string()),
  pass: z.optional(z.string()),
  passExpiresAt: z.optional(timeOut),
});

/** What a visitor may hold of before: the token of the last ticket, the pass. */
const held = z.object({
  "waiting-room-ticket": z.optional(z.string().check(z.maxLength(limits.passLength))),
  "waiting-room-pass": z.optional(z.string().check(z.maxLength(limits.passLength))),
});

export const takeTicket = contract({
  method: "POST",
  path: "/rooms/{roomId}/tickets",
  who: "shopper",
  summary: "Take a ticket; with one already, that one",
  params: z.object({ roomId }),
  headers: held,
  body: z.optional(z.strictObject({})),
  answers: { created: ticket, found: ticket },
  refusals: ["unknown", "room-full", "recovering", "unavailable"],
});

export const pollTicket = contract({
  method: "GET",
  path: "/rooms/{roomId}/tickets/me",
  who: "shopper",
  summary: "The caller's ticket; this poll is the heartbeat",
  params: z.object({ roomId }),
  headers: held,
  answers: { found: ticket },
  refusals: ["unknown", "recovering", "unavailable"],
});

export const leaveRoom = contract({
  method: "DELETE",
  path: "/rooms/{roomId}/tickets/me",
  who: "shopper",
  summary: "Leave the room, or give the pass back; also when there is nothing to leave",
  params: z.object({ roomId }),
  answers: { left: z.undefined() },
  refusals: ["unknown", "recovering", "unavailable"],
});
