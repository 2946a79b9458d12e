import type { Ctx } from "../context.ts";
import { keys } from "../keys.ts";
import { memberOf } from "../member.ts";
import { admit } from "./admit.ts";
import { aboutOf } from "./campaign.ts";
import type { CampaignRecord } from "./campaign-records.ts";
import { confirmationOf } from "./confirmation.ts";
import { epochMemory } from "./epoch-memory.ts";
import { FINDING_KINDS } from "./finding.ts";
import { releaseHolder } from "./give-back.ts";
import { isLive, coupons as ledger } from "./ledger.ts";
import { bucketOf, fieldOf, heldValue } from "./member.ts";
import { mend } from "./scripts.ts";
import type { Evidence } from "./verify.ts";

type MendCtx = Pick<Ctx, "redis" | "table" | "couponSecret" | "now">;

/**
 * Mends what is provably safe to mend: the ledger takes a ticket once and a user once whatever it is told, and each change in
 * Redis is a script that looks again before it writes. What two people may claim is left for a person.
 * @returns the findings that were mended
 */
export async function mendFindings(
  ctx: MendCtx,
  record: CampaignRecord,
  findings: readonly Evidence[],
): Promise<Evidence[]> {
  const mended: Evidence[] = [];
  for (const finding of findings) {
    if (FINDING_KINDS[finding.kind] === "mended" && (await mendOne(ctx, record, finding))) mended.push(finding);
  }
  return mended;
}

async function mendOne(ctx: MendCtx, record: CampaignRecord, finding: Evidence): Promise<boolean> {
  switch (finding.kind) {
    case "missingInLedger":
    case "halfRecorded":
      return putIntoLedger(ctx, record, finding);
    case "missingInRedis": {
      const { userId, nth, issuedAt, ticket, key } = finding;
      if (userId === undefined || nth === undefined || issuedAt === undefined) return false;
      const place = { bucket: bucketOf(userId, record.buckets), field: fieldOf(memberOf(userId), nth) };
      return mendRedis(ctx, record, "hold", ticket, place, heldValue({ ticket, issuedAt, key }, record.base));
    }
    case "notReleased": {
      const { userId, nth, issuedAt, ticket } = finding;
      if (userId === undefined || nth === undefined || issuedAt === undefined) return false;
      const issuance = { campaignId: record.campaignId, userId, nth, issuedAt, ticket };
      return (await releaseHolder(ctx, aboutOf(record), issuance, finding.refill === true)) === "released";
    }
    case "lostTickets":
      return mendRedis(ctx, record, "free", finding.ticket);
    case "freeButHeld":
    case "freeNotIssued":
      return mendRedis(ctx, record, "withhold", finding.ticket);
    case "counterBehind":
      return mendRedis(ctx, record, "count", finding.ticket);
    case "freeUnflagged":
      return mendRedis(ctx, record, "flag", finding.ticket);
    default:
      return false;
  }
}

async function putIntoLedger(ctx: MendCtx, record: CampaignRecord, finding: Evidence): Promise<boolean> {
  const { userId, nth, issuedAt, ticket, key = "" } = finding;
  // A digest in Redis does not say whose it is.
  if (userId === undefined || nth === undefined || issuedAt === undefined) return false;
  const issuance = { campaignId: record.campaignId, userId, ticket, nth, issuedAt };
  const confirmation = confirmationOf(issuance, aboutOf(record), ctx.couponSecret, key);
  const known = (await ledger.find(ctx, confirmation.couponId))?.coupon;
  if (known && !isLive(known)) {
    // Given back, and its ticket was somebody else's since: it is Redis that has forgotten, not the ledger.
    return (await releaseHolder(ctx, aboutOf(record), issuance, false)) === "released";
  }
  const [word] = await admit(ctx, epochMemory(), [{ confirmation, epoch: record.epoch }]);
  if (typeof word === "object") throw word.error;
  return word === "recorded" || word === "already-recorded";
}

async function mendRedis(
  ctx: MendCtx,
  { campaignId }: CampaignRecord,
  step: "hold" | "free" | "withhold" | "count" | "flag",
  ticket: number,
  place: { bucket: number; field: Buffer } = { bucket: 0, field: Buffer.alloc(0) },
  value: Buffer = Buffer.alloc(0),
): Promise<boolean> {
  const word = await ctx.redis.run(
    mend,
    {
      tally: keys.tally(campaignId),
      bucket: keys.holders(campaignId, place.bucket),
      free: keys.free(campaignId),
      outbox: keys.outbox(campaignId),
    },
    { step, ticket, field: place.field, value },
  );
  return word === "mended";
}
