import { bucketOf } from "../../core/coupons/member.ts";
import { keys } from "../../core/keys.ts";
import { memberOf } from "../../core/member.ts";
import { openClient } from "./client.ts";
import { type Argument, encode } from "./resp.ts";
import { type Server, usedMemory } from "./server.ts";

/** A million holders put into Redis quickly, and what they take there. */

type Commands = Iterable<readonly Argument[]>;

export const CAMPAIGN = "opening-day";
/** The key of a plain set: as long as a real one. */
const PLAIN = keys.holders(CAMPAIGN, 0);
/** Members in one command, and commands in one write. */
const MEMBERS_AT_ONCE = 100;
const COMMANDS_AT_ONCE = 200;
const DAY_MS = 86_400_000;

/** What `issue.lua` keeps of an issuance without an idempotency key. */
export function holderValue(ticket: number, sinceBaseMs: number): Buffer {
  const value = Buffer.alloc(8);
  value.writeUIntBE(ticket, 0, 3);
  value.writeUIntBE(sinceBaseMs, 3, 5);
  return value;
}

/** Ten coupons a millisecond, from a day after the campaign was created. */
export function valueAt(index: number): Buffer {
  return holderValue(index + 1, DAY_MS + Math.floor(index / 10));
}

/**
 * Sends commands over a connection that is gone afterwards, so that its buffers are not counted.
 * @returns the sum of all numbers in the replies
 */
export async function send(port: number, commands: Commands): Promise<number> {
  const client = await openClient(port);
  let sum = 0;
  const batch: string[] = [];
  const flush = async () => {
    for (const reply of await client.send(batch.splice(0))) {
      for (const part of Array.isArray(reply) ? reply : [reply]) sum += typeof part === "number" ? part : 0;
    }
  };
  for (const command of commands) {
    if (batch.push(encode(command)) === COMMANDS_AT_ONCE) await flush();
  }
  await flush();
  await client.close();
  return sum;
}

/** One command for a hundred members: `SADD set a b c…`. */
function* inGroups(name: string, ids: readonly string[]): Generator<Argument[]> {
  for (let from = 0; from < ids.length; from += MEMBERS_AT_ONCE) {
    yield [name, PLAIN, ...ids.slice(from, from + MEMBERS_AT_ONCE)];
  }
}

/** One `HSET` for each bucket, its holders in the order of their tickets. */
export function* inBuckets(
  campaignId: string,
  ids: readonly string[],
  buckets: number,
  value: (index: number) => Buffer = valueAt,
): Generator<Argument[]> {
  const fields: Argument[][] = Array.from({ length: buckets }, () => []);
  for (const [index, id] of ids.entries()) fields[bucketOf(id, buckets)]?.push(memberOf(id), value(index));
  for (const [bucket, args] of fields.entries()) {
    if (args.length > 0) yield ["HSET", keys.holders(campaignId, bucket), ...args];
  }
}

/**
 * Fills an empty Redis and looks at every holder: to know that all are there, and because a hash table that has just grown
 * gives its old half back bit by bit, as it is used.
 * @param look commands whose replies add up to the number of holders
 * @returns bytes per holder
 */
async function bytesPerHolder(server: Server, holders: number, fill: Commands, look: Commands): Promise<number> {
  await server.clear();
  const before = await usedMemory(server);
  await send(server.port, fill);
  const found = await send(server.port, look);
  if (found !== holders) throw new Error(`${found} of ${holders} holders are there`);
  return ((await usedMemory(server)) - before) / holders;
}

/** Bytes per holder of a plain set. */
export function inSet(server: Server, ids: readonly string[]): Promise<number> {
  return bytesPerHolder(server, ids.length, inGroups("SADD", ids), inGroups("SMISMEMBER", ids));
}

/** Bytes per holder of buckets as `issue.lua` writes them. Leaves them there. */
export function packed(server: Server, ids: readonly string[], buckets: number): Promise<number> {
  const lengths = Array.from({ length: buckets }, (_, bucket) => ["HLEN", keys.holders(CAMPAIGN, bucket)]);
  return bytesPerHolder(server, ids.length, inBuckets(CAMPAIGN, ids, buckets), lengths);
}
