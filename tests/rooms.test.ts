import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { keys } from "../core/keys.ts";
import { knownIds } from "../core/known.ts";
import { limits } from "../core/limits.ts";
import { memberOf } from "../core/member.ts";
import { readRoom, registerRooms } from "../core/rooms/attach.ts";
import { drawnPlaceOf, putRoom, roomMemory, showRoom } from "../core/rooms/room.ts";
import { rooms } from "../core/rooms/room-records.ts";
import { tend, tick } from "../core/rooms/tick.ts";
import { leaveRoom, pollTicket, takeTicket } from "../core/rooms/ticket.ts";
import { dueAfterMs, etaOf, pollAfterMsOf } from "../core/rooms/wait.ts";
import { unique } from "./setup/client.ts";
import { type Parts, startParts } from "./setup/parts.ts";
import { startRedis } from "./setup/redis.ts";
import { openRoom, type TestRoom } from "./setup/room.ts";

/** Waiting rooms: G8, against a real Redis. Time passes by moving the room's memory of its last visit, so nothing waits. */

let parts: Parts;
beforeAll(async () => {
  parts = await startParts();
});
afterAll(() => parts?.stop());

const names = (count: number, prefix = "u") => Array.from({ length: count }, (_, i) => `${prefix}${i + 1}`);
const factsOf = async ({ roomId }: TestRoom) => {
  const facts = await readRoom(parts.ctx, roomId);
  if (!facts) throw new Error("no room");
  return facts;
};
async function takeAll(room: TestRoom, users: readonly string[]) {
  const tickets = [];
  for (const user of users) tickets.push(await room.take(user));
  return tickets;
}

describe("a number", () => {
  test("is given once, in the order in which people come, and kept by whoever asks again", async () => {
    const room = await openRoom(parts.ctx, { open: false });
    const tickets = await takeAll(room, names(20));
    expect(tickets.map(({ number }) => number)).toEqual(names(20).map((_, i) => i + 1));
    expect(tickets.map(({ position, ahead }) => [position, ahead])).toEqual(names(20).map((_, i) => [i + 1, i]));
    for (const [i, user] of names(20).entries()) {
      expect(await room.take(user)).toMatchObject({ number: i + 1, state: "waiting" });
      expect(await room.poll(user)).toMatchObject({ number: i + 1, position: i + 1 });
    }
  });

  test("is one for a user who asks a hundred times at once, from four containers", async () => {
    const room = await openRoom(parts.ctx, { open: false });
    const doors = [parts.ctx.redis, parts.redis.connect(), parts.redis.connect(), parts.redis.connect()];
    const asked = names(100).map((_, i) => {
      const redis = doors[i % doors.length] ?? parts.ctx.redis;
      return takeTicket({ ...parts.ctx, redis }, { roomId: room.roomId, userId: "twice" });
    });
    const words = (await Promise.all(asked)).map((result) =>
      "ticket" in result ? [result.word, result.ticket.number] : [],
    );
    expect(words.filter(([word]) => word === "created")).toEqual([["created", 1]]);
    expect(new Set(words.map(([, number]) => number))).toEqual(new Set([1]));
    expect((await room.take("next")).number).toBe(2);
  });

  test("is another one, at the end of the line, for whoever has left", async () => {
    const room = await openRoom(parts.ctx, { open: false });
    await takeAll(room, names(3));
    await room.leave("u1");
    expect(await pollTicket(parts.ctx, { roomId: room.roomId, userId: "u1" })).toMatchObject({ word: "unknown" });
    expect(await room.poll("u2")).toMatchObject({ number: 2, position: 1 });
    expect(await room.take("u1")).toMatchObject({ number: 4, position: 3 });
  });

  test("is not given above what the ledger has promised", async () => {
    const room = await openRoom(parts.ctx, { open: false });
    const state = keys.state(room.roomId);
    const last = Buffer.alloc(8);
    last.writeDoubleBE(limits.numbersAhead - 1);
    await parts.ctx.redis.command("SETRANGE", state, 86, last);
    expect((await room.take("last")).number).toBe(limits.numbersAhead);
    const { ctx } = parts;
    expect(await takeTicket(ctx, { roomId: room.roomId, userId: "none" })).toMatchObject({ word: "room-full" });
    expect(await room.poll("last")).toMatchObject({ position: 1 });
  });
});

