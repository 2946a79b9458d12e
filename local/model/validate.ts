import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { bucketCount } from "../../core/coupons/member.ts";
import { limits } from "../../core/limits.ts";
import { costs } from "../../infra/quotas.ts";
import { loadIssue, putCampaign } from "../bench/campaign.ts";
import { openClient } from "../bench/client.ts";
import { measure, packLoad, type Shape } from "../bench/load.ts";
import { startServer } from "../bench/server.ts";
import { table, times, whole } from "../bench/table.ts";
import { idsOf } from "../bench/users.ts";
import { leaseStack, takeSignals } from "../lease.ts";
import { redisAddress } from "../redis-address.ts";
import { holdRush } from "../rush/rush.ts";
import { stackOf } from "../rush/stack.ts";
import { asksFirst } from "./sold-out-memory.ts";
import { units } from "./units.ts";

/**
 * One rush on this machine, and what Redis itself counted of it, beside what the unit costs and the rules of the model come to for the
 * same people. The only part of the model that can be held against anything without an account.
 */

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const RUSH = { users: 20_000, stock: 2_000, concurrency: 64, duplicates: 0, seed: 7, wait: 60 };
const SCRIPTS = "scripts that Redis ran";
/** How long the idle stack is looked at, to take away what it does without a rush. */
const IDLE_MS = 3_000;
/** Of strangers that the sold-out filter takes for holders: core/coupons/sold-out.ts. */
const MISTAKEN = 0.01;

interface Counted {
  readonly at: number;
  readonly scripts: number;
  readonly scriptMicros: number;
  readonly buckets: number;
  readonly bucketMicros: number;
  readonly cpuSeconds: number;
}

export interface Row {
  readonly what: string;
  readonly predicted: number;
  readonly measured: number;
}

export interface Validation {
  readonly rush: typeof RUSH;
  readonly seconds: number;
  /** The rush over HTTP: few calls a second. */
  readonly rows: readonly Row[];
  /** The same people at Redis itself: as many calls a second as it takes. */
  readonly straight: readonly Row[];
}

/** As functions ask: each one call, and then it waits. */
const ALONE: Shape = { sockets: 64, pipeline: 1 };

/** Everyone asks Redis itself, first come first served, over as many connections as the rush has. */
async function askStraight(): Promise<Row[]> {
  const server = await startServer();
  try {
    const { users, stock } = RUSH;
    const encoded = await loadIssue(server.client);
    const asks = encoded(await putCampaign(server.client, { campaignId: "straight", stock }), idsOf("numeric", users));
    const { cpuMicros, commandMicros } = await measure(server, packLoad(ALONE, asks, "evalsha", "*"), ALONE);
    const mean = (winner: number, loser: number) => (winner * stock + loser * (users - stock)) / users;
    const cpu = mean(units.issuedMicros.value, units.soldOutMicros.value) + units.aloneMicros.value;
    return [
      {
        what: "inside a script, µs",
        predicted: mean(units.issuedInsideMicros.value, units.soldOutInsideMicros.value),
        measured: commandMicros,
      },
      { what: "Redis CPU a call, µs", predicted: cpu, measured: cpuMicros },
    ];
  } finally {
    await server.stop();
  }
}

async function count(url: string): Promise<Counted> {
  const client = await openClient(redisAddress(url).port);
  try {
    const told = `${await client.call("INFO", "commandstats")}\n${await client.call("INFO", "cpu")}`;
    const stat = (name: string) => {
      const [, calls = "0", micros = "0"] = new RegExp(`cmdstat_${name}:calls=(\\d+),usec=(\\d+)`).exec(told) ?? [];
      return { calls: Number(calls), micros: Number(micros) };
    };
    const field = (name: string) => Number(new RegExp(`${name}:([\\d.]+)`).exec(told)?.[1] ?? Number.NaN);
    const [scripts, buckets] = [stat("evalsha"), stat("hkeys")];
    return {
      ...{ at: performance.now(), scripts: scripts.calls, scriptMicros: scripts.micros },
      ...{ buckets: buckets.calls, bucketMicros: buckets.micros },
      cpuSeconds: field("used_cpu_user") + field("used_cpu_sys"),
    };
  } finally {
    await client.close();
  }
}

/** What lies between two counts, without what an idle stack does in the same time. */
function between(before: Counted, after: Counted, idle: Counted): Counted {
  const seconds = (after.at - before.at) / 1_000;
  const of = (name: keyof Counted) => after[name] - before[name] - idle[name] * seconds;
  return {
    at: after.at - before.at,
    ...{ scripts: of("scripts"), scriptMicros: of("scriptMicros"), cpuSeconds: of("cpuSeconds") },
    ...{ buckets: of("buckets"), bucketMicros: of("bucketMicros") },
  };
}

