import { shardKeys } from "../../core/keys.ts";
import { SHARDS } from "../../core/rankings/shards.ts";
import { WINDOWS } from "../../core/rankings/windows.ts";
import { fullRow } from "./rankings-events.ts";
import { BOARD } from "./rankings-reads.ts";
import { boardVersion, Stage } from "./rankings-stage.ts";
import { type Server, usedMemory } from "./server.ts";

/** What a product takes in Redis. */

export interface ProductBytes {
  /** Of used_memory: record, one row of a bucket, one board. */
  readonly all: number;
  /** By MEMORY USAGE of the keys. */
  readonly record: number;
  readonly bucketRow: number;
  readonly board: number;
}

/** Counts one row of each product and scores one board. Leaves them there. */
export async function bytesPerProduct(server: Server, names: readonly string[]): Promise<ProductBytes> {
  await server.clear();
  const before = await usedMemory(server);
  const stage = await Stage.open(server);
  const version = boardVersion(1);
  try {
    await stage.fillShards(
      stage.minute,
      names.map((name, i) => fullRow(name, i)),
    );
    await stage.score([{ boardId: BOARD, version }]);
  } finally {
    stage.close();
  }
  const used = (await usedMemory(server)) - before;
  const own = SHARDS.map((shard) => shardKeys(shard, stage.edition.id));
  const usage = async (list: readonly string[]) => {
    let sum = 0;
    for (const key of list) sum += Number(await server.client.call("MEMORY", "USAGE", key, "SAMPLES", 0));
    return sum / names.length;
  };
  return {
    all: used / names.length,
    record: await usage(own.map((it) => it.products)),
    bucketRow: await usage(own.map((it) => it.minutes(stage.minute))),
    board: await usage(own.flatMap((it) => WINDOWS.map((window) => it.scores(BOARD, version.version, window)))),
  };
}
