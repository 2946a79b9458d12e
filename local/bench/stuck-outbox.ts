import { setTimeout as sleep } from "node:timers/promises";
import type { Ctx } from "../../core/context.ts";
import { create } from "../../core/coupons/campaign.ts";
import { confirmer } from "../../core/coupons/confirm.ts";
import { issuer } from "../../core/coupons/issue.ts";
import type { Decision } from "../../core/coupons/letters.ts";
import { soldOutMemory } from "../../core/coupons/sold-out.ts";
import { sweeper } from "../../core/coupons/sweep.ts";
import { triager } from "../../core/coupons/triage.ts";
import { keys } from "../../core/keys.ts";
import { limits } from "../../core/limits.ts";
import { isRefusal } from "../../core/words.ts";
import { queues } from "../../infra/settings.ts";
import type { Bench } from "./section.ts";
import {
  both,
  bytesOf,
  CAMPAIGN,
  type Drilled,
  EARLY_MS,
  type LongJob,
  leaveAlone,
  Meter,
  mustBe,
  ORDERED,
  type Order,
  openLine,
  orderOf,
  pendingOf,
  type RedisLine,
  ticketIn,
} from "./stuck-drill.ts";
import { type CountedTable, memoryTable } from "./stuck-ledger.ts";
import { type Mail, type MailRoom, openMailRoom } from "./stuck-mail.ts";
import { idsOf } from "./users.ts";

/**
 * The system's own way: issued by `issue.lua`, published to SQS, taken by a persister that dies; claimed and sent again by the
 * sweep; past its budget a dead letter; decided by triage; written by the persister; settled. Every step is the system's own
 * verb. Only the ledger is a table in memory.
 */

const VISIBILITY_MS = queues.Confirmations.visibilitySeconds * 1_000;
const PLACE = { stream: keys.outbox(CAMPAIGN), group: "sweep" };

/** How long an entry waits before it is sent again for the first, second, … time, and at last before it is a dead letter. */
export const WAITS_MS = Array.from({ length: limits.sweepAttemptsMost + 1 }, (_, time) =>
  time === 0 ? limits.sweepAgeMs : Math.min(limits.sweepIdleMs * 2 ** (time - 1), limits.sweepIdleMostMs),
);

export interface OutboxDrilled extends Drilled {
  /** Entries in the outbox while they are stuck, as the sweep's answer has it. */
  readonly depth: number;
  /** Calls to DynamoDB that an entry takes on its way back. */
  readonly ledgerCalls: number;
  readonly decisions: Readonly<Record<Decision, number>>;
  /** Messages of one entry that its re-sends have left in the queue: SQS knows a message again for five minutes only. */
  readonly copies: number;
  /** Entries that are still in the outbox at the end. */
  readonly left: number;
}

/** A drill that was begun; the sweep leaves entries alone until they have a certain age, so something else can be done meanwhile. */
export interface OutboxDrill {
  finish(): Promise<OutboxDrilled>;
  close(): Promise<void>;
}

interface Parts {
  readonly bench: Bench;
  readonly line: RedisLine;
  readonly room: MailRoom;
  readonly table: CountedTable;
  readonly ctx: Ctx;
  readonly meter: () => Meter;
}

async function open(campaignId: string, stock: number, { ctx }: Pick<Parts, "ctx">): Promise<void> {
  // Redis goes by the real clock, however far the queues' has moved.
  const now = Date.now();
  const times = { opensAt: now - 60_000, closesAt: now + 86_400_000 };
  const result = await create(ctx, { campaignId, name: campaignId, stock, perUser: 1, ...times });
  if (isRefusal(result)) throw new Error(`no campaign ${campaignId}: ${result.detail}`);
}

