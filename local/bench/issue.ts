import { keys } from "../../core/keys.ts";
import { putCampaign } from "./campaign.ts";
import { BARE, CHECKED, contestants, ISSUE, loadScript, SADD, UNFENCED } from "./contestants.ts";
import { type Load, type Measured, measure, packLoad, type Shape } from "./load.ts";
import { measureLock } from "./lock.ts";
import { type LoserRow, leavesNoTrace, loseInEachWay, loserTable } from "./losers.ts";
import { encode } from "./resp.ts";
import { alternate, medianOf, ratioOf } from "./rounds.ts";
import { type Bar, type Bench, ratioBar, type Section } from "./section.ts";
import { table, times, whole } from "./table.ts";
import hashText from "./tally-hash.lua";
import packedText from "./tally-packed.lua";

const NAMES = [ISSUE, UNFENCED, CHECKED, BARE, SADD] as const;
const LOCK_CLIENTS = 8;
const LOCK = `SET NX lock, ${LOCK_CLIENTS} clients`;

type Rounds = Readonly<Record<string, readonly Measured[]>>;

interface Race {
  readonly shape: Shape;
  readonly coupons: number;
  readonly rounds: number;
  /** Coupons that are issued under the lock, where it takes part. */
  readonly lockCoupons?: number;
}

async function race({ server, progress }: Bench, title: string, it: Race): Promise<Rounds> {
  const { shape, coupons, rounds, lockCoupons } = it;
  const { client } = server;
  const loads = new Map<string, Load>();
  for (const name of NAMES) {
    const load = () => contestants[name].load(client, shape, coupons);
    loads.set(name, await progress.step(`${title}: encoding the calls of ${name}`, load));
  }
  const names = lockCoupons === undefined ? NAMES : ([...NAMES, LOCK] as const);
  return alternate(names, rounds, (name, round) =>
    progress.step(`${title}: round ${round + 1} of ${rounds}, ${name}`, async () => {
      if (name === LOCK) return measureLock(server, LOCK_CLIENTS, lockCoupons ?? 0);
      const load = loads.get(name);
      if (!load) throw new Error(`${name} has no load`);
      await server.clear();
      await contestants[name as (typeof NAMES)[number]].prepare(client, coupons);
      return measure(server, load, shape);
    }),
  );
}

function raceTable(rounds: Rounds): string {
  const issue = rounds[ISSUE] ?? [];
  return table([
    ["", "coupons/s", "÷ issue.lua", "server CPU µs", "÷ issue.lua", "in command µs"],
    ...Object.entries(rounds).map(([name, measured]) => [
      name,
      whole(medianOf(measured, (round) => round.perSecond)),
      times(ratioOf(measured, issue, (round) => round.perSecond)),
      medianOf(measured, (round) => round.cpuMicros).toFixed(2),
      times(ratioOf(measured, issue, (round) => round.cpuMicros)),
      medianOf(measured, (round) => round.commandMicros).toFixed(2),
    ]),
  ]);
}

/** What reading the campaign costs a script, packed and as a hash: microseconds more than a script that reads nothing. */
async function readTally({ server, progress }: Bench, calls: number, rounds: number) {
  const { client } = server;
  await server.clear();
  const { campaignId } = await putCampaign(client, { campaignId: "tally", stock: 100_000 });
  const hash = `${keys.tally(campaignId)}:hash`;
  const now = Date.now();
  await client.call(
    ...["HSET", hash, "stock", 100_000, "issued", 0, "gate", 1, "etaMs", 1_000],
    ...["closesAt", now + 86_400_000, "base", now - 86_400_000],
  );
  const shape = { sockets: 4, pipeline: 16 };
  const pack = async (text: string, key: string) => {
    const command = encode(["EVALSHA", await loadScript(client, text), 1, key]);
    return packLoad(shape, Array<string>(calls).fill(command), "evalsha", ":100000\r\n");
  };
  const loads = {
    nothing: await pack("return 100000", hash),
    packed: await pack(packedText, keys.tally(campaignId)),
    hash: await pack(hashText, hash),
  };
  const measured = await alternate(["nothing", "packed", "hash"], rounds, (name, round) =>
    progress.step(`reading the tally: round ${round + 1} of ${rounds}, ${name}`, () =>
      measure(server, loads[name], shape),
    ),
  );
  const micros = (name: keyof typeof measured) => medianOf(measured[name], (round) => round.commandMicros);
  return { packedMicros: micros("packed") - micros("nothing"), hashMicros: micros("hash") - micros("nothing") };
}

