import { beforeAll, describe, expect, test } from "vitest";
import * as z from "zod";
import { limits } from "../core/limits.ts";
import { REFUSAL_WORDS, type Word } from "../core/words.ts";
import { STATUS } from "../functions/http/status.ts";
import { routes } from "../functions/routes.ts";
import { type Answer, client, eventually, sharedStack, unique } from "./setup/client.ts";

/** The OpenAPI document against the routes, and against what the stack really answers. */

const { call, token, campaign, ask, mine } = client(sharedStack().api);

type Schema = Readonly<Record<string, unknown>>;
type Content = Readonly<Record<string, { readonly schema: Schema }>>;

interface Operation {
  readonly summary: string;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters: readonly { name: string; in: string; required: boolean; schema: Schema }[];
  readonly requestBody?: { readonly required: boolean; readonly content: Content };
  /** No content where the answer has no body. */
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Content }>>;
}

interface Document {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly securitySchemes: Readonly<Record<string, Schema>>;
    readonly schemas: Readonly<Record<string, Schema>>;
  };
}

let document: Document;
/** Every operation by its route, as `POST /campaigns`. */
let operations: Map<string, Operation>;

beforeAll(async () => {
  document = (await call("GET", "/openapi.json")).body;
  operations = new Map(
    Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as const),
    ),
  );
});

