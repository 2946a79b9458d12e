import { describe, expect, it } from "vitest";
import { client, eventually, sharedStack, unique } from "./setup/client.ts";

/** Every route with every word that it can say without a broken store; broken stores are in faults.test.ts. */

const { api } = sharedStack();
const shop = client(api);
const soon = (ms: number) => new Date(Date.now() + ms).toISOString();
const hour = 3_600_000;

const content = () => ({
  campaignId: unique("c"),
  name: "한정 쿠폰",
  stock: 5,
  perUser: 2,
  opensAt: soon(-hour),
  closesAt: soon(hour),
  discount: { type: "percent", value: 10 },
  validDays: 30,
});

const PROBLEM = { type: expect.any(String), title: expect.any(String), detail: expect.any(String) };

describe("POST /campaigns", () => {
  it("creates (201, Location), answers the same content again (200), and refuses other content (409 exists)", async () => {
    const token = await shop.token("op", "operator");
    const body = content();
    const created = await shop.call("POST", "/campaigns", { token, body });
    expect(created.status).toBe(201);
    expect(created.headers.get("location")).toBe(`/campaigns/${body.campaignId}`);
    expect(created.body).toMatchObject({ ...body, state: "open", issued: 0, remaining: 5, version: 1 });
    expect((await shop.call("POST", "/campaigns", { token, body })).status).toBe(200);
    const other = await shop.call("POST", "/campaigns", { token, body: { ...body, stock: 6 } });
    expect(other.status).toBe(409);
    expect(other.body).toMatchObject({ ...PROBLEM, status: 409, code: "exists" });
  });

  it("creates one campaign when ten operators send it at the same instant", async () => {
    const token = await shop.token("op", "operator");
    const body = content();
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => shop.call("POST", "/campaigns", { token, body })),
    );
    expect(answers.map((answer) => answer.status).sort()).toEqual([...Array(9).fill(200), 201]);
  });

  it("names each field that does not fit (400), and asks for a token (401) with the scope (403)", async () => {
    const token = await shop.token("op", "operator");
    const { status, body } = await shop.call("POST", "/campaigns", {
      token,
      body: { campaignId: "A", stock: 0, closesAt: "later", more: 1 },
    });
    expect(status).toBe(400);
    expect(body.code).toBe("invalid");
    expect(body.issues.map((issue: { path: string }) => issue.path).sort()).toEqual([
      "campaignId",
      "closesAt",
      "more",
      "name",
      "opensAt",
      "stock",
    ]);
    expect((await shop.call("POST", "/campaigns", { body: content() })).body).toMatchObject({
      status: 401,
      code: "unauthorized",
    });
    const shopper = await shop.token("ann");
    expect((await shop.call("POST", "/campaigns", { token: shopper, body: content() })).body).toMatchObject({
      status: 403,
      code: "forbidden",
    });
  });
});

