import { createHash, randomBytes } from "node:crypto";
import type { Ctx } from "../context.ts";
import { limits } from "../limits.ts";
import { isRefusal, type Refusal } from "../words.ts";
import { attach, readRoom } from "./attach.ts";
import { refuseMissingRoom, refuseRoom } from "./refusals.ts";
import { type RoomRecord, rooms } from "./room-records.ts";
import type { RoomRules } from "./rules.ts";
import type { RoomFacts } from "./scripts.ts";
import type { PaceReason, RoomState } from "./states.ts";

/** Rooms: put, shown, listed, and all their passes revoked. */

/** The public document of a room; what is in force now, an override included. Times in milliseconds since 1970. */
export interface RoomView {
  readonly roomId: string;
  readonly state: RoomState;
  readonly waiting: number;
  readonly active: number;
  readonly capacity: number;
  /**
   * Every number up to this was admitted, or is gone: a position is at most the number less this. While a drawn order is served,
   * of those who came after the opening.
   */
  readonly serving: number;
  /** People admitted so far. A ticket's position is its `turn` less this or, where people have left, a little less. */
  readonly admitted: number;
  readonly admitPerSecond: number;
  /** What is admitted in fact, and why that is less than the rate where the backend is the reason. */
  readonly inflow: {
    readonly perSecond: number | null;
    readonly pace: number;
    readonly reason?: PaceReason | undefined;
  };
  readonly passSeconds: number;
  readonly heartbeatSeconds: number;
  readonly order: RoomRules["order"];
  readonly draw?: DrawView | undefined;
  readonly opensAt?: number | undefined;
  readonly version: number;
  readonly serverTime: number;
}

/** How to check a drawn order: see `drawnPlaceOf`. */
export interface DrawView {
  /** SHA-256 of the seed, in hexadecimal: published before the opening, so that nobody can choose the order afterwards. */
  readonly seedHash: string;
  /** 32 hexadecimal digits; published at the opening. */
  readonly seed?: string | undefined;
}

/** What an operator sees: the document and the rules. */
export type RoomDetails = RoomView & { readonly rules: RoomRules };

/**
 * A number's place in a drawn order: the smaller, the earlier. The first 26 bits of SHA-1 over the seed, a colon and the number,
 * then the number itself: as `visit.lua` computes it, so that anyone can check the order once the seed is published.
 */
export function drawnPlaceOf(seed: string, number: number): number {
  const draw = createHash("sha1").update(`${seed}:${number}`).digest().readUInt32BE(0) >>> 6;
  return -(2 ** 52) + draw * 2 ** 26 + number;
}

function stateOf(facts: RoomFacts): RoomState {
  if (facts.isRecovering) return "recovering";
  if (!facts.isOpen) return "closed";
  return facts.isOpened ? "open" : "scheduled";
}

function viewOf(roomId: string, facts: RoomFacts): RoomView {
  const { waiting, active, serving, admitted, admitPerSecond, capacity, fast, pace, reason, version, now } = facts;
  const { isDrawn, isOpened, opensAt, seed } = facts;
  const seedHash = createHash("sha256").update(seed).digest("hex");
  return {
    ...{ roomId, state: stateOf(facts), waiting, active, capacity, serving, admitted, admitPerSecond },
    inflow: { perSecond: fast < 0 ? null : Math.round(fast * 100) / 100, pace, ...(reason ? { reason } : {}) },
    ...{ passSeconds: facts.passMs / 1_000, heartbeatSeconds: facts.heartbeatMs / 1_000 },
    order: isDrawn ? "shuffle" : "arrival",
    ...(isDrawn ? { draw: { seedHash, ...(isOpened ? { seed } : {}) } } : {}),
    ...(opensAt > 0 ? { opensAt } : {}),
    ...{ version, serverTime: now },
  };
}

/** A room that only the ledger knows: Redis has lost it. */
function lostView(record: RoomRecord, now: number): RoomView {
  const { roomId, capacity, admitPerSecond, passSeconds, heartbeatSeconds, order, opensAt, version } = record;
  return {
    ...{ roomId, state: "recovering", waiting: 0, active: 0, capacity, serving: 0, admitted: 0, admitPerSecond },
    inflow: { perSecond: null, pace: 1 },
    ...{ passSeconds, heartbeatSeconds, order, opensAt, version, serverTime: now },
  };
}

function rulesOf(record: RoomRecord): RoomRules {
  const {
    version: _v,
    series: _s,
    epoch: _e,
    filling: _f,
    numbersTo: _n,
    lostAt: _l,
    graceUntil: _g,
    seed: _d,
    ...rules
  } = record;
  return rules;
}

const detailsOf = (record: RoomRecord, view: RoomView): RoomDetails => ({ ...view, rules: rulesOf(record) });

type RoomCtx = Pick<Ctx, "redis" | "table" | "now" | "log">;

/** How often a change that was overtaken is tried again: each time somebody else's change is in force. */
const TRIES = 5;

/**
 * Puts a room: makes it, or replaces all of its rules. In force at once, also while people wait; places never get worse by it.
 * The ledger's record is the definition; Redis gets its copy from there, now or, after a crash in between, by the schedule.
 */
