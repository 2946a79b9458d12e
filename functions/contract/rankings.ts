import * as z from "zod/mini";
import { limits } from "../../core/limits.ts";
import { BREAKER_MODES, EVENT_TYPES } from "../../core/rankings/states.ts";
import { WINDOWS } from "../../core/rankings/windows.ts";
import { contract } from "./contract.ts";
import { boardId, cursorOut, idempotencyKey, pageQuery, timeIn, timeOut } from "./fields.ts";

const NAME = new RegExp(`^[\\w.~:@-]{1,${limits.productIdLength}}$`, "u");
const NAME_TEXT = `1 to ${limits.productIdLength} of letters, digits and . _ ~ : @ -`;
const productId = z.string().check(z.regex(NAME, NAME_TEXT));
const category = z.string().check(z.regex(NAME, NAME_TEXT));

const count = z.int().check(z.gte(0));
const weight = z.int().check(z.gte(-limits.weightMost), z.lte(limits.weightMost));
const weights = z.strictObject({ view: weight, like: weight, cart: weight, sale: weight, revenue: weight });

const rulesFields = {
  weights,
  halfLifeHours: z.number().check(z.gte(0.25), z.lte(limits.halfLifeHoursMost)),
};
const size = z.int().check(z.gte(1), z.lte(limits.boardSizeMost));

const version = z.object({
  ...rulesFields,
  size,
  category: z.optional(category),
  version: count,
  createdAt: timeOut,
});
const window = z.enum(WINDOWS);

/** How the newest version's first places differ from those of the one before. */
const displacement = z.object({
  version: count,
  windows: z.array(z.object({ window, compared: count, overlap: z.number(), meanMove: z.number(), mostMove: count })),
});

export const board = z.object({
  boardId,
  /** Whether a version is published; `building` until the first is. */
  state: z.enum(["building", "live"]),
  ...rulesFields,
  size,
  category: z.optional(category),
  version: count,
  /** Kept up: it can be switched back to. */
  previous: z.optional(version),
  /** Built beside, or still being built. */
  next: z.optional(z.extend(version, { state: z.enum(["building", "built"]), takesOver: z.boolean() })),
  displacement: z.optional(displacement),
});

export const putBoard = contract({
  method: "PUT",
  path: "/boards/{boardId}",
  who: "operator",
  summary:
    "Make a board, or build a new version beside the published one, which then takes over; with switch=false it waits, and the answer says what would change",
  params: z.object({ boardId }),
  query: z.object({
    switch: z.optional(
      z.pipe(
        z.enum(["true", "false"]),
        z.transform((text) => text === "true"),
      ),
    ),
  }),
  body: z.strictObject({ ...rulesFields, size: z._default(size, 1_000), category: z.optional(category) }),
  answers: { changed: board, unchanged: board },
  refusals: ["conflict", "unavailable"],
});

export const listBoards = contract({
  method: "GET",
  path: "/boards",
  who: "operator",
  summary: "All boards, a page at a time",
  query: pageQuery,
  answers: { listed: z.object({ items: z.array(board), cursor: cursorOut }) },
  refusals: ["unavailable"],
});

export const showBoard = contract({
  method: "GET",
  path: "/boards/{boardId}",
  who: "operator",
  summary: "One board with its versions, and how the newest differs from the one before",
  params: z.object({ boardId }),
  answers: { found: board },
  refusals: ["unknown", "unavailable"],
});

export const switchBoard = contract({
  method: "POST",
  path: "/boards/{boardId}/switch",
  who: "operator",
  summary: "Let another version take over at once: the one before, or one that was built and waits",
  params: z.object({ boardId }),
  body: z.strictObject({ version: z.int().check(z.gte(1)) }),
  answers: { changed: board, unchanged: board },
  refusals: ["unknown", "conflict", "unavailable"],
});

const event = z.strictObject({
  type: z.enum(EVENT_TYPES),
  productId,
  category: z.optional(category),
  quantity: z._default(z.int().check(z.gte(1), z.lte(limits.quantityMost)), 1),
  amount: z._default(z.int().check(z.gte(0), z.lte(limits.amountMost)), 0),
  at: z.optional(timeIn),
  /** Who viewed; a digest of it is looked up, and nothing is kept. */
  actorId: z.optional(z.string().check(z.minLength(1), z.maxLength(limits.actorIdLength))),
});

export const ingestEvents = contract({
  method: "POST",
  path: "/events",
  who: "events",
  summary: "Count a batch of product events, once however often it is sent with this key",
  headers: z.object({ "idempotency-key": idempotencyKey }),
  body: z.strictObject({
    events: z.array(event).check(z.minLength(1), z.maxLength(limits.eventsMost)),
  }),
  answers: {
    /** `late`: events older than seven days, which count in no window. */
    accepted: z.object({ batchId: z.string(), accepted: count, late: count }),
  },
  refusals: ["unavailable"],
});

