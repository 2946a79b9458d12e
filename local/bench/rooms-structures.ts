import { keys } from "../../core/keys.ts";
import { limits } from "../../core/limits.ts";
import { visit, visitKeys } from "../../core/rooms/visit.ts";
import type { Client } from "./client.ts";
import { loadScript } from "./contestants.ts";
import { type Argument, encode, type Reply } from "./resp.ts";
import listText from "./rooms-list.lua";
import { changeCapacity, loadVisit, putOurRoom } from "./rooms-ours.ts";
import setsText from "./rooms-sorted-sets.lua";
import streamText from "./rooms-stream.lua";
import { idsOf } from "./users.ts";

/** The same room on our own structure and on the usual ones: each operation is one call of one script. */

/** Encoded calls, each for so many people, and how every reply must begin. */
export interface Calls {
  readonly commands: readonly string[];
  readonly expected: string;
  readonly each: number;
}

/** A room with {@link INSIDE} people inside and nobody in line. Users are told by their ids. */
export interface Room {
  join(ids: readonly string[]): Calls;
  poll(ids: readonly string[]): Calls;
  /** Polls that tell the place as it is, where the usual ones cannot. */
  readonly count?: (ids: readonly string[]) => Calls;
  /** Gives back a place in line, or a pass. */
  leave(ids: readonly string[]): Calls;
  admit(calls: number, each: number): Calls;
  drop(calls: number, each: number): Calls;
  setCapacity(capacity: number): Promise<void>;
  /** The place that a reply to a poll tells; 1 is next. */
  placeIn(reply: Reply): number;
  readonly beats: string;
  /** Tells how many are in line. */
  readonly length: readonly Argument[];
  /** Keys with a hash table inside, and the command that looks up some of its members. */
  readonly tables: readonly (readonly [command: string, key: string])[];
  readonly keys: readonly string[];
}

export interface Structure {
  readonly name: string;
  /** Whether one who is somewhere in line is found by walking: such calls are few where the line is long. */
  readonly walks: boolean;
  open(client: Client, roomId: string): Promise<Room>;
}

/** People inside all the time; whoever is admitted comes in addition. */
export const INSIDE = 100;
/** Who has not polled for so long is dropped: the same for all. */
const STALE_MS = 1.5 * limits.heartbeatSecondsMost * 1_000;
const PASS_MS = limits.passSecondsMost * 1_000;
const insiders = () => idsOf("numeric", INSIDE, 500_000_000);

/** How a reply begins that is an array of so many, the first of which is a word. */
const beginning = (parts: number, ...words: readonly string[]) =>
  `*${parts}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`;

const ours: Structure = {
  name: "our room",
  walks: false,
  async open(client, roomId) {
    await putOurRoom(client, roomId, INSIDE);
    const encoded = await loadVisit(client);
    const visits = (step: "join" | "poll" | "leave", expected: string) => (ids: readonly string[]) => ({
      commands: ids.map((id) => encoded(roomId, step, id, limits.visitPeopleMost)),
      ...{ expected, each: 1 },
    });
    const ticks = (calls: number, each: number): Calls => ({
      commands: Array<string>(calls).fill(encoded(roomId, "tick", "", each)),
      ...{ expected: beginning(5, "ticked"), each },
    });
    const { rules, state, ...members } = visitKeys(roomId);
    const { waiting, beats, passes, numbers } = members;
    let version = 1;
    const room: Room = {
      join: visits("join", beginning(19, "created", "waiting")),
      poll: visits("poll", beginning(19, "found", "waiting")),
      leave: visits("leave", beginning(1, "left")),
      admit: ticks,
      drop: ticks,
      setCapacity: (capacity) => changeCapacity(client, roomId, ++version, capacity),
      placeIn: (reply) => {
        const visited = visit.reply(reply);
        return visited.word === "found" ? visited.ahead + 1 : Number.NaN;
      },
      beats,
      length: ["ZCARD", waiting],
      tables: [
        ["ZMSCORE", waiting],
        ["ZMSCORE", beats],
      ],
      keys: [rules, state, ...Object.values(members)],
    };
    await client.send(room.join(insiders()).commands);
    // The bucket fills as time goes by, a hundred tokens in a hundredth of a second.
    while (Number(await client.call("ZCARD", passes)) < INSIDE) await client.send(ticks(1, INSIDE).commands);
    // Passes that are collected last.
    await client.send(room.poll(insiders()).commands);
    if (Number(await client.call("HLEN", numbers)) !== INSIDE) throw new Error("our room let in too many");
    return room;
  },
};

