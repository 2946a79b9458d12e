import * as z from "zod/mini";
import { ANSWER_WORDS, type AnswerWord } from "../../core/coupons/answer-words.ts";
import { FINDING_KINDS, type FindingKind } from "../../core/coupons/finding.ts";
import { DECISIONS } from "../../core/coupons/letters.ts";
import { limits } from "../../core/limits.ts";
import { campaign } from "./campaigns.ts";
import { contract } from "./contract.ts";
import { boardId, campaignId, cursorOut, pageQuery, roomId, timeOut, wholeIn } from "./fields.ts";

const door = z.object({ status: z.enum(["up", "down"]), ms: z.number() });

export const health = z.object({ status: z.enum(["up", "down"]), redis: door, queue: door, ledger: door });

export const showHealth = contract({
  method: "GET",
  path: "/health",
  who: "anyone",
  summary:
    "Whether Redis, queue and ledger answer, and in how many milliseconds; 503 with the same document when one does not",
  answers: { healthy: health, unhealthy: health },
  refusals: [],
});

export const showOpenapi = contract({
  method: "GET",
  path: "/openapi.json",
  who: "anyone",
  summary: "This document",
  answers: { found: z.record(z.string(), z.unknown()) },
  refusals: [],
});

const count = z.int().check(z.gte(0));
const kinds = Object.keys(FINDING_KINDS) as [FindingKind, ...FindingKind[]];

export const verification = z.object({
  campaignId,
  consistent: z.boolean(),
  verifiedAt: timeOut,
  coupons: count,
  holders: count,
  pending: count,
  free: count,
  issued: count,
  ...(Object.fromEntries(kinds.map((kind) => [kind, count])) as Record<FindingKind, typeof count>),
  repaired: count,
  findings: z.array(
    z.object({ kind: z.enum(kinds), ticket: count, userId: z.optional(z.string()), nth: z.optional(z.int()) }),
  ),
});

const status = z.enum(["up", "down"]);

/** Keys by their names in core/keys.ts; see docs/runbook.md, "Keys have the wrong lifetime". */
const keyFigures = z.object({
  keys: count,
  bytes: count,
  missingTtls: count,
  unwantedTtls: count,
  looked: count,
  /** Of a kind of which there are many only some were looked at. */
  isEstimate: z.boolean(),
  wrong: z.array(z.string()),
});

const server = z.object({
  runId: z.string(),
  version: z.string(),
  role: z.enum(["primary", "replica"]),
  offset: count,
  replicas: z.array(z.object({ state: z.string(), offset: count, gapBytes: count, lagSeconds: count })),
  usedBytes: count,
  maxBytes: count,
  policy: z.string(),
  fragmentation: z.number(),
  evictedKeys: count,
  expiredKeys: count,
});

const queue = z.object({ status, waiting: z.optional(count), inFlight: z.optional(count) });

/** Of what a store says nothing because it is away is left out. */
const signals = z.object({
  at: timeOut,
  redis: z.object({ status, servers: z.array(server), registry: z.optional(keyFigures) }),
  queues: z.object({ confirmations: queue, deadLetters: queue, events: queue }),
  ledger: z.object({ status }),
  campaigns: z.object({
    more: z.boolean(),
    items: z.array(
      z.object({
        campaignId,
        isLive: z.boolean(),
        keys: z.optional(keyFigures),
        outbox: z.optional(z.object({ depth: count, oldestMs: count })),
        verification: z.optional(
          z.nullable(z.object({ verifiedAt: timeOut, consistent: z.boolean(), findings: count })),
        ),
      }),
    ),
  }),
  rooms: z.object({ more: z.boolean(), items: z.array(z.object({ roomId, keys: z.optional(keyFigures) })) }),
  rankings: z.optional(z.object({ shards: count, keys: keyFigures, more: z.boolean() })),
  boards: z.object({ more: z.boolean(), items: z.array(z.object({ boardId, keys: z.optional(keyFigures) })) }),
  elsewhere: z.object({ oldestMessage: z.string(), memoryHits: z.string() }),
});

export const showSignals = contract({
  method: "GET",
  path: "/ops/signals",
  who: "operator",
  summary:
    "How Redis, queues and ledger stand: replication, memory, keys and their lifetimes, outboxes, depths, last verifications",
  answers: { found: signals },
  refusals: [],
});