describe("GET /campaigns/{campaignId}", () => {
  it("shows it to anyone, cacheable for a second, with the state of the moment", async () => {
    const id = await shop.campaign({ stock: 1 });
    const open = await shop.call("GET", `/campaigns/${id}`);
    expect(open.status).toBe(200);
    expect(open.headers.get("cache-control")).toBe("public, max-age=1");
    expect(open.body).toMatchObject({ state: "open", stock: 1, issued: 0, remaining: 1 });
    expect(open.body.serverTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    await shop.ask(id, await shop.token("ann"));
    expect((await shop.call("GET", `/campaigns/${id}`)).body).toMatchObject({
      state: "sold-out",
      issued: 1,
      remaining: 0,
    });
    expect(
      (await shop.call("GET", `/campaigns/${await shop.campaign({ opensAt: soon(hour), closesAt: soon(2 * hour) })}`))
        .body.state,
    ).toBe("scheduled");
    expect((await shop.call("GET", "/campaigns/never-was")).body).toMatchObject({ status: 404, code: "unknown" });
  });
});

describe("PATCH /campaigns/{campaignId}", () => {
  it("changes what it is given, pauses, and refuses what would break a guarantee", async () => {
    const token = await shop.token("op", "operator");
    const id = await shop.campaign();
    const path = `/campaigns/${id}`;
    const ann = await shop.token("ann");
    await shop.ask(id, ann);
    await shop.ask(id, await shop.token("ben"));
    expect((await shop.call("PATCH", path, { token, body: { name: "new", stock: 20 } })).body).toMatchObject({
      name: "new",
      stock: 20,
      issued: 2,
    });
    expect((await shop.call("PATCH", path, { token, body: { stock: 1 } })).body).toMatchObject({
      status: 409,
      code: "conflict",
    });
    expect((await shop.call("PATCH", path, { token, body: { closesAt: soon(-2 * hour) } })).body).toMatchObject({
      status: 409,
      code: "conflict",
    });
    expect((await shop.call("PATCH", path, { token, body: { paused: true } })).body.state).toBe("paused");
    const paused = await shop.ask(id, await shop.token("cleo"));
    expect(paused.body).toMatchObject({ ...PROBLEM, status: 503, code: "paused" });
    expect(Number(paused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await shop.ask(id, ann)).status).toBe(200);
    expect((await shop.call("PATCH", path, { token, body: { paused: false } })).body.state).toBe("open");
    expect((await shop.call("PATCH", path, { token, body: {} })).status).toBe(400);
    expect((await shop.call("PATCH", "/campaigns/never-was", { token, body: { name: "x" } })).status).toBe(404);
    expect((await shop.call("PATCH", path, { token: ann, body: { name: "x" } })).status).toBe(403);
    expect((await shop.call("PATCH", path, { body: { name: "x" } })).status).toBe(401);
  });
});

describe("GET /campaigns", () => {
  it("lists every campaign once over its pages, for operators", async () => {
    const token = await shop.token("op", "operator");
    const made = [];
    for (let i = 0; i < 5; i++) made.push(await shop.campaign());
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await shop.call("GET", `/campaigns?limit=3${cursor ? `&cursor=${cursor}` : ""}`, { token });
      expect(page.status).toBe(200);
      expect(page.body.items.length).toBeLessThanOrEqual(3);
      seen.push(...page.body.items.map((item: { campaignId: string }) => item.campaignId));
      cursor = page.body.cursor;
    } while (cursor);
    expect(new Set(seen).size).toBe(seen.length);
    for (const id of made) expect(seen).toContain(id);
    expect((await shop.call("GET", "/campaigns?limit=0", { token })).status).toBe(400);
    expect((await shop.call("GET", "/campaigns", { token: await shop.token("ann") })).status).toBe(403);
  });
});

describe("POST /campaigns/{campaignId}/coupons", () => {
  it("issues (201), replays the first answer (200), and refuses when sold out or unknown", async () => {
    const id = await shop.campaign({ stock: 1, validDays: 7 });
    const ann = await shop.token("ann");
    const first = await shop.ask(id, ann);
    expect(first.status).toBe(201);
    expect(first.body).toMatchObject({
      campaignId: id,
      userId: "ann",
      ticket: 1,
      nth: 1,
      state: "pending",
      etaMs: expect.any(Number),
    });
    expect(Date.parse(first.body.expiresAt) - Date.parse(first.body.issuedAt)).toBe(7 * 86_400_000);
    const again = await shop.ask(id, ann);
    expect(again.status).toBe(200);
    expect(again.body).toEqual(first.body);
    expect((await shop.ask(id, await shop.token("ben"))).body).toMatchObject({
      ...PROBLEM,
      status: 409,
      code: "sold-out",
    });
    expect((await shop.ask("never-was", ann)).body).toMatchObject({ status: 404, code: "unknown" });
  });

  it("takes distinct keys up to perUser, then limit-reached", async () => {
    const id = await shop.campaign({ perUser: 2 });
    const ann = await shop.token("ann");
    const one = await shop.ask(id, ann, "one");
    const two = await shop.ask(id, ann, "two");
    expect([one.status, two.status]).toEqual([201, 201]);
    expect((await shop.ask(id, ann, "two")).body).toEqual(two.body);
    expect((await shop.ask(id, ann)).body).toEqual(one.body);
    expect((await shop.ask(id, ann, "three")).body).toMatchObject({ status: 409, code: "limit-reached" });
  });

  it("is not open before opensAt (with the time and Retry-After), closed after closesAt", async () => {
    const ann = await shop.token("ann");
    const opensAt = soon(hour);
    const early = await shop.ask(await shop.campaign({ opensAt, closesAt: soon(2 * hour) }), ann);
    expect(early.body).toMatchObject({ ...PROBLEM, status: 409, code: "not-open", opensAt });
    expect(Number(early.headers.get("retry-after"))).toBeGreaterThanOrEqual(3_590);
    const late = await shop.ask(await shop.campaign({ opensAt: soon(-2 * hour), closesAt: soon(-hour) }), ann);
    expect(late.body).toMatchObject({ status: 410, code: "closed" });
  });

  it("wants a token, a pass where the campaign has a room, and no body", async () => {
    const id = await shop.campaign();
    expect((await shop.call("POST", `/campaigns/${id}/coupons`)).body).toMatchObject({
      status: 401,
      code: "unauthorized",
    });
    const ann = await shop.token("ann");
    expect((await shop.ask(await shop.campaign({ roomId: "lobby" }), ann)).body).toMatchObject({
      status: 403,
      code: "pass-required",
    });
    expect((await shop.call("POST", `/campaigns/${id}/coupons`, { token: ann, body: { userId: "ben" } })).status).toBe(
      400,
    );
    expect((await shop.call("POST", `/campaigns/${id}/coupons`, { token: ann, body: {} })).status).toBe(201);
  });

  it("gives one user's 1,000 requests at the same instant one ticket and 1,000 equal coupons", async () => {
    const id = await shop.campaign();
    const ann = await shop.token("ann");
    const answers = await Promise.all(Array.from({ length: 1_000 }, () => shop.ask(id, ann)));
    expect(answers.filter((answer) => answer.status === 201 || answer.status === 202)).toHaveLength(1);
    expect(answers.filter((answer) => answer.status === 200)).toHaveLength(999);
    expect(new Set(answers.map((answer) => JSON.stringify(answer.body))).size).toBe(1);
    expect((await shop.call("GET", `/campaigns/${id}`)).body.issued).toBe(1);
  });
});

