import { confirmationOf, messageOf } from "../../core/coupons/confirmation.ts";
import { openRedis, type RedisDoor } from "../../core/doors/redis.ts";
import type { QueueMessage } from "../../core/doors/sqs.ts";
import type { Client } from "./client.ts";
import { commandStat, cpuSeconds, type Server, usedMemory } from "./server.ts";
import { idsOf } from "./users.ts";

/** What the three queues have in common: the drill's steps, how a step is measured, and how the clock is moved without waiting. */

/** What a drill does to an entry, in this order. */
export const PHASES = ["first", "again", "dead", "back"] as const;
export type Phase = (typeof PHASES)[number];

/** What one entry takes. */
export interface Cost {
  /** Commands sent to Redis. */
  readonly redisCalls: number;
  /** Commands that scripts gave while they ran. */
  readonly insideCalls: number;
  readonly sqsCalls: number;
  /** CPU that Redis' process has used, idle or not. */
  readonly cpuMicros: number;
  /** Of it inside the scripts; where there are none, inside the commands. */
  readonly commandMicros: number;
  /** How long it took, to tell how much of that CPU an idle server would have used. */
  readonly wallMicros: number;
}

/** What was found out about one queue. */
export interface Drilled {
  /** Entries that wait: at a dead consumer, and behind those. */
  readonly held: number;
  readonly behind: number;
  /** Age of the oldest by Redis' clock, in milliseconds; undefined where the queue does not tell. */
  readonly oldestMs: number | undefined;
  /** The most often that an entry was handed out, as the queue tells it. */
  readonly attempts: number;
  readonly costs: Readonly<Record<Phase, Cost>>;
  /** Bytes that a stuck entry takes in Redis: itself, and the note of who has it and how often. */
  readonly bytes?: { readonly entry: number; readonly pending: number };
  /** Entries handed out again five seconds before they were due. */
  readonly tooEarly: number;
  /** Entries that another consumer gets once they are due, by reading as it always does. */
  readonly byReading: number;
  /** Of the drill's clock: from the first entry until the first and until all were dead letters. */
  readonly deadFirstMs: number;
  readonly deadLastMs: number;
  /** Times that an entry was handed out after it had been done. */
  readonly duplicates: number;
  readonly lost: number;
  /** On the way back from the dead letters. */
  readonly backOrder: Order;
  /** Where one consumer dies with some entries and another goes on with the rest. */
  readonly order: Order;
  readonly longJob: LongJob;
}

/** Entries that were handled after a later one of their group had been, of all that were handled. */
export interface Order {
  readonly late: number;
  readonly of: number;
}

/** One entry whose consumer is slow and not dead: it finishes while another is at the same entry. */
export interface LongJob {
  readonly runs: number;
  readonly effects: number;
  /** What the slow one hears when it says that it is done. */
  readonly lateWord: string;
}

/** What the checks of "not yet" hold back from an entry's wait. */
export const EARLY_MS = 5_000;

/** The campaign whose confirmations get stuck. */
export const CAMPAIGN = "stuck-drill";
/** Confirmations with which the order is judged, and how many of them the dead consumer has. */
export const ORDERED = { entries: 256, taken: 64 } as const;

/** Confirmations as the system would send them, for the queues that do not issue by themselves. Tickets 1, 2, 3 … */
export function makeMessages(entries: number): QueueMessage[] {
  const issuedAt = Date.now();
  const about = { campaignId: CAMPAIGN, perUser: 1, buckets: 1, base: 0 };
  return idsOf("numeric", entries).map((userId, index) => {
    const issuance = { campaignId: CAMPAIGN, userId, ticket: index + 1, nth: 1, issuedAt };
    const confirmation = confirmationOf(issuance, about, "a secret of the bench", "");
    return messageOf({ confirmation, outboxId: `${issuedAt}-${index}`, epoch: 0 });
  });
}

/** The ticket in a message's body. */
export const ticketIn = (body: string): number => Number((JSON.parse(body) as { ticket: number }).ticket);

/** Judges the order within each group. Only the first time that an entry is handled counts. */
export function orderOf(handled: Iterable<{ readonly group: string; readonly number: number }>): Order {
  const highest = new Map<string, number>();
  const seen = new Set<number>();
  let late = 0;
  for (const { group, number } of handled) {
    if (seen.has(number)) continue;
    seen.add(number);
    const before = highest.get(group) ?? 0;
    if (number < before) late++;
    highest.set(group, Math.max(before, number));
  }
  return { late, of: seen.size };
}

// ── Redis ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The system's own door to the bench's server, counted, and closed while memory is measured: a connection takes some too. */
export interface RedisLine {
  readonly door: RedisDoor;
  calls(): number;
  open(): Promise<void>;
  close(): void;
}

export async function openLine(server: Server): Promise<RedisLine> {
  let current: RedisDoor | undefined;
  let calls = 0;
  const now = (): RedisDoor => {
    if (!current) throw new Error("the line to Redis is closed");
    return current;
  };
  const counted = (count: number): RedisDoor => {
    calls += count;
    return now();
  };
  const line: RedisLine = {
    door: {
      run: (script, keys, args) => counted(1).run(script, keys, args),
      command: (name, ...args) => counted(1).command(name, ...args),
      commands: (batch) => counted(batch.length).commands(batch),
      close: () => line.close(),
    },
    calls: () => calls,
    async open() {
      current = openRedis({ host: "127.0.0.1", port: server.port, tls: false });
      await current.command("PING");
    },
    close() {
      current?.close();
      current = undefined;
    },
  };
  await line.open();
  return line;
}