interface Plain {
  readonly text: string;
  /** In the script's order. */
  readonly keys: readonly string[];
  readonly length: Room["length"];
  readonly tables: Room["tables"];
  readonly counts: boolean;
}

async function openPlain(client: Client, roomId: string, it: Plain): Promise<Room> {
  const sha = await loadScript(client, it.text);
  const active = keys.passes(roomId);
  let capacity = INSIDE;
  const call = (step: string, id: string, most: number, spanMs: number) =>
    encode(["EVALSHA", sha, it.keys.length, ...it.keys, step, id, Date.now(), most, capacity, spanMs]);
  const visits = (step: string, expected: string) => (ids: readonly string[]) => ({
    commands: ids.map((id) => call(step, id, 0, 0)),
    ...{ expected, each: 1 },
  });
  const crowd = (step: string, word: string, spanMs: number) => (calls: number, each: number) => ({
    commands: Array<string>(calls).fill(call(step, "", each, spanMs)),
    ...{ expected: `${beginning(2, word)}:${each}\r\n`, each },
  });
  const room: Room = {
    join: visits("join", beginning(2, "created")),
    poll: visits("poll", beginning(2, "waiting")),
    ...(it.counts ? { count: visits("count", beginning(2, "waiting")) } : {}),
    leave: visits("leave", beginning(1, "left")),
    admit: crowd("admit", "admitted", PASS_MS),
    drop: crowd("drop", "dropped", STALE_MS),
    async setCapacity(wanted) {
      capacity = wanted;
    },
    placeIn: (reply) => (Array.isArray(reply) ? Number(reply[1]) : Number.NaN),
    beats: keys.beats(roomId),
    length: it.length,
    tables: it.tables,
    keys: it.keys,
  };
  await client.send(room.join(insiders()).commands);
  await client.send(room.admit(1, INSIDE).commands);
  if (Number(await client.call("ZCARD", active)) !== INSIDE) throw new Error("a plain room let in too few");
  return room;
}

/** Keys as long as the real ones, under the same hash tag. */
const sortedSets: Structure = {
  name: "sorted sets",
  walks: false,
  open(client, roomId) {
    const [waiting, beats] = [keys.waiting(roomId), keys.beats(roomId)];
    return openPlain(client, roomId, {
      text: setsText,
      keys: [waiting, beats, keys.passes(roomId), keys.state(roomId)],
      length: ["ZCARD", waiting],
      tables: [
        ["ZMSCORE", waiting],
        ["ZMSCORE", beats],
      ],
      counts: false,
    });
  },
};

const list: Structure = {
  name: "list",
  walks: true,
  open(client, roomId) {
    const [line, beats] = [keys.waiting(roomId), keys.beats(roomId)];
    return openPlain(client, roomId, {
      text: listText,
      keys: [line, beats, keys.passes(roomId)],
      length: ["LLEN", line],
      tables: [["ZMSCORE", beats]],
      counts: false,
    });
  },
};

const stream: Structure = {
  name: "stream",
  walks: false,
  open(client, roomId) {
    const [line, numbers, beats] = [keys.waiting(roomId), keys.numbers(roomId), keys.beats(roomId)];
    return openPlain(client, roomId, {
      text: streamText,
      keys: [line, numbers, beats, keys.passes(roomId), keys.state(roomId)],
      length: ["XLEN", line],
      tables: [
        ["HMGET", numbers],
        ["ZMSCORE", beats],
      ],
      counts: true,
    });
  },
};

export const structures: readonly Structure[] = [ours, sortedSets, list, stream];
export const [OURS, SETS] = [ours.name, sortedSets.name];