/** Issues so many coupons, one after another, so that nothing but the queue can change their order. */
async function issueAll({ ctx }: Pick<Parts, "ctx">, campaignId: string, entries: number): Promise<void> {
  const issue = issuer(soldOutMemory());
  for (const userId of idsOf("numeric", entries)) {
    const { word } = await issue(ctx, { campaignId, userId });
    if (word !== "issued") throw new Error(`a coupon of ${campaignId} was ${word}, not issued`);
  }
}

const asHandled = ({ groupId, body }: Mail) => ({ group: groupId, number: ticketIn(body) });

export async function beginOutbox(bench: Bench, entries: number): Promise<OutboxDrill> {
  const line = await openLine(bench.server);
  const room = await openMailRoom();
  const table = memoryTable();
  const { confirmations, deadLetters, now } = room;
  const couponSecret = "a secret of the bench, 32 bytes and more";
  const stores = { redis: line.door, confirmations, deadLetters, events: confirmations, table };
  const ctx: Ctx = { now, log: () => {}, ...stores, couponSecret, roomKeys: [] };
  const meter = () => new Meter(bench.server, line.calls, room.calls);
  const parts: Parts = { bench, line, room, table, ctx, meter };
  const close = async () => {
    line.close();
    await room.close();
  };
  try {
    await open(CAMPAIGN, entries, parts);
    const [issued, taking] = [meter(), meter()];
    await issued.run(() => issueAll(parts, CAMPAIGN, entries));
    const issuedAt = performance.now();
    const held = await taking.run(() => room.takeAll(room.confirmationsUrl));
    const { waiting, inFlight } = await room.depth(room.confirmationsUrl);
    line.close();
    const entryBytes = (await bytesOf(bench.server, PLACE.stream)) / entries;
    const first = both(issued.cost(entries), taking.cost(held.length));
    return {
      async finish() {
        await line.open();
        await sleep(Math.max(0, limits.sweepAgeMs + 50 - (performance.now() - issuedAt)));
        const rest = await finish(parts, entries, entryBytes);
        return {
          ...rest,
          costs: { first, ...rest.costs },
          held: inFlight,
          behind: waiting,
          order: await judgeOrder(parts),
          longJob: await doLongJob(parts),
        };
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Lets the next wait pass: at the queues, and in what the outbox knows of its claims. */
async function pass({ bench: { server }, room }: Parts, ms: number, idleMs: number): Promise<void> {
  room.pass(ms);
  const { client } = server;
  await leaveAlone(client, PLACE, await pendingOf(client, PLACE.stream, PLACE.group), idleMs);
}

async function finish(parts: Parts, entries: number, entryBytes: number) {
  const { bench, line, room, ctx, meter } = parts;
  const { server } = bench;
  const sweep = sweeper();
  const [resending, taking, dead] = [meter(), meter(), meter()];
  let [clockMs, tooEarly, byReading, handouts] = [0, 0, 0, 0];
  for (const [time, waitMs] of WAITS_MS.slice(0, -1).entries()) {
    if (time > 0) {
      await pass(parts, waitMs - EARLY_MS, waitMs - EARLY_MS);
      const { sent, spent, failed } = await sweep(ctx);
      tooEarly += sent + spent + failed;
    }
    await pass(parts, time > 0 ? EARLY_MS : waitMs, waitMs);
    clockMs += waitMs;
    mustBe("entries sent again", (await resending.run(() => sweep(ctx))).sent, entries);
    // The next consumer dies as well.
    const taken = await taking.run(() => room.takeAll(room.confirmationsUrl));
    if (byReading === 0) byReading = taken.length;
    handouts += taken.length;
  }

  line.close();
  const bytes = { entry: entryBytes, pending: (await bytesOf(server, PLACE.stream)) / entries - entryBytes };
  await line.open();
  const pending = await pendingOf(server.client, PLACE.stream, PLACE.group);

  const lastMs = WAITS_MS.at(-1) ?? 0;
  await pass(parts, lastMs, lastMs);
  clockMs += lastMs;
  const swept = await dead.run(() => sweep(ctx));
  mustBe("entries past their budget", swept.spent, entries);
  const again = both(resending.cost(entries * limits.sweepAttemptsMost), taking.cost(handouts));
  return {
    depth: swept.waiting,
    oldestMs: swept.oldestMs,
    attempts: Math.max(...pending.map(({ deliveries }) => deliveries)),
    bytes,
    tooEarly,
    byReading,
    deadFirstMs: clockMs,
    deadLastMs: clockMs,
    ...(await comeBack(parts, entries, { again, dead: dead.cost(entries) })),
  };
}

/** Triage decides, the persister writes, the outbox is settled: nobody has to do anything. */
async function comeBack(
  { bench, room, table, ctx, meter }: Parts,
  entries: number,
  costs: Pick<Drilled["costs"], "again" | "dead">,
) {
  const [triage, confirm] = [triager(), confirmer()];
  const decisions: Record<Decision, number> = { settled: 0, redriven: 0, compensated: 0, kept: 0 };
  const ledgerCalls = table.calls();
  const back = meter();
  let [recorded, duplicates] = [0, 0];
  room.pass(VISIBILITY_MS);
  const handled: Mail[] = [];
  const decide = async (mails: Mail[]) => {
    const result = await triage(ctx, mails);
    mustBe("letters that failed", result.failed.length, 0);
    for (const name of Object.keys(decisions) as Decision[]) decisions[name] += result.decisions[name];
  };
  const write = async (mails: Mail[]) => {
    handled.push(...mails);
    const result = await confirm(ctx, mails);
    mustBe("confirmations that failed", result.failed.length, 0);
    recorded += result.recorded;
    duplicates += result.alreadyRecorded;
  };
  await back.run(async () => {
    await room.drain(room.deadLettersUrl, decide);
    await room.drain(room.confirmationsUrl, write);
  });
  mustBe("coupons recorded", recorded, entries);
  const coupons = [...table.items()].filter(
    ({ state, campaignId }) => state === "confirmed" && campaignId === CAMPAIGN,
  );
  return {
    costs: { ...costs, back: back.cost(entries) },
    duplicates,
    backOrder: orderOf(handled.map(asHandled)),
    lost: entries - coupons.length,
    left: Number(await bench.server.client.call("XLEN", PLACE.stream)),
    ledgerCalls: (table.calls() - ledgerCalls) / entries,
    decisions,
    copies: handled.length / entries,
  };
}

/** A persister dies with some entries; another goes on with the rest, and gets those when SQS shows them again. */
async function judgeOrder(parts: Parts): Promise<Order> {
  const { room, ctx } = parts;
  const campaignId = "stuck-order";
  await open(campaignId, ORDERED.entries, parts);
  await issueAll(parts, campaignId, ORDERED.entries);
  for (let taken = 0; taken < ORDERED.taken; ) taken += (await room.receive(room.confirmationsUrl)).length;
  const confirm = confirmer();
  const handled: Mail[] = [];
  const handle = async (mails: Mail[]) => {
    handled.push(...mails);
    await confirm(ctx, mails);
  };
  await room.drain(room.confirmationsUrl, handle);
  room.pass(VISIBILITY_MS);
  await room.drain(room.confirmationsUrl, handle);
  return orderOf(handled.map(asHandled));
}

async function doLongJob(parts: Parts): Promise<LongJob> {
  const { room, ctx } = parts;
  const campaignId = "stuck-long-job";
  await open(campaignId, 1, parts);
  await issueAll(parts, campaignId, 1);
  const slow = await room.receive(room.confirmationsUrl);
  room.pass(VISIBILITY_MS);
  const other = await room.receive(room.confirmationsUrl);
  const confirm = confirmer();
  let effects = 0;
  for (const mails of [slow, other]) effects += (await confirm(ctx, mails)).recorded;
  const lateWord = (await room.done(room.confirmationsUrl, slow)) ? "taken" : "refused";
  await room.done(room.confirmationsUrl, other);
  return { runs: slow.length + other.length, effects, lateWord };
}
