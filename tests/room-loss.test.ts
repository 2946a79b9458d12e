import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Ctx } from "../core/context.ts";
import { keys } from "../core/keys.ts";
import { limits } from "../core/limits.ts";
import { attach, readRoom } from "../core/rooms/attach.ts";
import { passGate } from "../core/rooms/gate.ts";
import { revokePasses } from "../core/rooms/room.ts";
import { rooms } from "../core/rooms/room-records.ts";
import { tend, tick } from "../core/rooms/tick.ts";
import { pollTicket, type TicketView, takeTicket } from "../core/rooms/ticket.ts";
import { seeded } from "../local/rush/random.ts";
import { type Node, type Nodes, startNodes } from "./setup/nodes.ts";
import { type Parts, startParts } from "./setup/parts.ts";
import { openRoom, type TestRoom } from "./setup/room.ts";

/**
 * Losing the room (G8, G10): Redis killed and back empty, emptied, restarted with its file, or replaced by a replica that lacks the
 * last writes; each a real process. People keep what they hold, and find their places with it.
 */

const BACKEND = { lateMs: 0, isThrottled: false };
const HEARTBEAT_SECONDS = 10;

let parts: Parts;
let nodes: Nodes;
/** What functions take for now: tests move it, so that tickets grow old without waiting. */
let nowMs = Date.now();

beforeAll(async () => {
  parts = await startParts();
  nodes = startNodes();
});
afterAll(async () => {
  await nodes?.stop();
  await parts?.stop();
});

interface Person {
  readonly userId: string;
  ticket: TicketView;
  /** Everything that shows in a later call. */
  readonly shown: { ticket?: string; pass?: string };
}

function holds(person: Person, ticket: TicketView): void {
  person.ticket = ticket;
  if (ticket.token !== undefined) person.shown.ticket = ticket.token;
  if (ticket.pass !== undefined) person.shown.pass = ticket.pass;
}

const onNode = (node: Node): Ctx => ({ ...parts.ctx, redis: node.door, now: () => nowMs });

/** Brings the room in line with the ledger, as the schedule does once a second. */
async function tendOnce(ctx: Ctx, roomId: string) {
  const record = await rooms.get(ctx, roomId);
  if (!record) throw new Error("no record");
  return tend(ctx, record, BACKEND);
}

/** People in line, taken in order, many at a time as containers would. */
async function fill(room: TestRoom, count: number): Promise<Person[]> {
  const people: Person[] = [];
  for (let from = 0; from < count; from += 100) {
    const batch = Array.from({ length: Math.min(100, count - from) }, (_, i) => `p${from + i}`);
    const tickets = await Promise.all(batch.map((userId) => room.take(userId)));
    for (const [i, userId] of batch.entries()) {
      const person: Person = { userId, ticket: tickets[i] as TicketView, shown: {} };
      holds(person, person.ticket);
      people.push(person);
    }
  }
  return people;
}

/** Everyone polls, in an order of chance. @returns those whom the room did not know any more */
async function pollAll(room: TestRoom, people: readonly Person[], random: () => number): Promise<Person[]> {
  const order = people.map((person) => ({ person, at: random() })).sort((a, b) => a.at - b.at);
  const unknown: Person[] = [];
  for (let from = 0; from < order.length; from += 100) {
    await Promise.all(
      order.slice(from, from + 100).map(async ({ person }) => {
        try {
          holds(person, await room.poll(person.userId, person.shown));
        } catch (error) {
          if (!(error instanceof Error && error.message === "unknown")) throw error;
          unknown.push(person);
        }
      }),
    );
  }
  return unknown;
}

const byNumber = (a: Person, b: Person) => a.ticket.number - b.ticket.number;

