import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { limits } from "../limits.ts";

/**
 * How a user is written in Redis. Pure functions of their arguments: every function, on every host and in every version,
 * must find the same holder and the same message group.
 */

/** Where a bucket keeps a user's nth coupon: the member itself for the first, with the ordinal before it for the others. */
export function fieldOf(member: Buffer, nth: number): Buffer {
  return nth === 1 ? member : Buffer.concat([Buffer.from(`${nth}\x1f`), member]);
}

/** The member and the ordinal of a bucket's field. No member begins with digits and the mark that stands between the two. */
export function readField(field: Buffer): { member: Buffer; nth: number } {
  const mark = field.indexOf(0x1f);
  const ordinal = field.toString("latin1", 0, Math.max(0, mark));
  if (!/^\d{1,2}$/.test(ordinal)) return { member: field, nth: 1 };
  return { member: field.subarray(mark + 1), nth: Number(ordinal) };
}

/** How many buckets a campaign gets; fixed when it is created, because a user's bucket must never change. */
export function bucketCount(stock: number): number {
  return Math.max(1, Math.ceil(stock / limits.holdersPerBucket));
}

/** The bucket of a user, 0…buckets-1. */
export function bucketOf(userId: string, buckets: number): number {
  return crc32(userId) % buckets;
}

/**
 * The SQS message group of a user's confirmations. Deduplication holds within a group only, so the group must never depend
 * on anything but the campaign and the user.
 */
export function groupOf(campaignId: string, userId: string): string {
  return groupName(campaignId, crc32(userId) % limits.groupsPerCampaign);
}

/** The message group of a number, 0…`limits.groupsPerCampaign` - 1. */
export const groupName = (campaignId: string, group: number): string => `${campaignId}.${group}`;

/** An idempotency key in eight bytes; empty for none. Two keys of one user meet with a chance of 1 in 2^64. */
export function keyDigest(idempotencyKey: string | undefined): Buffer {
  if (idempotencyKey === undefined) return Buffer.alloc(0);
  return createHash("sha256").update(idempotencyKey).digest().subarray(0, 8);
}

/** What a bucket keeps of a coupon, as `issue.lua` writes it: ticket, milliseconds since the campaign's base, idempotency key. */
export function heldValue(
  coupon: { ticket: number; issuedAt: number; key?: string | undefined },
  base: number,
): Buffer {
  const value = Buffer.alloc(8);
  value.writeUIntBE(coupon.ticket, 0, 3);
  value.writeUIntBE(coupon.issuedAt - base, 3, 5);
  return Buffer.concat([value, Buffer.from(coupon.key ?? "", "hex")]);
}
