import { setTimeout as sleep } from "node:timers/promises";
import { DeleteMessageBatchCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Ctx, StoreUnavailable } from "../core/context.ts";
import { backlogOf } from "../core/coupons/backlog.ts";
import { confirmer } from "../core/coupons/confirm.ts";
import { issuer } from "../core/coupons/issue.ts";
import { soldOutMemory } from "../core/coupons/sold-out.ts";
import { keys } from "../core/keys.ts";
import { limits } from "../core/limits.ts";
import { backendOf, campaignsByRoom } from "../core/operations/inflow.ts";
import { readRoom } from "../core/rooms/attach.ts";
import { showRoom } from "../core/rooms/room.ts";
import { rooms } from "../core/rooms/room-records.ts";
import { setPace } from "../core/rooms/scripts.ts";
import { tend } from "../core/rooms/tick.ts";
import { type Parts, startParts } from "./setup/parts.ts";
import { openRoom } from "./setup/room.ts";

/** Inflow follows the backend: late confirmations and a ledger that refuses writes slow a room's admission, and it comes back. */

let parts: Parts;
beforeAll(async () => {
  parts = await startParts();
});
afterAll(async () => {
  for (const sqs of clients.values()) sqs.destroy();
  await parts?.stop();
});

/** One client for each queue's server. */
const clients = new Map<string, SQSClient>();
function clientOf(endpoint: string): SQSClient {
  const sqs = clients.get(endpoint) ?? new SQSClient({ endpoint, useQueueUrlAsEndpoint: false });
  clients.set(endpoint, sqs);
  return sqs;
}

describe("the pace of a room", () => {
  /** A step of the pace; the second since the one before has passed. */
  async function step(roomId: string, lateMs: number, throttled = 0) {
    await parts.ctx.redis.command("SETRANGE", keys.state(roomId), 8, Buffer.alloc(8));
    const args = {
      targetMs: limits.inflowTargetMs,
      stepMs: limits.inflowStepMs,
      leastPace: limits.inflowLeastPace,
      riseBy: limits.inflowRiseBy,
      numbersTo: 0,
    };
    const paced = await parts.ctx.redis.run(setPace, { state: keys.state(roomId) }, { lateMs, throttled, ...args });
    if (paced.word === "missing") throw new Error("no room");
    return paced;
  }

  test("falls by at most half in a step while confirmations are late, and never below its least", async () => {
    const { roomId } = await openRoom(parts.ctx);
    const paces = [1];
    for (let i = 0; i < 12; i++) paces.push((await step(roomId, 60_000)).pace);
    for (let i = 1; i < paces.length; i++) {
      expect(paces[i]).toBeLessThanOrEqual(paces[i - 1] ?? 0);
      expect(paces[i]).toBeGreaterThanOrEqual((paces[i - 1] ?? 0) / 2 - 1e-4);
    }
    expect(paces.at(-1)).toBe(limits.inflowLeastPace);
  });

  test("falls gently when they are a little late, stands while they are almost, and rises to all when they are not", async () => {
    const { roomId } = await openRoom(parts.ctx);
    expect((await step(roomId, 1.1 * limits.inflowTargetMs)).pace).toBeGreaterThan(0.9);
    const low = (await step(roomId, 4 * limits.inflowTargetMs)).pace;
    expect(await step(roomId, 0.75 * limits.inflowTargetMs)).toMatchObject({ pace: low, reason: "confirmations-late" });
    let pace = low;
    for (let i = 0; i < 40 && pace < 1; i++) {
      const risen = (await step(roomId, 0)).pace;
      expect(risen).toBeGreaterThan(pace);
      pace = risen;
    }
    expect(await step(roomId, 0)).toMatchObject({ pace: 1, reason: undefined });
  });

  test("takes one step a second, however many schedules call", async () => {
    const { roomId } = await openRoom(parts.ctx);
    const record = await rooms.get(parts.ctx, roomId);
    if (!record) throw new Error("no record");
    await parts.ctx.redis.command("SETRANGE", keys.state(roomId), 8, Buffer.alloc(8));
    const late = { lateMs: 2 * limits.inflowTargetMs, isThrottled: false };
    await Promise.all(Array.from({ length: 20 }, () => tend(parts.ctx, record, late)));
    expect((await readRoom(parts.ctx, roomId))?.pace).toBe(0.5);
  });

  test("stands in the public document with its reason, and admission goes by it", async () => {
    const room = await openRoom(parts.ctx, { capacity: 1_000, admitPerSecond: 40, open: false });
    const { roomId } = room;
    await Promise.all(Array.from({ length: 60 }, (_, i) => room.take(`u${i}`)));
    expect(await step(roomId, 0, 1)).toMatchObject({ reason: "ledger-throttled", pace: 0.8 });
    await step(roomId, 9_000_000, 1);
    await step(roomId, 9_000_000, 1);
    const pace = 0.2;
    expect(await showRoom(parts.ctx, roomId)).toMatchObject({
      room: { inflow: { pace, reason: "ledger-throttled" }, admitPerSecond: 40 },
    });
    await room.put({ open: true });
    await room.wait(1_000);
    const first = (await readRoom(parts.ctx, roomId))?.admitted ?? 0;
    await room.wait(2_000);
    const admitted = ((await readRoom(parts.ctx, roomId))?.admitted ?? 0) - first;
    expect(admitted).toBeGreaterThanOrEqual(12);
    expect(admitted).toBeLessThanOrEqual(18);
  });
});

