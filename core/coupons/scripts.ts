import { defineScript, UnexpectedReply } from "../lua.ts";
import armText from "./arm-campaign.lua";
import changeText from "./change-campaign.lua";
import holdingText from "./holding.lua";
import settleText from "./settle.lua";
import showText from "./show-campaign.lua";
import sweepText from "./sweep.lua";
import type { Tally } from "./tally.ts";

/** The scripts of coupons but for the deciding one, which stands alone so that the issuing function carries nothing else. */

function words(raw: unknown): [string, ...unknown[]] {
  if (Array.isArray(raw) && typeof raw[0] === "string") return raw as [string, ...unknown[]];
  return ["", raw];
}

export const armCampaign = defineScript(
  "arm-campaign",
  armText,
  ["tally", "about", "outbox"],
  ["step", "stock", "opensAt", "closesAt", "base", "definition"],
  (raw): "created" | "unchanged" | "changed" | "missing" => {
    const [word] = words(raw);
    if (word === "created" || word === "unchanged" || word === "changed" || word === "missing") return word;
    throw new UnexpectedReply("arm-campaign", raw);
  },
);

export const changeCampaign = defineScript(
  "change-campaign",
  changeText,
  ["tally", "about"],
  ["version", "stock", "opensAt", "closesAt", "paused", "definition"],
  (raw): { word: "changed" | "conflict"; issued: number } | { word: "missing" } => {
    const [word, issued] = words(raw);
    if (word === "missing") return { word };
    if (word === "changed" || word === "conflict") return { word, issued: Number(issued) };
    throw new UnexpectedReply("change-campaign", raw);
  },
);

export const showCampaign = defineScript(
  "show-campaign",
  showText,
  ["tally", "about"],
  [],
  (raw): { word: "found"; tally: Tally; definition: string } | { word: "missing" } => {
    const [word, ...facts] = words(raw);
    if (word === "missing") return { word };
    if (word !== "found" || facts.length !== 10) throw new UnexpectedReply("show-campaign", raw);
    const [stock = 0, issued = 0, gate = 0, etaMs = 0, version = 0, opensAt = 0, closesAt = 0, base = 0, now = 0] =
      facts.map(Number);
    const tally = { stock, issued, gate, etaMs, version, opensAt, closesAt, base, now };
    return { word, tally, definition: String(facts[9]) };
  },
);

export interface Held {
  readonly nth: number;
  readonly ticket: number;
  readonly issuedAt: number;
  readonly pending: boolean;
}

export interface Holding {
  readonly word: "found";
  readonly issued: number;
  readonly backlog: number;
  /** Confirmations per second that the ledger took lately; undefined before the first measurement. */
  readonly perSecond: number | undefined;
  readonly quietMs: number;
  readonly now: number;
  readonly coupons: Held[];
}

export const holding = defineScript(
  "holding",
  holdingText,
  ["tally", "bucket", "outbox", "flow"],
  ["member", "perUser", "scan"],
  (raw): Holding | { word: "missing" } => {
    const [word, issued, backlog, perSecond, quietMs, now, ...rest] = words(raw);
    if (word === "missing") return { word };
    if (word !== "found" || rest.length % 4 !== 0) throw new UnexpectedReply("holding", raw);
    const coupons: Held[] = [];
    for (let i = 0; i < rest.length; i += 4) {
      const [nth = 0, ticket = 0, issuedAt = 0, pending = 0] = rest.slice(i, i + 4).map(Number);
      coupons.push({ nth, ticket, issuedAt, pending: pending === 1 });
    }
    return {
      word,
      issued: Number(issued),
      backlog: Number(backlog),
      perSecond: perSecond === "" ? undefined : Number(perSecond),
      quietMs: Number(quietMs),
      now: Number(now),
      coupons,
    };
  },
);

export const settle = defineScript(
  "settle",
  settleText,
  ["tally", "outbox", "flow"],
  ["ids", "windowMs", "etaMostMs"],
  (raw): number => {
    const [word, count] = words(raw);
    if (word === "settled") return Number(count);
    throw new UnexpectedReply("settle", raw);
  },
);

export interface SweepEntry {
  readonly outboxId: string;
  readonly userId: string;
  readonly attempts: number;
  readonly ticket: number;
  readonly nth: number;
  /** The idempotency key's digest in hexadecimal; empty for none. */
  readonly key: string;
}

export const sweepOutbox = defineScript(
  "sweep",
  sweepText,
  ["outbox"],
  ["from", "ageMs", "idleMs", "idleMostMs", "most"],
  (
    raw,
  ): { word: "found"; next: string; depth: number; oldestMs: number; entries: SweepEntry[] } | { word: "missing" } => {
    const [word, next, depth, oldestMs, ...rest] = words(raw);
    if (word === "missing") return { word };
    if (word !== "found" || rest.length % 6 !== 0) throw new UnexpectedReply("sweep", raw);
    const entries: SweepEntry[] = [];
    for (let i = 0; i < rest.length; i += 6) {
      const [outboxId, userId, attempts, ticket, nth, key] = rest.slice(i, i + 6);
      entries.push({
        outboxId: String(outboxId),
        userId: String(userId),
        attempts: Number(attempts),
        ticket: Number(ticket),
        nth: Number(nth),
        key: String(key),
      });
    }
    return { word, next: String(next), depth: Number(depth), oldestMs: Number(oldestMs), entries };
  },
);
