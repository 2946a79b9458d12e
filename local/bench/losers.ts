import { changeCampaign } from "../../core/coupons/scripts.ts";
import { keys } from "../../core/keys.ts";
import { type BenchCampaign, loadIssue, putCampaign } from "./campaign.ts";
import type { Client } from "./client.ts";
import { type Measured, measure, packLoad, type Shape } from "./load.ts";
import type { Bench } from "./section.ts";
import { commandStat, figure, type Server, usedMemory } from "./server.ts";
import { table, times, whole } from "./table.ts";
import { idsOf, users } from "./users.ts";

const STOCK = 10_000;
const SHAPE: Shape = { sockets: 4, pipeline: 16 };

/** What a loser's call must leave as it was. */
interface State {
  readonly usedMemory: number;
  readonly keyCount: number;
  /** Changes of the data set, as the server counts them for its snapshots. */
  readonly changes: number;
}

export interface LoserRow extends Measured {
  readonly word: string;
  readonly calls: number;
  readonly before: State;
  readonly after: State;
  /** Calls of any command that may write. */
  readonly writeCommands: number;
}

async function stateOf(server: Server): Promise<State> {
  return {
    usedMemory: await usedMemory(server),
    keyCount: Number(await server.client.call("DBSIZE")),
    changes: figure(await server.info("persistence"), "rdb_changes_since_last_save"),
  };
}

async function writeCommandNames(client: Client): Promise<string[]> {
  const names = await client.call("COMMAND", "LIST", "FILTERBY", "ACLCAT", "write");
  return Array.isArray(names) ? names.map(String) : [];
}

async function pause(client: Client, { campaignId, stock }: BenchCampaign): Promise<void> {
  const now = Date.now();
  await client.run(
    changeCampaign,
    { tally: keys.tally(campaignId), about: keys.about(campaignId) },
    { version: 2, stock, opensAt: now - 60_000, closesAt: now + 86_400_000, paused: 1, definition: "{}" },
  );
}

/** Lets those who get nothing ask `calls` times in each way, and watches what that does to the server. */
export async function loseInEachWay({ server, progress }: Bench, calls: number): Promise<LoserRow[]> {
  const { client } = server;
  await server.clear();
  const encoded = await loadIssue(client);
  const put = (campaignId: string, more: object = {}) => putCampaign(client, { campaignId, stock: STOCK, ...more });
  const full = await put("full");
  const first = encoded(full, idsOf("numeric", STOCK));
  const filling = packLoad(SHAPE, first, "evalsha", "*6\r\n$6\r\nissued\r\n");
  await measure(server, filling, SHAPE);
  const paused = await put("paused");
  await pause(client, paused);

  const holder = (index: number) => users.numeric(index % STOCK);
  const stranger = (index: number) => users.numeric(STOCK + index);
  const ways = [
    { word: "sold-out", parts: 2, campaign: full, user: stranger },
    { word: "replayed", parts: 5, campaign: full, user: holder },
    { word: "limit-reached", parts: 1, campaign: full, user: holder, key: "another" },
    { word: "not-open", parts: 3, campaign: await put("later", { opensInMs: 3_600_000 }), user: stranger },
    { word: "closed", parts: 1, campaign: await put("over", { closesInMs: -1_000 }), user: stranger },
    { word: "paused", parts: 1, campaign: paused, user: stranger },
    { word: "recovering", parts: 1, campaign: await put("unarmed", { unarmed: true }), user: stranger },
  ];

  const writes = await writeCommandNames(client);
  const rows: LoserRow[] = [];
  for (const { word, parts, campaign, user, key } of ways) {
    const row = await progress.step(`losers: ${word}`, async () => {
      const reply = `*${parts}\r\n$${word.length}\r\n${word}\r\n`;
      const pack = (count: number) => {
        const ids = Array.from({ length: count }, (_, index) => user(index));
        return packLoad(SHAPE, encoded(campaign, ids, key), "evalsha", reply);
      };
      // The first calls of a kind make the server's own statistics, and latch what is closed.
      await measure(server, pack(STOCK), SHAPE);
      const before = await stateOf(server);
      const measured = await measure(server, pack(calls), SHAPE);
      const stats = await server.info("commandstats");
      const writeCommands = writes.reduce((sum, name) => sum + commandStat(stats, name).calls, 0);
      return { word, calls, ...measured, before, after: await stateOf(server), writeCommands };
    });
    rows.push(row);
  }
  return rows;
}

/** Whether nothing at all has changed. */
export function leavesNoTrace({ before, after, writeCommands }: LoserRow): boolean {
  return (
    before.usedMemory === after.usedMemory &&
    before.keyCount === after.keyCount &&
    before.changes === after.changes &&
    writeCommands === 0
  );
}

/** `issue` is what a call that issues costs, in CPU microseconds. */
export function loserTable(rows: readonly LoserRow[], issueCpuMicros: number): string {
  const change = (before: number, after: number) => `${whole(before)} → ${whole(after)}`;
  return table([
    ["refused or replayed", "ops/s", "CPU µs", "÷ issued", "used_memory", "keys", "changes", "write commands"],
    ...rows.map(({ word, perSecond, cpuMicros, before, after, writeCommands }) => [
      word,
      whole(perSecond),
      cpuMicros.toFixed(2),
      times(cpuMicros / issueCpuMicros),
      change(before.usedMemory, after.usedMemory),
      change(before.keyCount, after.keyCount),
      whole(after.changes - before.changes),
      whole(writeCommands),
    ]),
  ]);
}
