import type { Ctx } from "../context.ts";
import { keys } from "../keys.ts";
import { limits } from "../limits.ts";
import { memberOf, userOf } from "../member.ts";
import type { Refusal } from "../words.ts";
import { aboutOf, refuse } from "./campaign.ts";
import { type CampaignRecord, campaigns } from "./campaign-records.ts";
import { couponIdOf } from "./coupon.ts";
import type { CouponFinding } from "./finding.ts";
import { openGiveBacks } from "./give-back.ts";
import { type CouponRow, isLive, coupons as ledger, type TicketRow } from "./ledger.ts";
import { bucketOf, fieldOf, readField } from "./member.ts";
import { type OutboxEntry, readOutbox } from "./outbox.ts";
import { showCampaign } from "./scripts.ts";
import { GATE, type Tally } from "./tally.ts";

/**
 * Compares what the ledger and Redis say of a campaign, as sets: who holds which ticket, which tickets are free, how far the
 * counter is. What is on its way is accounted for: an issuance whose outbox entry still stands need not be in the ledger, and a
 * coupon whose give-back is on the to-do list need not be gone from Redis. A look at two stores is never of one moment, so only
 * what several looks in different orders all show is a finding.
 */

/** A finding with what is needed to mend it. */
export interface Evidence extends CouponFinding {
  readonly issuedAt?: number | undefined;
  readonly key?: string | undefined;
  /** Whether nobody else has the ticket, and nobody can get it from the free list, so that it may go back there. */
  readonly refill?: boolean | undefined;
}

export interface Comparison {
  readonly findings: Evidence[];
  /** Coupons that the ledger has as confirmed or used, holders in Redis, entries on their way, tickets that are free. */
  readonly coupons: number;
  readonly holders: number;
  readonly pending: number;
  readonly free: number;
  readonly issued: number;
}

export type VerifyCtx = Pick<Ctx, "redis" | "table" | "couponSecret" | "now">;

/** How often the stores are looked at before a difference is taken for a finding. */
const LOOKS = 3;

/**
 * Compares a campaign's stores.
 * @param upTo how far the ledger is read: all tickets of the stock, or to a page behind the counter, which is enough while the
 * counter is right
 * @returns a refusal when there is no such campaign, or it is being recovered and nothing can be said of it
 */
export async function compare(
  ctx: VerifyCtx,
  campaignId: string,
  upTo: "stock" | "counter" = "stock",
): Promise<{ record: CampaignRecord; comparison: Comparison } | Refusal> {
  let standing: { record: CampaignRecord; comparison: Comparison } | undefined;
  for (let look = 0; look < LOOKS; look++) {
    // Each time anew: its stock may be raised meanwhile.
    const record = await campaigns.get(ctx, campaignId);
    if (!record) return refuse.unknown(campaignId);
    // Redis before the ledger, then the other way round: a coupon that moved in between looks different in each.
    const tally = await readTally(ctx, campaignId);
    if (!tally) return refuse.recovering(campaignId);
    const last = upTo === "stock" ? record.stock : Math.min(record.stock, tally.issued + limits.ledgerPageTickets);
    const picture = await takePicture(ctx, record, last, look % 2 === 0 ? "redis-first" : "ledger-first");
    if (!picture) return refuse.recovering(campaignId);
    const comparison = differences(picture, record);
    const before = standing && new Set(standing.comparison.findings.map(nameOf));
    const findings = before ? comparison.findings.filter((it) => before.has(nameOf(it))) : comparison.findings;
    standing = { record, comparison: { ...comparison, findings } };
    if (findings.length === 0) break;
  }
  if (!standing) throw new Error("a comparison takes at least one look");
  return standing;
}

const nameOf = ({ kind, ticket, userId, nth, issuedAt }: Evidence) =>
  JSON.stringify([kind, ticket, userId, nth, issuedAt]);

// ── A picture of both stores ────────────────────────────────────────────────────────────────────────────────────────────

interface Holder {
  readonly bucket: number;
  readonly field: Buffer;
  readonly member: Buffer;
  readonly nth: number;
  readonly ticket: number;
  readonly issuedAt: number;
  readonly key: string;
}

interface RedisPicture {
  readonly tally: Tally;
  readonly holders: Holder[];
  /** The free list before all else was read, and after: tickets come and go meanwhile. */
  readonly freeBefore: number[];
  readonly free: number[];
  readonly outbox: OutboxEntry[];
}

interface LedgerPicture {
  readonly tickets: TicketRow[];
  /** The coupon items in the tickets' places, by their coupon's id. */
  readonly coupons: Map<string, CouponRow>;
  readonly givingBack: Set<string>;
}

interface Picture extends RedisPicture, LedgerPicture {
  /** The last ticket that was read from the ledger. */
  readonly last: number;
  /** Outbox entries whose coupon the ledger has had, and has as given back: they only wait to be taken out. */
  readonly over: Set<string>;
}

