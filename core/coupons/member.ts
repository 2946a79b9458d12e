import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { limits } from "../limits.ts";

/**
 * How a user is written in Redis. Pure functions of their arguments: every function, on every host and in every version,
 * must find the same holder and the same message group.
 */

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the marks below must not be writable by a user id
const PLAIN = /^[^\u0000-\u001f]+$/u;
const UUID_MARK = 1;
const DIGEST_MARK = 2;

/**
 * The user as a bucket's field: as is when short (decimal ids take five bytes in a listpack), 17 bytes for a lower-case UUID
 * instead of 36, a digest for anything long or with control characters. The marks are control characters, so two users
 * never meet in one field.
 */
export function memberOf(userId: string): Buffer {
  if (UUID.test(userId)) return Buffer.from(`0${UUID_MARK}${userId.replaceAll("-", "")}`, "hex");
  const bytes = Buffer.from(userId);
  if (bytes.length <= limits.memberBytes && PLAIN.test(userId)) return bytes;
  return Buffer.concat([Buffer.of(DIGEST_MARK), createHash("sha256").update(bytes).digest()]);
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
  return `${campaignId}.${crc32(userId) % limits.groupsPerCampaign}`;
}

/** An idempotency key in eight bytes; empty for none. Two keys of one user meet with a chance of 1 in 2^64. */
export function keyDigest(idempotencyKey: string | undefined): Buffer {
  if (idempotencyKey === undefined) return Buffer.alloc(0);
  return createHash("sha256").update(idempotencyKey).digest().subarray(0, 8);
}
