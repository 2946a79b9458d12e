import { bytesPerProduct, type ProductBytes } from "./rankings-bytes.ts";
import {
  type DecayError,
  decayAtWrite,
  decayErrors,
  HALF_LIVES,
  type Rescale,
  rescale,
  TICK_MINUTES,
} from "./rankings-decay.ts";
import { shortName } from "./rankings-events.ts";
import { type KeepCost, type Keeping, keepScores, MANY } from "./rankings-keeping.ts";
import { fillScores, PAGE, publish, type ReadCost, readPages, readRanks } from "./rankings-reads.ts";
import { type Reload, reload } from "./rankings-reload.ts";
import { HALF_LIFE_HOURS, Stage } from "./rankings-stage.ts";
import { type UnionRow, unionBySize } from "./rankings-union.ts";
import type { Bench, Section } from "./section.ts";
import { table, whole } from "./table.ts";
import { idsOf } from "./users.ts";

const GENERATION = 1_000;
const micros = (value: number) => (value < 100 ? value.toFixed(1) : whole(value));

interface Read extends ReadCost {
  readonly name: string;
}

interface Figures {
  readonly products: number;
  readonly bytes: readonly (ProductBytes & { readonly label: string })[];
  readonly reads: readonly Read[];
  readonly keeping: Keeping;
  readonly union: UnionRow;
  readonly reload: Reload;
  readonly decay: { readonly rowMicros: readonly number[]; readonly rescale: Rescale; readonly error: DecayError };
}

async function measureReads({ server, progress, quick }: Bench, stage: Stage, products: number): Promise<Read[]> {
  const rounds = quick ? 1 : 5;
  const reads: Read[] = [];
  const published = await progress.step("boards: publishing", () => publish(server, stage, GENERATION, rounds));
  const { page, merge } = await progress.step("boards: pages", () =>
    readPages(server, stage, published.generation, rounds),
  );
  reads.push({ name: `first ${PAGE}: a page of a generation`, ...page });
  reads.push({ name: `first ${PAGE}: merged from 16 shards of ${whole(products)}`, ...merge });
  for (const size of quick ? [100_000] : [100_000, 1_000_000]) {
    const ways = [
      { label: "", score: (index: number) => 1 + ((index * 7_919) % 99_991) },
      { label: ", all scores equal", score: () => 7 },
    ];
    for (const [way, { label, score }] of ways.entries()) {
      const boardId = `ranks-${size}-${way}`;
      const name = `rank among ${whole(size)}${label}`;
      await progress.step(`boards: ${name}, filling`, () => fillScores(server, stage, boardId, size, score));
      const work = () => readRanks(server, stage, boardId, size, score, rounds);
      reads.push({ name, ...(await progress.step(`boards: ${name}`, work)) });
    }
  }
  reads.push({ name: `publishing a generation of ${whole(GENERATION)}`, ...published.cost });
  return reads;
}

async function measureAll(bench: Bench): Promise<Figures> {
  const { server, progress, quick } = bench;
  const products = quick ? 20_000 : 100_000;
  const kinds = [
    { label: "36-character UUID", names: idsOf("uuid", products) },
    { label: "p-12345", names: Array.from({ length: products }, (_, i) => shortName(i)) },
  ];
  const bytes: Figures["bytes"][number][] = [];
  for (const { label, names } of kinds) {
    const work = () => bytesPerProduct(server, names);
    bytes.push({ label, ...(await progress.step(`boards: bytes of a product, ${label}`, work)) });
  }
  // The products with short names are still there, counted and scored.
  const stage = await Stage.open(server);
  let reads: Read[];
  let keeping: Keeping;
  try {
    reads = await measureReads(bench, stage, products);
    keeping = await keepScores(bench, stage, products, quick ? 1 : 3);
  } finally {
    stage.close();
  }
  const reloaded = await reload(bench, 100_000, quick ? 4 : 100);
  const rowMicros = await decayAtWrite(bench, 100_000);
  const rescaled = await rescale(bench, 100_000, quick ? 1 : 5);
  const error = await decayErrors(bench);
  const [union] = await unionBySize(bench, [100_000], quick ? 1 : 3);
  if (!union) throw new Error("nothing was united");
  await server.clear();
  return { products, bytes, reads, keeping, union, reload: reloaded, decay: { rowMicros, rescale: rescaled, error } };
}