/** Bytes that a key takes, by what a copy of it takes. No connection but the bench's own may be open. */
export async function bytesOf(server: Server, key: string): Promise<number> {
  const copy = `${key}:copy`;
  const before = await usedMemory(server);
  await server.client.call("COPY", key, copy);
  const after = await usedMemory(server);
  await server.client.call("DEL", copy);
  return after - before;
}

const PENDING_AT_ONCE = 500;

export interface PendingEntry {
  readonly id: string;
  readonly consumer: string;
  readonly deliveries: number;
}

/** What a group has handed out and not got back, oldest first. */
export async function pendingOf(client: Client, stream: string, group: string): Promise<PendingEntry[]> {
  const all: PendingEntry[] = [];
  let from = "-";
  while (true) {
    const page = (await client.call("XPENDING", stream, group, from, "+", PENDING_AT_ONCE)) as [
      string,
      string,
      number,
      number,
    ][];
    for (const [id, consumer, , deliveries] of page) all.push({ id, consumer, deliveries });
    const last = page.at(-1);
    if (!last || page.length < PENDING_AT_ONCE) return all;
    from = `(${last[0]}`;
  }
}

/**
 * Lets entries look as if nobody had touched them for so long, and changes nothing else: the wait that a drill need not make.
 * They must all be pending at the same consumer.
 */
export async function leaveAlone(
  client: Client,
  { stream, group }: { stream: string; group: string },
  entries: readonly PendingEntry[],
  idleMs: number,
): Promise<void> {
  for (let from = 0; from < entries.length; from += PENDING_AT_ONCE) {
    const page = entries.slice(from, from + PENDING_AT_ONCE);
    const [first] = page;
    if (!first) return;
    const ids = page.map(({ id }) => id);
    await client.call("XCLAIM", stream, group, first.consumer, 0, ...ids, "IDLE", idleMs, "JUSTID");
  }
}

// ── Measuring ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** What the server has run since its statistics were reset, without what {@link Meter} itself has asked. */
async function commandsRun(server: Server): Promise<{ calls: number; micros: number }> {
  const stats = await server.info("commandstats");
  const names = [...stats.keys()].flatMap((name) =>
    name.startsWith("cmdstat_") ? [name.slice("cmdstat_".length)] : [],
  );
  const totalOf = (chosen: readonly string[]) => {
    const all = chosen.map((name) => commandStat(stats, name));
    return { calls: all.reduce((sum, it) => sum + it.calls, 0), micros: all.reduce((sum, it) => sum + it.micros, 0) };
  };
  const scripts = totalOf(["eval", "evalsha"]);
  const all = totalOf(names.filter((name) => name !== "config|resetstat"));
  // `issue.lua` asks INFO as well; two looks at the CPU are ours.
  return {
    calls: all.calls - 2,
    micros: scripts.calls > 0 ? scripts.micros : all.micros - commandStat(stats, "info").micros,
  };
}

/** Adds up what several pieces of work take, and leaves out what lies between them. Without a server it counts calls only. */
export class Meter {
  readonly #server: Server | undefined;
  readonly #redisCalls: () => number;
  readonly #sqsCalls: () => number;
  #redis = 0;
  #all = 0;
  #sqs = 0;
  #cpuSeconds = 0;
  #commandMicros = 0;
  #wallMs = 0;

  constructor(server: Server | undefined, redisCalls: () => number, sqsCalls: () => number) {
    this.#server = server;
    this.#redisCalls = redisCalls;
    this.#sqsCalls = sqsCalls;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    const server = this.#server;
    await server?.client.call("CONFIG", "RESETSTAT");
    const cpuBefore = server ? await cpuSeconds(server) : 0;
    const [redis, sqs] = [this.#redisCalls(), this.#sqsCalls()];
    const startedAt = performance.now();
    const result = await work();
    this.#wallMs += performance.now() - startedAt;
    this.#redis += this.#redisCalls() - redis;
    this.#sqs += this.#sqsCalls() - sqs;
    if (server) {
      this.#cpuSeconds += (await cpuSeconds(server)) - cpuBefore;
      const { calls, micros } = await commandsRun(server);
      this.#all += calls;
      this.#commandMicros += micros;
    }
    return result;
  }

  /** What each of so many entries has taken. */
  cost(entries: number): Cost {
    return {
      redisCalls: this.#redis / entries,
      insideCalls: (this.#all - this.#redis) / entries,
      sqsCalls: this.#sqs / entries,
      cpuMicros: (this.#cpuSeconds * 1e6) / entries,
      commandMicros: this.#commandMicros / entries,
      wallMicros: (this.#wallMs * 1e3) / entries,
    };
  }
}

/** Two steps after another. */
export function both(one: Cost, other: Cost): Cost {
  return {
    redisCalls: one.redisCalls + other.redisCalls,
    insideCalls: one.insideCalls + other.insideCalls,
    sqsCalls: one.sqsCalls + other.sqsCalls,
    cpuMicros: one.cpuMicros + other.cpuMicros,
    commandMicros: one.commandMicros + other.commandMicros,
    wallMicros: one.wallMicros + other.wallMicros,
  };
}

/** A drill that does not do what it measures measures nothing. */
export function mustBe(what: string, is: number, must: number): void {
  if (is !== must) throw new Error(`the drill went another way: ${what} ${is}, not ${must}`);
}
