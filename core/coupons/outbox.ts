import type { Ctx } from "../context.ts";
import { keys } from "../keys.ts";
import type { CampaignAbout } from "./campaign.ts";
import { confirmationOf } from "./confirmation.ts";
import type { Confirmation } from "./ledger.ts";

/**
 * One entry of an outbox: an issuance that the ledger does not have yet. It says nothing of the request that it came from: that would
 * double the 26 bytes that a pending coupon takes in Redis. So what the sweep sends again carries the id of the sweep's own run.
 */
export interface OutboxEntry {
  readonly outboxId: string;
  readonly confirmation: Confirmation;
}

/** Entries read in one call: well below a millisecond of Redis time. */
const ENTRIES_AT_ONCE = 500;

/** Reads an outbox from its oldest entry on, a page at a time, past the sweep and its claims. */
export async function* readOutbox(
  ctx: Pick<Ctx, "redis" | "couponSecret">,
  about: CampaignAbout,
): AsyncGenerator<OutboxEntry[]> {
  const { campaignId } = about;
  let from = "-";
  while (true) {
    const command = ["XRANGE", keys.outbox(campaignId), from, "+", "COUNT", ENTRIES_AT_ONCE] as const;
    const [reply] = (await ctx.redis.commands([command])) as [[Buffer, [Buffer, Buffer]][]];
    if (reply.length > 0) yield reply.map((entry) => decode(entry, about, ctx.couponSecret));
    const last = reply.at(-1);
    if (!last || reply.length < ENTRIES_AT_ONCE) return;
    from = `(${last[0]}`;
  }
}

function decode([id, [field, user]]: [Buffer, [Buffer, Buffer]], about: CampaignAbout, secret: string): OutboxEntry {
  const outboxId = String(id);
  const issuance = {
    campaignId: about.campaignId,
    userId: String(user),
    ticket: field.readUInt32BE(0),
    nth: field.length > 5 ? field.readUInt8(5) : 1,
    issuedAt: Number(outboxId.slice(0, outboxId.indexOf("-"))),
  };
  return { outboxId, confirmation: confirmationOf(issuance, about, secret, field.subarray(6).toString("hex")) };
}