describe("what stands behind a room", () => {
  test("are its live campaigns; the one that is worst off decides", async () => {
    const { roomId } = await openRoom(parts.ctx);
    const hour = 3_600_000;
    const over = { opensAt: Date.now() - 3 * hour, closesAt: Date.now() - 2 * hour };
    const [a, b] = [await parts.campaign({ roomId }), await parts.campaign({ roomId })];
    await Promise.all([parts.campaign({ roomId, ...over }), parts.campaign()]);
    expect((await campaignsByRoom(parts.ctx)).get(roomId)?.sort()).toEqual([a, b].sort());
    expect(await backendOf(parts.ctx, [a, b])).toEqual({ lateMs: 0, isThrottled: false });
    // Issuances of nine seconds ago that the ledger does not have.
    const at = Date.now() - 9_000;
    for (let i = 0; i < limits.inflowIgnoredCoupons; i++)
      await parts.ctx.redis.command("XADD", keys.outbox(b), `${at}-${i}`, "x", `u${i}`);
    // Nothing has moved for nine seconds: as long again, and its own turn.
    const { lateMs } = await backendOf(parts.ctx, [a, b]);
    expect(lateMs).toBeGreaterThanOrEqual(9_000);
    expect(lateMs).toBeLessThan(20_000);
    expect(await backlogOf(parts.ctx, a)).toEqual({ depth: 0, oldestMs: 0, expectedMs: 0, refusedAt: undefined });
  });

  test("a coupon that is stuck for reasons of its own slows nobody down", async () => {
    const { roomId } = await openRoom(parts.ctx);
    const campaignId = await parts.campaign({ roomId });
    await parts.ctx.redis.command("XADD", keys.outbox(campaignId), `${Date.now() - 600_000}-0`, "x", "u");
    expect(await backendOf(parts.ctx, [campaignId])).toMatchObject({ lateMs: 0 });
  });

  test("dead letters that cannot be sent are no refusal of the ledger", async () => {
    const { roomId } = await openRoom(parts.ctx);
    const campaignId = await parts.campaign({ roomId });
    await issuer(soldOutMemory())(parts.ctx, { campaignId, userId: "u", stop: async () => undefined });
    // Its ticket is another's by now, so it can never be recorded; and the dead letters are away.
    const put = async () => false;
    const get = async () => ({ pk: "", sk: "", epoch: 0, version: 1, record: JSON.stringify({ stock: 0 }) });
    const send = async () => {
      throw new StoreUnavailable("queue", new Error("away"));
    };
    const logged = parts.logged.length;
    const ctx = { ...parts.ctx, table: { ...parts.ctx.table, put, get } };
    await consume(parts, { ...ctx, deadLetters: { ...parts.ctx.deadLetters, send } }, confirmer());
    expect(parts.logged.slice(logged).map(({ event }) => event)).toContain("dead-letter-failed");
    expect(await backendOf(parts.ctx, [campaignId])).toMatchObject({ isThrottled: false });
    // Taken out of the way of the tests behind it.
    await parts.redis.door.command("DEL", keys.outbox(campaignId));
  });

  test("a ledger that refuses writes is noted by the persister, and forgotten after some seconds", async () => {
    const { roomId } = await openRoom(parts.ctx);
    const campaignId = await parts.campaign({ roomId });
    await issuer(soldOutMemory())(parts.ctx, { campaignId, userId: "u", stop: async () => undefined });
    const put = async () => {
      throw new StoreUnavailable("ledger", new Error("throttled"));
    };
    const confirm = confirmer();
    await consume(parts, { ...parts.ctx, table: { ...parts.ctx.table, put } }, confirm);
    expect(await backendOf(parts.ctx, [campaignId])).toMatchObject({ isThrottled: true });
    const later = { ...parts.ctx, now: () => Date.now() + limits.inflowThrottledMs };
    expect(await backendOf(later, [campaignId])).toMatchObject({ isThrottled: false });
  });
});

