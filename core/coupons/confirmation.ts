import * as z from "zod/mini";
import type { QueueMessage } from "../doors/sqs.ts";
import type { CampaignAbout } from "./campaign.ts";
import { couponIdOf, expiryOf, type Issuance } from "./coupon.ts";
import type { Confirmation } from "./ledger.ts";
import { groupOf } from "./member.ts";

/** What travels from the decision to the ledger. The same issuance always makes the same message, whoever sends it. */

const messageSchema = z.strictObject({
  v: z.literal(1),
  campaignId: z.string(),
  userId: z.string(),
  ticket: z.int().check(z.positive()),
  nth: z.int().check(z.positive()),
  issuedAt: z.int(),
  couponId: z.string(),
  expiresAt: z.optional(z.int()),
  key: z.optional(z.string()),
  outboxId: z.string().check(z.regex(/^\d+-\d+$/)),
});

export interface Delivery {
  readonly confirmation: Confirmation;
  readonly outboxId: string;
}

/** Completes an issuance to what the ledger will keep. */
export function confirmationOf(issuance: Issuance, about: CampaignAbout, secret: string, key: string): Confirmation {
  const { campaignId, userId, ticket, nth, issuedAt } = issuance;
  return {
    campaignId,
    userId,
    ticket,
    nth,
    issuedAt,
    couponId: couponIdOf(issuance, secret),
    expiresAt: expiryOf(issuedAt, about.validDays),
    key: key === "" ? undefined : key,
  };
}

/**
 * The message of a confirmation. The deduplication id names the issuance: a ticket that is freed and issued again has
 * another issue time, so the second issue is not taken for a re-send of the first.
 */
export function messageOf(confirmation: Confirmation, outboxId: string): QueueMessage {
  const { campaignId, userId, ticket, issuedAt } = confirmation;
  return {
    body: JSON.stringify({ v: 1, ...confirmation, outboxId }),
    groupId: groupOf(campaignId, userId),
    deduplicationId: `${campaignId}.${ticket}.${issuedAt}`,
  };
}

/** Reads a message's body. @returns undefined for anything that is not such a message */
export function readMessage(body: string): Delivery | undefined {
  let raw: unknown;
  try {
    raw = JSON.parse(body);
  } catch {
    return undefined;
  }
  const parsed = z.safeParse(messageSchema, raw);
  if (!parsed.success) return undefined;
  const { v: _, outboxId, ...confirmation } = parsed.data;
  return { confirmation, outboxId };
}
