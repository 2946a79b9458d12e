import { bucketCount } from "../../core/coupons/member.ts";
import { keys } from "../../core/keys.ts";
import { limits } from "../../core/limits.ts";
import { loadIssue, putCampaign } from "./campaign.ts";
import type { Client } from "./client.ts";
import { compareIssued } from "./issued-bytes.ts";
import { measure, packLoad } from "./load.ts";
import { encode } from "./resp.ts";
import { alternate, medianOf, ratioOf } from "./rounds.ts";
import { type Bench, ratioBar, type Section } from "./section.ts";
import { CAMPAIGN, inSet, packed } from "./stores.ts";
import { table, times, whole } from "./table.ts";
import { idsOf } from "./users.ts";

const KINDS = [
  { kind: "numeric", label: "9 digits" },
  { kind: "uuid", label: "UUID" },
  { kind: "prefixed", label: "30 characters" },
] as const;
const SHARE_MOST = 0.4;
/** Real issues whose bytes are held against those that are written directly. */
const SAMPLE = 10_000;
const BUCKET_SIZES = [16, 32, limits.holdersPerBucket, 100];
const SHAPE = { sockets: 4, pipeline: 16 };

/** How many of the buckets, of about a thousand looked at, are in listpack form. */
async function listpacks(client: Client, buckets: number): Promise<{ looked: number; packed: number }> {
  const step = Math.max(1, Math.floor(buckets / 1_000));
  const commands: string[] = [];
  for (let bucket = 0; bucket < buckets; bucket += step) {
    commands.push(encode(["OBJECT", "ENCODING", keys.holders(CAMPAIGN, bucket)]));
  }
  const encodings = await client.send(commands);
  return { looked: commands.length, packed: encodings.filter((encoding) => encoding === "listpack").length };
}

async function measureKind({ server, progress }: Bench, { kind, label }: (typeof KINDS)[number], holders: number) {
  const step = <T>(what: string, work: () => Promise<T>) => progress.step(`memory: ${label}, ${what}`, work);
  const ids = await step("ids", async () => idsOf(kind, holders));
  const buckets = bucketCount(holders);
  const setBytes = await step("plain set", () => inSet(server, ids));
  const bucketBytes = await step("buckets", () => packed(server, ids, buckets));
  const forms = await listpacks(server.client, buckets);
  const issued = await step("real issues", () => compareIssued(server, ids.slice(0, SAMPLE)));
  return { label, setBytes, bucketBytes, share: bucketBytes / setBytes, forms, issued };
}

/** What the size of a bucket costs: memory when it is small, time when it is large. */
async function measureSizes({ server, progress }: Bench, holders: number, rounds: number) {
  const { client } = server;
  const ids = idsOf("numeric", holders);
  const encoded = await loadIssue(client);
  const names = BUCKET_SIZES.map(String);
  const rushes = await alternate(names, rounds, (name, round) =>
    progress.step(`memory: round ${round + 1} of ${rounds}, ${name} holders per bucket`, async () => {
      await server.clear();
      const campaign = await putCampaign(client, { campaignId: CAMPAIGN, stock: holders });
      const sized = { ...campaign, buckets: Math.ceil(holders / Number(name)) };
      const load = packLoad(SHAPE, encoded(sized, ids), "evalsha", "*6\r\n$6\r\nissued\r\n");
      return measure(server, load, SHAPE);
    }),
  );
  const usual = rushes[String(limits.holdersPerBucket)] ?? [];
  const rows = [];
  for (const size of BUCKET_SIZES) {
    const measured = rushes[String(size)] ?? [];
    rows.push({
      size,
      bytes: await packed(server, ids, Math.ceil(holders / size)),
      cpuMicros: medianOf(measured, (round) => round.cpuMicros),
      cpuRatio: ratioOf(measured, usual, (round) => round.cpuMicros),
    });
  }
  return rows;
}

export const memory: Section = {
  name: "memory",
  summary: "bytes per holder, against a plain set",
  async run(bench) {
    const { quick } = bench;
    const holders = quick ? 100_000 : 1_000_000;
    const kinds = [];
    for (const kind of KINDS) kinds.push(await measureKind(bench, kind, holders));
    const coupons = quick ? 20_000 : 60_000;
    const sizes = await measureSizes(bench, coupons, 3);

    const [numeric] = kinds;
    const bars = [ratioBar("bytes per holder ÷ plain set, 9 digits", numeric?.share ?? Number.NaN, SHARE_MOST)];
    const text = `${whole(holders)} holders.

${table([
  ["user ids", "plain set", "buckets", "÷ plain set", "outbox", "listpack", "as issued"],
  ...kinds.map(({ label, setBytes, bucketBytes, share: ratio, forms, issued }) => [
    label,
    `${setBytes.toFixed(1)} B`,
    `${bucketBytes.toFixed(1)} B`,
    times(ratio),
    `${issued.outboxBytes.toFixed(1)} B`,
    `${forms.packed} of ${forms.looked}`,
    `${issued.equal} of ${issued.buckets}`,
  ]),
])}

Bytes of used_memory per holder, keys and all. The set knows who holds a coupon; the buckets also know which ticket, and when.
outbox: bytes more for each coupon until it is confirmed. listpack: buckets in Redis' packed form, of those looked at.
as issued: buckets of ${whole(SAMPLE)} real issues that equal those written here, byte for byte.

Holders per bucket, ${whole(coupons)} coupons to 9-digit ids.

${table([
  ["holders per bucket", "bytes per holder", "server CPU µs per issue", `÷ ${limits.holdersPerBucket}`],
  ...sizes.map(({ size, bytes, cpuMicros, cpuRatio }) => [
    String(size),
    bytes.toFixed(1),
    cpuMicros.toFixed(2),
    times(cpuRatio),
  ]),
])}`;
    return { text, bars, figures: { holders, kinds, coupons, sizes } };
  },
};
