import { type Ctx, StoreUnavailable } from "../context.ts";
import type { QueueDoor } from "../doors/sqs.ts";
import { keys } from "../keys.ts";
import { limits } from "../limits.ts";
import { memberOf } from "../member.ts";
import { admit } from "./admit.ts";
import { aboutOf, definitionOf, nameFilling, registerCampaigns } from "./campaign.ts";
import { type CampaignRecord, campaigns } from "./campaign-records.ts";
import { markersOf, messageOf, readMessage } from "./confirmation.ts";
import { epochMemory } from "./epoch-memory.ts";
import { coupons as ledger, type TicketRow } from "./ledger.ts";
import { letters } from "./letters.ts";
import { bucketOf, heldValue } from "./member.ts";
import { readOutbox } from "./outbox.ts";
import { markers, type RecoveryRecord, type RecoveryStep, recoveries } from "./recovery-records.ts";
import { type Attachment, armCampaign, fence, rebuild, refill } from "./scripts.ts";

/**
 * Recovers a campaign that Redis has lost, or may have lost something of: from the ledger, which is made complete first.
 *
 * | step | what is done | what it waits for |
 * |---|---|---|
 * | `fenced` | the campaign is closed in Redis, if Redis has it | `limits.toldWithinMs`: then every message of a 201 is in the queue |
 * | `draining` | what is left in the outbox goes into the ledger; a marker goes into each group of the queue | all markers to come out: all that was sent before them has been dealt with |
 * | `draining-letters` | a marker goes into each group of the dead letters; letters that were kept are tried once more | all of those to come out |
 * | `closing` | the ledger's epoch is raised: what was decided before and is not recorded is refused from now on | writers to go by the new epoch, and markers once more |
 * | `rebuilding` | holders, free tickets and counter are written from the ledger, under a new filling | – |
 * | `opening` | the ledger has agreed to the filling; it is opened | – |
 *
 * Every step can be repeated, by anyone, and what is done is written down in the ledger: a recovery that was cut off goes on with
 * the next run. While anything that it waits for does not come, the campaign stays closed and says what is missing.
 */

type RecoverCtx = Pick<Ctx, "redis" | "table" | "confirmations" | "deadLetters" | "couponSecret" | "now" | "log">;

/** How a campaign stands after a look at it. `unarmed`: its creation is not complete, which is for its creator to mend. */
export interface Recovery {
  readonly campaignId: string;
  readonly word: "attached" | "recovering" | "recovered" | "unarmed";
  readonly step?: RecoveryStep | undefined;
  readonly waitingFor?: string | undefined;
}

/** After this long without all markers they are sent again: SQS may have lost its memory of them, or never had them. */
const MARK_AGAIN_MS = 30_000;

const START: Omit<RecoveryRecord, "version" | "epoch" | "reason" | "startedAt" | "stepAt"> = {
  step: "fenced",
  markedAt: 0,
  outboxDone: false,
  filling: "",
  cleared: 0,
  next: 1,
  highest: 0,
  lastIssuedAt: 0,
  held: 0,
  waitingFor: "",
};

/** Somebody else has taken the same step: look again. */
class Overtaken extends Error {}

/**
 * Takes a campaign's recovery as far as it goes without waiting, and begins one where it is needed.
 * @param options.force why to recover a campaign that nothing is known to be wrong with
 * @param options.deadline milliseconds since 1970: long steps end then, and go on in the next call
 */
export async function recover(
  ctx: RecoverCtx,
  campaignId: string,
  options: { force?: string; deadline: number },
): Promise<Recovery> {
  let { force } = options;
  for (let overtaken = 0; overtaken < OVERTAKEN_MOST; ) {
    try {
      const moved = await takeStep(ctx, campaignId, force, options.deadline);
      if (moved !== "again") return moved;
    } catch (error) {
      if (!(error instanceof Overtaken)) throw error;
      overtaken++;
    }
    force = undefined;
  }
  return { campaignId, word: "recovering", waitingFor: "another run that is at work on it" };
}

/** After so many steps that somebody else took first, the recovery is left to them. */
const OVERTAKEN_MOST = 10;

