import { crc32 } from "node:zlib";
import { limits } from "../limits.ts";

/** The shard of a product: a pure function, the same on every host. */
export const shardOf = (productId: string): number => crc32(productId) % limits.rankingShards;

/** All shards. */
export const SHARDS: readonly number[] = Array.from({ length: limits.rankingShards }, (_, shard) => shard);

/** The message group of a shard: its messages are applied in order, those of different shards at the same time. */
export const groupOf = (shard: number): string => `rank-${shard}`;