describe("Redis killed with 5,000 waiting, and back empty", () => {
  test("those who return stand as before, nobody is admitted twice, and numbers go on above all that were given", async () => {
    const random = seeded(4).next;
    const node = await nodes.add();
    const ctx = onNode(node);
    const rules = { capacity: 100, admitPerSecond: 200, heartbeatSeconds: HEARTBEAT_SECONDS };
    const room = await openRoom(ctx, { ...rules, open: false });
    const everyone = await fill(room, 5_100);
    // Whoever is going in has stood in line, and has the ticket of it.
    const oldTickets = new Map(everyone.map((person) => [person.userId, person.shown.ticket ?? ""]));
    await room.put({ open: true });
    await room.jump(1_000);
    await pollAll(room, everyone, random);
    nowMs += 4_000;
    await pollAll(room, everyone, random);
    await tendOnce(ctx, room.roomId);
    const inside = everyone.filter(({ ticket }) => ticket.state === "admitted");
    const line = everyone.filter(({ ticket }) => ticket.state === "waiting");
    expect(inside).toHaveLength(100);
    expect(line).toHaveLength(5_000);
    /** How often each number was let in, as their holders learned it. */
    const admissions = new Map(inside.map(({ ticket }) => [ticket.number, 1]));
    const before = new Map(everyone.map((person) => [person.userId, person.ticket]));

    await node.kill();
    await node.start();
    expect(await takeTicket(ctx, { roomId: room.roomId, userId: "early" })).toMatchObject({ word: "recovering" });
    await tick(ctx, room.roomId);

    // A tenth does not come back, and of those inside a tenth shows the ticket of before in place of the pass. Somebody new comes
    // first of all.
    const returning = everyone.filter((_, i) => i % 10 !== 3 && i % 10 !== 7);
    const cheats = inside.filter((person) => everyone.indexOf(person) % 10 === 7);
    expect(cheats.length).toBeGreaterThan(5);
    const newcomer: Person = { userId: "newcomer", ticket: await room.take("newcomer"), shown: {} };
    expect(newcomer.ticket.number).toBeGreaterThan(limits.numbersAhead - 1);
    for (const { userId } of cheats) {
      const shown = { roomId: room.roomId, userId, ticket: oldTickets.get(userId) };
      expect(await pollTicket(ctx, shown)).toMatchObject({ word: "unknown" });
    }
    expect(await pollAll(room, returning, random)).toEqual([]);
    let worse = 0;
    for (const { userId, ticket } of returning) {
      const was = before.get(userId);
      expect(ticket.number).toBe(was?.number);
      expect(ticket.state).toBe(was?.state);
      if (ticket.state === "waiting") {
        expect(ticket.reason).toBe("rebuilding");
        if ((ticket.position ?? 0) > (was?.position ?? 0)) worse++;
      }
    }
    expect(worse).toBe(0);
    // Nobody was let in while people came back.
    expect(await readRoom(ctx, room.roomId)).toMatchObject({ admitted: 0, epoch: 1 });

    await room.jump(HEARTBEAT_SECONDS * 1_000);
    const waiting = returning.filter(({ ticket }) => ticket.state === "waiting").sort(byNumber);
    expect(await pollAll(room, [...waiting, newcomer], random)).toEqual([]);
    const left = [...waiting, newcomer].filter(({ ticket }) => ticket.state === "waiting");
    expect(left.sort(byNumber)).toEqual([...left].sort((a, b) => (a.ticket.position ?? 0) - (b.ticket.position ?? 0)));
    for (const { userId, ticket } of left)
      expect(ticket.position ?? 0).toBeLessThanOrEqual(before.get(userId)?.position ?? Number.POSITIVE_INFINITY);
    expect(newcomer.ticket).toMatchObject({ state: "waiting" });

    // All the rest goes in, in the order of the numbers; each once.
    await room.put({ capacity: 10_000, admitPerSecond: 1_000 });
    for (let i = 0; i < 40 && left.some(({ ticket }) => ticket.state === "waiting"); i++) {
      await room.wait(250);
      const still = left.filter(({ ticket }) => ticket.state === "waiting");
      await pollAll(room, still, random);
      const turned = still.filter(({ ticket }) => ticket.state === "admitted");
      for (const { ticket } of turned) admissions.set(ticket.number, (admissions.get(ticket.number) ?? 0) + 1);
      // Everyone who is in came before everyone who still waits.
      const [, next] = (await ctx.redis.command("ZRANGE", keys.waiting(room.roomId), 0, 0, "WITHSCORES")) as string[];
      const serving = (await readRoom(ctx, room.roomId))?.serving ?? 0;
      if (next !== undefined) expect(serving).toBeLessThan(Number(next));
    }
    expect(left.filter(({ ticket }) => ticket.state === "waiting")).toEqual([]);
    const twice = [...admissions.values()].filter((times) => times !== 1);
    expect(twice).toEqual([]);
    const numbers = [...returning, newcomer].map(({ ticket }) => ticket.number);
    expect(new Set(numbers).size).toBe(numbers.length);
    console.log(
      `room lost with ${line.length} waiting and ${inside.length} inside: ${returning.length} came back, ${worse} places worse, ` +
        `${admissions.size} admitted, ${twice.length} twice`,
    );
  });
});

