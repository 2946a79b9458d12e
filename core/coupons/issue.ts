import type { Ctx } from "../context.ts";
import { StoreUnavailable } from "../context.ts";
import { keys } from "../keys.ts";
import { limits } from "../limits.ts";
import { defineScript, UnexpectedReply } from "../lua.ts";
import { memberOf } from "../member.ts";
import type { Trace } from "../trace.ts";
import type { Refusal } from "../words.ts";
import { homeOf } from "./allotment.ts";
import { aboutMemory, type CampaignAbout, refuse, refuseMissing } from "./campaign.ts";
import { confirmationOf, messageOf } from "./confirmation.ts";
import type { Coupon } from "./coupon.ts";
import issueText from "./issue.lua";
import { bucketOf, keyDigest } from "./member.ts";
import type { SoldOutMemory } from "./sold-out.ts";

export type IssueReply =
  | { word: "issued"; nth: number; ticket: number; outboxId: string; etaMs: number; epoch: number }
  | { word: "replayed"; nth: number; ticket: number; issuedAt: number; etaMs: number }
  | { word: "sold-out"; version: number }
  | { word: "not-open"; opensAt: number; now: number }
  | { word: "limit-reached" }
  | { word: "pass-required" }
  | { word: "closed" }
  | { word: "paused" }
  | { word: "recovering" }
  | { word: "missing" };

export const issueScript = defineScript(
  "issue",
  issueText,
  ["tally", "bucket", "outbox", "free"],
  ["member", "perUser", "user", "key", "replayOnly"],
  (raw): IssueReply => {
    const [word, ...facts] = Array.isArray(raw) ? raw : [];
    const [first = 0, second = 0, nth = 0, etaMs = 0, epoch = 0] = facts.map(Number);
    switch (word) {
      case "issued":
        return { word, outboxId: String(facts[0]), ticket: second, nth, etaMs, epoch };
      case "replayed":
        return { word, issuedAt: first, ticket: second, nth, etaMs };
      case "sold-out":
        return { word, version: first };
      case "not-open":
        return { word, opensAt: first, now: second };
      case "limit-reached":
      case "pass-required":
      case "closed":
      case "paused":
      case "recovering":
      case "missing":
        return { word };
      default:
        throw new UnexpectedReply("issue", raw);
    }
  },
);

/** The keys and arguments with which a user asks for a coupon of a campaign. */
export function issueCall(
  about: Pick<CampaignAbout, "campaignId" | "buckets" | "perUser">,
  userId: string,
  member: Buffer,
  key: Buffer,
  replayOnly = false,
) {
  const { campaignId, buckets, perUser } = about;
  return {
    keys: {
      tally: keys.tally(campaignId),
      bucket: keys.holders(campaignId, bucketOf(userId, buckets)),
      outbox: keys.outbox(campaignId),
      free: keys.free(campaignId),
    },
    args: {
      member,
      perUser: perUser === 1 ? "" : perUser,
      user: member.equals(Buffer.from(userId)) ? "" : userId,
      key,
      replayOnly: replayOnly ? "1" : "",
    },
  };
}

export interface IssueRequest {
  readonly campaignId: string;
  readonly userId: string;
  readonly idempotencyKey?: string | undefined;
  /** Goes with the confirmation into the ledger. */
  readonly trace?: Trace | undefined;
  /** Asked where the campaign stands behind a waiting room: why this user may not pass, if so. Without it nobody passes. */
  readonly stop?: ((roomId: string) => Promise<Stop | undefined>) | undefined;
}

/** Why somebody may not pass a waiting room. */
export interface Stop {
  readonly refusal: Refusal;
  /** Whether this user was inside once: an earlier answer may be heard again, though nothing new is given. */
  readonly mayReplay: boolean;
}

/** What whoever has no valid pass of a room hears. */
export const needsPass = (campaignId: string, roomId: string): Refusal => ({
  word: "pass-required",
  detail: `Campaign "${campaignId}" stands behind waiting room "${roomId}": a valid pass of yours is needed.`,
  facts: { roomId },
});

/**
 * Coupon to a user, or why not.
 * - `issued`: now, and SQS has acknowledged its confirmation: it will be in the ledger whatever Redis does
 * - `accepted`: now, and so far only Redis has it: the sweeper sends it as soon as SQS answers
 * - `replayed`: the same user and key came before; the coupon as it was first answered
 *
 * The coupon in the answer is the issuance as it was decided: always `pending`, and equal in every replay. What has become
 * of it since is told by `mine`.
 */
export type IssueResult = { readonly word: "issued" | "accepted" | "replayed"; readonly coupon: Coupon } | Refusal;

type IssueCtx = Pick<Ctx, "redis" | "confirmations" | "couponSecret" | "now" | "log">;

/**
 * Makes the verb that issues coupons. What it remembers between calls (campaigns' unchanging facts, sold-out answers) is
 * made here and owned by the caller's container.
 */
