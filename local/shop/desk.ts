import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "undici";
import * as z from "zod/mini";
import { NoRush } from "../rush/stack.ts";
import { BOARDS, type Window } from "./boards.ts";
import type { Clock } from "./clock.ts";

const TIMEOUT_MS = 60_000;
const PATIENCE_MS = 60_000;
const PAUSE_MS = 50;
/** Tokens last twelve hours of the stack's time. */
const MINT_AFTER_MS = 6 * 3_600_000;
/** Of a page: other than what pages are stored in. */
const PAGE_ITEMS = 77;

const tokensSchema = z.object({ tokens: z.record(z.string(), z.string()) });
/** How a rebuild went. */
export const rebuildSchema = z.object({
  edition: z.int(),
  reason: z.string(),
  rows: z.int(),
  comparedShards: z.int(),
  equalShards: z.int(),
  leastOverlap: z.number(),
});
const statusSchema = z.object({
  editions: z.array(
    z.object({
      ...{ id: z.int(), state: z.string(), openedAt: z.string() },
      ...{ halfLives: z.array(z.number()), step: z.optional(z.string()) },
    }),
  ),
  shards: z.array(z.object({ products: z.int() })),
  queue: z.object({ waiting: z.int(), inFlight: z.int() }),
  boards: z.array(z.object({ boardId: z.string() })),
});
const expiredSchema = z.object({
  resent: z.int(),
  stranded: z.int(),
  expired: z.array(z.object({ buckets: z.int(), rows: z.int() })),
});
const publishedSchema = z.object({ generations: z.int() });
const topSchema = z.object({
  generation: z.int(),
  publishedAt: z.string(),
  source: z.string(),
  of: z.int(),
  items: z.array(z.object({ rank: z.int(), productId: z.string(), score: z.number() })),
  cursor: z.optional(z.string()),
});
const productSchema = z.object({
  rank: z.nullable(z.int()),
  score: z.number(),
  of: z.int(),
  metrics: z.object({
    views: z.number(),
    likes: z.number(),
    carts: z.number(),
    units: z.number(),
    amount: z.number(),
  }),
  contributions: z.array(z.object({ metric: z.string(), score: z.number() })),
  source: z.string(),
});

export type RankingsStatus = z.infer<typeof statusSchema>;
export type Rebuild = z.infer<typeof rebuildSchema>;
export type ProductAnswer = z.infer<typeof productSchema>;
type TopPage = z.infer<typeof topSchema>;

/** What the shop's operator and its visitors ask, over connections of their own. Asked again until it is answered. */
export interface Desk {
  /** A token for those who send events, as long as it is good. */
  sendersToken(): Promise<string>;
  putBoards(): Promise<void>;
  status(): Promise<RankingsStatus>;
  /** Lets events leave their windows, and sends batches again that may not be in the queue. */
  expire(): Promise<z.infer<typeof expiredSchema>>;
  /** Buckets and rows that left their tiers in those calls. */
  expired(): { readonly buckets: number; readonly rows: number };
  publish(): Promise<z.infer<typeof publishedSchema>>;
  /** One step of a rebuild, if one is under way. */
  rebuild(): Promise<void>;
  /** Every page of a board, from the first to the last. */
  top(boardId: string, window: Window): Promise<readonly TopPage[]>;
  /** @returns undefined where nothing is known of the product */
  product(boardId: string, productId: string, window: Window): Promise<ProductAnswer | undefined>;
  close(): Promise<void>;
}

interface Call {
  readonly method: "GET" | "POST" | "PUT";
  readonly path: string;
  readonly body?: unknown;
  readonly isOperators?: boolean;
  /** Status besides 2xx that is an answer. */
  readonly also?: number;
}

export function openDesk(api: string, clock: Clock): Desk {
  const pool = new Pool(api, { connections: 4, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS });
  const minted = new Map<string, { token: Promise<string>; at: number }>();

  async function attempt({ method, path, body, isOperators = false }: Call) {
    const headers = {
      ...(isOperators ? { authorization: `Bearer ${await tokenOf("operator")}` } : {}),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    };
    const answer = await pool.request({
      method,
      path,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
    });
    return { status: answer.statusCode, text: await answer.body.text() };
  }

  /** All that is asked here may be asked again. */
  async function insist(call: Call): Promise<{ status: number; text: string }> {
    const until = performance.now() + PATIENCE_MS;
    for (;;) {
      let said = "no answer";
      try {
        const answer = await attempt(call);
        if (answer.status < 300 || answer.status === call.also) return answer;
        said = `${answer.status}: ${answer.text.slice(0, 500)}`;
        if (answer.status < 500) throw new NoRush(`${call.method} ${call.path} was answered with ${said}`);
      } catch (error) {
        if (error instanceof NoRush) throw error;
        said = String(error);
      }
      if (performance.now() > until) throw new NoRush(`${call.method} ${call.path} was answered with ${said}`);
      await sleep(PAUSE_MS);
    }
  }

  const ask = async <T>(schema: z.ZodMiniType<T>, call: Call): Promise<T> =>
    z.parse(schema, JSON.parse((await insist(call)).text));

  function tokenOf(scope: "operator" | "events"): Promise<string> {
    const known = minted.get(scope);
    if (known && clock.now() - known.at < MINT_AFTER_MS) return known.token;
    const subject = `shop-${scope}`;
    const body = { subjects: [subject], scope };
    const token = ask(tokensSchema, { method: "POST", path: "/_local/tokens", body }).then(
      ({ tokens }) => tokens[subject] ?? "",
    );
    minted.set(scope, { token, at: clock.now() });
    return token;
  }

  const left = { buckets: 0, rows: 0 };
  const run = (name: string): Call => ({ method: "POST", path: `/_local/schedules/${name}/run` });

  return {
    sendersToken: () => tokenOf("events"),

    async putBoards() {
      for (const { boardId, ...body } of BOARDS) {
        await insist({ method: "PUT", path: `/boards/${boardId}`, body, isOperators: true });
      }
    },

    status: () => ask(statusSchema, { method: "GET", path: "/ops/rankings", isOperators: true }),
    async expire() {
      const result = await ask(expiredSchema, run("expire"));
      for (const { buckets, rows } of result.expired) {
        left.buckets += buckets;
        left.rows += rows;
      }
      return result;
    },
    expired: () => left,
    publish: () => ask(publishedSchema, run("publish")),
    async rebuild() {
      await insist(run("rebuild"));
    },

    async top(boardId, window) {
      const pages: TopPage[] = [];
      let cursor: string | undefined;
      do {
        const query = `window=${window}&limit=${PAGE_ITEMS}${cursor === undefined ? "" : `&cursor=${cursor}`}`;
        const page: TopPage = await ask(topSchema, { method: "GET", path: `/boards/${boardId}/top?${query}` });
        pages.push(page);
        cursor = page.cursor;
      } while (cursor !== undefined);
      return pages;
    },

    async product(boardId, productId, window) {
      const path = `/boards/${boardId}/products/${encodeURIComponent(productId)}?window=${window}`;
      const { status, text } = await insist({ method: "GET", path, also: 404 });
      return status === 404 ? undefined : z.parse(productSchema, JSON.parse(text));
    },

    close: () => pool.close(),
  };
}
