import type { RedisDoor } from "../../core/doors/redis.ts";
import { shardKeys } from "../../core/keys.ts";
import { METRICS, type ProductRecord, readRecord, readTotals } from "../../core/rankings/record.ts";
import { SHARDS } from "../../core/rankings/shards.ts";
import { BOARDS, WINDOWS } from "./boards.ts";
import type { Clock } from "./clock.ts";
import type { Desk, RankingsStatus } from "./desk.ts";
import type { Seen, SeenPages, SeenProduct } from "./verdict/evidence.ts";

/** Looks at everything, while nothing moves. */
export async function lookAround(
  { desk, redis, clock }: { desk: Desk; redis: RedisDoor; clock: Clock },
  edition: RankingsStatus["editions"][number],
  sample: readonly string[],
): Promise<Seen> {
  const from = clock.now();
  const { records, totals } = await readShards(redis, edition.id);
  const pages: SeenPages[] = [];
  for (const board of BOARDS) {
    for (const window of WINDOWS) {
      const all = await desk.top(board.boardId, window);
      pages.push({
        ...{ board, window },
        generations: all.map(({ generation }) => generation),
        sources: all.map(({ source }) => source),
        of: all[0]?.of ?? 0,
        publishedAt: Date.parse(all[0]?.publishedAt ?? ""),
        items: all.flatMap(({ items }) => items),
      });
    }
  }
  const products: SeenProduct[] = [];
  for (const productId of sample) {
    const asked = BOARDS.flatMap((board) => WINDOWS.map((window) => ({ board, window })));
    const told = await Promise.all(
      asked.map(async ({ board, window }) => {
        const sentAt = clock.now();
        const answer = await desk.product(board.boardId, productId, window);
        return { board, window, productId, from: sentAt, until: clock.now(), answer };
      }),
    );
    products.push(...told);
  }
  return { from, until: clock.now(), halfLives: edition.halfLives, records, totals, pages, products };
}

async function readShards(redis: RedisDoor, edition: number): Promise<Pick<Seen, "records" | "totals">> {
  const records = new Map<string, ProductRecord>();
  const totals = [0, 1, 2].map(() => ({ views: 0, likes: 0, carts: 0, units: 0, amount: 0 }));
  for (const shard of SHARDS) {
    const own = shardKeys(shard, edition);
    const [flat, packed] = (await redis.commands([
      ["HGETALL", own.products],
      ["GET", own.totals],
    ])) as [Buffer[], Buffer | null];
    for (let i = 0; i < flat.length; i += 2) {
      const [name, bytes] = [flat[i], flat[i + 1]];
      if (name && bytes) records.set(name.toString(), readRecord(bytes));
    }
    for (const [window, sums] of readTotals(packed).entries()) {
      const total = totals[window];
      for (const metric of METRICS) if (total) total[metric] += sums[metric];
    }
  }
  return { records, totals };
}
