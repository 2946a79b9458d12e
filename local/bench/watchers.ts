import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import { bundle } from "../../infra/bundle.ts";
import { ROOT } from "../stack.ts";
import { linkedEnv } from "./linked.ts";
import { measure, packLoad } from "./load.ts";
import { loadVisit, putOurRoom } from "./rooms-ours.ts";
import { type Bench, ratioBar, type Section } from "./section.ts";
import { cpuSeconds, type Server } from "./server.ts";
import { table, whole } from "./table.ts";
import { idsOf } from "./users.ts";
import type { Watch, Watched } from "./watchers-process.ts";

const ROOM = "bench-watched";
const DOCUMENT = "public document";
const TICKET = "own ticket";
const MANY = 10_000;
/** About as many as serve ten thousand requests a second, if each takes a millisecond and a half. */
const CONTAINERS = 16;
/** Ten thousand watchers may cost this much more than a hundred. */
const GROWTH_MOST = 1.5;
/** The document comes from Redis only: what is behind the functions' other addresses is never asked. */
const NOWHERE = { endpoint: "http://127.0.0.1:9", url: "http://127.0.0.1:9/none" };

/** What some watchers cost, a second. */
export interface WatchRow extends Watched {
  readonly way: string;
  readonly watchers: number;
  readonly containers: number;
  /** Calls of scripts, and all commands with those that the scripts gave. */
  readonly scriptCalls: number;
  readonly commands: number;
  readonly redisCpuMs: number;
}

/** A room in which everyone who will ask has a ticket. */
async function putRoom(server: Server, people: number): Promise<void> {
  const { client } = server;
  await server.clear();
  await putOurRoom(client, ROOM, 1);
  const encoded = await loadVisit(client);
  const shape = { sockets: 1, pipeline: 64 };
  const joins = idsOf("numeric", people).map((id) => encoded(ROOM, "join", id, 1));
  await measure(server, packLoad(shape, joins, "evalsha", "*19\r\n$7\r\ncreated\r\n"), shape);
}

function begin(server: Server): { ask(watch: Watch): Promise<Watched>; end(): void } {
  // Its standard output is the functions' log.
  const child: ChildProcess = fork(join(import.meta.dirname, "watchers-process.ts"), {
    env: linkedEnv(server, NOWHERE),
    execArgv: [],
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  let waiting: { resolve(watched: Watched): void; reject(error: Error): void } | undefined;
  child.on("message", (message: { watched?: Watched; error?: string }) => {
    if (message.watched) waiting?.resolve(message.watched);
    if (message.error !== undefined) waiting?.reject(new Error(message.error));
  });
  child.once("error", (error) => waiting?.reject(error));
  child.once("exit", (code) => waiting?.reject(new Error(`the process with the functions ended with status ${code}`)));
  return {
    ask: (watch) =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        child.send(watch);
      }),
    end: () => child.disconnect(),
  };
}

/** Calls of each command since the statistics were reset. */
async function callsOf(server: Server): Promise<Map<string, number>> {
  const stats = await server.info("commandstats");
  const calls = [...stats].map(([name, stat]) => [name, Number(/^calls=(\d+)/.exec(stat)?.[1] ?? 0)] as const);
  return new Map(calls.filter(([name]) => name !== "cmdstat_config|resetstat"));
}

async function watchOnce(server: Server, way: string, watch: Watch, ask: (watch: Watch) => Promise<Watched>) {
  const cpuBefore = await cpuSeconds(server);
  await server.client.call("CONFIG", "RESETSTAT");
  const watched = await ask(watch);
  const calls = await callsOf(server);
  const cpu = (await cpuSeconds(server)) - cpuBefore;
  const { watchers, containers } = watch;
  const perSecond = (count: number) => count / watched.seconds;
  const row: WatchRow = {
    ...{ way, watchers, containers, ...watched },
    scriptCalls: perSecond(calls.get("cmdstat_evalsha") ?? 0),
    commands: perSecond([...calls.values()].reduce((sum, count) => sum + count, 0)),
    redisCpuMs: perSecond(cpu * 1_000),
  };
  return row;
}

