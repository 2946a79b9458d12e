import { fork } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { bundle } from "../../infra/bundle.ts";
import { Child, freePort, listens } from "../child.ts";
import { createQueues } from "../resources.ts";
import { ROOT } from "../stack.ts";
import { type BenchCampaign, loadIssue, putCampaign } from "./campaign.ts";
import { openClient } from "./client.ts";
import type { Job, Timed, Way, WayRounds } from "./handler-process.ts";
import { linkedEnv } from "./linked.ts";
import { medianOf, ratioOf } from "./rounds.ts";
import type { Bench, Section } from "./section.ts";
import { table, times } from "./table.ts";
import { idsOf } from "./users.ts";

const HOLDERS = 1_000;

/** The emulated queue, as a process of its own: its work is not the function's. */
async function startQueue(folder: string) {
  const port = await freePort();
  const output = openSync(join(folder, "sqs.log"), "w");
  const child = new Child({
    name: "sqs",
    command: process.execPath,
    args: [join(ROOT, "local/sqs/main.ts"), "--port", `${port}`],
    output,
    ready: listens(port),
    node: true,
    restartMs: 60_000,
  });
  await child.start();
  process.env.AWS_REGION ??= "us-east-1";
  process.env.AWS_ACCESS_KEY_ID ??= "local";
  process.env.AWS_SECRET_ACCESS_KEY ??= "local";
  const endpoint = `http://127.0.0.1:${port}`;
  const { Confirmations } = await createQueues(endpoint, "bench-");
  return { endpoint, url: Confirmations, stop: () => child.stop().then(() => closeSync(output)) };
}

/** Two campaigns: one with its first holders and stock for all calls to come, one that is sold out. */
async function putCampaigns({ server }: Bench): Promise<void> {
  await server.clear();
  const encoded = await loadIssue(server.client);
  const loader = await openClient(server.port);
  const fill = async (campaign: BenchCampaign) => {
    await loader.send(encoded(campaign, idsOf("numeric", HOLDERS)));
  };
  await fill(await putCampaign(server.client, { campaignId: "open", stock: 100_000 }));
  await fill(await putCampaign(server.client, { campaignId: "sold-out", stock: HOLDERS }));
  await loader.close();
}

function waysOf(quick: boolean): Way[] {
  const calls = (full: number) => (quick ? full / 5 : full);
  const replay = { campaignId: "open", from: 0, users: HOLDERS, status: 200 };
  const soldOut = { campaignId: "sold-out", from: HOLDERS, users: 500_000, status: 409 };
  const issued = { campaignId: "open", users: 500_000, status: 201 };
  return [
    { ...replay, name: "replay", calls: calls(3_000), concurrency: 1 },
    { ...replay, name: "replay, 16 at once", calls: calls(10_000), concurrency: 16 },
    { ...soldOut, name: "sold out", calls: calls(5_000), concurrency: 1 },
    { ...soldOut, name: "sold out, 16 at once", calls: calls(10_000), concurrency: 16 },
    { ...issued, name: "issued, with SQS", from: HOLDERS, calls: calls(250), concurrency: 1 },
    { ...issued, name: "issued, 16 at once", from: 50_000, calls: calls(500), concurrency: 16 },
  ];
}

function callInTurn({ progress }: Bench, job: Job, env: NodeJS.ProcessEnv): Promise<WayRounds[]> {
  const work = new Promise<WayRounds[]>((resolve, reject) => {
    // Its standard output is the functions' log.
    const child = fork(join(import.meta.dirname, "handler-process.ts"), {
      env,
      execArgv: [],
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    child.on("message", (message: { all?: WayRounds[]; error?: string }) => {
      if (message.all) resolve(message.all);
      if (message.error !== undefined) reject(new Error(message.error));
    });
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the process with the handlers ended with status ${code}`)));
    child.send(job);
  });
  return progress.step("handler: both functions in turn", () => work);
}

export const handler: Section = {
  name: "handler",
  summary: "the issuing function, against a bare one with the same calls",
  async run(bench) {
    const { server, folder, quick, progress } = bench;
    const outDir = join(folder, "handler");
    const entries = { ours: "functions/issue-coupon.ts", bare: "local/bench/bare-function.ts" };
    await progress.step("handler: bundles", () => bundle({ root: ROOT, outDir, entries }));
    const queue = await progress.step("handler: SQS", () => startQueue(folder));
    try {
      await putCampaigns(bench);
      const bundles = { ours: join(outDir, "ours/index.mjs"), bare: join(outDir, "bare/index.mjs") };
      const job = { bundles, ways: waysOf(quick), rounds: quick ? 3 : 5 };
      const ways = await callInTurn(bench, job, linkedEnv(server, queue));
      return { text: textOf(ways), bars: [], figures: ways };
    } finally {
      await queue.stop();
    }
  },
};

function textOf(ways: readonly WayRounds[]): string {
  const wall = (round: Timed) => round.wallMicros;
  const cpu = (round: Timed) => round.cpuMicros;
  const micros = (rounds: readonly Timed[], of: typeof wall) => medianOf(rounds, of).toFixed(0);
  return `Microseconds per call.

${table([
  ["", "µs", "bare µs", "÷ bare", "CPU µs", "bare CPU µs", "÷ bare"],
  ...ways.map(({ name, ours, bare }) => [
    name,
    micros(ours, wall),
    micros(bare, wall),
    times(ratioOf(ours, bare, wall)),
    micros(ours, cpu),
    micros(bare, cpu),
    times(ratioOf(ours, bare, cpu)),
  ]),
])}

replay: a holder asks again, one call to Redis. sold out: a stranger asks; ours answers from memory, the bare function asks
Redis each time. issued: a new coupon, one call to Redis and one message to SQS. The bare function makes the same calls with the
same clients and answers the same JSON, and checks, signs, bounds and logs nothing.`;
}