/** One batch from the queue to the persister. @returns how many there were */
async function consume(
  { queueUrl, sqsEndpoint }: Parts,
  ctx: Ctx,
  confirm: ReturnType<typeof confirmer>,
): Promise<number> {
  const sqs = clientOf(sqsEndpoint);
  const { Messages = [] } = await sqs.send(
    new ReceiveMessageCommand({
      ...{ QueueUrl: queueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 1 },
      MessageSystemAttributeNames: ["All"],
    }),
  );
  if (Messages.length === 0) return 0;
  const batch = Messages.map((message) => ({
    messageId: message.MessageId ?? "",
    body: message.Body ?? "",
    groupId: message.Attributes?.MessageGroupId ?? "",
    receiveCount: 1,
    receiptHandle: message.ReceiptHandle ?? "",
  }));
  const failed = new Set((await confirm(ctx, batch)).failed.map(({ messageId }) => messageId));
  const done = batch.filter(({ messageId }) => !failed.has(messageId));
  const Entries = done.map(({ receiptHandle }, i) => ({ Id: `${i}`, ReceiptHandle: receiptHandle }));
  if (done.length > 0) await sqs.send(new DeleteMessageBatchCommand({ QueueUrl: queueUrl, Entries }));
  return done.length;
}

// ── The drill ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Coupons a second that the ledger takes; each is two writes. */
const BACKEND_PER_SECOND = 200;
const ROOM_PER_SECOND = 80;
const SLOW_SECONDS = 40;
const PERSISTERS = 4;

interface Second {
  readonly at: number;
  readonly ageMs: number;
  readonly pace: number;
  readonly admitted: number;
  readonly reason: string | undefined;
}

/**
 * A crowd behind a room, each of whom asks for a coupon as soon as it is in; the ledger runs at its usual speed, then at a tenth,
 * then as before. @param follows whether the room's pace follows the backend
 */