/** How a campaign goes, and how far the ledger is behind: what whoever watches it asks for again and again. */
export const campaignWatch = z.extend(
  z.pick(campaign, { campaignId: true, state: true, version: true, stock: true, issued: true, remaining: true }),
  {
    at: timeOut,
    /** Issued, and not in the ledger yet. */
    pending: count,
    confirmed: count,
    oldestPendingMs: count,
    /** When one issued now can be expected to be confirmed; zero while nothing is pending. */
    expectedMs: count,
    /** When the ledger last refused a write of this campaign. */
    refusedAt: z.optional(timeOut),
  },
);

export const watchCampaign = contract({
  method: "GET",
  path: "/ops/campaigns/{campaignId}",
  who: "operator",
  summary: "How a campaign goes, live: issued, pending and confirmed, the oldest pending, what to expect",
  params: z.object({ campaignId }),
  answers: { found: campaignWatch },
  refusals: ["unknown", "unavailable"],
});

const perStep = z.array(count);

/** Answers to those who asked for a coupon: for each word one number a step, oldest first, as many as there are steps. */
const answers = z.object({
  campaignId,
  stepMs: count,
  /** The first step's beginning. */
  from: timeOut,
  /** The last step's end. The newest steps may still grow: figures come some seconds to a minute late. */
  to: timeOut,
  words: z.object(
    Object.fromEntries(ANSWER_WORDS.map((word) => [word, perStep])) as Record<AnswerWord, typeof perStep>,
  ),
});

export const showAnswers = contract({
  method: "GET",
  path: "/ops/campaigns/{campaignId}/answers",
  who: "operator",
  summary:
    "What those who asked for a coupon were answered, by word and second, over the last seconds; the newest figures come late",
  params: z.object({ campaignId }),
  query: z.object({
    seconds: z.optional(wholeIn(limits.answerSecondsLeast, limits.answerSecondsMost)),
  }),
  answers: { found: answers },
  refusals: ["unknown", "unavailable"],
});

export const verifyCampaign = contract({
  method: "POST",
  path: "/ops/campaigns/{campaignId}/verify",
  who: "operator",
  summary: "Compare a campaign's ledger, Redis and outbox as sets; repair=true mends what is provably safe to mend",
  params: z.object({ campaignId }),
  query: z.object({
    repair: z.optional(
      z.pipe(
        z.enum(["true", "false"]),
        z.transform((text) => text === "true"),
      ),
    ),
  }),
  body: z.optional(z.strictObject({})),
  answers: { verified: verification },
  refusals: ["unknown", "recovering", "unavailable"],
});

export const recoverCampaign = contract({
  method: "POST",
  path: "/ops/campaigns/{campaignId}/recover",
  who: "operator",
  summary: "Begin a recovery from the ledger; its progress stands in the campaign document",
  params: z.object({ campaignId }),
  body: z.optional(z.strictObject({})),
  answers: { accepted: campaign },
  refusals: ["unknown", "unavailable"],
});

const letter = z.object({
  letterId: z.string(),
  reason: z.string(),
  decision: z.enum(DECISIONS),
  redrives: count,
  campaignId: z.optional(z.string()),
  userId: z.optional(z.string()),
  ticket: z.optional(z.int()),
  couponId: z.optional(z.string()),
  firstAt: timeOut,
  decidedAt: timeOut,
});

export const listDeadLetters = contract({
  method: "GET",
  path: "/ops/dead-letters",
  who: "operator",
  summary: "Dead letters: what is there, why, and what was decided",
  query: pageQuery,
  answers: {
    listed: z.object({
      items: z.array(letter),
      /** Not decided yet. */
      queue: z.object({ waiting: count, inFlight: count }),
      cursor: cursorOut,
    }),
  },
  refusals: ["unavailable"],
});

export const redriveDeadLetters = contract({
  method: "POST",
  path: "/ops/dead-letters/redrive",
  who: "operator",
  summary: "Send kept dead letters round again: those named, or all that are kept",
  body: z.optional(
    z.strictObject({
      letterIds: z.optional(
        z
          .array(z.string().check(z.minLength(1), z.maxLength(limits.cursorLength)))
          .check(z.minLength(1), z.maxLength(limits.lettersMost)),
      ),
    }),
  ),
  answers: {
    redriven: z.object({ redriven: z.array(z.string()), skipped: z.array(z.string()), more: z.boolean() }),
  },
  refusals: ["unavailable"],
});
