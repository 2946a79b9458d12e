import * as z from "zod/mini";
import type { QueueMessage } from "../doors/sqs.ts";
import { limits } from "../limits.ts";
import { type Trace, traceAttributes } from "../trace.ts";
import type { CampaignAbout } from "./campaign.ts";
import { couponIdOf, expiryOf, type Issuance } from "./coupon.ts";
import type { Confirmation } from "./ledger.ts";
import { groupName, groupOf } from "./member.ts";

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
  epoch: z.int().check(z.gte(0)),
  outboxId: z.string().check(z.regex(/^\d+-\d+$/)),
});

const markerSchema = z.strictObject({ v: z.literal(1), marker: z.string(), campaignId: z.string(), group: z.int() });

export interface Delivery {
  readonly confirmation: Confirmation;
  readonly outboxId: string;
  /** The campaign's epoch when it was decided. */
  readonly epoch: number;
  /** Who sent it this time: the request that was answered with the coupon, or a run of the sweep. */
  readonly trace?: Trace | undefined;
}

/**
 * A message that a recovery sends into every group of a campaign: when it comes out, all that was sent before it into that group
 * has been dealt with. SQS's own count of messages is approximate and knows no campaigns; the order within a group is exact.
 */
export interface Marker {
  readonly marker: string;
  readonly campaignId: string;
  readonly group: number;
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
 * another outbox id, so the second issue is not taken for a re-send of the first. The trace goes into attributes, so that the body
 * is the same for every sender.
 */
export function messageOf({ confirmation, outboxId, epoch, trace }: Delivery): QueueMessage {
  const { campaignId, userId } = confirmation;
  return {
    body: JSON.stringify({ v: 1, ...confirmation, epoch, outboxId }),
    groupId: groupOf(campaignId, userId),
    deduplicationId: issuanceOf({ confirmation, outboxId, epoch }),
    ...(trace ? { attributes: traceAttributes(trace) } : {}),
  };
}

/** The name of an issuance: a stream never gives an id twice, and each epoch begins its stream behind the one before. */
export function issuanceOf({ confirmation, outboxId, epoch }: Omit<Delivery, "trace">): string {
  return `${confirmation.campaignId}.${epoch}.${confirmation.ticket}.${outboxId}`;
}

/** One marker for each group of a campaign. */
export function markersOf(campaignId: string, marker: string): QueueMessage[] {
  return Array.from({ length: limits.groupsPerCampaign }, (_, group) => ({
    body: JSON.stringify({ v: 1, marker, campaignId, group }),
    groupId: groupName(campaignId, group),
    deduplicationId: `marker.${marker}`,
  }));
}

/** Reads a message's body. @returns undefined for anything that is neither a confirmation nor a marker */
export function readMessage(body: string): Delivery | Marker | undefined {
  let raw: unknown;
  try {
    raw = JSON.parse(body);
  } catch {
    return undefined;
  }
  const marker = z.safeParse(markerSchema, raw);
  if (marker.success) return marker.data;
  const parsed = z.safeParse(messageSchema, raw);
  if (!parsed.success) return undefined;
  const { v: _, outboxId, epoch, ...confirmation } = parsed.data;
  return { confirmation, outboxId, epoch };
}