describe("admission", () => {
  test("lets in the first who come, up to the rate in any second and up to the capacity", async () => {
    const room = await openRoom(parts.ctx, { capacity: 12, admitPerSecond: 5 });
    await takeAll(room, names(30));
    const seen = [];
    for (let quarter = 0; quarter < 20; quarter++) {
      await room.wait(250);
      const { active, admitted } = await factsOf(room);
      seen.push({ active, admitted });
    }
    for (const [i, { active, admitted }] of seen.entries()) {
      expect(active).toBeLessThanOrEqual(12);
      // Four quarters are a second.
      if (i >= 4) expect(admitted - (seen[i - 4]?.admitted ?? 0)).toBeLessThanOrEqual(5);
    }
    expect(seen.at(-1)).toEqual({ active: 12, admitted: 12 });
    const inside = [];
    for (const user of names(30)) if ((await room.poll(user)).state === "admitted") inside.push(user);
    expect(inside).toEqual(names(12));
    expect((await factsOf(room)).serving).toBe(12);
  });

  test("remembers a second of admissions in a bounded space, however many calls they came in", async () => {
    const room = await openRoom(parts.ctx, { capacity: 1_000, admitPerSecond: 500 });
    const bytes = async () => Number(await parts.ctx.redis.command("STRLEN", keys.state(room.roomId)));
    await room.take("first");
    const one = await bytes();
    // Each is admitted by the own call.
    for (const user of names(200)) expect((await room.take(user)).state).toBe("admitted");
    // Parts of 31 ms, each with a count.
    expect(await bytes()).toBeLessThan(one + 33 * 24);
  });

  test("happens on polls alone, without a schedule", async () => {
    const room = await openRoom(parts.ctx, { capacity: 3, admitPerSecond: 2 });
    await takeAll(room, names(3));
    await room.jump(2_000);
    await room.poll("u3");
    await room.jump(2_000);
    expect(await room.poll("u3")).toMatchObject({ state: "admitted", pass: expect.any(String) });
  });

  test("follows on a pass that was given back, and on one that has expired", async () => {
    const room = await openRoom(parts.ctx, { capacity: 1, admitPerSecond: 5, passSeconds: 3 });
    await takeAll(room, names(3));
    expect(await room.poll("u1")).toMatchObject({ state: "admitted" });
    await room.leave("u1");
    await room.jump(1_000);
    expect(await room.poll("u2")).toMatchObject({ state: "admitted" });
    await room.jump(2_900);
    expect(await room.poll("u3")).toMatchObject({ state: "waiting", position: 1 });
    await room.jump(200);
    expect(await room.poll("u3")).toMatchObject({ state: "admitted" });
    expect(await room.poll("u2")).toMatchObject({ state: "expired", number: 2 });
    expect(await room.take("u2")).toMatchObject({ state: "waiting", number: 4, position: 1 });
  });

  test("counts a pass that nobody collects, and frees its place a heartbeat after the last poll", async () => {
    const room = await openRoom(parts.ctx, { capacity: 1, admitPerSecond: 5, heartbeatSeconds: 2 });
    await takeAll(room, ["first", "second", "third"]);
    await room.leave("first");
    await room.wait(1_000);
    // The schedule has admitted the second, who does not know it.
    expect((await factsOf(room)).active).toBe(1);
    await room.wait(500);
    expect(await room.poll("third")).toMatchObject({ state: "waiting" });
    await room.wait(1_000);
    expect(await room.poll("third")).toMatchObject({ state: "admitted" });
    expect(await room.poll("second")).toMatchObject({ state: "expired", number: 2 });
  });

  test("waits for whoever polls exactly when told, however short the pass is", async () => {
    const room = await openRoom(parts.ctx, {
      heartbeatSeconds: 30,
      passSeconds: 5,
      admitPerSecond: 0.01,
      capacity: 10,
    });
    await room.take("first");
    const { pollAfterMs } = await room.take("second");
    expect(pollAfterMs).toBeGreaterThan(10_000);
    await room.put({ admitPerSecond: 10 });
    // Admitted at once, and told nothing of it before the poll.
    await room.wait(pollAfterMs);
    expect(await factsOf(room)).toMatchObject({ admitted: 2 });
    const { state, passExpiresAt = 0 } = await room.poll("second");
    expect(state).toBe("admitted");
    expect(passExpiresAt - Date.now()).toBeGreaterThan(4_900);
  });

  test("prolongs a pass in the second half of its life where the room allows it, and nowhere else", async () => {
    const fixed = await openRoom(parts.ctx, { passSeconds: 10 });
    const renewing = await openRoom(parts.ctx, { passSeconds: 10, renewable: true });
    const leftMs = async (room: TestRoom) => ((await room.poll("u")).passExpiresAt ?? 0) - Date.now();
    for (const room of [fixed, renewing]) {
      await room.take("u");
      await room.jump(4_000);
      expect(await leftMs(room)).toBeLessThanOrEqual(6_000);
      await room.jump(2_000);
    }
    expect(await leftMs(fixed)).toBeLessThanOrEqual(4_000);
    expect(await leftMs(renewing)).toBeGreaterThan(9_000);
  });

  test("is no faster and hardly slower than the rate, with the schedule alone", async () => {
    for (const rate of [1, 2, 5, 20, 100]) {
      const room = await openRoom(parts.ctx, {
        capacity: 10_000,
        admitPerSecond: rate,
        open: false,
        heartbeatSeconds: 300,
      });
      const people = names(21 * rate + 10);
      for (let from = 0; from < people.length; from += 100)
        await Promise.all(people.slice(from, from + 100).map((it) => room.take(it)));
      await room.put({ open: true });
      for (let passed = 0; passed < 20_000; passed += limits.tickEveryMs) {
        await room.jump(limits.tickEveryMs);
        await room.tick();
      }
      const { admitted } = await factsOf(room);
      // A look every quarter of a second hits a small rate's moments less well than a crowd's polls do.
      expect(admitted, `at ${rate} a second`).toBeGreaterThanOrEqual((rate < 5 ? 0.85 : 0.95) * 20 * rate - 1);
      // What may be admitted at once, and the time that the test itself takes.
      expect(admitted, `at ${rate} a second`).toBeLessThanOrEqual(21.5 * rate + 1);
    }
  });

  test("renews no pass where more are inside than may be", async () => {
    const room = await openRoom(parts.ctx, { capacity: 4, passSeconds: 4, renewable: true, admitPerSecond: 20 });
    for (const user of names(4)) expect((await room.take(user)).state).toBe("admitted");
    await room.put({ capacity: 2 });
    await room.jump(3_000);
    for (const user of names(4)) await room.poll(user);
    await room.jump(1_200);
    expect(await factsOf(room)).toMatchObject({ active: 0 });
  });

  test("stops while the room is closed, and loses no place by it", async () => {
    const room = await openRoom(parts.ctx, { open: false });
    await takeAll(room, names(3));
    await room.wait(2_000);
    expect(await factsOf(room)).toMatchObject({ admitted: 0, waiting: 3, isOpen: false });
    expect(await showRoom(parts.ctx, room.roomId)).toMatchObject({ room: { state: "closed" } });
    await room.put({ open: true });
    await room.wait(1_000);
    expect((await factsOf(room)).admitted).toBe(3);
  });

  test("keeps an average of less than one a second", async () => {
    const room = await openRoom(parts.ctx, { admitPerSecond: 0.5, capacity: 100 });
    await takeAll(room, names(20));
    await room.wait(10_000);
    const { admitted } = await factsOf(room);
    expect(admitted).toBeGreaterThanOrEqual(5);
    expect(admitted).toBeLessThanOrEqual(6);
  });

  test("goes by an override for its time, and by the rules again after it", async () => {
    const now = Date.now();
    const room = await openRoom(parts.ctx, { capacity: 50, admitPerSecond: 10 });
    await room.put({ override: { until: now + 3_600_000, admitPerSecond: 1, capacity: 3 } });
    await takeAll(room, names(40));
    await room.wait(2_000);
    expect(await factsOf(room)).toMatchObject({ capacity: 3, admitPerSecond: 1 });
    expect((await factsOf(room)).admitted).toBeLessThanOrEqual(3);
    await room.put({ override: { until: now - 1, admitPerSecond: 1, capacity: 3 } });
    await room.wait(4_000);
    expect(await factsOf(room)).toMatchObject({ capacity: 50, admitPerSecond: 10 });
    expect((await factsOf(room)).admitted).toBeGreaterThan(20);
  });

  test("with a smaller capacity takes nobody's pass away, and admits nobody until there is room", async () => {
    const room = await openRoom(parts.ctx, { capacity: 5 });
    await takeAll(room, names(8));
    await room.wait(2_000);
    await room.put({ capacity: 2 });
    expect(await factsOf(room)).toMatchObject({ active: 5, capacity: 2 });
    for (const user of names(4)) await room.leave(user);
    await room.wait(2_000);
    expect(await factsOf(room)).toMatchObject({ active: 2, admitted: 6 });
  });
});