/** A room with ten waiting, the first two inside, all of whom have polled. */
async function smallRoom(node: Node) {
  const ctx = onNode(node);
  const rules = { capacity: 2, admitPerSecond: 4, heartbeatSeconds: HEARTBEAT_SECONDS };
  const room = await openRoom(ctx, { ...rules, open: false });
  const people = await fill(room, 10);
  await room.put({ open: true });
  for (const person of people) holds(person, await room.poll(person.userId));
  await tendOnce(ctx, room.roomId);
  const [first, second, third, ...rest] = people as [Person, Person, Person, ...Person[]];
  expect([first, second, third].map(({ ticket }) => ticket.state)).toEqual(["admitted", "admitted", "waiting"]);
  return { ctx, room, people, first, third, last: rest.at(-1) as Person };
}

describe("after a room was emptied", () => {
  test("a pass of before opens nothing, and its holder gets what was left of it", async () => {
    const { ctx, room, first } = await smallRoom(await nodes.add());
    const { pass: before, passExpiresAt = 0 } = first.ticket;
    await ctx.redis.command("FLUSHALL");
    await tick(ctx, room.roomId);
    const ask = (token: string | undefined) =>
      passGate()(ctx, { roomId: room.roomId, userId: first.userId, token, use: "a" });
    expect(await ask(before)).toEqual({ word: "pass-required", fault: "earlier-epoch" });
    nowMs += 7_000;
    const again = await room.poll(first.userId, first.shown);
    expect(again).toMatchObject({ state: "admitted", number: first.ticket.number });
    expect(Math.abs((again.passExpiresAt ?? 0) - passExpiresAt)).toBeLessThan(50);
    expect(await ask(again.pass)).toEqual({ word: "valid" });
  });

  test("who is inside shows a ticket of before the turn: it is out of date, and finds no second place", async () => {
    const { ctx, room, people } = await smallRoom(await nodes.add());
    const [, second] = people as [Person, Person];
    expect(second.shown.ticket).toBeDefined();
    // Half a minute passes in which the room is well.
    nowMs += 30_000;
    await tendOnce(ctx, room.roomId);
    await ctx.redis.command("FLUSHALL");
    await tick(ctx, room.roomId);
    const visitor = { roomId: room.roomId, userId: second.userId, ticket: second.shown.ticket };
    expect(await pollTicket(ctx, visitor)).toMatchObject({ word: "unknown" });
    expect(await takeTicket(ctx, visitor)).toMatchObject({ word: "created", ticket: { state: "waiting" } });
  });

  test("a pass is taken back as long as it lasts, also after the time that tickets have", async () => {
    const { ctx, room, first } = await smallRoom(await nodes.add());
    await ctx.redis.command("FLUSHALL");
    await tick(ctx, room.roomId);
    await room.put({ open: false });
    await room.jump(2 * HEARTBEAT_SECONDS * 1_000);
    expect(await room.poll(first.userId, first.shown)).toMatchObject({
      state: "admitted",
      number: first.ticket.number,
    });
  });

  test("a pass that does not count any more does not hide the ticket of the visit after it", async () => {
    const { ctx, room, first } = await smallRoom(await nodes.add());
    expect(await revokePasses(ctx, room.roomId)).toMatchObject({ word: "changed" });
    await room.put({ open: false });
    holds(first, await room.take(first.userId));
    const { number } = first.ticket;
    expect(first.ticket).toMatchObject({ state: "waiting", number: 11 });
    expect(first.shown.pass).toBeDefined();
    await ctx.redis.command("FLUSHALL");
    await tick(ctx, room.roomId);
    expect(await room.poll(first.userId, first.shown)).toMatchObject({ state: "waiting", number });
  });

  test("there is time to come back for whoever was told to retry, however short the heartbeat", async () => {
    const node = await nodes.add();
    const ctx = onNode(node);
    const room = await openRoom(ctx, { heartbeatSeconds: 1, open: false });
    const { token = "", number } = await room.take("u");
    await ctx.redis.command("FLUSHALL");
    await tick(ctx, room.roomId);
    await room.jump(limits.graceLeastMs - 1_000);
    expect(await room.poll("u", { ticket: token })).toMatchObject({ number });
  });

  test("a room that nobody had looked after for long takes no tickets from before that", async () => {
    const { ctx, room, third } = await smallRoom(await nodes.add());
    nowMs += limits.roomOutageMostMs + 60_000;
    await ctx.redis.command("FLUSHALL");
    await tick(ctx, room.roomId);
    const shown = { roomId: room.roomId, userId: third.userId, ticket: third.shown.ticket };
    expect(await pollTicket(ctx, shown)).toMatchObject({ word: "unknown" });
  });

  test("another's ticket, one that nobody signed, and one of this epoch find no place", async () => {
    const { ctx, room, third, last } = await smallRoom(await nodes.add());
    await ctx.redis.command("FLUSHALL");
    await tick(ctx, room.roomId);
    const poll = (userId: string, ticket: string) => pollTicket(ctx, { roomId: room.roomId, userId, ticket });
    const shown = third.shown.ticket ?? "";
    expect(await poll(last.userId, shown)).toMatchObject({ word: "unknown" });
    expect(await poll(third.userId, `${shown.slice(0, -6)}AAAAAA`)).toMatchObject({ word: "unknown" });
    const back = await room.poll(third.userId, third.shown);
    expect(back.number).toBe(third.ticket.number);
    await room.leave(third.userId);
    expect(await poll(third.userId, back.token ?? "")).toMatchObject({ word: "unknown" });
  });

  test("a ticket comes too late after one heartbeat: whoever stands there is not pushed back", async () => {
    const { ctx, room, third, last } = await smallRoom(await nodes.add());
    await ctx.redis.command("FLUSHALL");
    await tick(ctx, room.roomId);
    await room.poll(last.userId, last.shown);
    await room.put({ open: false });
    await room.jump(HEARTBEAT_SECONDS * 1_000 + 1);
    expect(await room.poll(last.userId)).toMatchObject({ position: 1 });
    const late = { roomId: room.roomId, userId: third.userId, ticket: third.shown.ticket };
    expect(await pollTicket(ctx, late)).toMatchObject({ word: "unknown" });
    expect(await takeTicket(ctx, late)).toMatchObject({ word: "created" });
    expect(await room.poll(last.userId)).toMatchObject({ position: 1 });
  });

  test("who had left and kept the ticket finds the place again, and whoever is pushed back by it hears why", async () => {
    const { ctx, room, people, third, last } = await smallRoom(await nodes.add());
    await room.leave(third.userId);
    const waiting = people.slice(3);
    for (const person of waiting) holds(person, await room.poll(person.userId));
    expect(last.ticket).toMatchObject({ position: 7 });
    await ctx.redis.command("FLUSHALL");
    await tick(ctx, room.roomId);
    await room.put({ open: false });
    for (const person of [third, ...waiting]) await room.poll(person.userId, person.shown);
    expect(await room.poll(last.userId, last.shown)).toMatchObject({ position: 7, reason: "rebuilding" });
    await room.jump(HEARTBEAT_SECONDS * 1_000);
    expect(await room.poll(last.userId, last.shown)).toMatchObject({ position: 8, reason: "rebuilt" });
    await room.leave(third.userId);
    const again = await room.poll(last.userId, last.shown);
    expect([again.position, again.reason]).toEqual([7, "closed"]);
  });

  test("and emptied again while people came back, those who had not come yet still find their places", async () => {
    const { ctx, room, people, third, last } = await smallRoom(await nodes.add());
    await ctx.redis.command("FLUSHALL");
    await tick(ctx, room.roomId);
    holds(last, await room.poll(last.userId, last.shown));
    nowMs += 4_000;
    await tendOnce(ctx, room.roomId);
    await ctx.redis.command("FLUSHALL");
    await tick(ctx, room.roomId);
    expect(await readRoom(ctx, room.roomId)).toMatchObject({ epoch: 2 });
    for (const person of people.slice(2)) {
      expect((await room.poll(person.userId, person.shown)).number).toBe(person.ticket.number);
    }
    expect(third.ticket.number).toBeLessThan(last.ticket.number);
  });

  test("as many find their way inside as there is room, though a pass that was given back is shown as well", async () => {
    const { ctx, room, first, people } = await smallRoom(await nodes.add());
    await room.leave(first.userId);
    await room.jump(1_200);
    const [, second, third] = people as [Person, Person, Person];
    holds(third, await room.poll(third.userId));
    expect(third.ticket.state).toBe("admitted");
    await ctx.redis.command("FLUSHALL");
    await tick(ctx, room.roomId);
    const states = [];
    for (const person of [first, second, third]) states.push((await room.poll(person.userId, person.shown)).state);
    expect(states).toEqual(["admitted", "admitted", "waiting"]);
    expect(await readRoom(ctx, room.roomId)).toMatchObject({ active: 2, capacity: 2 });
    await room.jump(HEARTBEAT_SECONDS * 1_000);
    expect(await room.poll(third.userId)).toMatchObject({ number: 3, position: 1 });
  });

  test("a drawn order is found again as it was drawn", async () => {
    const node = await nodes.add();
    const ctx = onNode(node);
    const room = await openRoom(ctx, {
      ...{ heartbeatSeconds: HEARTBEAT_SECONDS, order: "shuffle", opensAt: Date.now() + 3_600_000, capacity: 1 },
    });
    const people = await fill(room, 50);
    await room.put({ opensAt: Date.now() - 1, open: false });
    for (const person of people) holds(person, await room.poll(person.userId));
    const order = [...people].sort((a, b) => (a.ticket.position ?? 0) - (b.ticket.position ?? 0));
    await ctx.redis.command("FLUSHALL");
    await tick(ctx, room.roomId);
    await pollAll(room, people, seeded(7).next);
    await room.jump(HEARTBEAT_SECONDS * 1_000 + 1);
    for (const [i, { userId, ticket }] of order.entries()) {
      expect(await room.poll(userId)).toMatchObject({ position: i + 1, number: ticket.number });
    }
  });
});