export function issuer(soldOut: SoldOutMemory): (ctx: IssueCtx, request: IssueRequest) => Promise<IssueResult> {
  const recall = aboutMemory();

  return async (ctx, request) => {
    const { campaignId, userId } = request;
    const about = await recall(ctx, campaignId);
    if (!about) return refuseMissing(ctx, campaignId);
    const { roomId } = about;
    const nobody = roomId === undefined ? undefined : { refusal: needsPass(campaignId, roomId), mayReplay: false };
    const stopped = roomId !== undefined && request.stop ? await request.stop(roomId) : nobody;
    if (stopped && !stopped.mayReplay) return stopped.refusal;

    const { allotment } = about;
    if (allotment && homeOf(userId, allotment.of) !== allotment.index) {
      return {
        word: "forbidden",
        detail: `Your coupons are in allotment ${homeOf(userId, allotment.of)} of ${allotment.of}; this is ${allotment.index}.`,
        facts: { home: homeOf(userId, allotment.of) },
      };
    }

    const member = memberOf(userId);
    if (!stopped && soldOut.covers(ctx.now(), campaignId, member))
      return refusalOf({ word: "sold-out", version: 0 }, request);

    const key = keyDigest(request.idempotencyKey);
    const keyText = key.toString("hex");
    const call = issueCall(about, userId, member, key, stopped !== undefined);
    const askedAt = ctx.now();
    const reply = await ctx.redis.run(issueScript, call.keys, call.args);

    if (reply.word === "issued") return publish(ctx, about, request, reply, keyText, askedAt);
    if (reply.word === "replayed") {
      const { ticket, nth, issuedAt, etaMs } = reply;
      const issuance = { campaignId, userId, ticket, nth, issuedAt };
      return { word: "replayed", coupon: pendingCoupon(ctx, about, issuance, keyText, etaMs).coupon };
    }
    if (stopped) return stopped.refusal;
    if (reply.word === "pass-required") throw new Error("nobody had asked for an earlier answer only");
    if (reply.word === "missing") return refuseMissing(ctx, campaignId);
    if (reply.word === "sold-out") await soldOut.learn(ctx, about, reply.version);
    return refusalOf(reply, request);
  };
}

function pendingCoupon(
  ctx: Pick<Ctx, "couponSecret">,
  about: CampaignAbout,
  issuance: { campaignId: string; userId: string; ticket: number; nth: number; issuedAt: number },
  keyText: string,
  etaMs: number,
) {
  const confirmation = confirmationOf(issuance, about, ctx.couponSecret, keyText);
  const { couponId, expiresAt } = confirmation;
  const coupon: Coupon = {
    couponId,
    ...issuance,
    state: "pending",
    ...(expiresAt === undefined ? {} : { expiresAt }),
    etaMs,
  };
  return { coupon, confirmation };
}

async function publish(
  ctx: IssueCtx,
  about: CampaignAbout,
  { userId, trace }: IssueRequest,
  reply: IssueReply & { word: "issued" },
  keyText: string,
  askedAt: number,
): Promise<IssueResult> {
  const { ticket, nth, outboxId, etaMs, epoch } = reply;
  const issuedAt = Number(outboxId.slice(0, outboxId.indexOf("-")));
  const issuance = { campaignId: about.campaignId, userId, ticket, nth, issuedAt };
  const { coupon, confirmation } = pendingCoupon(ctx, about, issuance, keyText, etaMs);
  try {
    await ctx.confirmations.send(messageOf({ confirmation, outboxId, epoch, trace }));
    // A recovery that began meanwhile waits this long for messages of a 201, and no longer.
    return { word: ctx.now() - askedAt <= limits.toldWithinMs ? "issued" : "accepted", coupon };
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    // Unclear, not failed: the message may have arrived. The ticket stays with its holder and the outbox entry stays for the sweeper.
    const { campaignId } = about;
    ctx.log("publish-unclear", { campaignId, ticket, requestId: trace?.requestId, reason: error.message });
    return { word: "accepted", coupon };
  }
}

function refusalOf(
  reply: Exclude<IssueReply, { word: "issued" | "replayed" | "missing" | "pass-required" }>,
  request: IssueRequest,
): Refusal {
  const { campaignId } = request;
  switch (reply.word) {
    case "sold-out":
      return { word: "sold-out", detail: `Campaign "${campaignId}" has no coupon left.` };
    case "limit-reached":
      return { word: "limit-reached", detail: `You hold as many coupons of campaign "${campaignId}" as one user may.` };
    case "closed":
      return { word: "closed", detail: `Campaign "${campaignId}" is over.` };
    case "paused":
      return {
        word: "paused",
        detail: `Campaign "${campaignId}" is paused by its operator.`,
        retryAfterMs: 5 * limits.retryAfterMs,
      };
    case "recovering":
      return refuse.recovering(campaignId);
    case "not-open":
      return {
        word: "not-open",
        detail: `Campaign "${campaignId}" has not opened yet.`,
        retryAfterMs: Math.max(1, reply.opensAt - reply.now),
        facts: { opensAt: new Date(reply.opensAt).toISOString() },
      };
  }
}
