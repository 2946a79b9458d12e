import { keys } from "../keys.ts";
import { defineScript, UnexpectedReply } from "../lua.ts";
import { TICKET_STATES, type TicketState } from "./states.ts";
import visitText from "./visit.lua";

/** The script of everything that happens to tickets, alone: functions that serve them carry no other. */

/** A visitor as the script left them. People per second, milliseconds. */
export interface Visit {
  readonly word: "created" | "found";
  readonly standing: TicketState;
  readonly number: number;
  readonly place: number;
  /** Below zero while the places are not drawn yet. */
  readonly ahead: number;
  readonly leftMs: number;
  readonly line: number;
  readonly admitted: number;
  readonly limit: number;
  readonly least: number;
  readonly fast: number;
  readonly slow: number;
  readonly drops: number;
  readonly graceMs: number;
  readonly opensMs: number;
  readonly epoch: number;
  readonly series: number;
  readonly heartbeatMs: number;
  readonly isOpen: boolean;
}

export type VisitReply =
  | Visit
  | { readonly word: "ticked"; line: number; active: number; admitted: number; more: boolean }
  | { readonly word: "room-full" | "unknown" | "left" | "recovering" | "missing" };

export const visit = defineScript(
  "visit",
  visitText,
  ["rules", "state", "waiting", "beats", "passes", "numbers", "spent"],
  [
    "step",
    "member",
    "most",
    "ticketEpoch",
    "ticketNumber",
    "ticketDrawn",
    "dueAt",
    "passEpoch",
    "passSeries",
    "passNumber",
    "passLeftMs",
  ],
  (raw): VisitReply => {
    const [word, ...facts] = Array.isArray(raw) ? raw : [];
    switch (word) {
      case "created":
      case "found": {
        const [number = 0, place = 0, ahead = 0, leftMs = 0, line = 0, admitted = 0, ...rest] = facts
          .slice(1)
          .map(Number);
        const [
          limit = 0,
          least = 0,
          fast = 0,
          slow = 0,
          drops = 0,
          graceMs = 0,
          opensMs = 0,
          epoch = 0,
          series = 0,
          heartbeatMs = 0,
          open,
        ] = rest;
        const standing = TICKET_STATES.find((state) => state === facts[0]) ?? "waiting";
        const rates = { limit, least, fast, slow, drops };
        return {
          word,
          standing,
          number,
          place,
          ahead,
          leftMs,
          line,
          admitted,
          ...rates,
          graceMs,
          opensMs,
          epoch,
          series,
          heartbeatMs,
          isOpen: open === 1,
        };
      }
      case "ticked": {
        const [line = 0, active = 0, admitted = 0, more] = facts.map(Number);
        return { word, line, active, admitted, more: more === 1 };
      }
      case "room-full":
      case "unknown":
      case "left":
      case "recovering":
      case "missing":
        return { word };
      default:
        throw new UnexpectedReply("visit", raw);
    }
  },
);

/** The keys that a visit needs. */
export const visitKeys = (roomId: string) => ({
  rules: keys.rules(roomId),
  state: keys.state(roomId),
  waiting: keys.waiting(roomId),
  beats: keys.beats(roomId),
  passes: keys.passes(roomId),
  numbers: keys.numbers(roomId),
  spent: keys.spent(roomId),
});