describe("a server that was started again with its file", () => {
  test("is taken for another one: nobody is admitted and no number given before the room was attached", async () => {
    const node = await nodes.add("--appendonly", "yes", "--appendfsync", "always");
    const { ctx, room, people, last } = await smallRoom(node);
    await node.kill();
    await node.start();
    expect(await takeTicket(ctx, { roomId: room.roomId, userId: "new" })).toMatchObject({ word: "recovering" });
    await tick(ctx, room.roomId);
    // All is there; who shows nothing is found as well.
    for (const person of people) {
      expect((await room.poll(person.userId)).number).toBe(person.ticket.number);
    }
    expect((await room.take("new")).number).toBeGreaterThan(limits.numbersAhead - 1);
    const shown = await room.poll(last.userId, last.shown);
    expect(shown).toMatchObject({ position: last.ticket.position, reason: "rebuilding" });
  });
});

describe("a replica that lacks the last writes", () => {
  test("gives no number twice, lets nobody in twice, and loses nobody who shows a ticket", async () => {
    const [primary, replica] = [await nodes.add(), await nodes.add()];
    await replica.follow(primary);
    const { ctx, room } = await smallRoom(primary);
    const { roomId } = room;
    await room.put({ capacity: 3 });
    await replica.follow(primary);
    await replica.cutOff();
    // What the replica never hears: the next one is admitted and collects the pass, three more come.
    await room.jump(1_200);
    const next: Person = { userId: "p2", ticket: await room.poll("p2"), shown: {} };
    holds(next, next.ticket);
    expect(next.ticket).toMatchObject({ state: "admitted", number: 3 });
    const lost = await Promise.all(
      ["x", "y", "z"].map(async (userId) => ({ userId, ticket: await room.take(userId) })),
    );
    expect(lost.map(({ ticket }) => ticket.number).sort((a, b) => a - b)).toEqual([11, 12, 13]);
    await tendOnce(ctx, roomId);
    await primary.kill();
    await replica.promote();

    const after = onNode(replica);
    const moved = { ...room, ...(await adopt(after, room)) };
    expect(await takeTicket(after, { roomId, userId: "new" })).toMatchObject({ word: "recovering" });
    await tick(after, roomId);
    const fresh = await moved.take("new");
    expect(fresh.number).toBeGreaterThan(13);
    for (const { userId, ticket } of lost) {
      expect(await moved.poll(userId, { ticket: ticket.token ?? "" })).toMatchObject({ number: ticket.number });
    }
    // On the replica the third still waits. With the pass in hand it is inside, and not in line any more.
    expect(await moved.poll("p2", next.shown)).toMatchObject({ state: "admitted", number: 3 });
    expect(await after.redis.command("ZSCORE", keys.waiting(roomId), "p2")).toBeNull();
    const placeOf = async (userId: string) => Number(await after.redis.command("ZRANK", keys.waiting(roomId), userId));
    expect(await placeOf("new")).toBeGreaterThan(Math.max(...(await Promise.all(["x", "y", "z"].map(placeOf)))));
  });

  /** The same room's verbs, through another server. */
  async function adopt(ctx: Ctx, { roomId }: TestRoom) {
    const ask = async (verb: typeof takeTicket, userId: string, shown: object = {}) => {
      const result = await verb(ctx, { roomId, userId, ...shown });
      if (!("ticket" in result)) throw new Error(result.word);
      return result.ticket;
    };
    return {
      take: (userId: string, shown?: object) => ask(takeTicket, userId, shown),
      poll: (userId: string, shown?: object) => ask(pollTicket, userId, shown),
    };
  }
});