describe("the clock", () => {
  test("stepping back ten minutes neither admits nor starves anyone, and takes nobody's place", async () => {
    const room = await openRoom(parts.ctx, { capacity: 100, admitPerSecond: 5 });
    await takeAll(room, names(30));
    await room.wait(1_000);
    const before = (await factsOf(room)).admitted;
    await room.jump(-600_000);
    await room.tick();
    expect((await factsOf(room)).admitted).toBe(before);
    for (const user of names(30)) await room.poll(user);
    await room.wait(1_000);
    // A second's worth, give or take what the test itself takes.
    expect((await factsOf(room)).admitted - before).toBeGreaterThanOrEqual(3);
    expect((await factsOf(room)).admitted - before).toBeLessThanOrEqual(7);
    expect(await factsOf(room)).toMatchObject({ dropped: 0 });
  });

  test("stepping forward ten minutes admits half a second's worth, and drops nobody who could not poll", async () => {
    const room = await openRoom(parts.ctx, { capacity: 100, admitPerSecond: 5, heartbeatSeconds: 10 });
    await takeAll(room, names(30));
    await room.wait(1_000);
    const before = (await factsOf(room)).admitted;
    await room.jump(600_000);
    await room.tick();
    expect((await factsOf(room)).admitted - before).toBe(2);
    expect(await factsOf(room)).toMatchObject({ dropped: 0 });
  });
});

