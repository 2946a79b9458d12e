import { limits } from "../../core/limits.ts";
import { queues } from "../../infra/settings.ts";
import type { Bench } from "./section.ts";
import {
  bytesOf,
  CAMPAIGN,
  type Drilled,
  EARLY_MS,
  type LongJob,
  leaveAlone,
  Meter,
  makeMessages,
  mustBe,
  ORDERED,
  type Order,
  openLine,
  orderOf,
  pendingOf,
  type RedisLine,
  ticketIn,
} from "./stuck-drill.ts";

/**
 * A queue on Redis Streams as it is usually built: XADD by the producer, XREADGROUP by the workers, XAUTOCLAIM of what another
 * has left lying, XPENDING to learn how often it was handed out, XADD to a second stream when that is too often, XACK and XDEL at
 * the end.
 */

const STREAM = `${CAMPAIGN}:plain`;
const DEAD = `${CAMPAIGN}:plain:dead`;
const GROUP = "workers";
const PLACE = { stream: STREAM, group: GROUP };
/** What a worker takes at once: as many as a batch of SQS has. */
const READ_AT_ONCE = limits.queueBatch;
/** XAUTOCLAIM's default, and what a sweep looks at in one call. */
const CLAIM_AT_ONCE = limits.sweepEntries;
/** Redis does not say what it should be: it must be longer than the longest job. The queue's visibility timeout has the same task. */
export const MIN_IDLE_MS = queues.Confirmations.visibilitySeconds * 1_000;
/** Deliveries before an entry is a dead letter: the first, and as many more as the outbox sends again. */
const DELIVERIES_MOST = 1 + limits.sweepAttemptsMost;

interface Entry {
  readonly id: string;
  readonly body: string;
  readonly group: string;
}

type RawEntry = readonly [id: string, fields: readonly string[]];

function entryOf([id, [, body = "", , group = ""]]: RawEntry): Entry {
  return { id, body, group };
}

const asHandled = ({ group, body }: Entry) => ({ group, number: ticketIn(body) });

class Worker {
  readonly #line: RedisLine;
  readonly #name: string;

  constructor(line: RedisLine, name: string) {
    this.#line = line;
    this.#name = name;
  }