async function takeStep(
  ctx: RecoverCtx,
  campaignId: string,
  force: string | undefined,
  deadline: number,
): Promise<Recovery | "again"> {
  const tally = keys.tally(campaignId);
  // In this order: a campaign is only opened when its recovery is at the last step, so one that was seen open, while its
  // recovery is still at an earlier step afterwards, is one that must be closed.
  const look = await ctx.redis.run(fence, { tally }, { force: 0 });
  const [record, standing] = await Promise.all([campaigns.get(ctx, campaignId), recoveries.get(ctx, campaignId)]);
  if (record?.filling === undefined) return { campaignId, word: "unarmed" };
  const run: Run = { ctx, campaignId, record, deadline };

  if (!standing || standing.step === "done") {
    const isWell = look.word === "attached" && look.filling === record.filling;
    if (isWell && force === undefined) return { campaignId, word: "attached" };
    if (look.word === "unarmed" && look.filling === record.filling) {
      // A creation that was cut off before its last step, on this very server: nothing was ever issued.
      await arm(run);
      return "again";
    }
    await begin(run, standing, force ?? reasonOf(look, record));
    return "again";
  }
  if (look.word === "attached" && standing.step !== "opening") await ctx.redis.run(fence, { tally }, { force: 1 });
  return STEPS[standing.step](run, standing, look);
}

interface Run {
  readonly ctx: RecoverCtx;
  readonly campaignId: string;
  readonly record: CampaignRecord;
  readonly deadline: number;
}

type Step = (run: Run, standing: RecoveryRecord, look: Attachment) => Promise<Recovery | "again">;

const STEPS: Readonly<Record<Exclude<RecoveryStep, "done">, Step>> = {
  fenced: async (run, standing) => {
    const { ctx } = run;
    const left = standing.stepAt + limits.toldWithinMs + limits.clockSkewMs - ctx.now();
    if (left > 0) return waiting(run, standing, "messages that are being sent");
    return move(run, standing, { step: "draining" });
  },

  draining: async (run, standing, look) => {
    const { ctx } = run;
    if (!standing.outboxDone) {
      // Of the epoch that this server knows: a replica from before an earlier recovery has entries that were overtaken then.
      await recordOutbox(run, look.word === "missing" ? run.record.epoch : look.epoch);
      return move(run, standing, { step: "draining", outboxDone: true });
    }
    return afterMarkers(run, standing, ctx.confirmations, "queue", async () =>
      move(run, standing, { step: "draining-letters" }),
    );
  },

  "draining-letters": async (run, standing) => {
    const { ctx, campaignId } = run;
    return afterMarkers(run, standing, ctx.deadLetters, "letters", async () => {
      await recordLetters(run);
      const record = (await campaigns.get(ctx, campaignId)) ?? run.record;
      if (record.epoch < standing.epoch) {
        const raised = { ...record, epoch: standing.epoch, version: record.version + 1 };
        if (!(await campaigns.putVersion(ctx, raised, record.version))) throw new Overtaken();
      }
      return move(run, standing, { step: "closing" });
    });
  },

  closing: async (run, standing) => {
    const left = standing.stepAt + limits.epochSettleMs + limits.clockSkewMs - run.ctx.now();
    if (left > 0) return waiting(run, standing, "writers that go by the epoch before");
    return afterMarkers(run, standing, run.ctx.confirmations, "closed", async () =>
      move(run, standing, { step: "rebuilding" }),
    );
  },

  rebuilding: async (run, standing, look) => {
    if (run.record.filling === standing.filling) return move(run, standing, { step: "opening" });
    const isOurs = look.word === "unarmed" && standing.filling !== "" && look.filling === standing.filling;
    return isOurs ? fill(run, standing) : beginFilling(run, standing);
  },

  opening: async (run, standing, look) => {
    const { ctx, campaignId, record } = run;
    const fits = look.word !== "missing" && look.filling === record.filling;
    if (fits && look.word === "unarmed") {
      // All of them, before this one: a set that holds only some would make the others unknown.
      await registerCampaigns(ctx);
      await ctx.redis.command("SADD", keys.campaigns, campaignId);
      await arm(run);
      return "again";
    }
    if (fits && look.word === "attached") {
      const { held, startedAt, reason } = standing;
      await move(run, standing, { step: "done" });
      ctx.log("recovered", { campaignId, reason, held, ms: ctx.now() - startedAt });
      return { campaignId, word: "recovered" };
    }
    // It may have been open for a moment before it was lost again: what was issued then must be drained as well.
    await begin(run, standing, reasonOf(look, record));
    return "again";
  },
};

/** Opens the filling that the ledger has agreed to, if that is the one in Redis. */
async function arm({ ctx, campaignId, record }: Run): Promise<void> {
  await ctx.redis.run(
    armCampaign,
    { tally: keys.tally(campaignId), about: keys.about(campaignId), outbox: keys.outbox(campaignId) },
    { step: "arm", ...scriptFacts(record), filling: record.filling ?? "", definition: "" },
  );
}