async function takePicture(
  ctx: VerifyCtx,
  record: CampaignRecord,
  last: number,
  order: "redis-first" | "ledger-first",
): Promise<Picture | undefined> {
  let inLedger = order === "ledger-first" ? await pictureLedger(ctx, record, last) : undefined;
  const inRedis = await pictureRedis(ctx, record);
  if (!inRedis) return undefined;
  inLedger ??= await pictureLedger(ctx, record, last);
  return { ...inRedis, ...inLedger, last, over: await entriesThatAreOver(ctx, record, inRedis, inLedger) };
}

async function entriesThatAreOver(
  ctx: VerifyCtx,
  { campaignId }: CampaignRecord,
  { outbox }: RedisPicture,
  { tickets }: LedgerPicture,
): Promise<Set<string>> {
  const rowOf = new Map(tickets.map((row) => [row.ticket, row]));
  const over = new Set<string>();
  for (const { outboxId, confirmation } of outbox) {
    const row = rowOf.get(confirmation.ticket);
    if (!row) continue;
    const couponId = couponIdOf({ ...confirmation, campaignId }, ctx.couponSecret);
    // Its own row says it. Where the ticket is somebody else's by now, only the coupon itself does.
    const isOver = row.couponId === couponId ? row.free : await wasGivenBack(ctx, couponId);
    if (isOver) over.add(outboxId);
  }
  return over;
}

async function wasGivenBack(ctx: VerifyCtx, couponId: string): Promise<boolean> {
  const coupon = (await ledger.find(ctx, couponId))?.coupon;
  return coupon !== undefined && !isLive(coupon);
}

const readFree = async (ctx: VerifyCtx, campaignId: string): Promise<number[]> =>
  ((await ctx.redis.command("ZRANGE", keys.free(campaignId), 0, -1)) as string[]).map(Number);

/** @returns undefined for a campaign that Redis does not have, or that is closed until it is recovered */
async function readTally(ctx: VerifyCtx, campaignId: string): Promise<Tally | undefined> {
  const place = { tally: keys.tally(campaignId), about: keys.about(campaignId), free: keys.free(campaignId) };
  const shown = await ctx.redis.run(showCampaign, place, {});
  return shown.word === "found" && shown.tally.gate < GATE.unarmed ? shown.tally : undefined;
}

/** Buckets read in one round trip: a few milliseconds of Redis time, in which others wait. */
const BUCKETS_AT_ONCE = 100;

async function pictureRedis(ctx: VerifyCtx, record: CampaignRecord): Promise<RedisPicture | undefined> {
  const { campaignId, buckets, base } = record;
  const freeBefore = await readFree(ctx, campaignId);
  const holders: Holder[] = [];
  for (let from = 0; from < buckets; from += BUCKETS_AT_ONCE) {
    const count = Math.min(BUCKETS_AT_ONCE, buckets - from);
    const batch = Array.from({ length: count }, (_, i) => ["HGETALL", keys.holders(campaignId, from + i)] as const);
    for (const [index, reply] of (await ctx.redis.commands(batch)).entries()) {
      const pairs = reply as Buffer[];
      for (let i = 0; i < pairs.length; i += 2) {
        const holder = readHolder(pairs[i], pairs[i + 1], from + index, base);
        if (holder) holders.push(holder);
      }
    }
  }
  // The outbox after the holders: an entry that is gone by then was in the ledger before.
  const outbox: OutboxEntry[] = [];
  for await (const entries of readOutbox(ctx, aboutOf(record))) outbox.push(...entries);
  const free = await readFree(ctx, campaignId);
  const tally = await readTally(ctx, campaignId);
  return tally && { tally, holders, freeBefore, free, outbox };
}

/** @returns undefined for a place whose coupon was given back */
function readHolder(
  field: Buffer | undefined,
  value: Buffer | undefined,
  bucket: number,
  base: number,
): Holder | undefined {
  if (!field || !value || value.length % 8 !== 0 || value.length === 0) return undefined;
  return {
    bucket,
    field,
    ...readField(field),
    ticket: value.readUIntBE(0, 3),
    issuedAt: base + value.readUIntBE(3, 5),
    key: value.subarray(8).toString("hex"),
  };
}

async function pictureLedger(ctx: VerifyCtx, record: CampaignRecord, last: number): Promise<LedgerPicture> {
  const { campaignId } = record;
  const givingBack = new Set((await openGiveBacks(ctx, 0)).map(({ couponId }) => couponId));
  const tickets: TicketRow[] = [];
  const found = new Map<string, CouponRow>();
  for (let from = 1; from <= last; from += limits.ledgerPageTickets) {
    const rows = await ledger.tickets(ctx, campaignId, from, Math.min(from + limits.ledgerPageTickets - 1, last));
    for (const row of rows) tickets.push(row);
    for (const coupon of await ledger.inPlaces(ctx, rows)) found.set(coupon.couponId, coupon);
  }
  return { tickets, coupons: found, givingBack };
}

// ── The differences ─────────────────────────────────────────────────────────────────────────────────────────────────────