  /** Entries that nobody has had yet. */
  async read(): Promise<Entry[]> {
    const args = ["GROUP", GROUP, this.#name, "COUNT", READ_AT_ONCE, "STREAMS", STREAM, ">"];
    const [, raw = []] = ((await this.#line.door.command("XREADGROUP", ...args)) ?? []) as [string?, RawEntry[]?];
    return raw.map(entryOf);
  }

  async readAll(): Promise<Entry[]> {
    const all: Entry[] = [];
    for (let entries = await this.read(); entries.length > 0; entries = await this.read()) all.push(...entries);
    return all;
  }

  /** Takes over what has been left alone for long enough. @returns what is to be done, and what was handed out too often */
  async claim(): Promise<{ mine: Entry[]; spent: Entry[] }> {
    const { door } = this.#line;
    const mine: Entry[] = [];
    const spent: Entry[] = [];
    let cursor = "0-0";
    do {
      const args = [STREAM, GROUP, this.#name, MIN_IDLE_MS, cursor, "COUNT", CLAIM_AT_ONCE];
      const [next, raw] = (await door.command("XAUTOCLAIM", ...args)) as [string, RawEntry[]];
      cursor = next;
      const [first, last] = [raw.at(0)?.[0], raw.at(-1)?.[0]];
      if (first === undefined || last === undefined) continue;
      // XAUTOCLAIM does not say how often an entry was handed out.
      const range = [STREAM, GROUP, first, last, raw.length, this.#name];
      const pending = (await door.command("XPENDING", ...range)) as [string, string, number, number][];
      const deliveries = new Map(pending.map(([id, , , times]) => [id, times]));
      for (const entry of raw) {
        const isSpent = (deliveries.get(entry[0]) ?? 0) > DELIVERIES_MOST;
        (isSpent ? spent : mine).push(entryOf(entry));
      }
    } while (cursor !== "0-0");
    return { mine, spent };
  }

  /** @returns how many Redis took for done by this call */
  async finish(entries: readonly Entry[]): Promise<number> {
    let acknowledged = 0;
    for (let from = 0; from < entries.length; from += READ_AT_ONCE) {
      const ids = entries.slice(from, from + READ_AT_ONCE).map(({ id }) => id);
      acknowledged += Number(await this.#line.door.command("XACK", STREAM, GROUP, ...ids));
      await this.#line.door.command("XDEL", STREAM, ...ids);
    }
    return acknowledged;
  }

  async bury(entries: readonly Entry[]): Promise<void> {
    for (const { id, body, group } of entries) {
      await this.#line.door.commands([
        ["XADD", DEAD, "*", "body", body, "group", group],
        ["XACK", STREAM, GROUP, id],
        ["XDEL", STREAM, id],
      ]);
    }
  }
}

async function startAnew(line: RedisLine): Promise<void> {
  await line.door.command("DEL", STREAM, DEAD);
  await line.door.command("XGROUP", "CREATE", STREAM, GROUP, "0", "MKSTREAM");
}

/** One after another, so that nothing but the queue can change their order. */
async function addAll({ door }: RedisLine, entries: number): Promise<void> {
  for (const { body, groupId } of makeMessages(entries)) {
    await door.command("XADD", STREAM, "*", "body", body, "group", groupId);
  }
}

/** Lets all pending entries grow old. */
async function pass({ server: { client } }: Bench, ms: number): Promise<void> {
  await leaveAlone(client, PLACE, await pendingOf(client, STREAM, GROUP), ms);
}

/** What a dead letter needs to come back: read, written anew, and its dead letter removed. */
async function bringBack(line: RedisLine): Promise<void> {
  while (true) {
    const raw = (await line.door.command("XRANGE", DEAD, "-", "+", "COUNT", CLAIM_AT_ONCE)) as RawEntry[];
    if (raw.length === 0) return;
    for (const { id, body, group } of raw.map(entryOf)) {
      await line.door.commands([
        ["XADD", STREAM, "*", "body", body, "group", group],
        ["XDEL", DEAD, id],
      ]);
    }
  }
}

async function drill(bench: Bench, line: RedisLine, entries: number): Promise<Omit<Drilled, "order" | "longJob">> {
  const { server } = bench;
  const { client } = server;
  const meter = () => new Meter(server, line.calls, () => 0);

  const first = meter();
  await first.run(() => addAll(line, entries));
  line.close();
  const entryBytes = (await bytesOf(server, STREAM)) / entries;
  await line.open();
  const held = await first.run(() => new Worker(line, "worker-0").readAll());
  mustBe("entries handed out", held.length, entries);

  await pass(bench, MIN_IDLE_MS);
  const byReading = (await new Worker(line, "worker-1").read()).length;
  const again = meter();
  let tooEarly = 0;
  let clockMs = 0;
  for (let time = 1; time <= limits.sweepAttemptsMost; time++) {
    const worker = new Worker(line, `worker-${time}`);
    await pass(bench, MIN_IDLE_MS - EARLY_MS);
    tooEarly += (await worker.claim()).mine.length;
    await pass(bench, MIN_IDLE_MS);
    clockMs += MIN_IDLE_MS;
    const { mine } = await again.run(() => worker.claim());
    mustBe("entries claimed", mine.length, entries);
  }

  const [count] = (await client.call("XPENDING", STREAM, GROUP)) as [number];
  const pending = await pendingOf(client, STREAM, GROUP);
  const [seconds, micros] = (await client.call("TIME")) as [string, string];
  const now = Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
  const oldestMs = now - Number.parseInt(pending[0]?.id ?? "", 10);
  line.close();
  const bytes = { entry: entryBytes, pending: (await bytesOf(server, STREAM)) / entries - entryBytes };
  await line.open();

  await pass(bench, MIN_IDLE_MS);
  clockMs += MIN_IDLE_MS;
  const undertaker = new Worker(line, "worker-last");
  const dead = meter();
  await dead.run(async () => undertaker.bury((await undertaker.claim()).spent));
  mustBe("dead letters", Number(await client.call("XLEN", DEAD)), entries);

  const handled: Entry[] = [];
  const back = meter();
  await back.run(async () => {
    await bringBack(line);
    const worker = new Worker(line, "worker-back");
    for (let mine = await worker.read(); mine.length > 0; mine = await worker.read()) {
      handled.push(...mine);
      await worker.finish(mine);
    }
  });
  const backOrder = orderOf(handled.map(asHandled));
  return {
    held: count,
    behind: entries - count,
    oldestMs,
    attempts: Math.max(...pending.map(({ deliveries }) => deliveries)),
    costs: {
      first: first.cost(entries),
      again: again.cost(entries * limits.sweepAttemptsMost),
      dead: dead.cost(entries),
      back: back.cost(entries),
    },
    bytes,
    tooEarly,
    byReading,
    deadFirstMs: clockMs,
    deadLastMs: clockMs,
    duplicates: handled.length - backOrder.of,
    backOrder,
    lost: entries - backOrder.of,
  };
}

/** A consumer dies with some entries; another goes on with the rest, and takes those over when it may. */
async function judgeOrder(bench: Bench, line: RedisLine): Promise<Order> {
  await startAnew(line);
  await addAll(line, ORDERED.entries);
  const [dying, living] = [new Worker(line, "dying"), new Worker(line, "living")];
  for (let taken = 0; taken < ORDERED.taken; ) taken += (await dying.read()).length;
  const handled = await living.readAll();
  await living.finish(handled);
  await pass(bench, MIN_IDLE_MS);
  const { mine } = await living.claim();
  await living.finish(mine);
  return orderOf([...handled, ...mine].map(asHandled));
}

async function doLongJob(bench: Bench, line: RedisLine): Promise<LongJob> {
  await startAnew(line);
  await addAll(line, 1);
  const [slow, other] = [new Worker(line, "slow"), new Worker(line, "other")];
  const held = await slow.read();
  await pass(bench, MIN_IDLE_MS);
  const { mine } = await other.claim();
  const lateWord = (await slow.finish(held)) === 1 ? "taken" : "refused";
  await other.finish(mine);
  const runs = held.length + mine.length;
  // Nothing in the stream keeps either of them from doing its work.
  return { runs, effects: runs, lateWord };
}

/** What becomes of a dead consumer's entries when its name is deleted from the group, as housekeeping would. */
export interface Deleted {
  readonly held: number;
  /** Entries that nobody gets any more, by reading or by claiming. */
  readonly gone: number;
}

async function deleteConsumer(bench: Bench, line: RedisLine): Promise<Deleted> {
  await startAnew(line);
  await addAll(line, ORDERED.taken);
  const held = await new Worker(line, "dying").readAll();
  await pass(bench, MIN_IDLE_MS);
  await line.door.command("XGROUP", "DELCONSUMER", STREAM, GROUP, "dying");
  const living = new Worker(line, "living");
  const found = (await living.claim()).mine.length + (await living.readAll()).length;
  return { held: held.length, gone: held.length - found };
}

export async function drillStreams(bench: Bench, entries: number): Promise<Drilled & { readonly deleted: Deleted }> {
  const line = await openLine(bench.server);
  try {
    await startAnew(line);
    const main = await drill(bench, line, entries);
    const order = await judgeOrder(bench, line);
    const longJob = await doLongJob(bench, line);
    const deleted = await deleteConsumer(bench, line);
    await line.door.command("DEL", STREAM, DEAD);
    return { ...main, order, longJob, deleted };
  } finally {
    line.close();
  }
}