describe("who stops polling", () => {
  test("is gone within two heartbeats, while those who poll keep their places", async () => {
    const room = await openRoom(parts.ctx, { open: false, heartbeatSeconds: 4 });
    await takeAll(room, names(10));
    const alive = ["u3", "u6", "u9"];
    for (let beat = 0; beat < 4; beat++) {
      await room.wait(2_000);
      for (const user of alive) await room.poll(user);
    }
    expect(await factsOf(room)).toMatchObject({ waiting: 3, dropped: 7 });
    for (const [i, user] of alive.entries()) expect(await room.poll(user)).toMatchObject({ position: i + 1 });
    expect(await room.poll("u1")).toMatchObject({ state: "expired", number: 1 });
  });

  test("keeps the place, or the pass that waits, of whoever was told to poll by a longer heartbeat", async () => {
    const room = await openRoom(parts.ctx, { open: false, heartbeatSeconds: 60, admitPerSecond: 10, capacity: 1 });
    const [first, second] = await takeAll(room, ["first", "second"]);
    const told = Math.max(first?.pollAfterMs ?? 0, second?.pollAfterMs ?? 0);
    await room.put({ heartbeatSeconds: 2, open: true });
    await room.wait(told);
    expect(await room.poll("first")).toMatchObject({ state: "admitted" });
    expect(await room.poll("second")).toMatchObject({ state: "waiting", position: 1 });
    // Then the shorter one holds.
    await room.wait(90_000);
    expect(await room.poll("second")).toMatchObject({ state: "expired" });
  });

  test("is nobody who could not poll: an outage takes neither places nor passes that were not collected yet", async () => {
    const room = await openRoom(parts.ctx, { heartbeatSeconds: 10, capacity: 2, admitPerSecond: 4, open: false });
    await takeAll(room, names(3));
    await room.put({ open: true });
    await room.wait(1_000);
    expect(await factsOf(room)).toMatchObject({ admitted: 2 });
    await room.jump(600_000);
    await room.tick();
    expect(await room.poll("u1")).toMatchObject({ state: "admitted" });
    expect(await room.poll("u2")).toMatchObject({ state: "admitted" });
    expect(await room.poll("u3")).toMatchObject({ state: "waiting", position: 1 });
  });

  test("is not dropped before one and a half heartbeats have passed", async () => {
    const room = await openRoom(parts.ctx, { open: false, heartbeatSeconds: 4 });
    await takeAll(room, names(5));
    await room.wait(5_750);
    expect(await factsOf(room)).toMatchObject({ waiting: 5, dropped: 0 });
  });

  test("costs one visit a bounded number of others: 130 abandoners are dropped in steps of 50", async () => {
    const room = await openRoom(parts.ctx, { open: false, heartbeatSeconds: 2 });
    await takeAll(room, names(130));
    // Almost one and a half heartbeats pass.
    for (let i = 0; i < 3; i++) {
      await room.jump(950);
      await pollTicket(parts.ctx, { roomId: room.roomId, userId: "nobody" });
    }
    const steps = [];
    for (let i = 0; i < 4; i++) {
      await room.jump(200);
      const before = (await factsOf(room)).dropped;
      await pollTicket(parts.ctx, { roomId: room.roomId, userId: "nobody" });
      steps.push((await factsOf(room)).dropped - before);
    }
    expect(steps).toEqual([limits.visitPeopleMost, limits.visitPeopleMost, 30, 0]);
  });

  test("holds up nobody: behind a dozen who are silent the next one comes in", async () => {
    const room = await openRoom(parts.ctx, { open: false, heartbeatSeconds: 4, capacity: 1, admitPerSecond: 1 });
    await takeAll(room, [...names(9), "here"]);
    for (let i = 0; i < 5; i++) {
      await room.wait(900);
      await room.poll("here");
    }
    // Longer than a heartbeat, not yet one and a half: all still have their places.
    expect(await factsOf(room)).toMatchObject({ waiting: 10, dropped: 0 });
    await room.put({ open: true });
    await room.jump(500);
    expect(await room.poll("here")).toMatchObject({ state: "admitted", number: 10 });
    // Whoever places themselves by number and `serving` is not told a better place than they have.
    const late = await room.take("late");
    const { serving } = await factsOf(room);
    expect(late.number - serving).toBeGreaterThanOrEqual(late.position ?? 0);
    expect(await room.poll("u1")).toMatchObject({ state: "waiting", position: 1 });
  });

  test("is passed over, not admitted, when the turn comes", async () => {
    const room = await openRoom(parts.ctx, { open: false, heartbeatSeconds: 2, capacity: 1 });
    await takeAll(room, ["gone", "here"]);
    await room.jump(1_000);
    await room.poll("here");
    await room.jump(1_000);
    await room.poll("here");
    await room.put({ open: true });
    await room.jump(1_100);
    expect(await room.poll("here")).toMatchObject({ state: "admitted" });
    expect(await room.poll("gone")).toMatchObject({ state: "expired" });
  });

  test("is remembered as expired for some minutes, then forgotten with every trace", async () => {
    const room = await openRoom(parts.ctx, { passSeconds: 1 });
    await room.take("u");
    await room.jump(2_000);
    expect(await room.poll("u")).toMatchObject({ state: "expired" });
    await room.jump(limits.roomMemoryMs);
    await room.tick();
    const { roomId } = room;
    expect(await pollTicket(parts.ctx, { roomId, userId: "u" })).toMatchObject({ word: "unknown" });
    for (const key of [keys.waiting, keys.beats, keys.passes, keys.numbers])
      expect(await parts.ctx.redis.command("EXISTS", key(roomId))).toBe(0);
  });
});

