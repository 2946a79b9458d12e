import { bucketCount, bucketOf } from "../../core/coupons/member.ts";
import { keys } from "../../core/keys.ts";
import { memberOf } from "../../core/member.ts";
import { openClient } from "./client.ts";
import { type Measured, measure, packLoad } from "./load.ts";
import { type Argument, encode, type Reply } from "./resp.ts";
import type { Bench, Section } from "./section.ts";
import { usedMemory } from "./server.ts";
import { CAMPAIGN, valueAt } from "./stores.ts";
import { table, times, whole } from "./table.ts";
import { idsOf } from "./users.ts";

const SHAPE = { sockets: 4, pipeline: 16 };
const PLAIN = keys.holders(CAMPAIGN, 0);
/** Bits and probes for each holder, as `core/coupons/sold-out.ts` has them. */
const [BLOOM_BITS, BLOOM_PROBES] = [10, 7];

interface Store {
  readonly name: string;
  /** The command that adds a holder, and the one that asks for a user. */
  readonly commands: readonly [add: string, ask: string];
  add(id: string, index: number): readonly Argument[];
  /** Arguments that ask for one user; absent where nothing can be asked of one user. */
  readonly ask?: (id: string) => readonly Argument[];
  /** Whether the reply says that this user holds a coupon. */
  readonly says: (reply: Reply) => boolean;
  readonly tells: string;
}

/** Where a user's bits are: two hashes of the number make all probes. */
function probes(id: string, bits: number): number[] {
  const first = Math.imul(Number(id), 0x9e3779b1) >>> 0;
  const mixed = Math.imul(first ^ (first >>> 15), 0x85ebca6b) >>> 0;
  const step = ((mixed ^ (mixed >>> 13)) >>> 0) | 1;
  return Array.from({ length: BLOOM_PROBES }, (_, index) => (mixed + index * (step >>> 0)) % bits);
}

function stores(holders: number): Store[] {
  const buckets = bucketCount(holders);
  const bucket = (id: string) => keys.holders(CAMPAIGN, bucketOf(id, buckets));
  const isOne = (reply: Reply) => reply === 1;
  const isThere = (reply: Reply) => reply !== null;
  return [
    {
      name: "plain set",
      commands: ["sadd", "sismember"],
      add: (id) => [PLAIN, id],
      ask: (id) => [PLAIN, id],
      says: isOne,
      tells: "who",
    },
    {
      name: "packed buckets",
      commands: ["hset", "hget"],
      add: (id, index) => [bucket(id), memberOf(id), valueAt(index)],
      ask: (id) => [bucket(id), memberOf(id)],
      says: isThere,
      tells: "who, which ticket, when",
    },
    {
      name: "one hash, same values",
      commands: ["hset", "hget"],
      add: (id, index) => [PLAIN, id, valueAt(index)],
      ask: (id) => [PLAIN, id],
      says: isThere,
      tells: "who, which ticket, when",
    },
    {
      name: "bitmap by id",
      commands: ["setbit", "getbit"],
      add: (id) => [PLAIN, id, 1],
      ask: (id) => [PLAIN, id],
      says: isOne,
      tells: "who, where ids are numbers",
    },
    {
      name: `Bloom filter, ${BLOOM_BITS} bits`,
      commands: ["bitfield", "bitfield_ro"],
      add: (id) => [PLAIN, ...probes(id, holders * BLOOM_BITS).flatMap((bit) => ["SET", "u1", bit, 1])],
      ask: (id) => [PLAIN, ...probes(id, holders * BLOOM_BITS).flatMap((bit) => ["GET", "u1", bit])],
      says: (reply) => Array.isArray(reply) && reply.every(isOne),
      tells: "who surely not",
    },
    {
      name: "HyperLogLog",
      commands: ["pfadd", "pfcount"],
      add: (id) => [PLAIN, id],
      says: isOne,
      tells: "about how many",
    },
  ];
}

export interface MembershipRow {
  readonly name: string;
  readonly tells: string;
  readonly bytes: number;
  readonly added: Measured;
  readonly asked: Measured | undefined;
  /** Of users who hold one, how many were said to hold none; of strangers, how many were said to hold one. */
  readonly missed: number | undefined;
  readonly mistaken: number | undefined;
  /** What it counts, where it counts only. */
  readonly counted: number | undefined;
}

async function countYes(port: number, questions: readonly string[], says: Store["says"]): Promise<number> {
  const asker = await openClient(port);
  let sum = 0;
  for (let from = 0; from < questions.length; from += 1_000) {
    sum += (await asker.send(questions.slice(from, from + 1_000))).filter(says).length;
  }
  await asker.close();
  return sum;
}

async function measureStore({ server }: Bench, store: Store, holders: number, asks: number): Promise<MembershipRow> {
  const { client, port } = server;
  const { name, tells, commands, ask, says } = store;
  const [add, look] = commands;
  await server.clear();
  const before = await usedMemory(server);
  const adds = idsOf("numeric", holders).map((id, index) => encode([add, ...store.add(id, index)]));
  const added = await measure(server, packLoad(SHAPE, adds, add, ""), SHAPE);
  if (!ask) {
    const counted = Number(await client.call(look, PLAIN));
    const bytes = ((await usedMemory(server)) - before) / holders;
    return { name, tells, bytes, added, asked: undefined, missed: undefined, mistaken: undefined, counted };
  }
  const questions = (count: number, from: number) =>
    idsOf("numeric", count, from).map((id) => encode([look, ...ask(id)]));
  // A hash table that has just grown gives its old half back bit by bit, as it is asked.
  const missed = holders - (await countYes(port, questions(holders, 0), says));
  const strangers = questions(asks, holders);
  const mistaken = await countYes(port, strangers, says);
  const bytes = ((await usedMemory(server)) - before) / holders;
  const asked = await measure(server, packLoad(SHAPE, strangers, look, ""), SHAPE);
  return { name, tells, bytes, added, asked, missed, mistaken, counted: undefined };
}

export const membership: Section = {
  name: "membership",
  summary: "what else could know the holders, and what it gets wrong",
  async run(bench) {
    const [holders, asks] = bench.quick ? [20_000, 20_000] : [200_000, 100_000];
    const rows: MembershipRow[] = [];
    for (const store of stores(holders)) {
      const work = () => measureStore(bench, store, holders, asks);
      rows.push(await bench.progress.step(`membership: ${store.name}`, work));
    }
    const [set] = rows;
    const count = (number: number | undefined) => (number === undefined ? "–" : whole(number));
    const text = `${whole(holders)} holders with 9-digit ids, then ${whole(asks)} strangers.

${table([
  ["", "bytes", "÷ set", "adds/s", "CPU µs", "asks/s", "CPU µs", "missed", "mistaken", "tells"],
  ...rows.map((row) => [
    row.name,
    row.bytes.toFixed(1),
    times(row.bytes / (set?.bytes ?? Number.NaN)),
    whole(row.added.perSecond),
    row.added.cpuMicros.toFixed(2),
    count(row.asked?.perSecond),
    row.asked ? row.asked.cpuMicros.toFixed(2) : "–",
    count(row.missed),
    count(row.mistaken),
    row.counted === undefined ? row.tells : `${row.tells}: ${whole(row.counted)}`,
  ]),
])}

bytes: per holder, keys and all. missed: holders who were said to hold none. mistaken: strangers who were said to hold one.
A bitmap is as long as the largest id, however few hold a coupon. The Bloom filter is seven bits set or read by one BITFIELD;
no coupon can be taken back from it.`;
    return { text, bars: [], figures: { holders, asks, rows } };
  },
};
