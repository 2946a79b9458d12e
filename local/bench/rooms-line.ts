import { limits } from "../../core/limits.ts";
import { seeded } from "../rush/random.ts";
import type { Client } from "./client.ts";
import { measure, packLoad } from "./load.ts";
import { encode } from "./resp.ts";
import { type Calls, INSIDE, type Room } from "./rooms-structures.ts";
import type { Server } from "./server.ts";
import { users } from "./users.ts";

/** One line of people, who is in it, and what it costs the server to serve them. */

/** One connection, so that the server serves everyone in the order in which they come here. */
const SHAPE = { sockets: 1, pipeline: 64 };
const AT_ONCE = 10_000;

export const OPERATIONS = ["join", "poll", "count", "admit", "admitMany", "drop", "leave"] as const;
export type Operation = (typeof OPERATIONS)[number];

/** Server microseconds a person, inside the command. `count` is there only where a usual poll does not tell the place as it is. */
export type Costs = Readonly<Record<Exclude<Operation, "count">, number> & { count?: number }>;

/** How much is asked of a line in one round. */
export interface Plan {
  readonly cycles: number;
  /** In each cycle so many leave, are admitted one by one, are admitted together, and are dropped; as many come as go. */
  readonly people: number;
  readonly polls: number;
  readonly counts: number;
}

/** People whom one call admits or drops together: as many as a visit does at most. */
export const TOGETHER = limits.visitPeopleMost;

/** @returns microseconds a person */
async function runOne(server: Server, { commands, expected, each }: Calls): Promise<number> {
  const { commandMicros } = await measure(server, packLoad(SHAPE, commands, "evalsha", expected), SHAPE);
  return commandMicros / each;
}

/** Encodes and sends in portions, one call a person. @returns microseconds a person */
async function run(server: Server, ids: readonly string[], callsOf: (some: readonly string[]) => Calls) {
  let micros = 0;
  for (let from = 0; from < ids.length; from += AT_ONCE) {
    const some = ids.slice(from, from + AT_ONCE);
    micros += (await runOne(server, callsOf(some))) * some.length;
  }
  return micros / ids.length;
}

export class Line {
  readonly room: Room;
  readonly #server: Server;
  readonly #kind: keyof typeof users;
  readonly #random = seeded(1);
  /** Who is in line, from the first to the last. */
  readonly #ids: string[] = [];
  #came = 0;

  constructor(server: Server, room: Room, kind: keyof typeof users) {
    this.#server = server;
    this.room = room;
    this.#kind = kind;
  }

  get last(): string {
    return this.#ids.at(-1) ?? "";
  }

  /** Lets so many come. @returns microseconds each */
  async join(count: number): Promise<number> {
    const from = this.#came;
    this.#came += count;
    const ids = Array.from({ length: count }, (_, index) => users[this.#kind](from + index));
    for (const id of ids) this.#ids.push(id);
    return run(this.#server, ids, this.room.join);
  }

  /** Lets so many leave, from anywhere in line. @returns microseconds each */
  leave(count: number): Promise<number> {
    return run(this.#server, this.#takeAny(count), this.room.leave);
  }

  /** Throws unless Redis has as many in line as there should be. */
  async check(client: Client): Promise<void> {
    const length = Number(await client.call(...this.room.length));
    const beats = Number(await client.call("ZCARD", this.room.beats));
    if (length !== this.#ids.length || beats !== length) {
      throw new Error(`${length} are in line and ${beats} have heartbeats, not ${this.#ids.length}`);
    }
  }

  /** Lets so many poll, any of them, also more than once. @returns microseconds each */
  poll(count: number): Promise<number> {
    return run(this.#server, this.#any(count), this.room.poll);
  }

  /** Admits so many from the head, `each` a call; the capacity must be there. @returns who, and microseconds each */
  async admit(count: number, each = 1): Promise<{ ids: readonly string[]; micros: number }> {
    const ids = this.#ids.splice(0, count);
    return { ids, micros: await runOne(this.#server, this.room.admit(count / each, each)) };
  }

  /** Drops so many, from anywhere in line, `each` a call. @returns who, and microseconds each */
  async drop(count: number, each: number): Promise<{ ids: readonly string[]; micros: number }> {
    const ids = this.#takeAny(count);
    // As if they had never polled. Only decimal ids are written as they are by all structures.
    await this.#server.client.send(ids.map((id) => encode(["ZADD", this.room.beats, "XX", 0, id])));
    return { ids, micros: await runOne(this.#server, this.room.drop(count / each, each)) };
  }

  /** Passes are given back, and nothing is remembered of those who were dropped. */
  async giveBack(ids: readonly string[]): Promise<void> {
    await this.#server.client.send(this.room.leave(ids).commands);
  }

  /** People come, poll and go in every way, until the line is as long as it was. */
  async cycle({ people, polls, counts }: Plan): Promise<Costs> {
    const { room } = this;
    const join = await this.join(4 * people);
    const poll = await this.poll(polls);
    const count = room.count && (await run(this.#server, this.#any(counts), room.count));
    const leave = await this.leave(people);
    await room.setCapacity(INSIDE + people);
    const ones = await this.admit(people);
    await room.setCapacity(INSIDE + 2 * people);
    const many = await this.admit(people, TOGETHER);
    const gone = await this.drop(people, TOGETHER);
    await this.giveBack([...ones.ids, ...many.ids, ...gone.ids]);
    await room.setCapacity(INSIDE);
    await this.check(this.#server.client);
    const costs = { join, poll, admit: ones.micros, admitMany: many.micros, drop: gone.micros, leave };
    return count === undefined ? costs : { ...costs, count };
  }

  /** So many who are in line, any of them, also more than once. */
  #any(count: number): string[] {
    return Array.from({ length: count }, () => this.#ids[this.#random.below(this.#ids.length)] ?? "");
  }

  #takeAny(count: number): string[] {
    return Array.from({ length: count }, () => this.#ids.splice(this.#random.below(this.#ids.length), 1)[0] ?? "");
  }
}

/** One round: the means over its cycles. */
export async function roundOf(line: Line, plan: Plan): Promise<Costs> {
  const all: Costs[] = [];
  for (let cycle = 0; cycle < plan.cycles; cycle++) all.push(await line.cycle(plan));
  const mean = (operation: Operation) =>
    all.reduce((sum, costs) => sum + (costs[operation] ?? Number.NaN), 0) / all.length;
  const costs = OPERATIONS.map((operation) => [operation, mean(operation)] as const);
  return Object.fromEntries(costs.filter(([, micros]) => !Number.isNaN(micros))) as Costs;
}
