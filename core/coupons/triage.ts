import type { Ctx } from "../context.ts";
import { StoreUnavailable } from "../context.ts";
import { limits } from "../limits.ts";
import { type AdmitWord, admit } from "./admit.ts";
import { aboutOf } from "./campaign.ts";
import { campaigns } from "./campaign-records.ts";
import { noted, type Received, removeFromOutbox } from "./confirm.ts";
import { type Delivery, issuanceOf, messageOf, readMessage } from "./confirmation.ts";
import { type EpochMemory, epochMemory } from "./epoch-memory.ts";
import { releaseHolder } from "./give-back.ts";
import { coupons as ledger, ticketKey } from "./ledger.ts";
import { type Decision, type Letter, letters } from "./letters.ts";
import { progressOf } from "./recovery-records.ts";

/**
 * Decides about dead letters without a person: already in the ledger → settle; a passing reason → send round again, within a
 * budget; can never be recorded → take the coupon back and tell its holder; anything else → keep for the operator.
 */

type TriageCtx = Pick<Ctx, "redis" | "table" | "confirmations" | "now" | "log">;

/** A dead letter as the queue hands it over; no reason when SQS itself put it there after too many receives. */
export interface DeadLetter extends Received {
  readonly reason?: string | undefined;
}

export interface Triaged {
  /** Letters that could not be decided for a passing reason, in order; with each all later ones of its group. */
  readonly failed: readonly DeadLetter[];
  readonly decisions: Readonly<Record<Decision, number>>;
}

/** What a holder is told whose coupon was taken back. */
const REVOKED: Readonly<Partial<Record<AdmitWord, string>>> = {
  "ticket-taken": "The ticket of this coupon was recorded for another coupon first.",
  "user-taken": "Another coupon of this campaign was recorded in this coupon's place first.",
  overtaken: "This coupon was decided on a server that was lost, and reached the ledger after the recovery.",
  "beyond-stock": "This coupon's ticket is not of the campaign's stock.",
};

/** Characters of a message that is kept although it is no confirmation. */
const STRAY_BODY_LENGTH = 2_000;

/** Makes the verb. What it remembers is made here and owned by the caller's container. */
export function triager(): (ctx: TriageCtx, batch: readonly DeadLetter[]) => Promise<Triaged> {
  const recall = epochMemory();

  return async (ctx, batch) => {
    const decisions = { settled: 0, redriven: 0, compensated: 0, kept: 0 };
    const failed: DeadLetter[] = [];
    const groups = Map.groupBy(batch, (received) => received.groupId);
    await Promise.all(
      [...groups.values()].map(async (group) => {
        for (const [index, letter] of group.entries()) {
          try {
            const decision = await decide(ctx, recall, letter);
            if (decision) decisions[decision]++;
          } catch (error) {
            if (!(error instanceof StoreUnavailable)) throw error;
            ctx.log("triage-failed", { messageId: letter.messageId, reason: error.message });
            failed.push(...group.slice(index));
            return;
          }
        }
      }),
    );
    return { failed, decisions };
  };
}

/** @returns undefined for a recovery's marker, about which nothing is to be decided */
async function decide(ctx: TriageCtx, recall: EpochMemory, received: DeadLetter): Promise<Decision | undefined> {
  const message = readMessage(received.body);
  if (message && "marker" in message) {
    if (await noted(ctx, message)) return undefined;
    throw new StoreUnavailable("ledger", "the marker could not be noted");
  }
  const letterId = message ? issuanceOf(message) : `message.${received.messageId}`;
  const before = await letters.get(ctx, letterId);
  const reason = received.reason ?? "receives-spent";
  const outcome: Outcome = message
    ? await decideDelivery(ctx, recall, { ...message, trace: received.trace }, reason, before?.redrives ?? 0)
    : { decision: "kept", redrives: 0 };
  await writeDown(ctx, { letterId, received, message, reason, before }, outcome);
  return outcome.decision;
}

interface Outcome {
  readonly decision: Decision;
  readonly redrives: number;
}

/** Reasons that say only that something was in the way; the ledger was never asked, or did not answer. */
const PASSING: ReadonlySet<string> = new Set(["receives-spent", "attempts-spent"]);

async function decideDelivery(
  ctx: TriageCtx,
  recall: EpochMemory,
  delivery: Delivery,
  reason: string,
  redrives: number,
): Promise<Outcome> {
  const { confirmation } = delivery;
  if ((await ledger.find(ctx, confirmation.couponId))?.coupon) {
    await removeFromOutbox(ctx, [delivery]);
    return { decision: "settled", redrives };
  }
  // During a recovery it is tried here and now: sent round again, it might come behind the recovery's close.
  if (PASSING.has(reason) && !(await progressOf(ctx, confirmation.campaignId))) {
    if (redrives >= limits.redriveMost) return { decision: "kept", redrives };
    await redrive(ctx, delivery, redrives + 1);
    return { decision: "redriven", redrives: redrives + 1 };
  }
  // The ledger is asked again, and its word of now counts: the letter's reason may be old.
  const [word] = await admit(ctx, recall, [delivery]);
  if (typeof word === "object") throw word.error;
  if (word === "recorded" || word === "already-recorded") {
    await removeFromOutbox(ctx, [delivery]);
    return { decision: "settled", redrives };
  }
  const told = word && REVOKED[word];
  if (!told) return { decision: "kept", redrives };
  await compensate(ctx, delivery, told, word === "overtaken");
  return { decision: "compensated", redrives };
}