async function watchAll(bench: Bench): Promise<WatchRow[]> {
  const { server, folder, quick, progress } = bench;
  const outDir = join(folder, "watchers");
  const entries = { document: "functions/show-room.ts", ticket: "functions/poll-ticket.ts" };
  await progress.step("watchers: bundles", () => bundle({ root: ROOT, outDir, entries }));
  await progress.step("watchers: tickets", () => putRoom(server, MANY));
  const document = {
    bundle: join(outDir, "document/index.mjs"),
    route: { key: "GET /rooms/{roomId}", path: `/rooms/${ROOM}` },
    ...{ roomId: ROOM, seconds: quick ? 2 : 10 },
  };
  const ticket = {
    bundle: join(outDir, "ticket/index.mjs"),
    route: { key: "GET /rooms/{roomId}/tickets/me", path: `/rooms/${ROOM}/tickets/me` },
    ...{ roomId: ROOM, seconds: quick ? 1 : 4 },
  };
  const asking = {
    document: quick ? [100, MANY] : [100, 1_000, MANY],
    ticket: quick ? [100, 1_000] : [100, 1_000, MANY],
  };
  const plans = [
    ...asking.document.map((watchers) => ({ way: DOCUMENT, watch: { ...document, watchers, containers: 1 } })),
    { way: DOCUMENT, watch: { ...document, watchers: MANY, containers: CONTAINERS } },
    ...asking.ticket.map((watchers) => ({ way: TICKET, watch: { ...ticket, watchers, containers: CONTAINERS } })),
  ];
  const functions = begin(server);
  try {
    // Connections open, and the compiler has seen the code.
    const warmUp = { watchers: 10 * CONTAINERS, containers: CONTAINERS, seconds: 1 };
    for (const watch of [document, ticket]) await functions.ask({ ...watch, ...warmUp });
    const rows: WatchRow[] = [];
    for (const { way, watch } of plans) {
      const work = () => watchOnce(server, way, watch, functions.ask);
      rows.push(await progress.step(`watchers: ${way}, ${whole(watch.watchers)}`, work));
    }
    return rows;
  } finally {
    functions.end();
  }
}

export const watchers: Section = {
  name: "watchers",
  summary: "what watchers of a room's public document cost Redis",
  async run(bench) {
    const rows = await watchAll(bench);
    const of = (way: string, count: number) => rows.find((row) => row.way === way && row.watchers === count);
    const ratio = (of(DOCUMENT, MANY)?.commands ?? Number.NaN) / (of(DOCUMENT, 100)?.commands ?? Number.NaN);
    const bars = [ratioBar("Redis commands for 10,000 watchers ÷ for 100", ratio, GROWTH_MOST)];
    return { text: textOf(rows), bars, figures: rows };
  },
};

function textOf(rows: readonly WatchRow[]): string {
  const [few] = rows.filter(({ way }) => way === DOCUMENT);
  const many = rows.find(
    ({ way, watchers: count, containers }) => way === DOCUMENT && count === MANY && containers === 1,
  );
  const own = rows.findLast(({ way }) => way === TICKET);
  const callsAnAsk = (row: WatchRow | undefined) =>
    ((row?.scriptCalls ?? Number.NaN) * (row?.seconds ?? 0)) / (row?.asks ?? 0);
  return `Each watcher asks once a second. A second, but for the last column.

${table([
  ["", "watchers", "containers", "asks", "script calls", "commands", "Redis CPU ms", "function CPU µs an ask"],
  ...rows.map((row) => [
    row.way,
    whole(row.watchers),
    whole(row.containers),
    whole(row.asks / row.seconds),
    row.scriptCalls.toFixed(1),
    row.commands.toFixed(1),
    row.redisCpuMs.toFixed(1),
    row.cpuMicros.toFixed(0),
  ]),
])}

public document: functions/show-room.ts, which remembers it for a second: ${few?.scriptCalls.toFixed(1)} script calls a second for ${whole(few?.watchers ?? 0)} watchers,
  ${many?.scriptCalls.toFixed(1)} for ${whole(many?.watchers ?? 0)}. It says how many were admitted; who knows the own turn knows the place without asking for it.
own ticket: functions/poll-ticket.ts, ${callsAnAsk(own).toFixed(2)} script calls an ask, which are the heartbeat as well: so a ticket says when to poll
  again, from a second before the turn to half a heartbeat. Where fewer ask than watch, this machine is full.
containers: each answers one request at a time and has a memory of its own, so what Redis sees follows their number and not the
  watchers'. The document may be kept for a second (Cache-Control), so an edge in front leaves one ask a second to all of them.
commands: with those that the scripts give. Redis CPU: an idle server's own included.`;
}
