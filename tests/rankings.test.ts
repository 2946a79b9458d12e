import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Ctx } from "../core/context.ts";
import { limits } from "../core/limits.ts";
import { putBoard } from "../core/rankings/board.ts";
import { boards } from "../core/rankings/board-records.ts";
import { setBreaker } from "../core/rankings/breaker.ts";
import { editions, liveOf } from "../core/rankings/edition-records.ts";
import { ingest, type SentEvent } from "../core/rankings/ingest.ts";
import { publisher } from "../core/rankings/publish.ts";
import { reader } from "../core/rankings/read.ts";
import { isRefusal } from "../core/words.ts";
import { type Answer, client, eventually, sharedStack, unique } from "./setup/client.ts";
import { type Parts, startParts } from "./setup/parts.ts";
import { allRecords, Crash, crashing, type EventsPump, openEventsPump } from "./setup/rankings.ts";

/** Rankings as a shop sees them: over HTTP, against what the contract says. */

const shop = client(sharedStack().api);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const iso = (ms: number) => new Date(ms).toISOString();

/** Each a power of ten, so that a score tells what it is made of. */
const WEIGHTS = { view: 1, like: 100, cart: 10_000, sale: 1_000_000, revenue: 3 };

let operator: string;
let sender: string;
beforeAll(async () => {
  [operator, sender] = await Promise.all([shop.token("olga", "operator"), shop.token("shop", "events")]);
});

interface Board {
  readonly boardId: string;
  /** Its own, so that no other test's products stand on it. */
  readonly category: string;
  readonly path: string;
}

const put = (boardId: string, content: object, query = "") =>
  shop.call("PUT", `/boards/${boardId}${query}`, { token: operator, body: content });
const rulesOf = (content: object = {}) => ({ weights: WEIGHTS, halfLifeHours: 24, ...content });

async function openBoard(content: object = {}): Promise<Board> {
  const boardId = unique("b");
  const category = unique("cat");
  const { status, body } = await put(boardId, rulesOf({ category, ...content }));
  expect({ status, body }).toMatchObject({ status: 200 });
  return { boardId, category, path: `/boards/${boardId}` };
}

const send = (events: object[], { key = unique("k"), token = sender }: { key?: string; token?: string } = {}) =>
  shop.call("POST", "/events", { token, body: { events }, headers: { "idempotency-key": key } });

async function accepted(events: object[]): Promise<void> {
  const { status, body } = await send(events);
  expect({ status, body }).toMatchObject({ status: 202, body: { accepted: events.length, late: 0 } });
}

const top = (board: Board, query = "window=1h") => shop.call("GET", `${board.path}/top?${query}`);
const listOf = ({ body }: Answer): [string, number][] =>
  (body.items ?? []).map((it: { productId: string; score: number }) => [it.productId, it.score]);

/** Lets the schedule publish now, and reads. */
async function published(board: Board, query?: string): Promise<Answer> {
  await shop.call("POST", "/_local/schedules/publish/run");
  return top(board, query);
}

/** Waits until the board shows these products with these scores, in this order. */
async function shows(board: Board, expected: [string, number][], query?: string): Promise<Answer> {
  return eventually(
    () => published(board, query),
    (answer) => answer.status === 200 && JSON.stringify(listOf(answer)) === JSON.stringify(expected),
  );
}

const product = (board: Board, productId: string, window = "1h") =>
  shop.call("GET", `${board.path}/products/${productId}?window=${window}`);

// ── Counting ────────────────────────────────────────────────────────────────────────────────────────────────────────────