function reasonOf(look: Attachment, record: CampaignRecord): string {
  if (look.word === "missing") return "Redis does not have the campaign";
  if (look.word === "fenced") return "the server was restarted or promoted";
  return look.filling === record.filling
    ? "it was not opened"
    : "Redis has a filling that the ledger has not agreed to";
}

async function begin(run: Run, before: RecoveryRecord | undefined, reason: string): Promise<void> {
  const { ctx, campaignId, record } = run;
  const now = ctx.now();
  const next = { ...START, epoch: record.epoch + 1, reason, startedAt: now, stepAt: now };
  if (!(await recoveries.replace(ctx, campaignId, before, next))) throw new Overtaken();
  ctx.log("recovery", { campaignId, step: "fenced", reason });
}

async function move(
  run: Run,
  standing: RecoveryRecord,
  change: Partial<RecoveryRecord> & { step: RecoveryStep },
): Promise<"again"> {
  const { ctx, campaignId } = run;
  const isNext = change.step !== standing.step;
  const fresh = isNext ? { stepAt: ctx.now(), markedAt: 0, waitingFor: "" } : {};
  if (!(await recoveries.replace(ctx, campaignId, standing, { ...standing, ...fresh, ...change })))
    throw new Overtaken();
  if (isNext) ctx.log("recovery", { campaignId, step: change.step });
  return "again";
}

/** Says what does not come, once for each thing. */
async function waiting(run: Run, standing: RecoveryRecord, waitingFor: string): Promise<Recovery> {
  const { ctx, campaignId } = run;
  if (standing.waitingFor !== waitingFor)
    await recoveries.replace(ctx, campaignId, standing, { ...standing, waitingFor });
  return { campaignId, word: "recovering", step: standing.step, waitingFor };
}

/** Sends a marker into each group of a queue, and goes on when all of them have come out. */
async function afterMarkers(
  run: Run,
  standing: RecoveryRecord,
  queue: QueueDoor,
  name: string,
  goOn: () => Promise<Recovery | "again">,
): Promise<Recovery | "again"> {
  const { ctx, campaignId } = run;
  const marker = `${standing.epoch}.${standing.startedAt}.${name}`;
  const out = await markers.count(ctx, campaignId, marker);
  if (out >= limits.groupsPerCampaign) return goOn();
  if (ctx.now() - standing.markedAt < MARK_AGAIN_MS) {
    const left = limits.groupsPerCampaign - out;
    // Said after a while only: usually they are out within a moment.
    const isLate = ctx.now() - standing.stepAt > MARK_AGAIN_MS / 3;
    const what = `what was sent before into ${isLate ? left : "the"} groups of the ${name === "letters" ? "dead letters" : "confirmations"}`;
    return waiting(run, standing, what);
  }
  const messages = markersOf(campaignId, marker);
  for (let from = 0; from < messages.length; from += limits.queueBatch) {
    const sent = await queue.sendBatch(messages.slice(from, from + limits.queueBatch));
    if (!sent.every(Boolean)) throw new StoreUnavailable("queue", "a marker was not taken");
  }
  await move(run, standing, { step: standing.step, markedAt: ctx.now() });
  return { campaignId, word: "recovering", step: standing.step };
}

/** Brings what is left in the outbox into the ledger. What cannot be recorded goes to the dead letters, like any other. */
async function recordOutbox(run: Run, epoch: number): Promise<void> {
  const { ctx, record } = run;
  const recall = epochMemory();
  for await (const entries of readOutbox(ctx, aboutOf(record))) {
    const deliveries = entries.map((entry) => ({ ...entry, epoch }));
    for (let from = 0; from < deliveries.length; from += ADMITTED_AT_ONCE) {
      const batch = deliveries.slice(from, from + ADMITTED_AT_ONCE);
      for (const [index, word] of (await admit(ctx, recall, batch)).entries()) {
        if (typeof word === "object") throw word.error;
        const delivery = batch[index];
        if (!delivery || word === "recorded" || word === "already-recorded") continue;
        await ctx.deadLetters.send({ ...messageOf(delivery), attributes: { reason: word } });
      }
    }
  }
}

/** Brings dead letters that were kept, or sent round again, into the ledger: afterwards they would come too late. */
async function recordLetters({ ctx, campaignId }: Run): Promise<void> {
  const recall = epochMemory();
  let after: string | undefined;
  do {
    const page = await letters.page(ctx, { limit: limits.lettersMost, prefix: `${campaignId}.`, after });
    const deliveries = page.items
      .filter(({ decision }) => decision === "kept" || decision === "redriven")
      .map(({ body }) => readMessage(body))
      .filter((message) => message !== undefined && "confirmation" in message);
    for (const word of await admit(ctx, recall, deliveries)) if (typeof word === "object") throw word.error;
    after = page.after;
  } while (after !== undefined);
}