function differences(picture: Picture, record: CampaignRecord): Comparison {
  const { tally, holders, freeBefore, free, outbox, tickets, coupons, givingBack, last, over } = picture;
  const { stock, buckets } = record;
  const findings: Evidence[] = [];
  const placeName = (bucket: number, field: Buffer) => `${bucket}:${field.toString("latin1")}`;

  const rowOf = new Map(tickets.map((row) => [row.ticket, row]));
  const waiting = outbox.filter(({ outboxId }) => !over.has(outboxId));
  const pendingOf = new Map(waiting.map(({ confirmation }) => [confirmation.ticket, confirmation]));
  const atPlace = new Map(holders.map((holder) => [placeName(holder.bucket, holder.field), holder]));
  const freeSet = new Set([...freeBefore, ...free]);
  const holdersOf = Map.groupBy(holders, (holder) => holder.ticket);
  const held = new Set<number>();

  for (const [ticket, its] of holdersOf) {
    held.add(ticket);
    const row = rowOf.get(ticket);
    const pending = pendingOf.get(ticket);
    if (its.length > 1)
      findings.push({ kind: "duplicateTickets", ticket, userId: its.map(userName).sort().join(" and ") });
    for (const holder of its) {
      const userId = userOf(holder.member);
      const evidence = { ticket, userId, nth: holder.nth, issuedAt: holder.issuedAt, key: holder.key };
      if (ticket > stock) {
        findings.push({ kind: "overIssued", ...evidence });
        continue;
      }
      const isRows =
        row !== undefined && row.issuedAt === holder.issuedAt && memberOf(row.userId).equals(holder.member);
      if (isRows && row.free && !givingBack.has(row.couponId)) {
        const isOnly = its.length === 1 && !pending && !freeSet.has(ticket);
        findings.push({ kind: "notReleased", ...evidence, userId: row.userId, refill: isOnly });
      }
      const isOutboxs =
        pending !== undefined && pending.issuedAt === holder.issuedAt && memberOf(pending.userId).equals(holder.member);
      if (isRows || isOutboxs) continue;
      if (row && !row.free) findings.push({ kind: "heldByAnother", ...evidence });
      // Of two that hold one ticket, the pair is the finding. Behind what was read of the ledger nothing can be missed there.
      else if (its.length === 1 && ticket <= last) findings.push({ kind: "missingInLedger", ...evidence });
    }
  }

  const expect = (coupon: {
    userId: string;
    nth: number;
    ticket: number;
    issuedAt: number;
    key?: string | undefined;
  }) => {
    const { userId, nth, ticket, issuedAt, key } = coupon;
    const holder = atPlace.get(placeName(bucketOf(userId, buckets), fieldOf(memberOf(userId), nth)));
    if (holder?.ticket === ticket && holder.issuedAt === issuedAt) return;
    findings.push({ kind: "missingInRedis", ticket, userId, nth, issuedAt, key });
  };
  let live = 0;
  for (const row of tickets) {
    if (row.free) continue;
    const { ticket, userId, nth, issuedAt, key } = row;
    const coupon = coupons.get(row.couponId);
    if (!coupon) {
      if (pendingOf.get(ticket)?.issuedAt !== issuedAt)
        findings.push({ kind: "halfRecorded", ticket, userId, nth, issuedAt, key });
    } else if (coupon.state === "cancelled") continue;
    else live++;
    expect(row);
  }
  for (const { confirmation } of waiting) {
    const row = rowOf.get(confirmation.ticket);
    // What the ledger has is looked at above; what it gave to somebody else meanwhile waits for the dead letters.
    if (!row || row.free) expect(confirmation);
  }

  const has = (ticket: number) => held.has(ticket) || pendingOf.has(ticket) || rowOf.get(ticket)?.free === false;
  const timeOf = (ticket: number) =>
    holdersOf.get(ticket)?.[0]?.issuedAt ?? pendingOf.get(ticket)?.issuedAt ?? rowOf.get(ticket)?.issuedAt;
  const isComingBack = (ticket: number) => givingBack.has(rowOf.get(ticket)?.couponId ?? "");
  let highest = 0;
  for (const ticket of held) if (ticket <= stock) highest = Math.max(highest, ticket);
  for (const row of tickets) if (!row.free) highest = Math.max(highest, row.ticket);
  if (highest > tally.issued) findings.push({ kind: "counterBehind", ticket: highest });
  for (let ticket = 1; ticket <= Math.min(tally.issued, stock); ticket++) {
    if (!freeSet.has(ticket) && !has(ticket) && !isComingBack(ticket)) findings.push({ kind: "lostTickets", ticket });
  }
  const stays = new Set(freeBefore);
  for (const ticket of free) {
    if (ticket > tally.issued || ticket > stock) findings.push({ kind: "freeNotIssued", ticket });
    // With the time of who has it: given back and issued again in between looks alike, and is another.
    else if (has(ticket) && stays.has(ticket)) findings.push({ kind: "freeButHeld", ticket, issuedAt: timeOf(ticket) });
  }
  // Both of one moment.
  if (tally.free > 0 && (tally.gate & GATE.freed) === 0) findings.push({ kind: "freeUnflagged", ticket: 0 });

  return {
    findings,
    coupons: live,
    holders: holders.length,
    pending: outbox.length,
    free: free.length,
    issued: tally.issued,
  };
}

const userName = ({ member, nth }: Holder) => `${userOf(member) ?? member.toString("hex")}#${nth}`;