describe("before the opening", () => {
  const HOUR = 3_600_000;

  test("people stand in line and nobody is let in; then those who came first", async () => {
    const room = await openRoom(parts.ctx, { opensAt: Date.now() + HOUR });
    const tickets = await takeAll(room, names(4));
    expect(tickets[3]).toMatchObject({ state: "waiting", position: 4, reason: "opens-later" });
    const { low, high } = tickets[3]?.etaSeconds ?? { low: 0, high: 0 };
    expect(low).toBeGreaterThan(HOUR / 1_000 - 5);
    expect(high).toBeGreaterThanOrEqual(low);
    await room.wait(2_000);
    expect(await factsOf(room)).toMatchObject({ admitted: 0, isOpened: false });
    expect(await showRoom(parts.ctx, room.roomId)).toMatchObject({ room: { state: "scheduled" } });
    await room.put({ opensAt: Date.now() - 1 });
    await room.wait(1_000);
    expect(await factsOf(room)).toMatchObject({ admitted: 4, isOpened: true });
  });

  test("opened once, the door stays open though the clock steps back before the hour", async () => {
    const opensAt = Date.now() - 1;
    const room = await openRoom(parts.ctx, { opensAt });
    await room.take("u1");
    // As Redis's clock would show it: the opening is to come again.
    const rules = keys.rules(room.roomId);
    const later = Buffer.alloc(8);
    later.writeDoubleBE(Date.now() + HOUR);
    await parts.ctx.redis.command("SETRANGE", rules, 52, later);
    await room.jump(1_000);
    expect(await room.take("u2")).toMatchObject({ state: "admitted" });
  });

  test("a drawn order is nobody's business until the hour, then the one that anyone can compute from the seed", async () => {
    const room = await openRoom(parts.ctx, { order: "shuffle", opensAt: Date.now() + HOUR, capacity: 1_000 });
    const tickets = await takeAll(room, names(200));
    for (const { position, ahead, turn } of tickets) expect([position, ahead, turn]).toEqual([null, null, null]);
    const before = await showRoom(parts.ctx, room.roomId);
    if (before.word !== "found") throw new Error(before.word);
    expect(before.room.draw).toEqual({ seedHash: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(JSON.stringify(await room.put({ opensAt: Date.now() + 2 * HOUR }))).not.toContain('"seed":');

    await room.put({ opensAt: Date.now() - 1, open: false });
    const late = await room.take("late");
    expect(late).toMatchObject({ number: 201, position: 201 });
    const after = await showRoom(parts.ctx, room.roomId);
    const seed = after.word === "found" ? (after.room.draw?.seed ?? "") : "";
    expect(createHash("sha256").update(seed).digest("hex")).toBe(before.room.draw?.seedHash);
    const order = names(200)
      .map((user, i) => ({ user, place: drawnPlaceOf(seed, i + 1) }))
      .sort((a, b) => a.place - b.place);
    expect(order.map(({ user }) => user)).not.toEqual(names(200));
    for (const [i, { user }] of order.entries()) {
      expect(await room.poll(user)).toMatchObject({ position: i + 1, number: Number(user.slice(1)) });
    }
  });

  test("a ticket before the draw does not say where it will stand, so nobody can draw until it is a good place", async () => {
    const room = await openRoom(parts.ctx, { order: "shuffle", opensAt: Date.now() + HOUR });
    const claimsOf = (token = "") => JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
    const tickets = await takeAll(room, names(20));
    for (const { token, number } of tickets) {
      const { due: _, ...claims } = claimsOf(token);
      const user = `u${number}`;
      expect(claims).toEqual({ sub: user, aud: room.roomId, num: number, drw: 1, ahd: -1, epo: 0 });
    }
    // Neither does anything else that differs from one to the next.
    for (const { token: _, number: __, pollAfterMs: ___, etaSeconds: ____, ...rest } of tickets)
      expect(rest).toEqual({
        roomId: room.roomId,
        state: "waiting",
        position: null,
        ahead: null,
        turn: null,
        reason: "opens-later",
      });
  });

  test("an order is not drawn over people who have places", async () => {
    const room = await openRoom(parts.ctx, { open: false });
    await takeAll(room, names(2));
    await expect(room.put({ order: "shuffle", opensAt: Date.now() + HOUR })).rejects.toThrow("2 people wait");
    expect(await room.poll("u2")).toMatchObject({ position: 2 });
  });

  test("nor over people whom Redis has lost and who are coming back", async () => {
    const room = await openRoom(parts.ctx, { open: false });
    await takeAll(room, names(2));
    await parts.ctx.redis.command("DEL", keys.rules(room.roomId), keys.state(room.roomId), keys.waiting(room.roomId));
    await expect(room.put({ order: "shuffle", opensAt: Date.now() + HOUR })).rejects.toThrow("being recovered");
    await room.put({ order: "arrival", opensAt: undefined });
    await expect(room.put({ order: "shuffle", opensAt: Date.now() + HOUR })).rejects.toThrow("being recovered");
  });

  test("an hour that was moved shuts the door, also where the room was rebuilt in between", async () => {
    const room = await openRoom(parts.ctx, { open: true });
    await room.take("early");
    // Another server, as after a failover.
    await parts.ctx.redis.command("SETRANGE", keys.state(room.roomId), 30, "0".repeat(40));
    await room.put({ opensAt: Date.now() + HOUR });
    await room.jump(60_000);
    expect(await room.take("late")).toMatchObject({ state: "waiting", reason: "opens-later" });
    expect(await showRoom(parts.ctx, room.roomId)).toMatchObject({ room: { state: "scheduled" } });
  });

  test("a draw is fair: over 200 seeds every place falls to the first comer about as often", () => {
    const ranks = names(200).map((_, seed) => {
      const places = names(10).map((_user, i) => drawnPlaceOf(`seed ${seed}`, i + 1));
      return places.filter((place) => place < (places[0] ?? 0)).length;
    });
    const average = ranks.reduce((sum, rank) => sum + rank, 0) / ranks.length;
    // The mean of 200 ranks of 0…9 lies within 4.5 ± 0.8 but for one time in ten thousand; the seeds are fixed.
    expect(Math.abs(average - 4.5)).toBeLessThan(0.8);
    expect(new Set(ranks).size).toBe(10);
  });
});

describe("a room", () => {
  test("takes no more people in line than it may", async () => {
    const room = await openRoom(parts.ctx, { open: false, maxWaiting: 3 });
    await takeAll(room, names(3));
    const { roomId } = room;
    expect(await takeTicket(parts.ctx, { roomId, userId: "u4" })).toMatchObject({ word: "room-full" });
    expect(await room.take("u3")).toMatchObject({ number: 3 });
    await room.leave("u2");
    expect(await room.take("u4")).toMatchObject({ number: 4, position: 3 });
  });

  test("stands beside others in one stack: what happens in one is not seen in the other", async () => {
    const [a, b] = [await openRoom(parts.ctx, { capacity: 1 }), await openRoom(parts.ctx, { capacity: 1 })];
    await a.take("u");
    expect(await b.take("u")).toMatchObject({ number: 1, state: "admitted" });
    await a.leave("u");
    expect(await b.poll("u")).toMatchObject({ state: "admitted" });
  });

  test("that never was is unknown, whatever is asked", async () => {
    const visitor = { roomId: unique("none"), userId: "u" };
    for (const ask of [takeTicket, pollTicket, leaveRoom])
      expect(await ask(parts.ctx, visitor)).toMatchObject({ word: "unknown" });
    expect(await showRoom(parts.ctx, visitor.roomId)).toMatchObject({ word: "unknown" });
    expect(await tick(parts.ctx, visitor.roomId)).toMatchObject({ word: "recovering" });
  });

  test("says why nobody moves while it is closed", async () => {
    const room = await openRoom(parts.ctx, { open: false });
    expect(await room.take("u")).toMatchObject({ state: "waiting", reason: "closed" });
  });

  test("shows the rate that it was given, however odd", async () => {
    for (const admitPerSecond of [0.00001, 1 / 3, 0.1, 9_999.5]) {
      const room = await openRoom(parts.ctx, { admitPerSecond });
      expect(await showRoom(parts.ctx, room.roomId)).toMatchObject({ room: { admitPerSecond } });
    }
  });

  test("goes on being tended with rules that wait for an empty line", async () => {
    const room = await openRoom(parts.ctx, { open: false });
    await room.take("u");
    const record = await rooms.get(parts.ctx, room.roomId);
    if (!record) throw new Error("no record");
    // As a change leaves it that was cut off between the ledger and Redis.
    const drawn = { ...record, version: record.version + 1, order: "shuffle" as const, seed: "f".repeat(32) };
    await rooms.putNext(parts.ctx, { ...drawn, opensAt: Date.now() + 3_600_000 });
    const next = await rooms.get(parts.ctx, room.roomId);
    if (!next) throw new Error("no record");
    const before = Date.now();
    expect(await tend(parts.ctx, next, { lateMs: 0, isThrottled: false })).toMatchObject({ pace: 1 });
    expect(await rooms.seenAt(parts.ctx, room.roomId)).toBeGreaterThanOrEqual(before);
    expect(await room.poll("u")).toMatchObject({ position: 1 });
  });

  test("that nobody has put is unknown on a server that has never had one, once the schedule has looked", async () => {
    const fresh = await startRedis();
    try {
      const ctx = {
        ...parts.ctx,
        redis: fresh.door,
        table: { ...parts.ctx.table, query: async () => ({ items: [], more: false }) },
      };
      const visitor = { roomId: unique("none"), userId: "u" };
      expect(await takeTicket(ctx, visitor)).toMatchObject({ word: "recovering" });
      expect(await registerRooms(ctx)).toBe(0);
      expect(await takeTicket(ctx, visitor)).toMatchObject({ word: "unknown" });
      expect(await knownIds(ctx, keys.rooms)).toEqual([]);
    } finally {
      await fresh.stop();
    }
  });

  test("is one after twenty operators put it at once, with the rules of one of them", async () => {
    const roomId = unique("r");
    const put = (capacity: number) =>
      putRoom(parts.ctx, {
        ...{ roomId, capacity, admitPerSecond: 1, passSeconds: 60, heartbeatSeconds: 10 },
        ...{ open: true, renewable: false, singleUse: false, order: "arrival" },
      });
    const results = await Promise.all(names(20).map((_, i) => put(i + 1)));
    expect(new Set(results.map(({ word }) => word))).toEqual(new Set(["changed", "conflict"]));
    const facts = await readRoom(parts.ctx, roomId);
    expect(facts).toMatchObject({ isRecovering: false, epoch: 0 });
    const last = await put(7);
    expect(last).toMatchObject({ word: "changed", room: { capacity: 7 } });
    expect(await takeTicket(parts.ctx, { roomId, userId: "u" })).toMatchObject({ word: "created" });
  });

  test("keeps its keys in the types that core/keys.ts says, and without a TTL", async () => {
    const room = await openRoom(parts.ctx, { capacity: 1, singleUse: true });
    await takeAll(room, names(3));
    await parts.ctx.redis.command("HSET", keys.spent(room.roomId), memberOf("u1"), "use");
    const types = { rules: "string", state: "string", waiting: "zset", beats: "zset", passes: "zset", numbers: "hash" };
    for (const [name, type] of Object.entries({ ...types, spent: "hash" })) {
      const key = keys[name as keyof typeof types](room.roomId);
      expect(await parts.ctx.redis.command("TYPE", key), name).toBe(type);
      expect(await parts.ctx.redis.command("TTL", key), name).toBe(-1);
    }
  });

  test("is shown to ten thousand watchers of a container with one look a second", async () => {
    const room = await openRoom(parts.ctx);
    let nowMs = 1_000_000;
    let looks = 0;
    const counted = new Proxy(parts.ctx.redis, {
      get: (door, name) => {
        if (name === "run") looks++;
        return Reflect.get(door, name);
      },
    });
    const show = roomMemory();
    const ctx = { redis: counted, now: () => nowMs };
    for (let second = 0; second < 3; second++) {
      const shown = await Promise.all(names(10_000).map(() => show(ctx, room.roomId)));
      expect(shown.every((it) => it.word === "found")).toBe(true);
      nowMs += 1_000;
    }
    expect(looks).toBe(3);
  });
});

describe("what a waiting person is told", () => {
  const line = { ahead: 99, line: 200, limit: 10, least: 1, fast: 5, slow: 4, drops: 0, pausedMs: 0 };

  test("is a range around what the measured rate says", () => {
    const { low, high } = etaOf(line);
    expect(low).toBeLessThan(100 / 5);
    expect(high).toBeGreaterThan(100 / 4);
  });

  test("is a range from the room's own rate before anything was measured", () => {
    const { low, high } = etaOf({ ...line, fast: -1, slow: -1 });
    expect(low).toBeLessThanOrEqual(10);
    expect(high).toBeGreaterThanOrEqual(10);
  });

  test.each([
    ["nobody moves", { fast: 0, slow: 0, least: 0 }],
    ["the rate is tiny", { limit: 0.0001, least: 0, fast: -1, slow: -1 }],
    ["millions are ahead", { ahead: 5_000_000, line: 5_000_000 }],
  ])("is finite whole seconds, low before high, when %s", (_, odd) => {
    const { low, high } = etaOf({ ...line, ...odd });
    for (const seconds of [low, high]) {
      expect(Number.isInteger(seconds)).toBe(true);
      expect(seconds).toBeLessThanOrEqual(limits.roomEtaMostSeconds);
    }
    expect(low).toBeGreaterThanOrEqual(0);
    expect(high).toBeGreaterThanOrEqual(low);
  });

  test("is not made of a first look: after an idle time what the room can do counts for some seconds", async () => {
    const room = await openRoom(parts.ctx, { capacity: 50, admitPerSecond: 100, passSeconds: 5 });
    for (const round of ["new", "idle"]) {
      await takeAll(room, names(50, `${round}-inside-`));
      await takeAll(room, names(20, round));
      // Nobody has come in at this look, and the room is full.
      await room.jump(260);
      const { etaSeconds, ahead } = await room.poll(`${round}20`);
      expect(ahead).toBe(19);
      // Fifty passes of five seconds: ten a second at the least.
      expect(etaSeconds.high).toBeLessThanOrEqual(8);
      await room.wait(20_000);
      await room.wait(60_000);
    }
  });

  test("is as long as passes last where everyone keeps theirs, until it is seen that they do not", async () => {
    const room = await openRoom(parts.ctx, { capacity: 1, admitPerSecond: 10, passSeconds: 300 });
    await room.take("inside");
    await room.wait(1_000);
    await room.take("waits");
    await room.jump(300);
    const { low, high } = (await room.poll("waits")).etaSeconds;
    expect(low).toBeLessThanOrEqual(1);
    expect(high).toBeGreaterThanOrEqual(300 / 1.3);
  });

  test("is sooner the more people leave the line ahead", () => {
    expect(etaOf({ ...line, drops: 5 }).low).toBeLessThan(etaOf(line).low);
  });

  test("makes polls longer with the distance, never as long as a heartbeat, and spreads neighbours", () => {
    const pollAt = (low: number, number: number) =>
      pollAfterMsOf({ eta: { low, high: low }, number, heartbeatMs: 30_000, pausedMs: 0 });
    const near = names(100).map((_, i) => pollAt(0, i));
    const far = names(100).map((_, i) => pollAt(1_000, i));
    expect(Math.max(...near)).toBeLessThan(Math.min(...far));
    // Somebody who keeps to it is never dropped, even one poll late.
    for (const ms of far) expect(dueAfterMs(ms)).toBeLessThan(1.5 * 30_000);
    // Neighbours do not come together: a hundred of them spread over the whole range.
    const tenths = new Set(far.map((ms) => Math.floor((ms - 12_000) / 600)));
    expect(tenths.size).toBe(10);
  });
});