/** Confirmations under way to the ledger at once: two writes each. */
const ADMITTED_AT_ONCE = 50;

// ── The filling ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const placeOf = (campaignId: string) => ({
  tally: keys.tally(campaignId),
  about: keys.about(campaignId),
  outbox: keys.outbox(campaignId),
  free: keys.free(campaignId),
  flow: keys.flow(campaignId),
});

function scriptFacts(record: CampaignRecord) {
  const { stock, opensAt, closesAt, base, epoch } = record;
  return { stock, opensAt, closesAt, base, epoch };
}

function rebuildFacts(run: Run, standing: RecoveryRecord, filling: string) {
  const { record } = run;
  return {
    filling,
    ...scriptFacts(record),
    epoch: standing.epoch,
    highest: standing.highest,
    lastIssuedAt: standing.lastIssuedAt,
    paused: record.paused ? 1 : 0,
    version: record.version,
    definition: definitionOf(record),
  };
}

async function beginFilling(run: Run, standing: RecoveryRecord): Promise<"again"> {
  const { ctx, campaignId } = run;
  const filling = nameFilling();
  // First the name, then the filling: an attempt that is overtaken here begins nothing in Redis.
  const cursor = { cleared: 0, next: 1, highest: 0, lastIssuedAt: 0, held: 0 };
  const named = await recoveries.replace(ctx, campaignId, standing, { ...standing, ...cursor, filling });
  if (!named) throw new Overtaken();
  const facts = rebuildFacts(run, named, filling);
  const begun = await ctx.redis.run(rebuild, placeOf(campaignId), { step: "begin", ...facts });
  if (begun === "overtaken") throw new Overtaken();
  return "again";
}

/** Buckets that are cleared before this is written down, and script calls under way at once. */
const CLEARED_AT_ONCE = 2_000;

async function fill(run: Run, standing: RecoveryRecord): Promise<Recovery | "again"> {
  const { ctx, campaignId, record, deadline } = run;
  const { filling } = standing;
  if (standing.cleared < record.buckets) {
    const to = Math.min(standing.cleared + CLEARED_AT_ONCE, record.buckets);
    const parts = Array.from({ length: to - standing.cleared }, (_, i) => ({ bucket: standing.cleared + i, clear: 1 }));
    await refillAll(run, filling, parts);
    await move(run, standing, { step: "rebuilding", cleared: to });
  } else if (standing.next <= record.stock) {
    if (standing.next === 1) await endEmptying(run, standing);
    const to = Math.min(standing.next + limits.ledgerPageTickets - 1, record.stock);
    await move(run, standing, { step: "rebuilding", ...(await fillTickets(run, standing, to)), next: to + 1 });
  } else {
    await completeFilling(run, standing);
    return move(run, standing, { step: "opening" });
  }
  return ctx.now() < deadline ? "again" : { campaignId, word: "recovering", step: "rebuilding" };
}

/** From now on nobody empties a bucket of this filling any more, also one who was paused in the middle of that. */
async function endEmptying(run: Run, standing: RecoveryRecord): Promise<void> {
  const { ctx, campaignId } = run;
  const facts = rebuildFacts(run, standing, standing.filling);
  const cleared = await ctx.redis.run(rebuild, placeOf(campaignId), { step: "cleared", ...facts });
  if (cleared === "overtaken") throw new Overtaken();
}

interface Part {
  readonly bucket: number;
  readonly clear?: number;
  readonly tickets?: Buffer;
  readonly holders?: Buffer;
}

async function refillAll(run: Run, filling: string, parts: readonly Part[]): Promise<void> {
  const { ctx, campaignId } = run;
  for (let from = 0; from < parts.length; from += CLEARED_AT_ONCE) {
    const words = await Promise.all(
      parts
        .slice(from, from + CLEARED_AT_ONCE)
        .map(({ bucket, clear = 0, tickets, holders }) =>
          ctx.redis.run(
            refill,
            { tally: keys.tally(campaignId), bucket: keys.holders(campaignId, bucket), free: keys.free(campaignId) },
            { filling, clear, tickets: tickets ?? "", holders: holders ?? "" },
          ),
        ),
    );
    if (words.includes("overtaken")) throw new Overtaken();
  }
}

/** Tickets for the free list in one call. */
const FREED_AT_ONCE = 5_000;