/** Sends a confirmation round again, as a message that SQS does not take for the one it has seen. */
function redrive(ctx: Pick<Ctx, "confirmations">, delivery: Delivery, time: number): Promise<void> {
  const message = messageOf(delivery);
  return ctx.confirmations.send({ ...message, deduplicationId: `${message.deduplicationId}.again${time}` });
}

/**
 * Takes back a coupon that can never be recorded. Its holder's answer comes first, so that nobody is left without one; the
 * ticket goes back to stock only where nobody else has it, by the script that takes each coupon back once.
 */
async function compensate(ctx: TriageCtx, delivery: Delivery, told: string, isOvertaken: boolean): Promise<void> {
  const { confirmation } = delivery;
  const { campaignId, ticket, couponId } = confirmation;
  const record = await campaigns.get(ctx, campaignId);
  if (!record) return;
  await ledger.revoke(ctx, confirmation, told);
  await ledger.setFree(ctx, confirmation);
  const standing = await ctx.table.get(ticketKey(campaignId, ticket));
  const isOthers = standing !== undefined && standing.couponId !== couponId && standing.free !== true;
  const word = await releaseHolder(ctx, aboutOf(record), confirmation, !isOthers);
  // While Redis is being rebuilt it cannot be told; the rebuilt one does not know this holder, so then there is nothing to do.
  if (word === "recovering" || word === "missing") throw new StoreUnavailable("redis", `the campaign is ${word}`);
  // What was overtaken has no entry any more, and its id may be another's in the stream that was begun since.
  if (!isOvertaken) await removeFromOutbox(ctx, [delivery]);
  ctx.log("revoked", { campaignId, ticket, reason: told });
}

interface Case {
  readonly letterId: string;
  readonly received: DeadLetter;
  readonly message: Delivery | undefined;
  readonly reason: string;
  readonly before: Letter | undefined;
}

async function writeDown(ctx: TriageCtx, it: Case, { decision, redrives }: Outcome): Promise<void> {
  const { letterId, received, message, reason, before } = it;
  const now = ctx.now();
  const { campaignId, userId, ticket, couponId } = message?.confirmation ?? {};
  await letters.put(ctx, {
    letterId,
    reason: before && PASSING.has(reason) ? before.reason : reason,
    decision,
    redrives,
    campaignId,
    userId,
    ticket,
    couponId,
    body: message ? received.body : received.body.slice(0, STRAY_BODY_LENGTH),
    groupId: received.groupId,
    firstAt: before?.firstAt ?? now,
    decidedAt: now,
    ttl: decision === "kept" ? undefined : Math.ceil(now / 1_000) + limits.letterDays * 86_400,
  });
  ctx.log("triaged", { letterId, reason, decision, redrives });
}

/** The dead letters with what was decided; what was kept and is in the ledger by now is shown as settled. */
export async function listLetters(
  ctx: Pick<Ctx, "table">,
  page: { limit: number; after?: string | undefined },
): Promise<{ items: Letter[]; after?: string }> {
  const { items, ...rest } = await letters.page(ctx, page);
  return { items: await Promise.all(items.map((letter) => refreshed(ctx, letter))), ...rest };
}

async function refreshed(ctx: Pick<Ctx, "table">, letter: Letter): Promise<Letter> {
  if (letter.couponId === undefined || (letter.decision !== "kept" && letter.decision !== "redriven")) return letter;
  const found = await ledger.find(ctx, letter.couponId);
  return found?.coupon ? { ...letter, decision: "settled" } : letter;
}

/**
 * Sends kept letters round again on an operator's word, with a fresh budget.
 * @param letterIds which; all that are kept if absent, at most `limits.lettersMost` in one call
 * @returns those that were sent, and those that cannot be (not a confirmation, or decided otherwise)
 */
export async function redriveLetters(
  ctx: Pick<Ctx, "table" | "confirmations" | "now">,
  letterIds: readonly string[] | undefined,
): Promise<{ redriven: string[]; skipped: string[]; more: boolean }> {
  const redriven: string[] = [];
  const skipped: string[] = [];
  const { chosen, more } = await choose(ctx, letterIds);
  for (const [letterId, letter] of chosen) {
    const message = letter && letter.decision === "kept" ? readMessage(letter.body) : undefined;
    if (!letter || !message || "marker" in message) {
      skipped.push(letterId);
      continue;
    }
    await redrive(ctx, message, ctx.now());
    await letters.put(ctx, { ...letter, decision: "redriven", redrives: 0, decidedAt: ctx.now() });
    redriven.push(letterId);
  }
  return { redriven, skipped, more };
}

async function choose(
  ctx: Pick<Ctx, "table">,
  letterIds: readonly string[] | undefined,
): Promise<{ chosen: (readonly [string, Letter | undefined])[]; more: boolean }> {
  if (letterIds) {
    const chosen = await Promise.all(letterIds.map(async (id) => [id, await letters.get(ctx, id)] as const));
    return { chosen, more: false };
  }
  const chosen: (readonly [string, Letter])[] = [];
  let after: string | undefined;
  do {
    const page = await letters.page(ctx, { limit: limits.lettersMost, after });
    for (const letter of page.items)
      if (letter.decision === "kept" && letter.couponId) chosen.push([letter.letterId, letter]);
    after = page.after;
  } while (after !== undefined && chosen.length < limits.lettersMost);
  return {
    chosen: chosen.slice(0, limits.lettersMost),
    more: after !== undefined || chosen.length > limits.lettersMost,
  };
}