/** What the fence may cost, as a ratio; and the opening that the README speaks of: 500,000 people for 10,000 coupons. */
const FENCE_MOST = 1.05;
const ASKS_PER_COUPON = 50;

/** What the fence costs a winner, and a whole rush, in the server's CPU. */
function fenceCost(rounds: Rounds, losers: readonly LoserRow[]) {
  const winner = ratioOf(rounds[ISSUE] ?? [], rounds[UNFENCED] ?? [], (round) => round.cpuMicros);
  const fenced = medianOf(rounds[ISSUE] ?? [], (round) => round.cpuMicros);
  const loser = losers.find(({ word }) => word === "sold-out")?.cpuMicros ?? Number.NaN;
  const rest = (ASKS_PER_COUPON - 1) * loser;
  return { winner, rush: (fenced + rest) / (fenced / winner + rest) };
}

function bar(rounds: Rounds, name: string): Bar {
  const ratio = ratioOf(rounds[ISSUE] ?? [], rounds[name] ?? [], (round) => round.cpuMicros);
  return ratioBar(`CPU of issue.lua ÷ ${name}`, ratio, 1);
}

export const issue: Section = {
  name: "issue",
  summary: "the script that decides, against simpler ones and a lock",
  async run(bench) {
    const { quick } = bench;
    const rounds = 3;
    const pipelined = await race(bench, "pipelined", {
      shape: { sockets: 4, pipeline: 16 },
      coupons: quick ? 20_000 : 200_000,
      rounds: quick ? 3 : 5,
    });
    const single = await race(bench, "one at a time", {
      shape: { sockets: 64, pipeline: 1 },
      coupons: quick ? 10_000 : 40_000,
      lockCoupons: quick ? 500 : 2_000,
      rounds,
    });
    const tally = await readTally(bench, quick ? 20_000 : 100_000, rounds);
    const losers = await loseInEachWay(bench, quick ? 20_000 : 100_000);
    const issueCpu = medianOf(pipelined[ISSUE] ?? [], (round) => round.cpuMicros);
    const traceless = losers.filter(leavesNoTrace).length;
    const fence = fenceCost(pipelined, losers);
    const bars = [
      ratioBar(`CPU of a rush, ${ASKS_PER_COUPON} asks a coupon, ÷ the same without fence`, fence.rush, FENCE_MOST),
      ratioBar("CPU of issue.lua ÷ without fence", fence.winner, FENCE_MOST),
      bar(pipelined, CHECKED),
      bar(pipelined, BARE),
      {
        name: "ways to lose that leave no trace",
        wanted: `${losers.length} of ${losers.length}`,
        measured: `${traceless} of ${losers.length}`,
        meets: traceless === losers.length,
      },
    ];
    const text = `Pipelines of 16 over 4 connections: the server is busy, so coupons/s are its own.

${raceTable(pipelined)}

One command at a time over 64 connections, as Lambda functions ask: the network's share is in it.

${raceTable(single)}

issue.lua checks the opening window, the pause, the limit per user and the idempotency key, numbers the ticket and writes
the outbox. "same checks" has the window, the pause and the ticket, but no outbox, key or time. "set + counter" has nothing
but the two. The lock is taken by ${LOCK_CLIENTS} clients, who ask again after 1 ms; its figures are for all that one coupon takes.
The fence is one look at INFO replication, which only a winner pays: ${times(fence.winner)} of a winner's CPU,
${times(fence.rush)} of a rush in which ${ASKS_PER_COUPON} people ask for each coupon (losers at the cost of "sold-out" below).
÷ issue.lua: above 1.00 × in coupons/s is faster than issue.lua, above 1.00 × in CPU dearer.

Reading the campaign in a script: ${tally.packedMicros.toFixed(2)} µs packed, ${tally.hashMicros.toFixed(2)} µs as a hash (packed ÷ hash: ${times(tally.packedMicros / tally.hashMicros)})

${whole(losers[0]?.calls ?? 0)} calls each of those who get nothing new, and what they leave behind.

${loserTable(losers, issueCpu)}`;
    return { text, bars, figures: { pipelined, single, tally, losers, fence } };
  },
};
