import { bucketCount } from "../../core/coupons/member.ts";
import { sweepOutbox } from "../../core/coupons/scripts.ts";
import { keys } from "../../core/keys.ts";
import { limits } from "../../core/limits.ts";
import { loadIssue, putCampaign } from "./campaign.ts";
import { openClient } from "./client.ts";
import { encode } from "./resp.ts";
import { medianOf } from "./rounds.ts";
import type { Bench } from "./section.ts";
import { commandStat } from "./server.ts";
import { leaveAlone, mustBe, openLine, pendingOf, type RedisLine } from "./stuck-drill.ts";
import { MIN_IDLE_MS } from "./stuck-streams.ts";
import { idsOf } from "./users.ts";

/** What it takes to look for what is due when most of a long list of pending entries is not. */

const STREAM = "stuck-scan";
const GROUP = "workers";
const WORKER = "worker";
const CAMPAIGN = "stuck-scan";
const ROUNDS = 3;
/** What one call may bring. */
const AT_ONCE = limits.sweepEntries;

export interface Look {
  readonly name: string;
  readonly pending: number;
  readonly due: number;
  readonly calls: number;
  /** Inside the command, as Redis measures it: nobody else is served meanwhile. */
  readonly callMicros: number;
  readonly lookMicros: number;
}

/** A way to search a group's pending entries. */
interface Search {
  readonly name: string;
  readonly stream: string;
  readonly group: string;
  /** The command that it sends, as `commandstats` names it. */
  readonly command: string;
  /** How long an entry must have been left alone to be due. */
  readonly dueMs: number;
  /** Searches once, from the oldest to the newest. @returns how many entries were due */
  look(): Promise<number>;
}

/** How many of so many entries are due: none; the newest hundredth, so that all others are looked at first; all. */
const SHARES = [(_: number) => 0, (entries: number) => entries / 100, (entries: number) => entries] as const;

async function fillStream({ server: { client, port } }: Bench, entries: number): Promise<void> {
  await client.call("DEL", STREAM);
  await client.call("XGROUP", "CREATE", STREAM, GROUP, "0", "MKSTREAM");
  const loader = await openClient(port);
  await loader.send(idsOf("numeric", entries).map((id) => encode(["XADD", STREAM, "*", "body", id])));
  await loader.call("XREADGROUP", "GROUP", GROUP, WORKER, "COUNT", entries, "STREAMS", STREAM, ">");
  await loader.close();
}

function claiming({ door }: RedisLine): Search {
  return {
    name: `XAUTOCLAIM, COUNT ${AT_ONCE}`,
    ...{ stream: STREAM, group: GROUP, command: "xautoclaim", dueMs: MIN_IDLE_MS },
    async look() {
      let found = 0;
      let cursor = "0-0";
      do {
        const args = [STREAM, GROUP, WORKER, MIN_IDLE_MS, cursor, "COUNT", AT_ONCE];
        const [next, entries] = (await door.command("XAUTOCLAIM", ...args)) as [string, unknown[]];
        cursor = next;
        found += entries.length;
      } while (cursor !== "0-0");
      return found;
    },
  };
}

function listing({ door }: RedisLine): Search {
  return {
    name: `XPENDING IDLE, ${AT_ONCE}`,
    ...{ stream: STREAM, group: GROUP, command: "xpending", dueMs: MIN_IDLE_MS },
    async look() {
      let found = 0;
      let from = "-";
      while (true) {
        const args = [STREAM, GROUP, "IDLE", MIN_IDLE_MS, from, "+", AT_ONCE];
        const page = (await door.command("XPENDING", ...args)) as [string][];
        found += page.length;
        const last = page.at(-1);
        if (!last || page.length < AT_ONCE) return found;
        from = `(${last[0]}`;
      }
    },
  };
}

async function fillOutbox({ server: { client, port } }: Bench, entries: number): Promise<void> {
  const encoded = await loadIssue(client);
  const campaign = await putCampaign(client, { campaignId: CAMPAIGN, stock: entries });
  const loader = await openClient(port);
  await loader.send(encoded(campaign, idsOf("numeric", entries)));
  await loader.close();
}

const PLACE = { tally: keys.tally(CAMPAIGN), outbox: keys.outbox(CAMPAIGN) };

/** The sweep's script, call after call, to the end of the outbox. `idleMs`: from when on a claimed entry is due again. */
async function sweepThrough({ door }: RedisLine, idleMs: number): Promise<number> {
  let found = 0;
  let from = "-";
  do {
    // All are old enough: otherwise the script would not even look at them.
    const reply = await door.run(sweepOutbox, PLACE, { from, ageMs: 0, idleMs, idleMostMs: idleMs, most: AT_ONCE });
    if (reply.word === "missing") throw new Error("the outbox of the bench is missing");
    found += reply.entries.length;
    from = reply.next;
  } while (from !== "");
  return found;
}

function sweeping(line: RedisLine): Search {
  return {
    name: `sweep.lua, ${AT_ONCE} a call`,
    ...{ stream: PLACE.outbox, group: "sweep", command: "evalsha", dueMs: limits.sweepIdleMs },
    look: () => sweepThrough(line, limits.sweepIdleMs),
  };
}

async function measure({ server }: Bench, search: Search, entries: number, due: number): Promise<Look> {
  const { client } = server;
  const pending = await pendingOf(client, search.stream, search.group);
  mustBe("entries pending", pending.length, entries);
  const rounds = [];
  await leaveAlone(client, search, pending, 0);
  for (let round = 0; round < ROUNDS; round++) {
    await leaveAlone(client, search, pending.slice(entries - due), search.dueMs);
    await client.call("CONFIG", "RESETSTAT");
    mustBe(`entries that ${search.name} finds`, await search.look(), due);
    rounds.push(commandStat(await server.info("commandstats"), search.command));
  }
  const calls = medianOf(rounds, (round) => round.calls);
  const lookMicros = medianOf(rounds, (round) => round.micros);
  return { name: search.name, pending: entries, due, calls, callMicros: lookMicros / calls, lookMicros };
}

export async function measureLooks(bench: Bench, entries: number): Promise<Look[]> {
  const { client } = bench.server;
  await fillStream(bench, entries);
  await fillOutbox(bench, entries);
  const line = await openLine(bench.server);
  try {
    mustBe("entries swept", await sweepThrough(line, 0), entries);
    const looks: Look[] = [];
    for (const search of [claiming(line), listing(line), sweeping(line)]) {
      for (const share of SHARES) looks.push(await measure(bench, search, entries, share(entries)));
    }
    return looks;
  } finally {
    line.close();
    const holders = Array.from({ length: bucketCount(entries) }, (_, bucket) => keys.holders(CAMPAIGN, bucket));
    await client.call("DEL", STREAM, ...Object.values(PLACE), keys.about(CAMPAIGN), ...holders);
    await client.call("SREM", keys.campaigns, CAMPAIGN);
  }
}