describe("events count", () => {
  test("by their type, quantity and amount; refunds take away; what comes to nothing is not listed", async () => {
    const board = await openBoard();
    const { category } = board;
    const [all, lean, gone] = [unique("p"), unique("p"), unique("p")];
    await accepted([
      { type: "view", productId: all, category },
      { type: "view", productId: all, quantity: 4 },
      { type: "like", productId: all, quantity: 2 },
      { type: "cart", productId: all, quantity: 3 },
      { type: "sale", productId: all, quantity: 5, amount: 1_000 },
      { type: "refund", productId: all, quantity: 1, amount: 200 },
      // Without quantity and amount: one, and nothing.
      { type: "sale", productId: lean, category },
      // Views and likes are worth no amount, whatever is sent with them.
      { type: "view", productId: lean, amount: 7_000 },
      { type: "sale", productId: gone, category, quantity: 2, amount: 300 },
      { type: "refund", productId: gone, quantity: 2, amount: 300 },
    ]);
    const metrics = { views: 5, likes: 2, carts: 3, units: 4, amount: 800 };
    const score = 5 + 200 + 30_000 + 4_000_000 + 2_400;
    const expected: [string, number][] = [
      [all, score],
      [lean, 1_000_001],
    ];
    for (const window of ["1h", "24h", "7d"]) {
      const { body } = await shows(board, expected, `window=${window}`);
      expect(body).toMatchObject({ boardId: board.boardId, window, version: 1, source: "live", of: 2 });
      expect(body.items.map((it: { rank: number }) => it.rank)).toEqual([1, 2]);
      const explained = await product(board, all, window);
      expect(explained.body).toMatchObject({ rank: 1, score, of: 2, metrics, source: "live", ageMs: 0 });
    }
    expect((await product(board, gone)).body).toMatchObject({ rank: null, score: 0, of: 2 });
  });

  test("in the windows that their time lies in", async () => {
    const board = await openBoard();
    const [now, hours, days] = [unique("p"), unique("p"), unique("p")];
    const event = (productId: string, age: number) => ({
      ...{ type: "view", productId, category: board.category },
      ...{ at: iso(Date.now() - age) },
    });
    await accepted([event(now, 0), event(hours, 2 * HOUR), event(days, 30 * HOUR), event(now, 3 * DAY)]);
    await shows(board, [[now, 1]], "window=1h");
    const day: [string, number][] = [
      [now, 1],
      [hours, 1],
    ];
    await shows(board, day.sort().reverse(), "window=24h");
    const rest: [string, number][] = [
      [hours, 1],
      [days, 1],
    ];
    await shows(board, [[now, 2], ...rest.sort().reverse()], "window=7d");
    // Trending: by what is left of each, an event of three days ago still a little.
    const { body } = await eventually(
      () => published(board, "window=trending"),
      (answer) => listOf(answer).length === 3,
    );
    expect(body.items.map((it: { productId: string }) => it.productId)).toEqual([now, hours, days]);
    // A view now counts as one at most, one of three half-lives ago as an eighth; nothing counts in between.
    const [first, second, third] = listOf({ body } as Answer).map(([, score]) => score);
    expect(first).toBeGreaterThan(1);
    expect(first).toBeLessThanOrEqual(1.125);
    expect(second).toBeCloseTo(2 ** (-2 / 24), 1);
    expect(third).toBeCloseTo(2 ** (-30 / 24), 1);
  });

  test("against a product where a weight is below 0", async () => {
    const board = await openBoard({ weights: { view: -1, like: 10, cart: 0, sale: 0, revenue: 0 } });
    const [good, zero, bad] = [unique("p"), unique("p"), unique("p")];
    const event = (type: string, productId: string, quantity: number) => ({
      ...{ type, productId, quantity, category: board.category },
    });
    await accepted([
      event("like", good, 3),
      event("view", good, 12),
      event("like", zero, 1),
      event("view", zero, 10),
      event("view", bad, 2),
    ]);
    await shows(board, [[good, 18]]);
    expect((await product(board, bad)).body).toMatchObject({ rank: null, score: -2, of: 1 });
    // Its shares are of what was added and taken together.
    const { body } = await product(board, good);
    expect(body.contributions).toMatchObject([
      { metric: "views", value: 12, weight: -1, score: -12, share: 12 / 42 },
      { metric: "likes", value: 3, weight: 10, score: 30, share: 30 / 42 },
      { metric: "carts", score: 0, share: 0 },
      { metric: "units", score: 0, share: 0 },
      { metric: "amount", score: 0, share: 0 },
    ]);
  });

  test("on the board of the product's category, and on every board that has none", async () => {
    const [shoes, hats] = [await openBoard(), await openBoard()];
    const everything = unique("b");
    expect((await put(everything, rulesOf({ size: limits.boardSizeMost }))).status).toBe(200);
    const [boot, cap, bare] = [unique("p"), unique("p"), unique("p")];
    await accepted([
      { type: "view", productId: boot, category: shoes.category, quantity: 3 },
      { type: "view", productId: cap, category: hats.category, quantity: 2 },
      { type: "view", productId: bare, quantity: 1 },
    ]);
    await shows(shoes, [[boot, 3]]);
    await shows(hats, [[cap, 2]]);
    const overall = { boardId: everything, category: "", path: `/boards/${everything}` };
    for (const [productId, score] of [
      [boot, 3],
      [cap, 2],
      [bare, 1],
    ] as const) {
      const { body } = await eventually(
        () => product(overall, productId),
        (answer) => typeof answer.body.rank === "number",
      );
      expect(body.score).toBe(score);
    }
    expect((await product(shoes, cap)).body).toMatchObject({ rank: null });
  });

  test("for the category that was told last, by the time of the event and not of its coming", async () => {
    const [shoes, hats] = [await openBoard(), await openBoard()];
    const productId = unique("p");
    const event = (category: string, age: number) => ({
      ...{ type: "view", productId, category, at: iso(Date.now() - age) },
    });
    await accepted([event(shoes.category, 20 * MINUTE)]);
    await shows(shoes, [[productId, 1]]);
    await accepted([event(hats.category, 10 * MINUTE)]);
    await shows(hats, [[productId, 2]]);
    await shows(shoes, []);
    await accepted([event(shoes.category, 15 * MINUTE), { type: "view", productId }]);
    await shows(hats, [[productId, 4]]);
    await shows(shoes, []);
  });

  test("up to what a number holds exactly, and no further", async () => {
    const board = await openBoard({ weights: { view: 1, like: 0, cart: 0, sale: 0, revenue: 1_000_000 } });
    const [rich, poor] = [unique("p"), unique("p")];
    await accepted([
      { type: "sale", productId: rich, category: board.category, amount: limits.amountMost },
      { type: "view", productId: poor, category: board.category, quantity: limits.quantityMost },
    ]);
    await shows(board, [
      [rich, Number.MAX_SAFE_INTEGER],
      [poor, limits.quantityMost],
    ]);
  });

  test("of views of one actor only the first few an hour", async () => {
    const board = await openBoard();
    const productId = unique("p");
    // All in one hour, whatever the clock says meanwhile.
    const at = iso(Date.now());
    const view = (content: object = {}) => ({ type: "view", productId, category: board.category, at, ...content });
    const bot = { actorId: unique("bot") };
    await accepted([
      view({ ...bot, quantity: 7 }),
      view({ ...bot, quantity: 7 }),
      view({ actorId: unique("someone") }),
    ]);
    await accepted([view(bot), view()]);
    await shows(board, [[productId, limits.viewsPerActorHour + 2]]);
  });
});