describe("GET /campaigns/{campaignId}/coupons/me and GET /coupons", () => {
  it("tell of a coupon first pending, then confirmed, only to its holder", async () => {
    const user = unique("ann");
    const ann = await shop.token(user);
    const id = await shop.campaign();
    const { body } = await shop.ask(id, ann);
    const mine = await eventually(
      () => shop.mine(id, ann),
      (answer) => answer.body.items?.[0]?.state === "confirmed",
    );
    const { etaMs: _, state: __, ...facts } = body;
    expect(mine.body.items).toEqual([{ ...facts, state: "confirmed", confirmedAt: expect.any(String) }]);
    expect((await shop.mine(id, await shop.token(unique("ben")))).body).toMatchObject({ status: 404, code: "unknown" });
    expect((await shop.mine("never-was", ann)).body).toMatchObject({ status: 404, code: "unknown" });
    expect((await shop.call("GET", "/coupons", { token: ann })).body.items).toEqual(mine.body.items);
    expect((await shop.call("GET", "/coupons", { token: await shop.token(unique("ben")) })).body).toEqual({
      items: [],
    });
    expect((await shop.call("GET", `/campaigns/${id}/coupons/me`)).status).toBe(401);
    expect((await shop.call("GET", "/coupons")).status).toBe(401);
  });

  it("page over all campaigns of a user", async () => {
    const user = unique("ann");
    const ann = await shop.token(user);
    for (let i = 0; i < 5; i++) await shop.ask(await shop.campaign(), ann);
    await eventually(
      () => shop.call("GET", "/coupons", { token: ann }),
      (answer) => answer.body.items.length === 5,
    );
    const first = await shop.call("GET", "/coupons?limit=3", { token: ann });
    const rest = await shop.call("GET", `/coupons?limit=3&cursor=${first.body.cursor}`, { token: ann });
    expect([first.body.items.length, rest.body.items.length, rest.body.cursor]).toEqual([3, 2, undefined]);
  });
});

describe("the rest", () => {
  it("GET /health has each store's milliseconds", async () => {
    const { status, body } = await shop.call("GET", "/health");
    expect(status).toBe(200);
    for (const door of ["redis", "queue", "ledger"])
      expect(body[door]).toEqual({ status: "up", ms: expect.any(Number) });
  });

  it("unknown paths are 404, other methods 405 with Allow, and every answer carries x-request-id", async () => {
    const none = await shop.call("GET", "/nowhere");
    expect(none.body).toMatchObject({ status: 404, code: "unknown" });
    const other = await shop.call("PUT", "/campaigns");
    expect(other.body).toMatchObject({ status: 405, code: "method-not-allowed" });
    expect(other.headers.get("allow")).toBe("GET, POST");
    const ids = [none, other, await shop.call("GET", "/health")].map((answer) => answer.headers.get("x-request-id"));
    expect(new Set(ids).size).toBe(3);
  });

  it("the sweep can be run now and answers with its result; a schedule that is none is unknown", async () => {
    expect((await shop.call("POST", "/_local/schedules/sweep/run")).body).toMatchObject({
      sent: expect.any(Number),
      waiting: expect.any(Number),
    });
    expect((await shop.call("POST", "/_local/schedules/constructor/run")).body).toMatchObject({
      status: 404,
      code: "unknown",
    });
  });
});
