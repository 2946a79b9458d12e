import type { Client } from "./client.ts";
import type { Argument } from "./resp.ts";
import { Line } from "./rooms-line.ts";
import type { Room, Structure } from "./rooms-structures.ts";
import { type Server, usedMemory } from "./server.ts";
import { send } from "./stores.ts";
import { idsOf, type users } from "./users.ts";

/** What a line takes in memory, and what is left of that when people leave it. */

type Kind = keyof typeof users;
const MEMBERS_AT_ONCE = 100;

/** Looks everyone up in every hash table, because one that has just grown gives its old half back bit by bit, as it is used. */
function* lookUps(room: Room, ids: readonly string[]): Generator<readonly Argument[]> {
  for (const [command, key] of room.tables) {
    for (let from = 0; from < ids.length; from += MEMBERS_AT_ONCE) {
      yield [command, key, ...ids.slice(from, from + MEMBERS_AT_ONCE)];
    }
  }
}

/** Fills an empty room by those who come one after another. @returns the line, and bytes of used_memory for each in it */
export async function fill(
  server: Server,
  structure: Structure,
  { roomId, kind, people }: { roomId: string; kind: Kind; people: number },
): Promise<{ line: Line; bytes: number; before: number }> {
  const room = await structure.open(server.client, roomId);
  const before = await usedMemory(server);
  const line = new Line(server, room, kind);
  await line.join(people);
  await send(server.port, lookUps(room, idsOf(kind, people)));
  await line.check(server.client);
  return { line, bytes: ((await usedMemory(server)) - before) / people, before };
}

export async function discard(client: Client, { keys }: Room): Promise<void> {
  await client.call("DEL", ...keys);
}

/** A line of which half has left, anyone. */
export interface HalfLeft {
  readonly stayed: number;
  /** For each who stayed. */
  readonly bytes: number;
  /** The place that a poll tells to the last in line, who is number `stayed`. */
  readonly told: number;
}

export async function letHalfLeave(server: Server, structure: Structure, people: number): Promise<HalfLeft> {
  const { line, before } = await fill(server, structure, { roomId: "bench-half", kind: "numeric", people });
  const stayed = people / 2;
  await line.leave(people - stayed);
  await line.check(server.client);
  const bytes = ((await usedMemory(server)) - before) / stayed;
  const [reply = null] = await server.client.send(line.room.poll([line.last]).commands);
  await discard(server.client, line.room);
  return { stayed, bytes, told: line.room.placeIn(reply) };
}