// ── Once ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

describe("a batch", () => {
  test("counts once with one key, one after the other and all at the same time, and gets one answer", async () => {
    const board = await openBoard();
    const [productId, last] = [unique("p"), unique("p")];
    const key = unique("k");
    const events = [{ type: "view", productId, category: board.category }];
    const answers = await Promise.all(Array.from({ length: 12 }, () => send(events, { key })));
    answers.push(await send(events, { key }));
    // Other content under the same key is the same batch: the first one counts.
    answers.push(await send([{ type: "view", productId, quantity: 50 }], { key }));
    for (const { status, body } of answers) {
      expect({ status, body }).toEqual({ status: 202, body: answers[0]?.body });
    }
    expect(answers[0]?.body).toEqual({ batchId: expect.any(String), accepted: 1, late: 0 });
    // What comes later in the same shard tells that all before it was counted.
    await accepted([
      { type: "view", productId, quantity: 10 },
      { type: "view", productId: last, category: board.category },
    ]);
    await shows(board, [
      [productId, 11],
      [last, 1],
    ]);
  });

  test("of one key counts for each of two senders", async () => {
    const board = await openBoard();
    const productId = unique("p");
    const key = unique("k");
    const events = [{ type: "view", productId, category: board.category }];
    const [one, two] = [
      await send(events, { key }),
      await send(events, { key, token: await shop.token(unique("shop"), "events") }),
    ];
    expect(one.body.batchId).not.toBe(two.body.batchId);
    await shows(board, [[productId, 2]]);
  });

  test("may hold what is too old for any window, which counts in none", async () => {
    const board = await openBoard();
    const [old, edge] = [unique("p"), unique("p")];
    const event = (productId: string, age: number) => ({
      ...{ type: "view", productId, category: board.category, at: iso(Date.now() - age) },
    });
    const { status, body } = await send([
      event(old, 7 * DAY + MINUTE),
      event(old, 30 * DAY),
      event(edge, 7 * DAY - MINUTE),
    ]);
    expect({ status, body }).toMatchObject({ status: 202, body: { accepted: 1, late: 2 } });
    await shows(board, [[edge, 1]], "window=7d");
    expect((await product(board, old, "7d")).body).toMatchObject({ status: 404, code: "unknown" });
  });

  test("may be ahead of our clock a little, and is refused whole when it is far ahead", async () => {
    const board = await openBoard();
    const [near, far] = [unique("p"), unique("p")];
    const event = (productId: string, ahead: number) => ({
      ...{ type: "view", productId, category: board.category, at: iso(Date.now() + ahead) },
    });
    await accepted([event(near, 4 * MINUTE)]);
    const refused = await send([event(far, 0), event(far, 6 * MINUTE), event(far, DAY)]);
    expect(refused.body).toMatchObject({
      ...{ status: 400, code: "invalid" },
      issues: [
        { in: "body", path: "events.1.at" },
        { in: "body", path: "events.2.at" },
      ],
    });
    await shows(board, [[near, 1]]);
    expect((await product(board, far)).status).toBe(404);
  });

  const one = { type: "view", productId: "a-product" };
  const wrong: [string, unknown, string][] = [
    ["501 events", { events: Array.from({ length: 501 }, () => one) }, "events"],
    ["no events", { events: [] }, "events"],
    ["nothing", {}, "events"],
    ["a list in place of an object", [one], ""],
    ["a field that is not known", { events: [one], more: 1 }, "more"],
    ["an event with a field that is not known", { events: [one, { ...one, price: 3 }] }, "events.1.price"],
    ["an event of no type", { events: [{ productId: "a" }] }, "events.0.type"],
    ["an event of a type that is none", { events: [{ ...one, type: "click" }] }, "events.0.type"],
    ["an empty product", { events: [{ ...one, productId: "" }] }, "events.0.productId"],
    ["a product with a blank", { events: [{ ...one, productId: "a b" }] }, "events.0.productId"],
    ["a product with a brace", { events: [{ ...one, productId: "{a}" }] }, "events.0.productId"],
    ["a product with a control character", { events: [{ ...one, productId: "a\u0000" }] }, "events.0.productId"],
    ["a product in other letters", { events: [{ ...one, productId: "신발" }] }, "events.0.productId"],
    ["a product of 65 characters", { events: [{ ...one, productId: "a".repeat(65) }] }, "events.0.productId"],
    ["a product that is a number", { events: [{ ...one, productId: 7 }] }, "events.0.productId"],
    ["an empty category", { events: [{ ...one, category: "" }] }, "events.0.category"],
    ["a quantity of 0", { events: [{ ...one, quantity: 0 }] }, "events.0.quantity"],
    ["a quantity below 0", { events: [{ ...one, quantity: -1 }] }, "events.0.quantity"],
    ["half a quantity", { events: [{ ...one, quantity: 1.5 }] }, "events.0.quantity"],
    ["too great a quantity", { events: [{ ...one, quantity: limits.quantityMost + 1 }] }, "events.0.quantity"],
    ["an amount below 0", { events: [{ ...one, amount: -1 }] }, "events.0.amount"],
    ["too great an amount", { events: [{ ...one, amount: limits.amountMost + 1 }] }, "events.0.amount"],
    ["a time in words", { events: [{ ...one, at: "now" }] }, "events.0.at"],
    ["a time without a zone", { events: [{ ...one, at: "2026-11-24T10:00:00.000" }] }, "events.0.at"],
    ["an empty actor", { events: [{ ...one, actorId: "" }] }, "events.0.actorId"],
  ];
  test.each(wrong)("is refused with %s, and says where", async (_, body, path) => {
    const headers = { "idempotency-key": unique("k") };
    const answer = await shop.call("POST", "/events", { token: sender, body, headers });
    expect(answer.body).toMatchObject({ status: 400, code: "invalid" });
    expect(answer.body.issues).toContainEqual(expect.objectContaining({ in: "body", path }));
  });

  test("may be of 500 events, of products that are called in any allowed way", async () => {
    const board = await openBoard();
    const names = ["A.b_c~d:e@f-g", "__proto__", "constructor", "0", "a".repeat(64)].map((it) => it.slice(0, 64));
    const mark = unique("p");
    const events = Array.from({ length: 500 }, (_, i) => ({
      ...{ type: "view", productId: names[i] ?? `${mark}-${i}`, category: board.category, quantity: 500 - i },
    }));
    await accepted(events);
    // Names of other runs' products too, but each in the category that it was said to be of last.
    const expected = events.slice(0, 100).map(({ productId, quantity }): [string, number] => [productId, quantity]);
    await shows(board, expected, "window=1h&limit=100");
  });

  test("needs a key, a token, and a scope that may send", async () => {
    const body = { events: [one] };
    const headers = { "idempotency-key": unique("k") };
    const post = (options: Parameters<typeof shop.call>[2]) => shop.call("POST", "/events", options);
    const noKey = await post({ token: sender, body });
    expect(noKey.body).toMatchObject({
      status: 400,
      code: "invalid",
      issues: [{ in: "header", path: "idempotency-key" }],
    });
    for (const key of ["", "k".repeat(65), "é"]) {
      const answer = await post({ token: sender, body, headers: { "idempotency-key": key } });
      expect(answer.body, key).toMatchObject({ status: 400, code: "invalid" });
    }
    expect((await post({ body, headers })).body).toMatchObject({ status: 401, code: "unauthorized" });
    for (const scope of [undefined, "event", "eventsevents", "EVENTS"]) {
      const answer = await post({ token: await shop.token("ann", scope), body, headers });
      expect(answer.body, scope).toMatchObject({ status: 403, code: "forbidden" });
    }
    expect((await post({ token: operator, body, headers: { "idempotency-key": unique("k") } })).status).toBe(202);
    expect((await post({ token: await shop.token("app", "profile events"), body, headers })).status).toBe(202);
  });
});

// ── Reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

describe("a board", () => {
  /** Views that fall from the first product to the last. @returns the products in their order */
  async function fill(board: Board, count: number): Promise<string[]> {
    const mark = unique("p");
    const products = Array.from({ length: count }, (_, i) => `${mark}-${String(i).padStart(3, "0")}`);
    await accepted(
      products.map((productId, i) => ({
        ...{ type: "view", productId, category: board.category, quantity: count - i },
      })),
    );
    return products;
  }

  test("is read page by page; a cursor leads on in the generation that it comes from", async () => {
    const board = await openBoard({ size: 25 });
    const products = await fill(board, 40);
    const first = await eventually(
      () => published(board, "window=1h&limit=10"),
      ({ body }) => body.of === 40,
    );
    expect(first.headers.get("cache-control")).toMatch(
      /^public, max-age=1, stale-while-revalidate=\d+, stale-if-error=\d+$/,
    );
    const second = await top(board, `window=1h&limit=10&cursor=${first.body.cursor}`);
    const third = await top(board, `window=1h&limit=10&cursor=${second.body.cursor}`);
    const pages = [first, second, third];
    expect(pages.flatMap(({ body }) => listOf({ body } as Answer)).map(([productId]) => productId)).toEqual(
      products.slice(0, 25),
    );
    expect(pages.flatMap(({ body }) => body.items.map((it: { rank: number }) => it.rank))).toEqual(
      Array.from({ length: 25 }, (_, i) => i + 1),
    );
    expect(new Set(pages.map(({ body }) => body.generation)).size).toBe(1);
    expect(third.body.cursor).toBeUndefined();
    const { publishedAt, ageMs } = first.body;
    expect(publishedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(ageMs).toBeLessThanOrEqual(Date.now() - Date.parse(publishedAt));
  });

  test("takes no cursor of another board or window, and none that is made up", async () => {
    const [board, other] = [await openBoard(), await openBoard()];
    await Promise.all([fill(board, 3), fill(other, 3)]);
    const { body } = await eventually(
      () => published(board, "window=1h&limit=1"),
      (answer) => answer.body.cursor !== undefined,
    );
    await eventually(
      () => published(other, "window=1h&limit=1"),
      (answer) => answer.body.cursor !== undefined,
    );
    const unknown = { status: 404, code: "unknown" };
    expect((await top(other, `window=1h&cursor=${body.cursor}`)).body).toMatchObject(unknown);
    expect((await top(board, `window=24h&cursor=${body.cursor}`)).body).toMatchObject(unknown);
    const made = Buffer.from("1000000000000000.10").toString("base64url");
    expect((await top(board, `window=1h&cursor=${made}`)).body).toMatchObject(unknown);
    const nonsense = ["", "x", "%00", "....", "a".repeat(41), Buffer.from("1.1").toString("base64url")];
    nonsense.push(Buffer.from("1000000000000000.-1").toString("base64url"));
    for (const cursor of nonsense) {
      const answer = await top(board, `window=1h&cursor=${cursor}`);
      expect(answer.body, cursor).toMatchObject({
        status: 400,
        code: "invalid",
        issues: [{ in: "query", path: "cursor" }],
      });
    }
    for (const query of ["window=2h", "window=", "limit=0", "limit=101", "limit=1.5", "limit=-1", "limit=many"]) {
      expect((await top(board, query)).body, query).toMatchObject({ status: 400, code: "invalid" });
    }
  });

  test("that is not there is unknown, and so is a product of which nothing was counted", async () => {
    const board = await openBoard();
    const none = { ...board, path: `/boards/${unique("none")}` };
    const unknown = { status: 404, code: "unknown" };
    expect((await top(none)).body).toMatchObject(unknown);
    expect((await product(none, "p")).body).toMatchObject(unknown);
    expect((await product(board, unique("p"))).body).toMatchObject(unknown);
    expect((await shop.call("GET", none.path, { token: operator })).body).toMatchObject(unknown);
    expect((await product(board, "a%20b")).body).toMatchObject({ status: 400, code: "invalid" });
    expect((await shop.call("GET", "/boards/No/top")).body).toMatchObject({ status: 400, code: "invalid" });
  });

  test("explains a score by its parts, which add up to it, in every window", async () => {
    const board = await openBoard();
    const productId = unique("p");
    await accepted([
      { type: "view", productId, category: board.category, quantity: 17, at: iso(Date.now() - 3 * HOUR) },
      { type: "cart", productId, quantity: 3 },
      { type: "sale", productId, quantity: 2, amount: 4_500 },
      { type: "refund", productId, quantity: 1, amount: 2_250, at: iso(Date.now() - 40 * HOUR) },
    ]);
    await eventually(
      () => product(board, productId, "7d"),
      ({ body }) => body.rank === 1,
    );
    for (const window of ["1h", "24h", "7d", "trending"]) {
      const { status, body, headers } = await product(board, productId, window);
      expect(status).toBe(200);
      expect(headers.get("cache-control")).toBe("public, max-age=1");
      const { contributions, score, metrics } = body;
      const sum = contributions.reduce((total: number, it: { score: number }) => total + it.score, 0);
      if (window === "trending") expect(sum).toBeCloseTo(score, 6);
      else expect(sum).toBe(score);
      for (const { metric, value, weight, score: part } of contributions) {
        expect(value).toBe(metrics[metric]);
        expect(part).toBe(value * weight);
      }
      const shares = contributions.reduce((total: number, it: { share: number }) => total + it.share, 0);
      expect(shares).toBeCloseTo(1, 9);
      expect(contributions.map((it: { weight: number }) => it.weight)).toEqual(Object.values(WEIGHTS));
    }
    expect((await product(board, productId, "1h")).body.metrics).toMatchObject({ views: 0, units: 2, amount: 4_500 });
    expect((await product(board, productId, "24h")).body.metrics).toMatchObject({ views: 17, units: 2 });
    expect((await product(board, productId, "7d")).body.metrics).toMatchObject({ views: 17, units: 1, amount: 2_250 });
  });

  test("put again with the same content stays as it is", async () => {
    const board = await openBoard();
    const rules = rulesOf({ category: board.category });
    await eventually(
      () => shop.call("GET", board.path, { token: operator }),
      ({ body }) => body.state === "live",
    );
    for (const content of [rules, { ...rules, size: 1_000 }]) {
      const { status, body } = await put(board.boardId, content);
      expect({ status, body }).toMatchObject({ status: 200, body: { version: 1, state: "live" } });
      expect(body.next).toBeUndefined();
    }
    const ten = await Promise.all(Array.from({ length: 10 }, () => put(board.boardId, rules)));
    expect(ten.map(({ body }) => body.version)).toEqual(Array(10).fill(1));
  });

  test("is built anew beside the old one, says what would change, switches in one call, and goes back in one", async () => {
    const board = await openBoard({ weights: { view: 1, like: 0, cart: 0, sale: 0, revenue: 0 } });
    const { category } = board;
    const [seen, liked] = [unique("p"), unique("p")];
    const before: [string, number][] = [
      [seen, 9],
      [liked, 2],
    ];
    const after: [string, number][] = [
      [liked, 500],
      [seen, 100],
    ];
    await accepted([
      { type: "view", productId: seen, category, quantity: 9 },
      { type: "like", productId: seen },
      { type: "view", productId: liked, category, quantity: 2 },
      { type: "like", productId: liked, quantity: 5 },
    ]);
    await shows(board, before);
    const rules = rulesOf({ category, weights: { view: 0, like: 100, cart: 0, sale: 0, revenue: 0 } });
    const { body } = await eventually(
      () => put(board.boardId, rules, "?switch=false"),
      (answer) => answer.body.next?.state === "built",
    );
    expect(body).toMatchObject({
      ...{ version: 1, weights: { view: 1, like: 0 }, next: { version: 2, takesOver: false, weights: { like: 100 } } },
      displacement: { version: 2 },
    });
    expect(body.displacement.windows).toHaveLength(4);
    for (const it of body.displacement.windows) {
      expect(it).toMatchObject({ compared: 2, overlap: 1, meanMove: 1, mostMove: 1 });
    }
    // It waits.
    await shop.call("POST", "/_local/schedules/publish/run");
    expect(listOf(await top(board))).toEqual(before);

    const switchTo = (version: number) =>
      shop.call("POST", `${board.path}/switch`, { token: operator, body: { version } });
    expect((await switchTo(2)).body).toMatchObject({ version: 2, previous: { version: 1 } });
    await shows(board, after);
    expect((await switchTo(2)).body).toMatchObject({ version: 2 });
    expect((await switchTo(1)).body).toMatchObject({ version: 1, previous: { version: 2 } });
    await shows(board, before);
    expect((await switchTo(3)).body).toMatchObject({ status: 409, code: "conflict" });
    // Both are kept up: what comes now counts on either.
    await accepted([{ type: "like", productId: seen, quantity: 9 }]);
    await eventually(
      () => product(board, seen),
      (answer) => answer.body.metrics.likes === 10,
    );
    await switchTo(2);
    await shows(board, [
      [seen, 1_000],
      [liked, 500],
    ]);
  });

  test("belongs to operators, and is refused when it does not fit", async () => {
    const board = await openBoard();
    const forbidden = { status: 403, code: "forbidden" };
    expect((await shop.call("PUT", board.path, { token: sender, body: rulesOf() })).body).toMatchObject(forbidden);
    expect((await shop.call("GET", board.path, { token: sender })).body).toMatchObject(forbidden);
    expect((await shop.call("GET", "/boards", { token: sender })).body).toMatchObject(forbidden);
    const wrong: [object, string][] = [
      [{ weights: { ...WEIGHTS, view: 1.5 } }, "weights.view"],
      [{ weights: { ...WEIGHTS, view: limits.weightMost + 1 } }, "weights.view"],
      [{ weights: { ...WEIGHTS, clicks: 1 } }, "weights.clicks"],
      [{ weights: { view: 1 } }, "weights.like"],
      [{ size: 0 }, "size"],
      [{ size: limits.boardSizeMost + 1 }, "size"],
      [{ halfLifeHours: 0 }, "halfLifeHours"],
      [{ halfLifeHours: limits.halfLifeHoursMost + 1 }, "halfLifeHours"],
      [{ category: "a b" }, "category"],
      [{ more: 1 }, "more"],
    ];
    for (const [content, path] of wrong) {
      const { body } = await put(board.boardId, rulesOf(content));
      expect(body, path).toMatchObject({ status: 400, code: "invalid" });
      expect(body.issues).toContainEqual(expect.objectContaining({ in: "body", path }));
    }
    expect((await put(board.boardId, rulesOf(), "?switch=maybe")).body).toMatchObject({ status: 400, code: "invalid" });
  });
});

// ── Between two steps ───────────────────────────────────────────────────────────────────────────────────────────────────

describe("in the middle of things", () => {
  let parts: Parts;
  let ctx: Ctx;
  let pump: EventsPump;
  beforeAll(async () => {
    parts = await startParts();
    ({ ctx } = parts);
    pump = openEventsPump(parts, () => {});
  });
  afterAll(async () => {
    pump?.close();
    await parts?.stop();
  });

  const rules = (category: string) => ({
    ...{ weights: { view: 1, like: 0, cart: -1, sale: 0, revenue: 0 }, halfLifeHours: 24, size: 10, category },
  });
  const event = (type: "view" | "cart", productId: string, category: string, quantity: number): SentEvent => ({
    ...{ type, productId, category, quantity, amount: 0 },
  });
  const count = async (...events: SentEvent[]) => {
    await ingest(ctx, { senderId: "shop", key: unique("k"), events });
    await pump.drain(() => ctx);
  };
  const explained = async (boardId: string, productId: string) => {
    const view = await reader().product(ctx, { boardId, productId, window: "1h" });
    if (isRefusal(view)) throw new Error(view.detail);
    return view;
  };
  const open = async () => {
    const [boardId, high, low] = [unique("b"), unique("p"), unique("p")];
    await putBoard(ctx, publisher(), boardId, rules(boardId), true);
    await count(event("view", high, boardId, 10), event("view", low, boardId, 5));
    await publisher().publishAll(ctx, ctx.now() + MINUTE);
    expect(await explained(boardId, high)).toMatchObject({ rank: 1, of: 2, score: 10 });
    return { boardId, high, low };
  };

  test("a product that has fallen and is not scored yet stands where the board still has it, and never behind all", async () => {
    const { boardId, high } = await open();
    await count(event("cart", high, boardId, 8));
    expect(await explained(boardId, high)).toMatchObject({ rank: 1, of: 2, score: 2 });
    await publisher().publishAll(ctx, ctx.now() + MINUTE);
    expect(await explained(boardId, high)).toMatchObject({ rank: 2, of: 2, score: 2 });
    await count(event("cart", high, boardId, 15));
    expect(await explained(boardId, high)).toMatchObject({ rank: 2, of: 2, score: -13 });
    await publisher().publishAll(ctx, ctx.now() + MINUTE);
    expect(await explained(boardId, high)).toMatchObject({ rank: null, of: 1, score: -13 });
  });

  test("an explanation from a snapshot adds up to its score, although more was counted while it was published", async () => {
    const { boardId, high } = await open();
    await count(event("view", high, boardId, 7));
    const [live, board] = [liveOf(await editions.get(ctx)), await boards.get(ctx, boardId)];
    if (!live || !board) throw new Error("no board");
    // As a switch between versions does: it publishes what is scored, and does not wait for the rest.
    await publisher().publishBoard(ctx, live, board);
    await setBreaker(ctx, "snapshot");
    const { source, score, contributions } = await explained(boardId, high);
    await setBreaker(ctx, "auto");
    expect(source).toBe("snapshot");
    expect(contributions.reduce((sum, it) => sum + it.score, 0)).toBe(score);
  });

  test("views of an actor within the cap count, wherever the batch was cut off before it was sent again", async () => {
    const boardId = unique("b");
    const lost: string[] = [];
    for (let steps = 0; steps < 12; steps++) {
      const productId = unique("p");
      const events = [{ ...event("view", productId, boardId, 8), actorId: unique("actor") }];
      const batch = { senderId: "shop", key: unique("k"), events };
      await ingest(crashing(ctx, steps, true), batch).catch((error: unknown) => {
        if (!(error instanceof Crash)) throw error;
      });
      await ingest(ctx, batch);
      await pump.drain(() => ctx);
      const live = liveOf(await editions.get(ctx));
      const record = (await allRecords(ctx, live?.id ?? 0)).get(productId);
      const views = record?.windows[0]?.views;
      if (views !== 8) lost.push(`cut off after step ${steps + 1}: ${views} of 8`);
    }
    expect(lost).toEqual([]);
  });
});

// ── Change of rank ──────────────────────────────────────────────────────────────────────────────────────────────────────

describe("the change of a product's rank", () => {
  let parts: Parts;
  beforeAll(async () => {
    parts = await startParts();
  });
  afterAll(() => parts?.stop());

  test('is "new" until there is an hour to look back on, then places gained or lost against that hour', async () => {
    let now = Date.now();
    const ctx: Ctx = { ...parts.ctx, now: () => now };
    const pump = openEventsPump(parts, () => {});
    const publish = publisher();
    const boardId = unique("b");
    const rules = { weights: { view: 1, like: 0, cart: 0, sale: 0, revenue: 0 }, halfLifeHours: 24, size: 3 };
    await putBoard(ctx, publish, boardId, rules, true);
    // The first order of each five minutes is the one that is remembered; of these it is the empty one.
    now += limits.historyEveryMs;

    const views = async (content: Record<string, number>) => {
      const events = Object.entries(content).map(
        ([productId, quantity]): SentEvent => ({ type: "view", productId, quantity, amount: 0 }),
      );
      await ingest(ctx, { senderId: "shop", key: unique("k"), events });
      await pump.drain(() => ctx);
    };
    /** What is published now, by any publisher: products with their change. */
    const changes = async (by = publish): Promise<[string, number | "new"][]> => {
      await by.publishAll(ctx, now + MINUTE);
      const page = await reader().top(ctx, { boardId, window: "24h", limit: 10 });
      if (isRefusal(page)) throw new Error(page.detail);
      return page.items.map(({ productId, change }) => [productId, change]);
    };
    try {
      await views({ a: 40, b: 30, c: 20, d: 10 });
      const first: [string, string][] = [
        ["a", "new"],
        ["b", "new"],
        ["c", "new"],
      ];
      expect(await changes()).toEqual(first);
      now += 30 * MINUTE;
      await views({ d: 100 });
      // Half an hour is not an hour: nothing is known of then.
      const second = ["d", "a", "b"].map((it) => [it, "new"]);
      expect(await changes()).toEqual(second);
      now += 30 * MINUTE + limits.historyEveryMs;
      await views({ b: 25 });
      // An hour ago it was a, b, c; d stood behind the last place that is listed.
      const third = [
        ["d", "new"],
        ["b", 0],
        ["a", -2],
      ];
      expect(await changes()).toEqual(third);
      // Another publisher, which remembers nothing, says the same.
      now += 1;
      expect(await changes(publisher())).toEqual(third);
      now += 30 * MINUTE;
      await views({ a: 200 });
      // Half an hour after the second: d, a, b.
      expect(await changes()).toEqual([
        ["a", 1],
        ["d", -1],
        ["b", 0],
      ]);
    } finally {
      pump.close();
    }
  });
});