async function fillTickets(
  run: Run,
  standing: RecoveryRecord,
  to: number,
): Promise<Pick<RecoveryRecord, "highest" | "lastIssuedAt" | "held">> {
  const { ctx, campaignId, record } = run;
  const rows = await ledger.tickets(ctx, campaignId, standing.next, to);
  const holders = rows.filter((row) => !row.free).sort((a, b) => a.ticket - b.ticket);
  // Where a place has had several coupons that were given back, the newest leaves its mark.
  const givenBack = rows.filter((row) => row.free).sort((a, b) => b.issuedAt - a.issuedAt);
  const byBucket = Map.groupBy([...holders, ...givenBack], (row) => bucketOf(row.userId, record.buckets));
  const parts: Part[] = [...byBucket].map(([bucket, its]) => ({
    bucket,
    holders: Buffer.concat(its.map((row) => packHolder(row, record.base))),
  }));
  // Free is what lies below the highest ticket that was given and nobody holds: given back, or lost before it was recorded.
  let { highest, lastIssuedAt } = standing;
  const free: number[] = [];
  for (const { ticket } of holders) {
    for (let gap = highest + 1; gap < ticket; gap++) free.push(gap);
    highest = ticket;
  }
  for (const { issuedAt } of rows) lastIssuedAt = Math.max(lastIssuedAt, issuedAt);
  for (let from = 0; from < free.length; from += FREED_AT_ONCE) {
    parts.push({ bucket: 0, tickets: packTickets(free.slice(from, from + FREED_AT_ONCE)) });
  }
  await refillAll(run, standing.filling, parts);
  return { highest, lastIssuedAt, held: standing.held + holders.length };
}

function packTickets(tickets: readonly number[]): Buffer {
  const packed = Buffer.alloc(4 * tickets.length);
  for (const [index, ticket] of tickets.entries()) packed.writeUInt32BE(ticket, 4 * index);
  return packed;
}

/** The mark behind a coupon that was given back, as `release.lua` writes it. */
const GIVEN_BACK = Buffer.of(0);

/** A holder as `refill.lua` reads it. */
function packHolder(row: TicketRow, base: number): Buffer {
  const member = memberOf(row.userId);
  const held = heldValue(row, base);
  const value = row.free ? Buffer.concat([held, GIVEN_BACK]) : held;
  return Buffer.concat([Buffer.of(member.length), member, Buffer.of(row.nth, value.length), value]);
}

/** Completes the filling in Redis, still closed, and has the ledger agree to it. */
async function completeFilling(run: Run, standing: RecoveryRecord): Promise<void> {
  const { ctx, campaignId, record } = run;
  const facts = rebuildFacts(run, standing, standing.filling);
  const finished = await ctx.redis.run(rebuild, placeOf(campaignId), { step: "finish", ...facts });
  if (finished === "overtaken") throw new Overtaken();
  const agreed = { ...record, filling: standing.filling, epoch: standing.epoch, version: record.version + 1 };
  if (!(await campaigns.putVersion(ctx, agreed, record.version))) throw new Overtaken();
}

// ── All campaigns ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** A campaign that is about to open, or open: worth a look every few seconds. */
export function isLive(record: Pick<CampaignRecord, "opensAt" | "closesAt">, nowMs: number): boolean {
  return record.opensAt - LIVE_BEFORE_MS <= nowMs && nowMs < record.closesAt + LIVE_AFTER_MS;
}

const LIVE_BEFORE_MS = 10 * 60_000;
const LIVE_AFTER_MS = 5 * 60_000;

/**
 * Looks at every campaign of the ledger and takes each recovery that is needed or under way as far as it goes.
 * @returns what is not attached, and the ids of the campaigns that are worth another look soon
 */
export async function recoverAll(
  ctx: RecoverCtx,
  deadline: number,
): Promise<{ looked: number; recoveries: Recovery[]; live: string[] }> {
  const found: Recovery[] = [];
  const live: string[] = [];
  let looked = 0;
  await registerCampaigns(ctx);
  for await (const record of campaigns.all(ctx)) {
    if (record.filling === undefined) continue;
    looked++;
    const recovery = await recover(ctx, record.campaignId, { deadline }).catch((error: unknown): Recovery => {
      // One campaign's shard or queue that is away does not keep the others from being looked at.
      if (!(error instanceof StoreUnavailable)) throw error;
      return { campaignId: record.campaignId, word: "recovering", waitingFor: error.message };
    });
    if (recovery.word !== "attached") found.push(recovery);
    if (recovery.word === "recovering" || isLive(record, ctx.now())) live.push(record.campaignId);
  }
  return { looked, recoveries: found, live };
}