export async function validate(): Promise<Validation> {
  const folder = mkdtempSync(join(tmpdir(), "firstcome-model-"));
  const { interrupted, release } = takeSignals();
  const say = (line: string) => process.stderr.write(`${line}\n`);
  // A stack of its own: on one that runs others may ask as well.
  const env = { ...process.env, FIRSTCOME_STACK: join(folder, "stack.json") };
  const lease = await leaseStack({ root: ROOT, env, say, interrupted });
  try {
    const { redis } = lease.stack;
    await sleep(IDLE_MS, undefined, { signal: interrupted });
    const early = await count(redis);
    await sleep(IDLE_MS, undefined, { signal: interrupted });
    const before = await count(redis);
    const second = (name: keyof Counted) => ((before[name] - early[name]) * 1_000) / (before.at - early.at);
    const idle: Counted = {
      ...{ at: 0, scripts: second("scripts"), scriptMicros: second("scriptMicros"), cpuSeconds: second("cpuSeconds") },
      ...{ buckets: second("buckets"), bucketMicros: second("bucketMicros") },
    };
    const { figures, untilConfirmedMs } = await holdRush(RUSH, stackOf(lease.stack), process.stderr);
    const measured = between(before, await count(redis), idle);
    const answered = (word: string) => figures.words.find((it) => it.word === word)?.count ?? 0;
    const losers = answered("sold-out");
    const winners = answered("issued") + answered("accepted");
    const buckets = bucketCount(RUSH.stock);
    // One process is one environment that answers many at once: it asks as often as reading the holders costs, those under way when
    // it reads, and once a second.
    const refreshes = (figures.seconds * 1_000) / limits.soldOutMemoryMs;
    const reaching = asksFirst(buckets) + RUSH.concurrency + refreshes + MISTAKEN * losers;
    const batches = winners / costs.batchSize.value;
    const calls = winners + reaching + batches;
    const scriptMicros =
      winners * units.issuedInsideMicros.value +
      reaching * units.soldOutInsideMicros.value +
      batches * units.settledMicros.value;
    const cpuMicros =
      winners * units.issuedMicros.value +
      reaching * units.soldOutMicros.value +
      batches * units.settledMicros.value +
      buckets * units.bucketMicros.value +
      calls * units.aloneMicros.value;
    const straight = await askStraight();
    return {
      rush: RUSH,
      straight,
      seconds: figures.seconds,
      rows: [
        { what: "winners", predicted: RUSH.stock, measured: winners },
        { what: "told sold out", predicted: RUSH.users - RUSH.stock, measured: losers },
        { what: SCRIPTS, predicted: calls, measured: measured.scripts },
        { what: "  inside them, ms", predicted: scriptMicros / 1_000, measured: measured.scriptMicros / 1_000 },
        { what: "  µs each", predicted: scriptMicros / calls, measured: measured.scriptMicros / measured.scripts },
        { what: "Redis CPU, ms", predicted: cpuMicros / 1_000, measured: measured.cpuSeconds * 1_000 },
        {
          what: "Redis busy until the last confirmation, %",
          predicted: cpuMicros / 10 / (untilConfirmedMs ?? Number.NaN),
          measured: (measured.cpuSeconds * 100_000) / (untilConfirmedMs ?? Number.NaN),
        },
      ],
    };
  } finally {
    await lease.stop();
    release();
    rmSync(folder, { recursive: true, force: true });
  }
}

export function validationText({ rush, seconds, rows, straight }: Validation): string {
  const figure = (value: number) => (Math.abs(value) < 100 ? value.toFixed(1) : whole(value));
  const scripts = rows.find(({ what }) => what === SCRIPTS)?.measured ?? Number.NaN;
  const compared = (title: string, some: readonly Row[]) =>
    table([
      [title, "predicted", "measured", "÷ predicted"],
      ...some.map(({ what, predicted, measured }) => [
        what,
        figure(predicted),
        figure(measured),
        times(measured / predicted),
      ]),
    ]);
  return `${whole(rush.users)} people for ${whole(rush.stock)} coupons on this machine.

${compared(`over HTTP, in ${seconds.toFixed(1)} s`, rows)}

${compared(`at Redis itself, ${ALONE.sockets} connections`, straight)}

Measured: Redis's commandstats and CPU; over HTTP without what an idle stack does in the same time. Predicted: the unit costs of
local/model/units.ts times the people; over HTTP a tenth of the winners as batches, as many losers as reading the holders costs,
one look a second at a sold-out campaign, one stranger in a hundred taken for a holder. What a rush itself looks at (status, recovery, verifier) is in the measured figures only.
The unit costs are of a Redis that is busy, as in the second table and in the runs that the model is about. Over HTTP this machine
makes ${whole(scripts / seconds)} calls a second; each presumably finds caches that everything else here has used meanwhile.`;
}
