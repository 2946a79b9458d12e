import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { settle } from "../../core/coupons/scripts.ts";
import { keys } from "../../core/keys.ts";
import { limits } from "../../core/limits.ts";
import { valuesOf } from "../../core/lua.ts";
import { type BenchCampaign, loadIssue, putCampaign } from "../bench/campaign.ts";
import { loadScript } from "../bench/contestants.ts";
import { handler } from "../bench/handler.ts";
import type { WayRounds } from "../bench/handler-process.ts";
import { type Load, type Measured, measure, packLoad, type Shape } from "../bench/load.ts";
import { type Machine, thisMachine } from "../bench/machine.ts";
import type { Progress } from "../bench/progress.ts";
import { encode } from "../bench/resp.ts";
import { Line } from "../bench/rooms-line.ts";
import { structures } from "../bench/rooms-structures.ts";
import { medianOf } from "../bench/rounds.ts";
import type { Bench } from "../bench/section.ts";
import { type Server, startServer } from "../bench/server.ts";
import { idsOf } from "../bench/users.ts";
import type { UnitName } from "./units.ts";

/** Measures the unit costs of local/model/units.ts here and now, with the bench's own pieces. A minute. */

const STOCK = 20_000;
const ROUNDS = 3;
const SETTLED = 10;
/** Holders are read in pipelines of this many buckets, as core/coupons/sold-out.ts does. */
const BUCKETS_AT_ONCE = 100;
/** People in line while a ticket is taken and polled. */
const IN_LINE = 20_000;
const PIPELINED: Shape = { sockets: 4, pipeline: 16 };
/** As functions ask: each one call, and then it waits. */
const ALONE: Shape = { sockets: 64, pipeline: 1 };
/** What local/rush settles its estimate with, see core/coupons/confirm.ts. */
const WINDOW_MS = 250;

export type Figures = Readonly<Record<UnitName, number>>;

const cpu = (rounds: readonly Measured[]) => medianOf(rounds, ({ cpuMicros }) => cpuMicros);
const inside = (rounds: readonly Measured[]) => medianOf(rounds, ({ commandMicros }) => commandMicros);

/** Runs a load some times, each after `prepare`. */
async function repeat(server: Server, load: () => Promise<Load>, shape: Shape): Promise<Measured[]> {
  const rounds: Measured[] = [];
  for (let round = 0; round < ROUNDS; round++) rounds.push(await measure(server, await load(), shape));
  return rounds;
}

async function deciding(server: Server, progress: Progress) {
  const { client } = server;
  const encoded = await loadIssue(client);
  const ids = idsOf("numeric", STOCK);
  let campaign: BenchCampaign | undefined;
  const put = async () => {
    await server.clear();
    campaign = await putCampaign(client, { campaignId: "model", stock: STOCK });
    await loadIssue(client);
    return campaign;
  };
  const issuing = (shape: Shape) => async () =>
    packLoad(shape, encoded(await put(), ids), "evalsha", "*6\r\n$6\r\nissued\r\n");
  const alone = await progress.step("winners, one at a time", () => repeat(server, issuing(ALONE), ALONE));
  const issued = await progress.step("winners", () => repeat(server, issuing(PIPELINED), PIPELINED));
  if (!campaign) throw new Error("no campaign was put");
  const it = campaign;
  const asking = (who: readonly string[], begins: string) => async () =>
    packLoad(PIPELINED, encoded(it, who), "evalsha", begins);
  const soldOut = await progress.step("losers", () =>
    repeat(server, asking(idsOf("numeric", STOCK, STOCK), "*2\r\n$8\r\nsold-out\r\n"), PIPELINED),
  );
  const replayed = await progress.step("replays", () =>
    repeat(server, asking(ids, "*5\r\n$8\r\nreplayed\r\n"), PIPELINED),
  );
  return { issued, alone, soldOut, replayed, campaign: it };
}

