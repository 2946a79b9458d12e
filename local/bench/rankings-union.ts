import { keys } from "../../core/keys.ts";
import { timedCommand } from "./rankings-calls.ts";
import { shortName } from "./rankings-events.ts";
import { median } from "./rounds.ts";
import type { Bench } from "./section.ts";

/** A board that is weighed when it is read: ZUNIONSTORE of its metrics' sets. Against one whose scores are kept as events come. */

const METRICS = ["views", "carts", "sales"];
const WEIGHTS = [1, 10, 50];
/** Above it a union takes seconds, and is made once. */
const LARGE = 100_000;
const keyOf = (metric: string) => keys.pointer("bench-union", metric);

export interface UnionRow {
  readonly products: number;
  /** Microseconds of CPU of the server's thread: the union, and then its first hundred. */
  readonly unionMicros: number;
  /** The first hundred of scores that are kept; inside the command. */
  readonly keptMicros: number;
}

export async function unionBySize(
  { server, progress }: Bench,
  sizes: readonly number[],
  rounds: number,
): Promise<UnionRow[]> {
  await server.clear();
  const rows: UnionRow[] = [];
  let filled = 0;
  for (const products of sizes) {
    await progress.step(`window: ${products} products in three sets`, async () => {
      for (const [place, metric] of METRICS.entries()) {
        for (let from = filled; from < products; from += 1_000) {
          const count = Math.min(1_000, products - from);
          const pairs = Array.from({ length: count }, (_, i) => [
            1 + (((from + i) * (7_919 + place)) % 99_991),
            shortName(from + i),
          ]);
          await server.client.call("ZADD", keyOf(metric), ...pairs.flat());
        }
      }
    });
    filled = products;
    const unions: number[] = [];
    const reads: number[] = [];
    const work = async () => {
      for (let round = 0; round < (products > LARGE ? 1 : rounds); round++) {
        const sets = METRICS.map(keyOf);
        const union = ["ZUNIONSTORE", keyOf("score"), sets.length, ...sets, "WEIGHTS", ...WEIGHTS];
        const read = ["ZREVRANGE", keyOf("score"), 0, 99, "WITHSCORES"];
        const { cpuMicros: unionMicros } = await timedCommand(server, ...union);
        const { serverMicros: keptMicros } = await timedCommand(server, ...read);
        unions.push(unionMicros + keptMicros);
        reads.push((await timedCommand(server, ...read)).serverMicros);
        await server.client.call("DEL", keyOf("score"));
      }
    };
    await progress.step(`window: union of ${products} products`, work);
    rows.push({ products, unionMicros: median(unions), keptMicros: median(reads) });
  }
  return rows;
}

/** From how many products on the union blocks for so long; between two sizes by a straight line of the logarithms. */
export function sizeThatBlocks(rows: readonly UnionRow[], micros: number): number | undefined {
  const after = rows.findIndex(({ unionMicros }) => unionMicros > micros);
  const [below, above] = [rows[after - 1], rows[after]];
  if (!above) return undefined;
  if (!below) return above.products;
  const share = Math.log(micros / below.unionMicros) / Math.log(above.unionMicros / below.unionMicros);
  return below.products * (above.products / below.products) ** share;
}