describe("a recovery", () => {
  test("of twenty schedules at once is one: one epoch more, and the room is open to its people", async () => {
    const { ctx, room, third } = await smallRoom(await nodes.add());
    await ctx.redis.command("FLUSHALL");
    await Promise.all(Array.from({ length: 20 }, () => tick(ctx, room.roomId)));
    for (let i = 0; i < 3; i++) await tick(ctx, room.roomId);
    const facts = await readRoom(ctx, room.roomId);
    const record = await rooms.get(ctx, room.roomId);
    expect(facts).toMatchObject({ isRecovering: false, epoch: record?.epoch, filling: record?.filling });
    expect((await room.poll(third.userId, third.shown)).number).toBe(third.ticket.number);
  });

  test("that comes late, after another loss, opens nothing", async () => {
    const { ctx, room } = await smallRoom(await nodes.add());
    const { roomId } = room;
    await ctx.redis.command("FLUSHALL");
    const record = await rooms.get(ctx, roomId);
    if (!record) throw new Error("no record");
    // It stops before its fill; meanwhile another recovers the room, and that is lost as well.
    let isHeld = true;
    const late = attach(
      {
        ...ctx,
        redis: {
          ...ctx.redis,
          run: async (script, ...rest) => {
            if (script.name === "put-room" && isHeld) {
              isHeld = false;
              await tick(ctx, roomId);
              await ctx.redis.command("FLUSHALL");
            }
            return ctx.redis.run(script, ...rest);
          },
        },
      },
      record,
    );
    expect(await late).toEqual({ word: "overtaken" });
    expect(await readRoom(ctx, roomId)).toMatchObject({ isRecovering: true });
    await tick(ctx, roomId);
    expect(await readRoom(ctx, roomId)).toMatchObject({ isRecovering: false });
    expect((await room.take("new")).number).toBeGreaterThan(2 * limits.numbersAhead);
  });

  test("is not needed by a room that is well, however often it is looked at", async () => {
    const { ctx, room } = await smallRoom(await nodes.add());
    for (let i = 0; i < 10; i++) await tendOnce(ctx, room.roomId);
    expect(await readRoom(ctx, room.roomId)).toMatchObject({ epoch: 0, graceMs: 0 });
  });
});