/** What it costs to read one bucket of holders, and how many bytes it has. */
async function reading(server: Server, { campaignId, buckets }: BenchCampaign) {
  const commands = Array.from({ length: buckets }, (_, bucket) => encode(["HKEYS", keys.holders(campaignId, bucket)]));
  const replies = await server.client.send(commands);
  const bytes = replies.reduce<number>(
    (sum, reply) => sum + encode(Array.isArray(reply) ? reply.map(String) : []).length,
    0,
  );
  const shape = { sockets: 4, pipeline: BUCKETS_AT_ONCE };
  const rounds = await repeat(
    server,
    async () => packLoad(shape, Array(20).fill(commands).flat(), "hkeys", "*"),
    shape,
  );
  return { micros: cpu(rounds), bytes: bytes / buckets };
}

/** What it costs to take ten confirmed coupons out of the outbox. */
async function settling(server: Server, { campaignId }: BenchCampaign): Promise<number> {
  const { client } = server;
  const entries = await client.call("XRANGE", keys.outbox(campaignId), "-", "+");
  const ids = (Array.isArray(entries) ? entries : []).map((entry) => String(Array.isArray(entry) ? entry[0] : entry));
  const sha = await loadScript(client, settle.text);
  const into = { tally: keys.tally(campaignId), outbox: keys.outbox(campaignId), flow: keys.flow(campaignId) };
  const commands: string[] = [];
  for (let from = 0; from + SETTLED <= ids.length; from += SETTLED) {
    const args = { ids: ids.slice(from, from + SETTLED).join(" "), windowMs: WINDOW_MS, etaMostMs: limits.etaMostMs };
    commands.push(encode(["EVALSHA", sha, ...valuesOf(settle, into, args)]));
  }
  const load = packLoad(PIPELINED, commands, "evalsha", `*2\r\n$7\r\nsettled\r\n:${SETTLED}`);
  return (await measure(server, load, PIPELINED)).cpuMicros;
}

async function inLine(server: Server): Promise<{ join: number; poll: number }> {
  const [ours] = structures;
  if (!ours) throw new Error("the bench knows no room of ours");
  await server.clear();
  const line = new Line(server, await ours.open(server.client, "model"), "numeric");
  return { join: await line.join(IN_LINE), poll: await line.poll(IN_LINE) };
}

async function handling(bench: Bench) {
  const { figures } = await handler.run(bench);
  const ways = figures as readonly WayRounds[];
  const of = (name: string) => {
    const way = ways.find((one) => one.name === name);
    if (!way) throw new Error(`the bench measures no "${name}"`);
    return medianOf(way.ours, ({ cpuMicros }) => cpuMicros);
  };
  return { issued: of("issued, with SQS"), replayed: of("replay"), soldOut: of("sold out") };
}

export async function measureUnits(progress: Progress): Promise<{ machine: Machine; figures: Figures }> {
  const folder = mkdtempSync(join(tmpdir(), "firstcome-model-"));
  const server = await startServer();
  try {
    const machine = await thisMachine(server);
    const { issued, alone, soldOut, replayed, campaign } = await deciding(server, progress);
    const bucket = await progress.step("holders read", () => reading(server, campaign));
    const settleMicros = await progress.step("confirmations settled", () => settling(server, campaign));
    const room = await progress.step("tickets", () => inLine(server));
    const handled = await handling({ server, folder, progress, quick: true });
    return {
      machine,
      figures: {
        issuedMicros: cpu(issued),
        issuedInsideMicros: inside(issued),
        soldOutMicros: cpu(soldOut),
        soldOutInsideMicros: inside(soldOut),
        replayedMicros: cpu(replayed),
        replayedInsideMicros: inside(replayed),
        aloneMicros: cpu(alone) - cpu(issued),
        settledMicros: settleMicros,
        bucketMicros: bucket.micros,
        bucketBytes: bucket.bytes,
        joinMicros: room.join,
        pollMicros: room.poll,
        handlerIssuedMicros: handled.issued,
        handlerReplayedMicros: handled.replayed,
        handlerSoldOutMicros: handled.soldOut,
      },
    };
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