export async function putRoom(
  ctx: RoomCtx,
  rules: RoomRules,
): Promise<{ word: "changed"; room: RoomDetails } | Refusal> {
  return replace(ctx, rules.roomId, (before) => {
    const isDrawn = rules.order === "shuffle" && (rules.opensAt ?? 0) > ctx.now();
    // One draw has one seed. A draw that is to come again, and whose time is moved, keeps the seed that its hash was published of.
    const goesOn = before?.order === "shuffle" && rules.order === "shuffle";
    const isSameDraw = goesOn && (!isDrawn || (before.opensAt ?? 0) > ctx.now());
    const seed = isSameDraw ? before.seed : rules.order === "shuffle" ? randomBytes(16).toString("hex") : undefined;
    const marks = before ?? { version: 0, series: 1, epoch: 0, numbersTo: 0 };
    const { version, series, epoch, filling, numbersTo, lostAt, graceUntil } = marks as RoomRecord;
    return { ...rules, version: version + 1, series, epoch, filling, numbersTo, lostAt, graceUntil, seed };
  });
}

/** Makes all passes of a room void that were given until now: who is inside is put out, and may take a ticket again. */
export async function revokePasses(
  ctx: RoomCtx,
  roomId: string,
): Promise<{ word: "changed"; room: RoomDetails } | Refusal> {
  return replace(
    ctx,
    roomId,
    (before) => before && { ...before, version: before.version + 1, series: before.series + 1 },
  );
}

async function replace(
  ctx: RoomCtx,
  roomId: string,
  nextOf: (before: RoomRecord | undefined) => RoomRecord | undefined,
): Promise<{ word: "changed"; room: RoomDetails } | Refusal> {
  for (let tries = 0; tries < TRIES; tries++) {
    const before = await rooms.get(ctx, roomId);
    const next = nextOf(before);
    if (!next) return refuseRoom.unknown(roomId);
    const refused = await refuseDraw(ctx, before, next);
    if (refused) return refused;
    if (!(await (before ? rooms.putNext(ctx, next) : rooms.putNew(ctx, next)))) continue;
    const attached = await attach(ctx, next);
    if (attached.word === "attached") {
      return { word: "changed", room: detailsOf(attached.record, viewOf(roomId, attached.facts)) };
    }
    if (attached.word === "conflict") {
      // People came between the look and the change: the ledger goes back to what Redis still has.
      if (before) await rooms.putNext(ctx, { ...before, version: next.version + 1 });
      return conflict(roomId, attached.waiting);
    }
  }
  return { word: "conflict", detail: "Another change came in between. Look again, then repeat yours." };
}

const conflict = (roomId: string, waiting: number): Refusal => ({
  word: "conflict",
  detail: `${waiting} people wait in room "${roomId}"; an order that is to be drawn would make their places worse.`,
});

/** Looked at before anything is written: an order can be drawn only where nobody has a place yet, and nobody comes back to one. */
async function refuseDraw(
  ctx: RoomCtx,
  before: RoomRecord | undefined,
  next: RoomRecord,
): Promise<Refusal | undefined> {
  const { roomId } = next;
  if (before?.filling === undefined || next.order !== "shuffle" || (next.opensAt ?? 0) <= ctx.now()) return undefined;
  if (before.seed === next.seed) return undefined;
  const facts = await readRoom(ctx, roomId);
  if (!facts || facts.isRecovering || facts.graceMs > 0) return refuseRoom.recovering(roomId);
  return facts.waiting === 0 ? undefined : conflict(roomId, facts.waiting);
}

/** Shows a room from Redis alone: what anyone may see. */
export async function showRoom(
  ctx: Pick<Ctx, "redis">,
  roomId: string,
): Promise<{ word: "found"; room: RoomView } | Refusal> {
  const facts = await readRoom(ctx, roomId);
  return facts ? { word: "found", room: viewOf(roomId, facts) } : refuseMissingRoom(ctx, roomId);
}

/**
 * Shows rooms and remembers each for a second: what watchers cost Redis does not grow with their number. One memory per
 * container; those who ask at the same time share one look.
 */
export function roomMemory(): typeof showRoom extends (ctx: infer _, roomId: string) => infer R
  ? (ctx: Pick<Ctx, "redis" | "now">, roomId: string) => R
  : never {
  const memory = new Map<string, { shown: ReturnType<typeof showRoom>; until: number }>();
  return (ctx, roomId) => {
    const remembered = memory.get(roomId);
    if (remembered && ctx.now() < remembered.until) return remembered.shown;
    const shown = showRoom(ctx, roomId);
    memory.delete(roomId);
    memory.set(roomId, { shown, until: ctx.now() + limits.roomMemoryShownMs });
    // A look that failed or found nothing is no answer for those who come after.
    const forget = () => memory.get(roomId)?.shown === shown && memory.delete(roomId);
    shown.then((result) => isRefusal(result) && forget(), forget);
    const [eldest] = memory.keys();
    if (memory.size > limits.rememberedRooms && eldest !== undefined) memory.delete(eldest);
    return shown;
  };
}

/** Lists rooms by id, each with its live figures. */
export async function listRooms(
  ctx: Pick<Ctx, "redis" | "table" | "now">,
  page: { limit: number; after?: string | undefined },
): Promise<{ word: "listed"; items: RoomDetails[]; after?: string }> {
  const { records, more } = await rooms.page(ctx, page);
  const items = await Promise.all(
    records.map(async (record) => {
      const facts = await readRoom(ctx, record.roomId);
      return detailsOf(record, facts ? viewOf(record.roomId, facts) : lostView(record, ctx.now()));
    }),
  );
  const last = records.at(-1);
  return { word: "listed", items, ...(more && last ? { after: last.roomId } : {}) };
}
