import { crc32 } from "node:zlib";

/**
 * One stock in several places. Each allotment is a campaign of its own, with its own Redis slot (or another region's Redis), its
 * own tickets and its own queue; a user has one home among them, so nobody can hold a coupon in two.
 */
export interface Allotment {
  /** Which one, 0…of-1. */
  readonly index: number;
  /** Of how many. Fixed when they are created: a user's home must never change. */
  readonly of: number;
}

/** A user's home among so many allotments. A pure function: every host, region and version must find the same one. */
export function homeOf(userId: string, of: number): number {
  // Buckets and groups are remainders of the checksum itself; another start value would only shift it by a constant. Mixed as
  // MurmurHash3 ends its hash, so that a home's users are spread over all buckets and groups.
  let mixed = crc32(userId);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return ((mixed ^ (mixed >>> 16)) >>> 0) % of;
}