function readTable({ reads, union }: Figures): string {
  const rows = reads.map(({ name, wallMicros, cpuMicros }) => [name, micros(wallMicros), micros(cpuMicros)]);
  const united = [`first ${PAGE}: union of ${whole(union.products)} on reading`, "", micros(union.unionMicros)];
  return table([["", "wall µs", "server CPU µs"], ...rows.slice(0, 2), united, ...rows.slice(2)]);
}

function keepTable({ keeping: { products, changed, one, many, built } }: Figures): string {
  const row = (name: string, { seconds, cpu }: KeepCost, count: number) => [
    ...[name, whole(seconds * 1_000), whole(cpu * 1_000), ((cpu * 1e6) / count).toFixed(1)],
  ];
  return table([
    ["16 shards", "wall ms", "server CPU ms", "µs a product and board"],
    row(`${whole(changed)} changed products, 1 board`, one, changed),
    row(`${whole(changed)} changed products, ${MANY} boards`, many, changed * MANY),
    row(`a new version over ${whole(products)} products`, built, products),
  ]);
}

function bytesTable({ bytes }: Figures): string {
  return table([
    ["bytes of a product, id", "record", "row of a bucket", "one board", "all three, used_memory"],
    ...bytes.map(({ label, record, bucketRow, board, all }) => [
      ...[label, record.toFixed(0), bucketRow.toFixed(0), board.toFixed(0), all.toFixed(0)],
    ]),
  ]);
}

function reloadText({ reload: it }: Figures): string {
  const seconds = it.readSeconds + it.applySeconds;
  return `Loading 24 h of raw batches into an empty edition: ${whole(it.events)} events in ${whole(it.batches)} batches (${(it.bytes / 1e6).toFixed(1)} MB) become ${whole(it.rows)} rows in
${whole(it.calls)} calls, in ${seconds.toFixed(1)} s: ${whole(it.events / seconds)} events/s, ${whole(it.rows / seconds)} rows/s. Reading, unpacking and summing ${it.readSeconds.toFixed(1)} s,
applying ${it.applySeconds.toFixed(1)} s, of which ${it.cpu.toFixed(1)} s are the server's CPU. The ledger is in the bench's memory: DynamoDB's own time comes on top.`;
}

function decayText({ decay: { rowMicros, rescale: job, error } }: Figures): string {
  const exponent = (share: number) => share.toExponential(1);
  return `${table([
    ["decay", "costs", "off by at most"],
    ...HALF_LIVES.map((count, i) => [
      `in the script, ${count} ${count === 1 ? "half-life" : "half-lives"}`,
      `${(rowMicros[i] ?? Number.NaN).toFixed(2)} CPU µs a row, all of it`,
      count === 1 ? exponent(error.atWrite) : "",
    ]),
    [
      `ZUNIONSTORE k 1 k WEIGHTS f of ${whole(job.products)}`,
      `${(job.unionMicros / 1_000).toFixed(1)} CPU ms in one piece`,
      `${exponent(error.afterJob)} … ${exponent(error.beforeJob)}`,
    ],
    [
      "read and rewritten by 1,000",
      `${whole(job.rewriteMs)} ms, in pieces`,
      `the same, and ${job.lost} of ${whole(job.increments)} increments lost`,
    ],
  ])}

Off by: of ${whole(error.events)} events of 20 products over ${error.days} ${error.days === 1 ? "day" : "days"} with a half-life of ${HALF_LIFE_HOURS} h, the greatest share by which a sum differs from the exact one.
The job runs every ${TICK_MINUTES} minutes; right after it and right before. Lost: one caller increments, one after the other, while all is read and rewritten.`;
}

export const boards: Section = {
  name: "boards",
  summary: "pages, ranks, publishing, scoring, bytes of a product, rebuild, decay",
  async run(bench) {
    const figures = await measureAll(bench);
    const text = `${readTable(figures)}

One connection, one answer at a time, with the client's share in wall µs. CPU of the server's process for all commands of an answer.
rank: a call of rank.lua in each of 16 shards. The union is of three metrics in one shard.
publishing: shards looked at before and after, merge of 16 shards, records of ${whole(GENERATION)} products, pages written, pointer moved.

${keepTable(figures)}

By the project's score(): changed products are taken with their records, scored outside Redis, and put into four sets a board.

${bytesTable(figures)}

By MEMORY USAGE of the keys, and by used_memory for all that there is. One half-life (56 bytes), a category of 3 or 4 bytes, every window and metric.
A product has a row in each bucket that it has events in: up to 60 minutes, 96 quarters, 168 hours.

${reloadText(figures)}

${decayText(figures)}`;
    return { text, bars: [], figures };
  },
};
