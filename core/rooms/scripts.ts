import { defineScript, UnexpectedReply } from "../lua.ts";
import paceText from "./pace.lua";
import putText from "./put-room.lua";
import showText from "./show-room.lua";
import { type PaceReason, paceReasonOf } from "./states.ts";

/** The scripts of rooms but for those of tickets and passes, which stand alone so that their functions carry nothing else. */

function words(raw: unknown): [string, ...unknown[]] {
  return Array.isArray(raw) && typeof raw[0] === "string" ? (raw as [string, ...unknown[]]) : ["", raw];
}

export const putRoom = defineScript(
  "put-room",
  putText,
  ["rules", "state", "waiting", "passes", "numbers", "spent"],
  ["step", "content", "filling", "epoch", "numbersFrom", "numbersTo", "graceMs", "lostAt"],
  (
    raw,
  ):
    | { word: "changed" | "unchanged" | "filled" | "armed" | "overtaken" | "missing" }
    | { word: "conflict"; waiting: number } => {
    const [word, waiting] = words(raw);
    switch (word) {
      case "changed":
      case "unchanged":
      case "filled":
      case "armed":
      case "overtaken":
      case "missing":
        return { word };
      case "conflict":
        return { word, waiting: Number(waiting) };
      default:
        throw new UnexpectedReply("put-room", raw);
    }
  },
);

/** A room as Redis has it. */
export interface RoomFacts {
  readonly version: number;
  readonly waiting: number;
  readonly active: number;
  /** Every number up to this was admitted, or is gone. */
  readonly serving: number;
  /** People admitted and dropped so far. */
  readonly admitted: number;
  readonly dropped: number;
  /** The last number given, and the highest that may be. */
  readonly numbered: number;
  readonly numbersTo: number;
  /** Share of the rate that is in force, and why it is less than all. */
  readonly pace: number;
  readonly reason: PaceReason | undefined;
  /** Whether the opening time is past. */
  readonly isOpened: boolean;
  /** Whether it is not attached to the server that answers. */
  readonly isRecovering: boolean;
  readonly graceMs: number;
  readonly epoch: number;
  readonly fast: number;
  readonly slow: number;
  readonly drops: number;
  readonly series: number;
  /** In force now, an override included. */
  readonly capacity: number;
  readonly maxWaiting: number;
  readonly admitPerSecond: number;
  readonly isOpen: boolean;
  readonly opensAt: number;
  readonly now: number;
  readonly filling: string;
  readonly passMs: number;
  readonly heartbeatMs: number;
  /** Whether the order of those who come before the opening is drawn. */
  readonly isDrawn: boolean;
  /** What it is drawn with: nobody's business before the opening. */
  readonly seed: string;
}

export const showRoom = defineScript(
  "show-room",
  showText,
  ["rules", "state", "waiting", "passes"],
  [],
  (raw): { word: "found"; facts: RoomFacts } | { word: "missing" } => {
    const [word, ...facts] = words(raw);
    if (word === "missing") return { word };
    if (word !== "found" || facts.length !== 29) throw new UnexpectedReply("show-room", raw);
    const [version = 0, waiting = 0, active = 0, serving = 0, admitted = 0, dropped = 0, ...rest] = facts.map(Number);
    const [numbered = 0, numbersTo = 0, pace = 1, reason = 0, opened, recovering, graceMs = 0, epoch = 0, ...more] =
      rest;
    const [fast = 0, slow = 0, drops = 0, series = 0, capacity = 0, maxWaiting = 0, admitPerSecond = 0, ...last] = more;
    const [open, opensAt = 0, now = 0, _filling, passMs = 0, heartbeatMs = 0, shuffle] = last;
    return {
      word,
      facts: {
        ...{ version, waiting, active, serving, admitted, dropped, numbered, numbersTo, pace },
        ...{ reason: paceReasonOf(reason), isOpened: opened === 1, isRecovering: recovering === 1, graceMs, epoch },
        ...{ fast, slow, drops, series, capacity, maxWaiting, admitPerSecond, isOpen: open === 1, opensAt, now },
        ...{ filling: String(facts[24]), passMs, heartbeatMs, isDrawn: shuffle === 1, seed: String(facts[28]) },
      },
    };
  },
);

export const setPace = defineScript(
  "pace",
  paceText,
  ["state"],
  ["lateMs", "targetMs", "throttled", "stepMs", "leastPace", "riseBy", "numbersTo"],
  (raw): { word: "paced"; pace: number; reason: PaceReason | undefined } | { word: "missing" } => {
    const [word, pace, reason] = words(raw);
    if (word === "missing") return { word };
    if (word === "paced") return { word, pace: Number(pace), reason: paceReasonOf(Number(reason)) };
    throw new UnexpectedReply("pace", raw);
  },
);
