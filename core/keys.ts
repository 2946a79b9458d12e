/**
 * Every Redis key, made here and nowhere else. `v1` is the layout's version. Keys of one campaign share the hash tag
 * `{campaignId}`, those of one room `{room:roomId}`, those of one shard of the rankings `{rank:n}` and those of what one board has
 * published `{board:boardId}`, so that one script's keys live in one cluster slot. (No campaign's id has a colon.)
 *
 * No key of coupons and rooms has a TTL: each of them is one whose loss would be a fault, and ElastiCache Serverless evicts keys
 * that have one. Of the rankings' keys those have one that lose their worth with time; a bucket that was evicted is noticed
 * (`slots`) and mended by a rebuild.
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
 * | `fc:v1:{rank:n}:actors:<hour>` | string | counters of views by actor and product (`rankings/actors.ts`); TTL two hours |
 * | `fc:v1:{rank:n}:capped:<hour>:<batch>` | string | JSON: how many views of a batch count; TTL two minutes |
 * | `fc:v1:{rank:n}:e:origin` | string | which server holds this edition; absent where it is not open, or lost |
 * | `fc:v1:{rank:n}:e:fence` | hash | message group → last sequence number and part that were applied, and the latest arrival |
 * | `fc:v1:{rank:n}:e:seen:<minute>` | string | digests of batches and parts that were applied in it, eight bytes each; TTL two hours |
 * | `fc:v1:{rank:n}:e:marks` | hash | tier → last slot that has left it; `faults`: products whose sums cannot be trusted |
 * | `fc:v1:{rank:n}:e:slots` | hash | bucket → products that it holds |
 * | `fc:v1:{rank:n}:e:minutes:<slot>` | hash | product → packed sums of one minute; TTL a day after it has left its window |
 * | `fc:v1:{rank:n}:e:quarters:<slot>` | hash | the same of a quarter of an hour |
 * | `fc:v1:{rank:n}:e:hours:<slot>` | hash | the same of an hour |
 * | `fc:v1:{rank:n}:e:products` | hash | product → packed record (`rankings/record.ts`) |
 * | `fc:v1:{rank:n}:e:totals` | string | packed: sums of all products, by metric and window |
 * | `fc:v1:{rank:n}:e:dirty` | set | products that changed since they were scored |
 * | `fc:v1:{rank:n}:e:scoring` | set | of those, the ones that are being scored |
 * | `fc:v1:{rank:n}:e:claim` | string | who scores |
 * | `fc:v1:{rank:n}:e:built` | set | board versions: begun, every product listed for it, every product scored for it |
 * | `fc:v1:{rank:n}:e:remaining:<board>:<version>` | set | products still to be scored for a new version |
 * | `fc:v1:{rank:n}:e:scores:<board>:<version>:<window>` | zset | product → score; only those above 0 |
 * | `fc:v1:{board:id}:pointer:<window>` | string | JSON: the newest generation |
 * | `fc:v1:{board:id}:generation:<window>:<generation>` | hash | page → JSON; TTL ten minutes |
 * | `fc:v1:{board:id}:history:<window>` | hash | five minutes → JSON: products in their order then; TTL two hours |
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
  actors: (shard: number, hour: number) => `fc:v1:{rank:${shard}}:actors:${hour}`,
  capped: (shard: number, hour: number, batchId: string) => `fc:v1:{rank:${shard}}:capped:${hour}:${batchId}`,
  pointer: (boardId: string, window: string) => `fc:v1:{board:${boardId}}:pointer:${window}`,
  generation: (boardId: string, window: string, generation: number) =>
    `fc:v1:{board:${boardId}}:generation:${window}:${generation}`,
  history: (boardId: string, window: string) => `fc:v1:{board:${boardId}}:history:${window}`,
} as const;

/** Keys of one shard of the rankings in one edition: a whole set of them that is built beside another and takes its place. */
export function shardKeys(shard: number, edition: number) {
  const prefix = `fc:v1:{rank:${shard}}:${edition}`;
  return {
    origin: `${prefix}:origin`,
    fence: `${prefix}:fence`,
    seen: (minute: number) => `${prefix}:seen:${minute}`,
    marks: `${prefix}:marks`,
    slots: `${prefix}:slots`,
    minutes: (slot: number) => `${prefix}:minutes:${slot}`,
    quarters: (slot: number) => `${prefix}:quarters:${slot}`,
    hours: (slot: number) => `${prefix}:hours:${slot}`,
    products: `${prefix}:products`,
    totals: `${prefix}:totals`,
    dirty: `${prefix}:dirty`,
    scoring: `${prefix}:scoring`,
    claim: `${prefix}:claim`,
    built: `${prefix}:built`,
    remaining: (boardId: string, version: number) => `${prefix}:remaining:${boardId}:${version}`,
    scores: (boardId: string, version: number, window: string) => `${prefix}:scores:${boardId}:${version}:${window}`,
  } as const;
}

export type ShardKeys = ReturnType<typeof shardKeys>;
