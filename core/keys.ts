/**
 * Every Redis key, made here and nowhere else. `v1` is the layout's version. Keys of one campaign share the hash tag
 * `{campaignId}`, those of one room `{room:roomId}`, so that one script's keys live in one cluster slot. (No campaign's id has a colon.)
 *
 * No key has a TTL: each of them is one whose loss would be a fault, and ElastiCache Serverless evicts keys that have one.
 *
 * | key | type | holds |
 * |---|---|---|
 * | `fc:v1:campaigns` | set | ids of all campaigns that Redis should know; absent means that Redis is blank |
 * | `fc:v1:{id}:tally` | string | packed: what the deciding script reads and counts (layout in `coupons/tally.ts`) |
 * | `fc:v1:{id}:about` | string | JSON: the campaign's definition, for answers |
 * | `fc:v1:{id}:holders:<n>` | hash | member → packed (ticket, milliseconds since creation, idempotency key, mark when given back) |
 * | `fc:v1:{id}:free` | zset | tickets that were given back and wait to be given again, by number; absent for most campaigns |
 * | `fc:v1:{id}:outbox` | stream | packed ticket → user: issuances that the ledger does not have yet; group `sweep` counts re-sends |
 * | `fc:v1:{id}:flow` | hash | how fast the ledger takes confirmations, for the ETA; when it last refused one |
 * | `fc:v1:rooms` | set | ids of all rooms that Redis should know; absent means that Redis is blank |
 * | `fc:v1:{room:id}:rules` | string | packed: what the operator says of a room (layout in `rooms/rules.ts`) |
 * | `fc:v1:{room:id}:state` | string | packed: what the room counts (layout in `rooms/room-state.ts`) |
 * | `fc:v1:{room:id}:waiting` | zset | member → place in the line |
 * | `fc:v1:{room:id}:beats` | zset | member → last heartbeat, by the room's clock |
 * | `fc:v1:{room:id}:passes` | zset | member → when the pass ends, by the room's clock; kept for some minutes longer |
 * | `fc:v1:{room:id}:numbers` | hash | member → number, for each in `passes` |
 * | `fc:v1:{room:id}:spent` | hash | member → what a single-use pass was used for |
 */
export const keys = {
  campaigns: "fc:v1:campaigns",
  tally: (campaignId: string) => `fc:v1:{${campaignId}}:tally`,
  about: (campaignId: string) => `fc:v1:{${campaignId}}:about`,
  holders: (campaignId: string, bucket: number) => `fc:v1:{${campaignId}}:holders:${bucket}`,
  free: (campaignId: string) => `fc:v1:{${campaignId}}:free`,
  outbox: (campaignId: string) => `fc:v1:{${campaignId}}:outbox`,
  flow: (campaignId: string) => `fc:v1:{${campaignId}}:flow`,
  rooms: "fc:v1:rooms",
  rules: (roomId: string) => `fc:v1:{room:${roomId}}:rules`,
  state: (roomId: string) => `fc:v1:{room:${roomId}}:state`,
  waiting: (roomId: string) => `fc:v1:{room:${roomId}}:waiting`,
  beats: (roomId: string) => `fc:v1:{room:${roomId}}:beats`,
  passes: (roomId: string) => `fc:v1:{room:${roomId}}:passes`,
  numbers: (roomId: string) => `fc:v1:{room:${roomId}}:numbers`,
  spent: (roomId: string) => `fc:v1:{room:${roomId}}:spent`,
} as const;