const source = z.enum(["live", "snapshot"]);
/** A generation and a place in it. */
const place = z.pipe(
  z.string().check(z.regex(/^[\w-]{2,40}$/, "A cursor from the page before")),
  z.pipe(
    z.transform((text: string) => Buffer.from(text, "base64url").toString("latin1")),
    z.pipe(
      z.string().check(z.regex(/^[0-9]{13,16}\.[0-9]{1,5}$/, "A cursor from the page before")),
      z.transform((text: string) => {
        const [generation = "", offset = ""] = text.split(".");
        return { generation: Number(generation), offset: Number(offset) };
      }),
    ),
  ),
);

export const showTop = contract({
  method: "GET",
  path: "/boards/{boardId}/top",
  who: "anyone",
  summary: "A board's first places, a page at a time; with a cursor, in the generation in which it began",
  params: z.object({ boardId }),
  query: z.object({ window: z._default(window, "24h"), limit: pageQuery.shape.limit, cursor: z.optional(place) }),
  answers: {
    found: z.object({
      boardId,
      window,
      version: count,
      generation: count,
      publishedAt: timeOut,
      source,
      ageMs: count,
      /** Products that the board lists in all. */
      of: count,
      items: z.array(
        z.object({
          rank: z.int().check(z.gte(1)),
          productId,
          score: z.number(),
          change: z.union([z.int(), z.literal("new")]),
        }),
      ),
      cursor: cursorOut,
    }),
  },
  refusals: ["unknown", "unavailable"],
});

const sums = z.object({
  views: z.number(),
  likes: z.number(),
  carts: z.number(),
  units: z.number(),
  amount: z.number(),
});

export const showProduct = contract({
  method: "GET",
  path: "/boards/{boardId}/products/{productId}",
  who: "anyone",
  summary: "One product's rank and score in a window, and what the score is made of; rank null where it is not listed",
  params: z.object({ boardId, productId }),
  query: z.object({ window: z._default(window, "24h") }),
  answers: {
    found: z.object({
      boardId,
      window,
      productId,
      rank: z.nullable(z.int().check(z.gte(1))),
      score: z.number(),
      of: count,
      metrics: sums,
      contributions: z.array(
        z.object({
          metric: z.keyof(sums),
          value: z.number(),
          weight: z.int(),
          score: z.number(),
          share: z.number(),
        }),
      ),
      version: count,
      source,
      ageMs: count,
    }),
  },
  refusals: ["unknown", "unavailable"],
});

const breaker = z.object({
  state: z.enum(["closed", "open"]),
  mode: z.enum(BREAKER_MODES),
  since: z.optional(timeOut),
});

export const setBreaker = contract({
  method: "PUT",
  path: "/ops/breaker",
  who: "operator",
  summary: "The switch before Redis for reads of boards: auto, or always live, or always from snapshots",
  body: z.strictObject({ mode: z.enum(BREAKER_MODES) }),
  answers: { changed: breaker },
  refusals: ["conflict", "unavailable"],
});

const edition = z.object({
  id: count,
  state: z.enum(["live", "building"]),
  reason: z.string(),
  openedAt: timeOut,
  halfLives: z.array(z.number()),
  step: z.optional(z.enum(["waiting", "loading", "scoring"])),
  rows: z.optional(count),
});

export const rankings = z.object({
  editions: z.array(edition),
  lastRebuild: z.optional(
    z.object({
      edition: count,
      reason: z.string(),
      startedAt: timeOut,
      finishedAt: timeOut,
      rows: count,
      comparedShards: count,
      equalShards: count,
      leastOverlap: z.number(),
    }),
  ),
  shards: z.array(z.object({ shard: count, isOpen: z.boolean(), products: count, changed: count, buckets: count })),
  queue: z.object({ waiting: count, inFlight: count }),
  breaker,
  boards: z.array(z.object({ boardId, version: count, window, generation: count, ageMs: count })),
});

export const showRankings = contract({
  method: "GET",
  path: "/ops/rankings",
  who: "operator",
  summary:
    "How the rankings are: editions, the last rebuild, shards, what waits, the breaker, the age of each generation",
  answers: { found: rankings },
  refusals: ["unavailable"],
});

export const rebuildRankings = contract({
  method: "POST",
  path: "/ops/rankings/rebuild",
  who: "operator",
  summary:
    "Begin to rebuild all windows from the raw batches, beside the live ones; its progress stands in GET /ops/rankings",
  body: z.optional(z.strictObject({})),
  answers: { accepted: rankings },
  refusals: ["unavailable"],
});
