import { defineScript, UnexpectedReply } from "../lua.ts";
import armText from "./arm-campaign.lua";
import changeText from "./change-campaign.lua";
import fenceText from "./fence.lua";
import holdingText from "./holding.lua";
import mendText from "./mend.lua";
import rebuildText from "./rebuild.lua";
import refillText from "./refill.lua";
import releaseText from "./release.lua";
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
  ["step", "filling", "stock", "opensAt", "closesAt", "base", "epoch", "definition"],
  (raw): { word: "created" | "unchanged" | "changed"; filling: string } | { word: "missing" } => {
    const [word, filling] = words(raw);
    if (word === "missing") return { word };
    if (word === "created" || word === "unchanged" || word === "changed") return { word, filling: String(filling) };
    throw new UnexpectedReply("arm-campaign", raw);
  },
);

export const changeCampaign = defineScript(
  "change-campaign",
  changeText,
  ["tally", "about"],
  ["version", "stock", "opensAt", "closesAt", "paused", "definition"],
  (raw): { word: "changed" | "conflict"; issued: number } | { word: "recovering" | "missing" } => {
    const [word, issued] = words(raw);
    if (word === "recovering" || word === "missing") return { word };
    if (word === "changed" || word === "conflict") return { word, issued: Number(issued) };
    throw new UnexpectedReply("change-campaign", raw);
  },
);

export const showCampaign = defineScript(
  "show-campaign",
  showText,
  ["tally", "about", "free"],
  [],
  (raw): { word: "found"; tally: Tally; definition: string } | { word: "missing" } => {
    const [word, ...facts] = words(raw);
    if (word === "missing") return { word };
    if (word !== "found" || facts.length !== 11) throw new UnexpectedReply("show-campaign", raw);
    const [stock = 0, issued = 0, free = 0, gate = 0, etaMs = 0, version = 0, ...times] = facts.map(Number);
    const [opensAt = 0, closesAt = 0, base = 0, now = 0] = times;
    const tally = { stock, issued, free, gate, etaMs, version, opensAt, closesAt, base, now };
    return { word, tally, definition: String(facts[10]) };
  },
);

export interface Held {
  readonly nth: number;
  readonly ticket: number;
  readonly issuedAt: number;
  readonly pending: boolean;
  /** The idempotency key's digest in hexadecimal; empty for none. */
  readonly key: string;
}

export interface Holding {
  readonly word: "found";
  readonly issued: number;
  readonly backlog: number;
  /** Confirmations per second that the ledger took lately; undefined before the first measurement. */
  readonly perSecond: number | undefined;
  readonly quietMs: number;
  readonly now: number;
  readonly epoch: number;
  readonly coupons: Held[];
}

export const holding = defineScript(
  "holding",
  holdingText,
  ["tally", "bucket", "outbox", "flow"],
  ["member", "perUser", "scan"],
  (raw): Holding | { word: "recovering" | "missing" } => {
    const [word, issued, backlog, perSecond, quietMs, now, epoch, ...rest] = words(raw);
    if (word === "recovering" || word === "missing") return { word };
    if (word !== "found" || rest.length % 5 !== 0) throw new UnexpectedReply("holding", raw);
    const coupons: Held[] = [];
    for (let i = 0; i < rest.length; i += 5) {
      const [nth = 0, ticket = 0, issuedAt = 0, pending = 0] = rest.slice(i, i + 4).map(Number);
      coupons.push({ nth, ticket, issuedAt, pending: pending === 1, key: String(rest[i + 4]) });
    }
    return {
      word,
      issued: Number(issued),
      backlog: Number(backlog),
      perSecond: perSecond === "" ? undefined : Number(perSecond),
      quietMs: Number(quietMs),
      now: Number(now),
      epoch: Number(epoch),
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
  ["tally", "outbox"],
  ["from", "ageMs", "idleMs", "idleMostMs", "most"],
  (
    raw,
  ):
    | { word: "found"; next: string; depth: number; oldestMs: number; epoch: number; entries: SweepEntry[] }
    | { word: "missing" } => {
    const [word, next, depth, oldestMs, epoch, ...rest] = words(raw);
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
    return {
      word,
      next: String(next),
      depth: Number(depth),
      oldestMs: Number(oldestMs),
      epoch: Number(epoch),
      entries,
    };
  },
);

export const release = defineScript(
  "release",
  releaseText,
  ["tally", "bucket", "free", "outbox"],
  ["member", "nth", "ticket", "issuedAt", "refill"],
  (raw): "released" | "unchanged" | "recovering" | "missing" => {
    const [word] = words(raw);
    if (word === "released" || word === "unchanged" || word === "recovering" || word === "missing") return word;
    throw new UnexpectedReply("release", raw);
  },
);

/** How a campaign stands to the server that answers. `attached`: open to everyone who may ask. */
export type Attachment =
  | {
      readonly word: "attached" | "unarmed" | "fenced";
      readonly epoch: number;
      readonly filling: string;
      readonly issued: number;
    }
  | { readonly word: "missing" };

export const fence = defineScript("fence", fenceText, ["tally"], ["force"], (raw): Attachment => {
  const [word, epoch, filling, issued] = words(raw);
  if (word === "missing") return { word };
  if (word === "attached" || word === "unarmed" || word === "fenced")
    return { word, epoch: Number(epoch), filling: String(filling), issued: Number(issued) };
  throw new UnexpectedReply("fence", raw);
});

export const rebuild = defineScript(
  "rebuild",
  rebuildText,
  ["tally", "about", "outbox", "free", "flow"],
  [
    "step",
    "filling",
    "epoch",
    "stock",
    "highest",
    "lastIssuedAt",
    "opensAt",
    "closesAt",
    "base",
    "paused",
    "version",
    "definition",
  ],
  (raw): "begun" | "cleared" | "finished" | "overtaken" => {
    const [word] = words(raw);
    if (word === "begun" || word === "cleared" || word === "finished" || word === "overtaken") return word;
    throw new UnexpectedReply("rebuild", raw);
  },
);

export const refill = defineScript(
  "refill",
  refillText,
  ["tally", "bucket", "free"],
  ["filling", "clear", "tickets", "holders"],
  (raw): "filled" | "overtaken" => {
    const [word] = words(raw);
    if (word === "filled" || word === "overtaken") return word;
    throw new UnexpectedReply("refill", raw);
  },
);

export const mend = defineScript(
  "mend",
  mendText,
  ["tally", "bucket", "free", "outbox"],
  ["step", "ticket", "field", "value"],
  (raw): "mended" | "unchanged" | "recovering" | "missing" => {
    const [word] = words(raw);
    if (word === "mended" || word === "unchanged" || word === "recovering" || word === "missing") return word;
    throw new UnexpectedReply("mend", raw);
  },
);
