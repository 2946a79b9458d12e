import { afterAll, beforeAll, expect, test } from "vitest";
import { keys } from "../core/keys.ts";
import { readRoom } from "../core/rooms/attach.ts";
import { rooms } from "../core/rooms/room-records.ts";
import { tend } from "../core/rooms/tick.ts";
import { pollTicket, type TicketView, takeTicket } from "../core/rooms/ticket.ts";
import { type Random, seeded } from "../local/rush/random.ts";
import { type Parts, startParts } from "./setup/parts.ts";
import { openRoom } from "./setup/room.ts";

/**
 * G8 over random histories, against a real Redis: people come, poll, leave and fall silent, time passes and steps back, rules
 * change, and Redis loses everything; after each step the invariants are looked at. A failure names the seed that replays it.
 */

const SEEDS = Array.from({ length: 16 }, (_, i) => 100 + i);
const STEPS = 250;
const PEOPLE = 40;

let parts: Parts;
let nowMs = Date.now();
beforeAll(async () => {
  parts = await startParts();
});
afterAll(() => parts?.stop());

interface Person {
  readonly userId: string;
  ticket?: TicketView | undefined;
  shown: { ticket?: string; pass?: string };
}

/** What the history has seen, and what must hold of it. */
class Witness {
  /** Who was ever given each number. */
  readonly #holders = new Map<number, string>();
  /** Of each look: the room's clock, people admitted so far in this filling, and the rate in force. */
  #looks: { clock: number; admitted: number; rate: number }[] = [];

  saw(person: Person, ticket: TicketView): void {
    const holder = this.#holders.get(ticket.number);
    if (holder !== undefined && holder !== person.userId)
      throw new Error(`number ${ticket.number} was given to ${holder} and to ${person.userId}`);
    this.#holders.set(ticket.number, person.userId);
    const before = person.ticket;
    const isSame = before?.number === ticket.number && before.state === "waiting" && ticket.state === "waiting";
    if (isSame && ticket.reason === undefined && (ticket.position ?? 0) > (before.position ?? PEOPLE))
      throw new Error(`${person.userId} stood at ${before.position} and stands at ${ticket.position}`);
    if (before?.number === ticket.number && before.state !== "waiting" && ticket.state === "waiting" && !ticket.reason)
      throw new Error(`${person.userId} was ${before.state} and waits again with the same number`);
  }

  looked(look: { clock: number; admitted: number; rate: number }): void {
    for (const past of this.#looks) {
      const most = Math.max(past.rate, look.rate);
      if (look.clock - past.clock < 1_000 && look.admitted - past.admitted > most)
        throw new Error(`${look.admitted - past.admitted} admitted in ${look.clock - past.clock} ms, ${most} allowed`);
    }
    this.#looks = [...this.#looks.slice(-40), look];
  }

  /** After a loss the room counts anew. */
  lost(): void {
    this.#looks = [];
  }

  get given(): number {
    return this.#holders.size;
  }
}

async function history(seed: number): Promise<{ given: number; losses: number; admitted: number }> {
  const random = seeded(seed);
  const ctx = { ...parts.ctx, now: () => nowMs };
  const capacity = 1 + random.below(6);
  const rate = 1 + random.below(5);
  const room = await openRoom(ctx, { capacity, admitPerSecond: rate, passSeconds: 3, heartbeatSeconds: 4 });
  const { roomId } = room;
  const people: Person[] = Array.from({ length: PEOPLE }, (_, i) => ({ userId: `p${i}`, shown: {} }));
  const witness = new Witness();
  let rules = { capacity, admitPerSecond: rate };
  let losses = 0;
  let admitted = 0;
  let highest = 0;

  const goes = async (person: Person, verb: typeof takeTicket) => {
    const result = await verb(ctx, { roomId, userId: person.userId, ...person.shown });
    if (!("ticket" in result)) {
      expect(["unknown", "recovering", "room-full"]).toContain(result.word);
      if (result.word === "unknown") person.ticket = undefined;
      return;
    }
    witness.saw(person, result.ticket);
    if (result.word === "created") expect(result.ticket.number).toBeGreaterThan(highest);
    highest = Math.max(highest, result.ticket.number);
    person.ticket = result.ticket;
    if (result.ticket.token) person.shown.ticket = result.ticket.token;
    if (result.ticket.pass) person.shown.pass = result.ticket.pass;
  };
  const tendOnce = async () => {
    const record = await rooms.get(ctx, roomId);
    if (record) await tend(ctx, record, { lateMs: 0, isThrottled: false });
  };
  const steps: readonly ((random: Random) => Promise<unknown>)[] = [
    (it) => goes(it.pick(people as [Person, ...Person[]]), takeTicket),
    (it) => goes(it.pick(people as [Person, ...Person[]]), takeTicket),
    (it) => goes(it.pick(people as [Person, ...Person[]]), pollTicket),
    // A wave of polls, at once.
    () => Promise.all(people.filter(({ ticket }) => ticket?.state === "waiting").map((it) => goes(it, pollTicket))),
    () => Promise.all(Array.from({ length: 5 }, () => room.tick())),
    async (it) => {
      const ms = it.below(900);
      nowMs += ms;
      if ((await readRoom(ctx, roomId)) !== undefined) await room.jump(ms);
    },
    async (it) => {
      const person = it.pick(people as [Person, ...Person[]]);
      await room.leave(person.userId).catch(() => {});
      person.ticket = undefined;
      // A page lets go of what proved the place. Somebody who keeps it finds the place in a room that is lost next, and whoever
      // is pushed back by it hears why.
      if (it.below(2) === 0) person.shown = {};
    },
    async (it) => {
      if (it.below(5) > 0) return;
      rules = { capacity: 1 + it.below(6), admitPerSecond: 1 + it.below(5) };
      await room.put(rules);
    },
    // The clock steps back, by up to ten minutes.
    async (it) => {
      if (it.below(4) === 0 && (await readRoom(ctx, roomId)) !== undefined) await room.jump(-it.below(600_000));
    },
    async (it) => {
      if (it.below(8) > 0) return;
      await tendOnce();
      await ctx.redis.command("FLUSHALL");
      witness.lost();
      losses++;
    },
    tendOnce,
  ];

  let inForce = rules;
  for (let step = 0; step < STEPS; step++) {
    await (steps[random.below(steps.length)] as (typeof steps)[number])(random);
    const facts = await readRoom(ctx, roomId);
    if (!facts) continue;
    // Who was inside before the capacity was lowered stays inside.
    if (rules.capacity >= inForce.capacity) expect(facts.active).toBeLessThanOrEqual(rules.capacity);
    else if (facts.active <= rules.capacity) inForce = rules;
    if (rules.capacity >= inForce.capacity) inForce = rules;
    const [state] = (await ctx.redis.commands([["GET", keys.state(roomId)]])) as [Buffer];
    witness.looked({ clock: state.readDoubleBE(134), admitted: facts.admitted, rate: rules.admitPerSecond });
    admitted = Math.max(admitted, facts.admitted);
  }
  return { given: witness.given, losses, admitted };
}

test.each(SEEDS)("G8 holds over a random history (seed %i)", async (seed) => {
  const { given, losses, admitted } = await history(seed).catch((error: unknown) => {
    throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  });
  // A history in which nothing happens proves nothing.
  expect(given).toBeGreaterThan(20);
  expect(losses + admitted).toBeGreaterThan(0);
});