// ── Schemas ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A schema with what it refers to in its place. */
function resolved(schema: unknown, root: Schema): unknown {
  if (Array.isArray(schema)) return schema.map((it) => resolved(it, root));
  if (!isObject(schema)) return schema;
  if (typeof schema.$ref !== "string") {
    return Object.fromEntries(Object.entries(schema).map(([name, it]) => [name, resolved(it, root)]));
  }
  const names = schema.$ref.replace(/^#\//, "").split("/");
  const target = names.reduce<unknown>((at, name) => (isObject(at) ? at[name] : undefined), root);
  if (!schema.$ref.startsWith("#/") || target === undefined) throw new Error(`${schema.$ref} leads nowhere`);
  return resolved(target, root);
}

/**
 * What a validator in JavaScript passes over: members that a schema does not name, and patterns, which JSON Schema means with
 * Unicode's classes.
 */
function strictFaults(value: unknown, schema: unknown, path = "$"): string[] {
  // The empty schema documents that anything goes.
  if (!isObject(schema) || Object.keys(schema).length === 0) return [];
  if (Array.isArray(schema.anyOf)) {
    const found = schema.anyOf.map((it) => strictFaults(value, it, path));
    return found.reduce((least, it) => (it.length < least.length ? it : least));
  }
  if (typeof value === "string" && typeof schema.pattern === "string") {
    return new RegExp(schema.pattern, "u").test(value) ? [] : [`${path} does not fit ${schema.pattern}`];
  }
  if (Array.isArray(value)) return value.flatMap((it, i) => strictFaults(it, schema.items, `${path}[${i}]`));
  if (!isObject(value)) return [];
  const properties = isObject(schema.properties) ? schema.properties : {};
  return Object.entries(value).flatMap(([name, it]) => {
    if (Object.hasOwn(properties, name)) return strictFaults(it, properties[name], `${path}.${name}`);
    if (isObject(schema.additionalProperties)) return strictFaults(it, schema.additionalProperties, `${path}.${name}`);
    return [`${path}.${name} is not documented`];
  });
}

const withoutPatterns = (schema: unknown) =>
  JSON.parse(JSON.stringify(schema), (name, it) => (name === "pattern" && typeof it === "string" ? undefined : it));

/** What is wrong with a value, going by a schema of the document. */
function faultsOf(value: unknown, schema: unknown): string[] {
  const parsed = z.fromJSONSchema(withoutPatterns(schema)).safeParse(value);
  const issues = parsed.success ? [] : parsed.error.issues.map((it) => `${it.path.join(".")}: ${it.message}`);
  return [...issues, ...strictFaults(value, schema)];
}

const schemaOf = (content: Content | undefined, type: string) =>
  resolved(content?.[type]?.schema, document as unknown as Schema);

/** What is wrong with an answer, going by what the document says of the route. */
function answerFaults(route: string, { status, headers, body }: Pick<Answer, "status" | "headers" | "body">): string[] {
  const response = operations.get(route)?.responses[status];
  if (!response) return [`${route} says nothing of ${status}`];
  if (!response.content) return body === undefined ? [] : [`${route} has no body with ${status}`];
  const type = headers.get("content-type") ?? "";
  if (!response.content[type]) return [`${route} says nothing of ${type} with ${status}`];
  return faultsOf(body, schemaOf(response.content, type));
}

// ── The document ────────────────────────────────────────────────────────────────────────────────────────────────────────

describe("the OpenAPI document", () => {
  test("is OpenAPI 3.1 and says what it is of", () => {
    expect(document.openapi).toMatch(/^3\.1\.\d+$/);
    expect(document.info).toMatchObject({ title: expect.stringMatching(/\S/), version: expect.stringMatching(/\S/) });
  });

  test("has exactly the routes that are served", () => {
    const served = routes.map(({ contract }) => `${contract.method} ${contract.path}`);
    expect([...operations.keys()].sort()).toEqual([...served].sort());
    expect(new Set(served).size).toBe(served.length);
  });

  test("names every parameter of a path as required, and no other path parameter", () => {
    for (const [name, operation] of operations) {
      const inPath = [...name.matchAll(/\{(\w+)\}/g)].map(([, it]) => it);
      const named = operation.parameters.filter((it) => it.in === "path");
      expect(named.map((it) => it.name).sort(), name).toEqual(inPath.sort());
      for (const { required } of named) expect(required, name).toBe(true);
    }
  });

  test("says of each route who may call it, as the gateway holds it", () => {
    for (const { contract } of routes) {
      const { security, responses } = operations.get(`${contract.method} ${contract.path}`) ?? {};
      const isOpen = contract.who === "anyone";
      expect(security, contract.path).toEqual(
        isOpen ? [] : [{ bearer: contract.who === "shopper" ? [] : [contract.who] }],
      );
      expect("401" in (responses ?? {}), contract.path).toBe(!isOpen);
    }
    expect(document.components.securitySchemes.bearer).toMatchObject({ type: "http", scheme: "bearer" });
  });

  test("gives every answer a schema that a validator can read, and every status the words that have it", () => {
    for (const [name, operation] of operations) {
      expect(operation.summary, name).toMatch(/\S/);
      expect(Object.keys(operation.responses), name).toEqual(expect.arrayContaining(["400", "413", "429", "500"]));
      for (const [status, { description, content }] of Object.entries(operation.responses)) {
        for (const word of description.split(" · "))
          expect(STATUS[word as Word], `${name}: ${word}`).toBe(Number(status));
        expect(Object.keys(content ?? {}).length > 0, `${name} ${status}`).toBe(status !== "204");
        for (const type of Object.keys(content ?? {})) {
          const schema = schemaOf(content, type);
          expect(schema, `${name} ${status}`).toEqual(expect.objectContaining({ type: "object" }));
          expect(() => faultsOf({}, schema), `${name} ${status}`).not.toThrow();
        }
      }
    }
  });

  test("has the closed set of codes", () => {
    const { properties } = document.components.schemas.Problem ?? {};
    expect(properties).toMatchObject({ code: { enum: [...REFUSAL_WORDS] } });
  });
});

// ── Answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

const HOUR = 3_600_000;
const iso = (ms: number) => new Date(ms).toISOString();
const draft = (content: object = {}) => ({
  campaignId: unique("o"),
  name: "A campaign with everything",
  stock: 5,
  perUser: 2,
  opensAt: iso(Date.now() - HOUR),
  closesAt: iso(Date.now() + HOUR),
  roomId: "a-room",
  discount: { percent: 10, code: "SPRING", stackable: false },
  validDays: 30,
  ...content,
});

const operator = () => token("olga", "operator");
/** A room of its own. */
async function putRoom(content: object = {}, roomId = unique("r")): Promise<[roomId: string, answer: Answer]> {
  const body = { capacity: 2, admitPerSecond: 5, passSeconds: 60, ...content };
  return [roomId, await call("PUT", `/rooms/${roomId}`, { token: await operator(), body })];
}
const soon = () => iso(Date.now() + HOUR / 2);
/** A room's routes for one visitor. */
const ticketOf = (roomId: string, user: string) => ({
  take: () => call("POST", `/rooms/${roomId}/tickets`, { token: user }),
  poll: () => call("GET", `/rooms/${roomId}/tickets/me`, { token: user }),
  leave: () => call("DELETE", `/rooms/${roomId}/tickets/me`, { token: user }),
});
/** A board of its own category, once a version of it is published. */
async function putBoard(content: object = {}, boardId = unique("b"), query = ""): Promise<[string, Answer]> {
  const body = {
    weights: { view: 1, like: 2, cart: 3, sale: 4, revenue: 5 },
    ...{ halfLifeHours: 24, size: 10, category: boardId },
    ...content,
  };
  return [boardId, await call("PUT", `/boards/${boardId}${query}`, { token: await operator(), body })];
}
const showBoard = async (boardId: string) => call("GET", `/boards/${boardId}`, { token: await operator() });
const count = async (events: object[], key = unique("k")) =>
  call("POST", "/events", {
    token: await token("shop", "events"),
    body: { events },
    headers: { "idempotency-key": key },
  });
/** A board with three products on it. */
async function filledBoard(): Promise<string> {
  const [boardId] = await putBoard();
  const events = [1, 2, 3].map((n) => ({ type: "view", productId: `p-${n}`, category: boardId, quantity: n }));
  await count(events.map((it) => ({ ...it, productId: `${boardId}-${it.productId}` })));
  await eventually(
    () => call("GET", `/boards/${boardId}/top`),
    ({ body }) => body.items?.length === 3,
  );
  return boardId;
}
const create = async (content: object = {}) =>
  call("POST", "/campaigns", { token: await operator(), body: draft(content) });

/** An answer of each kind: the route, what happens, the status, the code of a refusal, and how it is brought about. */
const ANSWERS: readonly [route: string, what: string, status: number, bring: () => Promise<Answer>, code?: string][] = [
  ["POST /campaigns", "created", 201, () => create()],
  ["POST /campaigns", "created with a number for a discount", 201, () => create({ discount: 5 })],
  [
    "POST /campaigns",
    "created again",
    200,
    async () => {
      const again = draft();
      await create(again);
      return create(again);
    },
  ],
  [
    "POST /campaigns",
    "there with other content",
    409,
    async () => {
      const campaignId = await campaign();
      return create({ campaignId });
    },
    "exists",
  ],
  ["POST /campaigns", "wrong in many fields", 400, () => create({ stock: "5", name: "", more: 1 }), "invalid"],
  ["POST /campaigns", "too large", 413, () => create({ name: "x".repeat(300_000) }), "too-large"],
  ["POST /campaigns", "without a token", 401, () => call("POST", "/campaigns", { body: draft() }), "unauthorized"],
  [
    "POST /campaigns",
    "without the scope",
    403,
    async () => call("POST", "/campaigns", { token: await token("u"), body: draft() }),
    "forbidden",
  ],
  [
    "PATCH /campaigns/{campaignId}",
    "changed",
    200,
    async () => call("PATCH", `/campaigns/${await campaign()}`, { token: await operator(), body: { paused: true } }),
  ],
  [
    "PATCH /campaigns/{campaignId}",
    "closing before it opens",
    409,
    async () =>
      call("PATCH", `/campaigns/${await campaign()}`, {
        token: await operator(),
        body: { closesAt: "2020-01-01T00:00:00Z" },
      }),
    "conflict",
  ],
  [
    "PATCH /campaigns/{campaignId}",
    "unknown",
    404,
    async () => call("PATCH", `/campaigns/${unique("none")}`, { token: await operator(), body: { paused: true } }),
    "unknown",
  ],
  ["GET /campaigns", "listed", 200, async () => call("GET", "/campaigns", { token: await operator() })],
  [
    "GET /campaigns",
    "listed with more to come",
    200,
    async () => {
      await Promise.all([campaign(), create()]);
      const answer = await call("GET", "/campaigns?limit=1", { token: await operator() });
      expect(answer.body).toMatchObject({ items: [{}], cursor: expect.any(String) });
      return answer;
    },
  ],
  [
    "GET /campaigns",
    "asked for too many",
    400,
    async () => call("GET", "/campaigns?limit=1000", { token: await operator() }),
    "invalid",
  ],
  ["GET /campaigns/{campaignId}", "shown", 200, async () => call("GET", `/campaigns/${await campaign()}`)],
  [
    "GET /campaigns/{campaignId}",
    "shown with everything",
    200,
    async () => call("GET", `/campaigns/${(await create()).body.campaignId}`),
  ],
  ["GET /campaigns/{campaignId}", "unknown", 404, () => call("GET", `/campaigns/${unique("none")}`), "unknown"],
  ["GET /campaigns/{campaignId}", "misspelt", 400, () => call("GET", "/campaigns/No"), "invalid"],
  [
    "POST /campaigns/{campaignId}/coupons",
    "issued",
    201,
    async () => ask(await campaign({ validDays: 3 }), await token("u")),
  ],
  [
    "POST /campaigns/{campaignId}/coupons",
    "asked for again",
    200,
    async () => {
      const [campaignId, user] = [await campaign(), await token("u")];
      await ask(campaignId, user);
      return ask(campaignId, user);
    },
  ],
  [
    "POST /campaigns/{campaignId}/coupons",
    "sold out",
    409,
    async () => {
      const campaignId = await campaign({ stock: 1 });
      await ask(campaignId, await token("u"));
      return ask(campaignId, await token("v"));
    },
    "sold-out",
  ],
  [
    "POST /campaigns/{campaignId}/coupons",
    "asked for too often",
    409,
    async () => {
      const [campaignId, user] = [await campaign(), await token("u")];
      await ask(campaignId, user, "one");
      return ask(campaignId, user, "two");
    },
    "limit-reached",
  ],
  [
    "POST /campaigns/{campaignId}/coupons",
    "asked for too early",
    409,
    async () => ask(await campaign({ opensAt: iso(Date.now() + HOUR / 2) }), await token("u")),
    "not-open",
  ],
  [
    "POST /campaigns/{campaignId}/coupons",
    "asked for too late",
    410,
    async () =>
      ask(await campaign({ opensAt: iso(Date.now() - 2 * HOUR), closesAt: iso(Date.now() - HOUR) }), await token("u")),
    "closed",
  ],
  [
    "POST /campaigns/{campaignId}/coupons",
    "asked for without a pass",
    403,
    async () => ask((await create()).body.campaignId, await token("u")),
    "pass-required",
  ],
  [
    "POST /campaigns/{campaignId}/coupons",
    "paused",
    503,
    async () => {
      const campaignId = await campaign();
      await call("PATCH", `/campaigns/${campaignId}`, { token: await operator(), body: { paused: true } });
      return ask(campaignId, await token("u"));
    },
    "paused",
  ],
  [
    "POST /campaigns/{campaignId}/coupons",
    "asked for with a key that is too long",
    400,
    async () => ask(await campaign(), await token("u"), "k".repeat(65)),
    "invalid",
  ],
  [
    "GET /campaigns/{campaignId}/coupons/me",
    "held",
    200,
    async () => {
      const [campaignId, user] = [await campaign({ validDays: 3 }), await token("u")];
      await ask(campaignId, user);
      return mine(campaignId, user);
    },
  ],
  [
    "GET /campaigns/{campaignId}/coupons/me",
    "not held",
    404,
    async () => mine(await campaign(), await token("u")),
    "unknown",
  ],
  [
    "GET /coupons",
    "listed",
    200,
    async () => {
      const user = await token(unique("u"));
      await ask(await campaign(), user);
      return call("GET", "/coupons", { token: user });
    },
  ],
  [
    "POST /coupons/{couponId}/use",
    "used",
    200,
    async () => {
      const [user, couponId] = await held();
      return call("POST", `/coupons/${couponId}/use`, { token: user, body: { orderId: "o-1" } });
    },
  ],
  [
    "POST /coupons/{couponId}/use",
    "used for another order",
    409,
    async () => {
      const [user, couponId] = await held();
      await call("POST", `/coupons/${couponId}/use`, { token: user, body: { orderId: "o-1" } });
      return call("POST", `/coupons/${couponId}/use`, { token: user, body: { orderId: "o-2" } });
    },
    "conflict",
  ],
  [
    "POST /coupons/{couponId}/use",
    "another's",
    403,
    async () => {
      const [, couponId] = await held();
      return call("POST", `/coupons/${couponId}/use`, { token: await token(unique("u")), body: { orderId: "o-1" } });
    },
    "forbidden",
  ],
  [
    "POST /coupons/{couponId}/cancel",
    "given back",
    200,
    async () => {
      const [user, couponId] = await held();
      return call("POST", `/coupons/${couponId}/cancel`, { token: user });
    },
  ],
  [
    "POST /coupons/{couponId}/cancel",
    "never issued",
    404,
    async () => call("POST", `/coupons/${await campaign()}.1.${"x".repeat(22)}/cancel`, { token: await token("u") }),
    "unknown",
  ],
  [
    "GET /ops/campaigns/{campaignId}",
    "watched",
    200,
    async () => {
      const campaignId = await campaign();
      await ask(campaignId, await token("u"));
      return call("GET", `/ops/campaigns/${campaignId}`, { token: await operator() });
    },
  ],
  [
    "GET /ops/campaigns/{campaignId}",
    "no campaign",
    404,
    async () => call("GET", `/ops/campaigns/${unique("none")}`, { token: await operator() }),
    "unknown",
  ],
  [
    "GET /ops/campaigns/{campaignId}",
    "watched by a shopper",
    403,
    async () => call("GET", `/ops/campaigns/${await campaign()}`, { token: await token("u") }),
    "forbidden",
  ],
  [
    "GET /ops/campaigns/{campaignId}/answers",
    "shown",
    200,
    async () => {
      const answer = await call("GET", `/ops/campaigns/${await campaign()}/answers`, { token: await operator() });
      expect(answer.body).toMatchObject({ stepMs: 1_000, words: { issued: Array(60).fill(0) } });
      return answer;
    },
  ],
  [
    "GET /ops/campaigns/{campaignId}/answers",
    "shown of fifteen minutes",
    200,
    async () => {
      const path = `/ops/campaigns/${await campaign()}/answers?seconds=900`;
      const answer = await call("GET", path, { token: await operator() });
      expect(answer.body).toMatchObject({ stepMs: 5_000, words: { "sold-out": Array(180).fill(0) } });
      return answer;
    },
  ],
  [
    "GET /ops/campaigns/{campaignId}/answers",
    "no campaign",
    404,
    async () => call("GET", `/ops/campaigns/${unique("none")}/answers`, { token: await operator() }),
    "unknown",
  ],
  [
    "GET /ops/campaigns/{campaignId}/answers",
    "asked for too many seconds",
    400,
    async () => call("GET", `/ops/campaigns/${await campaign()}/answers?seconds=901`, { token: await operator() }),
    "invalid",
  ],
  [
    "GET /ops/campaigns/{campaignId}/answers",
    "asked for too few",
    400,
    async () => call("GET", `/ops/campaigns/${await campaign()}/answers?seconds=9`, { token: await operator() }),
    "invalid",
  ],
  [
    "GET /ops/campaigns/{campaignId}/answers",
    "asked by a shopper",
    403,
    async () => call("GET", `/ops/campaigns/${await campaign()}/answers`, { token: await token("u") }),
    "forbidden",
  ],
  [
    "POST /ops/campaigns/{campaignId}/verify",
    "verified",
    200,
    async () => call("POST", `/ops/campaigns/${await campaign()}/verify?repair=true`, { token: await operator() }),
  ],
  [
    "POST /ops/campaigns/{campaignId}/verify",
    "no campaign",
    404,
    async () => call("POST", `/ops/campaigns/${unique("none")}/verify`, { token: await operator() }),
    "unknown",
  ],
  [
    "POST /ops/campaigns/{campaignId}/recover",
    "begun",
    202,
    async () => call("POST", `/ops/campaigns/${await campaign()}/recover`, { token: await operator() }),
  ],
  [
    "POST /ops/campaigns/{campaignId}/recover",
    "asked for by a shopper",
    403,
    async () => call("POST", `/ops/campaigns/${await campaign()}/recover`, { token: await token("u") }),
    "forbidden",
  ],
  [
    "POST /ops/campaigns/{campaignId}/transfers",
    "sent",
    200,
    async () => {
      const body = { transferId: "t", to: unique("a"), count: 1 };
      return call("POST", `/ops/campaigns/${await campaign()}/transfers`, { token: await operator(), body });
    },
  ],
  [
    "POST /ops/campaigns/{campaignId}/transfers",
    "more than is left",
    409,
    async () => {
      const body = { transferId: "t", to: unique("a"), count: 1_000 };
      return call("POST", `/ops/campaigns/${await campaign()}/transfers`, { token: await operator(), body });
    },
    "conflict",
  ],
  [
    "POST /ops/campaigns/{campaignId}/transfers/receive",
    "received",
    200,
    async () => {
      const [from, to] = [await campaign(), await campaign()];
      const sent = await call("POST", `/ops/campaigns/${from}/transfers`, {
        token: await operator(),
        body: { transferId: "t", to, count: 1 },
      });
      const body = { receipt: sent.body.receipt };
      return call("POST", `/ops/campaigns/${to}/transfers/receive`, { token: await operator(), body });
    },
  ],
  [
    "PUT /rooms/{roomId}",
    "put with everything",
    200,
    async () => {
      const override = { from: soon(), until: iso(Date.now() + HOUR), capacity: 1, admitPerSecond: 0.5, open: false };
      const more = { heartbeatSeconds: 10, maxWaiting: 5, renewable: true, singleUse: true };
      return (await putRoom({ ...more, opensAt: soon(), order: "shuffle", override }))[1];
    },
  ],
  ["PUT /rooms/{roomId}", "drawn at no time", 400, async () => (await putRoom({ order: "shuffle" }))[1], "invalid"],
  [
    "PUT /rooms/{roomId}",
    "to be drawn while people wait",
    409,
    async () => {
      const [roomId] = await putRoom({ open: false });
      await ticketOf(roomId, await token("u")).take();
      return (await putRoom({ order: "shuffle", opensAt: soon() }, roomId))[1];
    },
    "conflict",
  ],
  ["GET /rooms/{roomId}", "shown", 200, async () => call("GET", `/rooms/${(await putRoom())[0]}`)],
  [
    "GET /rooms/{roomId}",
    "shown before its order is drawn",
    200,
    async () => call("GET", `/rooms/${(await putRoom({ order: "shuffle", opensAt: soon() }))[0]}`),
  ],
  ["GET /rooms/{roomId}", "never put", 404, async () => call("GET", `/rooms/${unique("none")}`), "unknown"],
  ["GET /rooms", "listed", 200, async () => call("GET", "/rooms?limit=100", { token: await operator() })],
  [
    "POST /ops/rooms/{roomId}/revoke",
    "revoked",
    200,
    async () => call("POST", `/ops/rooms/${(await putRoom())[0]}/revoke`, { token: await operator() }),
  ],
  [
    "POST /ops/rooms/{roomId}/revoke",
    "no room",
    404,
    async () => call("POST", `/ops/rooms/${unique("none")}/revoke`, { token: await operator() }),
    "unknown",
  ],
  [
    "POST /rooms/{roomId}/tickets",
    "taken, and inside at once",
    201,
    async () => ticketOf((await putRoom())[0], await token("u")).take(),
  ],
  [
    "POST /rooms/{roomId}/tickets",
    "taken before the order is drawn",
    201,
    async () => ticketOf((await putRoom({ order: "shuffle", opensAt: soon() }))[0], await token("u")).take(),
  ],
  [
    "POST /rooms/{roomId}/tickets",
    "taken again",
    200,
    async () => {
      const ticket = ticketOf((await putRoom({ open: false }))[0], await token("u"));
      await ticket.take();
      return ticket.take();
    },
  ],
  [
    "POST /rooms/{roomId}/tickets",
    "as many wait as may",
    409,
    async () => {
      const [roomId] = await putRoom({ open: false, maxWaiting: 1 });
      await ticketOf(roomId, await token("u")).take();
      return ticketOf(roomId, await token("v")).take();
    },
    "room-full",
  ],
  [
    "GET /rooms/{roomId}/tickets/me",
    "waiting",
    200,
    async () => {
      const ticket = ticketOf((await putRoom({ open: false }))[0], await token("u"));
      await ticket.take();
      return ticket.poll();
    },
  ],
  [
    "GET /rooms/{roomId}/tickets/me",
    "never taken",
    404,
    async () => ticketOf((await putRoom())[0], await token("u")).poll(),
    "unknown",
  ],
  [
    "DELETE /rooms/{roomId}/tickets/me",
    "left",
    204,
    async () => {
      const ticket = ticketOf((await putRoom())[0], await token("u"));
      await ticket.take();
      return ticket.leave();
    },
  ],
  [
    "DELETE /rooms/{roomId}/tickets/me",
    "never there",
    204,
    async () => ticketOf((await putRoom())[0], await token("u")).leave(),
  ],
  ["PUT /boards/{boardId}", "made", 200, async () => (await putBoard({ category: undefined }))[1]],
  [
    "PUT /boards/{boardId}",
    "changed, and how it differs",
    200,
    async () => {
      const boardId = await filledBoard();
      await putBoard({ size: 5 }, boardId, "?switch=false");
      const built = await eventually(
        () => putBoard({ size: 5 }, boardId, "?switch=false"),
        ([, { body }]) => body.next?.state === "built",
      );
      expect(built[1].body).toMatchObject({ state: "live", displacement: { version: 2 } });
      return built[1];
    },
  ],
  ["PUT /boards/{boardId}", "without weights", 400, async () => (await putBoard({ weights: undefined }))[1], "invalid"],
  [
    "PUT /boards/{boardId}",
    "put by a sender of events",
    403,
    async () => call("PUT", `/boards/${unique("b")}`, { token: await token("shop", "events"), body: {} }),
    "forbidden",
  ],
  [
    "GET /boards",
    "listed with more to come",
    200,
    async () => {
      await Promise.all([putBoard(), putBoard()]);
      const answer = await call("GET", "/boards?limit=1", { token: await operator() });
      expect(answer.body).toMatchObject({ items: [{}], cursor: expect.any(String) });
      return answer;
    },
  ],
  ["GET /boards/{boardId}", "shown", 200, async () => showBoard((await putBoard())[0])],
  ["GET /boards/{boardId}", "never put", 404, async () => showBoard(unique("none")), "unknown"],
  [
    "POST /boards/{boardId}/switch",
    "the one before is back",
    200,
    async () => {
      const [boardId] = await putBoard();
      const isLive = (version: number) =>
        eventually(
          () => showBoard(boardId),
          ({ body }) => body.state === "live" && body.version === version,
        );
      await isLive(1);
      await putBoard({ size: 5 }, boardId);
      await isLive(2);
      return call("POST", `/boards/${boardId}/switch`, { token: await operator(), body: { version: 1 } });
    },
  ],
  [
    "POST /boards/{boardId}/switch",
    "to a version that is not there",
    409,
    async () => {
      const [boardId] = await putBoard();
      return call("POST", `/boards/${boardId}/switch`, { token: await operator(), body: { version: 7 } });
    },
    "conflict",
  ],
  [
    "POST /boards/{boardId}/switch",
    "no board",
    404,
    async () => call("POST", `/boards/${unique("none")}/switch`, { token: await operator(), body: { version: 1 } }),
    "unknown",
  ],
  ["POST /events", "counted", 202, () => count([{ type: "view", productId: unique("p") }])],
  [
    "POST /events",
    "with everything",
    202,
    () => {
      const more = { category: "hats", quantity: 2, amount: 900, at: iso(Date.now()), actorId: "someone" };
      return count([{ type: "view", productId: unique("p"), ...more }]);
    },
  ],
  ["POST /events", "none", 400, () => count([]), "invalid"],
  [
    "POST /events",
    "sent by a shopper",
    403,
    async () => call("POST", "/events", { token: await token("u"), body: { events: [] } }),
    "forbidden",
  ],
  ["GET /boards/{boardId}/top", "shown", 200, async () => call("GET", `/boards/${await filledBoard()}/top?window=7d`)],
  [
    "GET /boards/{boardId}/top",
    "shown with more to come",
    200,
    async () => {
      const answer = await call("GET", `/boards/${await filledBoard()}/top?window=trending&limit=1`);
      expect(answer.body).toMatchObject({ items: [{ rank: 1, change: "new" }], cursor: expect.any(String) });
      return answer;
    },
  ],
  ["GET /boards/{boardId}/top", "never put", 404, () => call("GET", `/boards/${unique("none")}/top`), "unknown"],
  [
    "GET /boards/{boardId}/top",
    "of a window that is none",
    400,
    () => call("GET", `/boards/${unique("none")}/top?window=2h`),
    "invalid",
  ],
  [
    "GET /boards/{boardId}/products/{productId}",
    "explained",
    200,
    async () => {
      const boardId = await filledBoard();
      const answer = await call("GET", `/boards/${boardId}/products/${boardId}-p-2?window=1h`);
      expect(answer.body).toMatchObject({ rank: 2, of: 3, source: "live" });
      return answer;
    },
  ],
  [
    "GET /boards/{boardId}/products/{productId}",
    "never counted",
    404,
    async () => {
      const [boardId] = await putBoard();
      // Where the schedule scored just then, the first version is published a little later.
      return eventually(
        () => call("GET", `/boards/${boardId}/products/${unique("none")}`),
        ({ status }) => status !== 503,
      );
    },
    "unknown",
  ],
  [
    "PUT /ops/breaker",
    "switched",
    200,
    async () => call("PUT", "/ops/breaker", { token: await operator(), body: { mode: "auto" } }),
  ],
  [
    "PUT /ops/breaker",
    "to a mode that is none",
    400,
    async () => call("PUT", "/ops/breaker", { token: await operator(), body: { mode: "open" } }),
    "invalid",
  ],
  [
    "GET /ops/rankings",
    "shown with everything",
    200,
    async () => {
      await filledBoard();
      const answer = await call("GET", "/ops/rankings", { token: await operator() });
      expect(answer.body.editions.length).toBeGreaterThan(0);
      expect(answer.body.shards).toHaveLength(16);
      return answer;
    },
  ],
  [
    "POST /ops/rankings/rebuild",
    "begun",
    202,
    async () => {
      const answer = await call("POST", "/ops/rankings/rebuild", { token: await operator() });
      expect(answer.body.editions).toContainEqual(expect.objectContaining({ state: "building" }));
      return answer;
    },
  ],
  [
    "POST /ops/rankings/rebuild",
    "asked for by a shopper",
    403,
    async () => call("POST", "/ops/rankings/rebuild", { token: await token("u") }),
    "forbidden",
  ],
  ["GET /ops/dead-letters", "listed", 200, async () => call("GET", "/ops/dead-letters", { token: await operator() })],
  [
    "POST /ops/dead-letters/redrive",
    "sent again",
    200,
    async () =>
      call("POST", "/ops/dead-letters/redrive", { token: await operator(), body: { letterIds: ["nothing"] } }),
  ],
  [
    "GET /ops/signals",
    "found",
    200,
    async () => {
      await Promise.all([campaign(), putRoom(), filledBoard()]);
      const answer = await call("GET", "/ops/signals", { token: await operator() });
      expect(answer.body).toMatchObject({ redis: { status: "up", servers: [{ role: "primary" }] } });
      const { campaigns, rooms, boards } = answer.body;
      for (const { items } of [campaigns, rooms, boards]) expect(items[0]).toHaveProperty("keys.keys");
      return answer;
    },
  ],
  [
    "GET /ops/signals",
    "asked by a shopper",
    403,
    async () => call("GET", "/ops/signals", { token: await token("u") }),
    "forbidden",
  ],
  ["GET /health", "healthy", 200, () => call("GET", "/health")],
  ["GET /openapi.json", "shown", 200, () => call("GET", "/openapi.json")],
];

/** A user's token and the id of the confirmed coupon that they hold. */
async function held(): Promise<[user: string, couponId: string]> {
  const user = await token(unique("u"));
  const campaignId = await campaign({ validDays: 3 });
  const { body } = await ask(campaignId, user);
  await eventually(
    () => mine(campaignId, user),
    (answer) => answer.body.items[0].state === "confirmed",
  );
  return [user, body.couponId];
}

describe("what the stack answers is what the document says:", () => {
  test.each(ANSWERS)("%s: %s", async (route, _, status, bring, code) => {
    const answer = await bring();
    expect(answer).toMatchObject({ status, ...(code === undefined ? {} : { body: { code } }) });
    expect(answerFaults(route, answer)).toEqual([]);
    const description = operations.get(route)?.responses[status]?.description ?? "";
    if (code !== undefined) expect(description.split(" · ")).toContain(code);
  });

  test("every route and every success of it was seen, but for those that need a fault", () => {
    const seen = new Set(ANSWERS.map(([route, , status]) => `${route} ${status}`));
    const documented = [...operations].flatMap(([route, { responses }]) =>
      Object.keys(responses)
        .filter((status) => status.startsWith("2"))
        .map((status) => `${route} ${status}`),
    );
    // 202 needs SQS out of reach.
    const unseen = documented.filter((it) => !seen.has(it));
    expect(unseen).toEqual(["POST /campaigns/{campaignId}/coupons 202"]);
  });
});

describe("what the document lets a request carry is what the stack takes:", () => {
  const bodies: [string, object, boolean][] = [
    ["everything", {}, true],
    ["the least", { perUser: undefined, roomId: undefined, discount: undefined, validDays: undefined }, true],
    ["another zone", { opensAt: "2026-01-01T00:00:00+09:00" }, true],
    ["the longest name", { name: "é".repeat(200) }, true],
    ["a name that is too long", { name: "é".repeat(201) }, false],
    ["a name of control characters", { name: "\u0007" }, false],
    ["no stock", { stock: 0 }, false],
    ["half a coupon", { stock: 1.5 }, false],
    ["no name", { name: undefined }, false],
    ["a field that is not known", { more: 1 }, false],
    ["a list for a discount", { discount: [] }, false],
    ["a time in words", { opensAt: "soon" }, false],
  ];
  test.each(bodies)("a campaign with %s", async (_, content, isTaken) => {
    const body = JSON.parse(JSON.stringify(draft(content)));
    const { requestBody } = operations.get("POST /campaigns") ?? {};
    expect(requestBody?.required).toBe(true);
    expect(faultsOf(body, schemaOf(requestBody?.content, "application/json")).length === 0).toBe(isTaken);
    expect((await create(content)).status).toBe(isTaken ? 201 : 400);
  });

  const event = (content: object = {}) => ({ events: [{ type: "sale", productId: "openapi.p", ...content }] });
  const batches: [string, object, boolean][] = [
    ["the least", event(), true],
    [
      "everything",
      event({ category: "a:b", quantity: limits.quantityMost, amount: limits.amountMost, actorId: "é" }),
      true,
    ],
    ["too great an amount", event({ amount: limits.amountMost + 1 }), false],
    ["no event", { events: [] }, false],
    ["501 events", { events: Array.from({ length: 501 }, () => event().events[0]) }, false],
    ["a type that nobody knows", event({ type: "click" }), false],
    ["an empty product", event({ productId: "" }), false],
    ["a product of blanks", event({ productId: "a b" }), false],
    ["no quantity", event({ quantity: 0 }), false],
    ["half a cent", event({ amount: 0.5 }), false],
    ["a field that is not known", event({ price: 1 }), false],
    ["a time in words", event({ at: "now" }), false],
  ];
  test.each(batches)("a batch with %s", async (_, body, isTaken) => {
    const { requestBody, parameters = [] } = operations.get("POST /events") ?? {};
    expect(requestBody?.required).toBe(true);
    expect(parameters).toContainEqual(expect.objectContaining({ in: "header", required: true }));
    expect(faultsOf(body, schemaOf(requestBody?.content, "application/json")).length === 0).toBe(isTaken);
    const headers = { "idempotency-key": unique("k") };
    const sent = await call("POST", "/events", { token: await token("shop", "events"), body, headers });
    expect(sent.status).toBe(isTaken ? 202 : 400);
  });

  test("a coupon needs no body", () => {
    expect(operations.get("POST /campaigns/{campaignId}/coupons")?.requestBody?.required).toBe(false);
  });
});

// ── The checker ─────────────────────────────────────────────────────────────────────────────────────────────────────────

describe("the checker of answers", () => {
  const route = "GET /campaigns/{campaignId}";
  const problem = (change: object = {}) => ({
    status: 404,
    headers: new Headers({ "content-type": "application/problem+json" }),
    body: {
      ...{ type: "https://example.com/unknown", title: "t", status: 404, code: "unknown", detail: "d", requestId: "r" },
      ...change,
    },
  });
  const json = new Headers({ "content-type": "application/json" });
  let sound: Record<string, unknown>;
  beforeAll(async () => {
    sound = (await call("GET", `/campaigns/${(await create()).body.campaignId}`)).body;
  });

  test("takes a sound answer", () => {
    expect(answerFaults(route, problem())).toEqual([]);
    expect(answerFaults(route, { status: 200, headers: json, body: sound })).toEqual([]);
  });

  const wrong: [string, object][] = [
    ["a member that is not documented", { secret: 1 }],
    ["a member within a member that is not documented", { issues: [{ in: "body", path: "", message: "", value: 1 }] }],
    ["a code that is not of the set", { code: "oops" }],
    ["a member that is missing", { detail: undefined }],
    ["a member of another type", { status: "404" }],
  ];
  test.each(wrong)("reports a problem with %s", (_, change) => {
    expect(answerFaults(route, problem(change))).not.toEqual([]);
  });

  const edits: [string, object][] = [
    ["a member that is not documented", { buckets: 1 }],
    ["a state that nobody knows", { state: "half-open" }],
    ["a time in milliseconds", { opensAt: 1_767_225_600_000 }],
    ["a time without milliseconds", { serverTime: "2026-01-01T00:00:00Z" }],
    ["a time in another zone", { serverTime: "2026-01-01T00:00:00.000+09:00" }],
    ["half a coupon issued", { issued: 1.5 }],
    ["fewer than none left", { remaining: -1 }],
    ["a list within its discount", { discount: { a: [] } }],
  ];
  test.each(edits)("reports a campaign with %s", (_, edit) => {
    expect(answerFaults(route, { status: 200, headers: json, body: { ...sound, ...edit } })).not.toEqual([]);
  });

  test("reports a member that is missing, a status and a content type that are not documented", () => {
    const { version: _, ...rest } = sound;
    expect(answerFaults(route, { status: 200, headers: json, body: rest })).toHaveLength(1);
    expect(answerFaults(route, { status: 202, headers: json, body: sound })).toEqual([`${route} says nothing of 202`]);
    expect(answerFaults(route, { ...problem(), headers: json })).toHaveLength(1);
  });
});
