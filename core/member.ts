import { createHash } from "node:crypto";
import { limits } from "./limits.ts";

/**
 * How a user is written in Redis, whatever the key: pure functions, so that every function, on every host and in every
 * version, finds the same user.
 */

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the marks below must not be writable by a user id
const PLAIN = /^[^\u0000-\u001f]+$/u;
const UUID_MARK = 1;
const DIGEST_MARK = 2;

/**
 * The user as a field or member: as is when short (decimal ids take five bytes in a listpack), 17 bytes for a lower-case UUID
 * instead of 36, a digest for anything long or with control characters. The marks are control characters, so two users
 * never meet in one field.
 */
export function memberOf(userId: string): Buffer {
  if (UUID.test(userId)) return Buffer.from(`0${UUID_MARK}${userId.replaceAll("-", "")}`, "hex");
  const bytes = Buffer.from(userId);
  if (bytes.length <= limits.memberBytes && PLAIN.test(userId)) return bytes;
  return Buffer.concat([Buffer.of(DIGEST_MARK), createHash("sha256").update(bytes).digest()]);
}

/** The user of a member. @returns undefined where the member is a digest, from which nobody can be told */
export function userOf(member: Buffer): string | undefined {
  const [mark] = member;
  if (mark === DIGEST_MARK) return undefined;
  if (mark !== UUID_MARK) return member.toString("utf8");
  const hex = member.toString("hex", 1);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