async function drill(parts: Parts, follows: boolean): Promise<Record<"before" | "slowed" | "after", Second[]>> {
  const people = Array.from({ length: 6_000 }, (_, i) => `d${follows ? 1 : 0}-${i}`);
  const room = await openRoom(parts.ctx, {
    ...{ capacity: 100_000, admitPerSecond: ROOM_PER_SECOND, heartbeatSeconds: 300, passSeconds: 600, open: false },
  });
  const { roomId } = room;
  const campaignId = await parts.campaign({ roomId, stock: people.length });
  for (let from = 0; from < people.length; from += 200) {
    await Promise.all(people.slice(from, from + 200).map((userId) => room.take(userId)));
  }

  // The ledger's speed: writes take their turns.
  let perSecond = BACKEND_PER_SECOND;
  let free = performance.now();
  const put: Ctx["table"]["put"] = async (...args) => {
    free = Math.max(free, performance.now()) + 1_000 / (2 * perSecond);
    await sleep(free - performance.now());
    return parts.ctx.table.put(...args);
  };
  const slowed: Ctx = { ...parts.ctx, table: { ...parts.ctx.table, put } };

  let stopped = false;
  const persist = async () => {
    const confirm = confirmer();
    while (!stopped) await consume(parts, slowed, confirm);
  };
  const issue = issuer(soldOutMemory());
  let next = 0;
  const crowd = async () => {
    while (!stopped) {
      await room.tick();
      // Those whose turn it is, in their order.
      const facts = await readRoom(parts.ctx, roomId);
      const turn = people.slice(next, facts?.admitted ?? next);
      next += turn.length;
      await Promise.all(
        turn.map(async (userId) => {
          expect((await room.poll(userId)).state).toBe("admitted");
          const issued = await issue(parts.ctx, { campaignId, userId, stop: async () => undefined });
          expect(issued.word).toMatch(/issued|accepted/);
        }),
      );
      await sleep(100);
    }
  };
  const seen: Record<"before" | "slowed" | "after", Second[]> = { before: [], slowed: [], after: [] };
  const watch = async () => {
    const startedAt = performance.now();
    const look = async (phase: keyof typeof seen): Promise<Second> => {
      const backend = await backendOf(parts.ctx, [campaignId]);
      const record = await rooms.get(parts.ctx, roomId);
      if (follows && record) await tend(parts.ctx, record, backend);
      const facts = await readRoom(parts.ctx, roomId);
      const second = {
        at: Math.round((performance.now() - startedAt) / 1_000),
        ...{
          ageMs: (await backlogOf(parts.ctx, campaignId)).oldestMs,
          pace: facts?.pace ?? 1,
          admitted: facts?.admitted ?? 0,
          reason: facts?.reason,
        },
      };
      seen[phase].push(second);
      await sleep(1_000);
      return second;
    };
    await room.put({ open: true });
    for (let i = 0; i < 6; i++) await look("before");
    perSecond = BACKEND_PER_SECOND / 10;
    for (let i = 0; i < SLOW_SECONDS; i++) await look("slowed");
    perSecond = BACKEND_PER_SECOND;
    if (follows) for (let i = 0, pace = 0; i < 40 && pace < 1; i++) ({ pace } = await look("after"));
  };
  const work = [crowd(), ...Array.from({ length: PERSISTERS }, persist)];
  try {
    await watch();
  } finally {
    stopped = true;
    await Promise.all(work);
  }
  return seen;
}

const oldest = (seconds: readonly Second[]) => Math.max(...seconds.map(({ ageMs }) => ageMs));

describe("a backend slowed to a tenth", () => {
  test("keeps the age of confirmations bounded where the room follows it, and admission comes back after", async () => {
    // Side by side, each with stores of its own.
    const others = await startParts();
    const [followed, free] = await Promise.all([drill(parts, true), drill(others, false)]).finally(() => others.stop());
    const { before, slowed, after } = followed;
    const line = ({ at, ageMs, pace, admitted, reason }: Second) =>
      `${at} s  age ${ageMs} ms  pace ${pace.toFixed(2)}  admitted ${admitted}  ${reason ?? ""}`;
    for (const [phase, seconds] of Object.entries(followed)) console.log([phase, ...seconds.map(line)].join("\n"));
    console.log(
      `oldest unconfirmed coupon while the ledger ran at a tenth for ${SLOW_SECONDS} s: ${oldest(slowed)} ms where the room follows, ` +
        `${oldest(free.slowed)} ms where it does not; back at the full rate after ${after.length} s`,
    );
    expect(before.every(({ pace }) => pace === 1)).toBe(true);
    expect(slowed.some(({ reason }) => reason === "confirmations-late")).toBe(true);
    // What came before the brake was felt is worked off, and then no more comes than goes; where nothing follows, it grows on.
    const [early, late] = [slowed.slice(0, SLOW_SECONDS / 2), slowed.slice(SLOW_SECONDS / 2)];
    expect(oldest(late)).toBeLessThan(oldest(early));
    expect(oldest(free.slowed)).toBeGreaterThan(1.5 * oldest(slowed));
    expect(after.at(-1)).toMatchObject({ pace: 1, reason: undefined });
  });
});
