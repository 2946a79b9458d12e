import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { Agent, request, STATUS_CODES } from "node:http";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { limits } from "../core/limits.ts";
import { REFUSAL_WORDS, type RefusalWord } from "../core/words.ts";
import type { Contract } from "../functions/contract/contract.ts";
import { STATUS } from "../functions/http/status.ts";
import { routes } from "../functions/routes.ts";
import { gateway } from "../infra/settings.ts";
import { client, sharedStack, unique } from "./setup/client.ts";

/**
 * Whatever is wrong with a request, the caller is told so: a 4xx with a problem document that names the part that does not
 * fit. Never a 5xx, never a stack trace, and never a success.
 */

const stack = sharedStack();
const { ask, campaign, token } = client(stack.api);
const { hostname, port } = new URL(stack.api);

/** A campaign that would serve every request here, if only it were sound. */
const OPEN = unique("c");
const COUPONS = `/campaigns/${OPEN}/coupons`;

interface Malformed {
  /** What is wrong, to be read after the route. */
  readonly wrong: string;
  readonly method?: string;
  readonly path: string;
  readonly as?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string | Buffer;
  readonly code: RefusalWord;
  /** Where the issue must be, for `invalid`. */
  readonly at?: readonly ["path" | "query" | "header" | "body", string] | undefined;
}

// ── Requests ────────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Told {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

const agent = new Agent({ keepAlive: true });
afterAll(() => agent.destroy());

/** `fetch` sends only what is sound; this sends anything that is HTTP. */
function send(method: string, path: string, headers: Malformed["headers"] = {}, body?: string | Buffer): Promise<Told> {
  return new Promise((resolve, reject) => {
    const bytes = body === undefined ? undefined : Buffer.from(body);
    const outgoing = request({
      host: hostname,
      port,
      method,
      path,
      headers: { ...(bytes ? { "content-length": String(bytes.length) } : {}), ...headers },
      agent,
    });
    outgoing.on("response", async (incoming) => {
      const chunks: Buffer[] = [];
      for await (const chunk of incoming) chunks.push(chunk as Buffer);
      resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text: Buffer.concat(chunks).toString() });
    });
    // A server that has answered may close before it was sent everything: what it answered has been resolved by then.
    outgoing.on("error", reject);
    outgoing.end(bytes);
  });
}

/** Sends bytes, ends its half of the connection, and reads all there is to read. */
async function sendRaw(bytes: string | Buffer): Promise<string> {
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => chunks.push(chunk));
  // A server that has had enough may reset the connection; what counts is what it said before.
  socket.on("error", () => {});
  socket.end(bytes);
  await new Promise((resolve) => socket.once("close", resolve));
  return Buffer.concat(chunks).toString("latin1");
}

function readRaw(answer: string): Told {
  const [head = "", ...rest] = answer.split("\r\n\r\n");
  const [statusLine = "", ...lines] = head.split("\r\n");
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
  );
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1]);
  expect(statusLine).toBe(`HTTP/1.1 ${status} ${STATUS_CODES[status]}`);
  return { status, headers, text: rest.join("\r\n\r\n") };
}

/** Signs of code in a text: a stack's lines, names of files. */
const STACK = /\bat [\w.<]+ \(|node_modules|\.(?:ts|mjs|js):\d+|\bnode:internal|Error:/;

function expectRefusal(told: Told, code: RefusalWord, at?: Malformed["at"], method = ""): void {
  const { status, headers, text } = told;
  expect({ status, text }).toEqual({ status: STATUS[code], text: expect.any(String) });
  expect(status).toBeGreaterThanOrEqual(400);
  expect(status).toBeLessThan(500);
  expect(headers["content-type"]).toBe("application/problem+json");
  expect(headers["x-request-id"]).toMatch(/^[\w-]{8,}$/);
  if (code === "method-not-allowed") expect(headers.allow).toMatch(/^[A-Z]+(, [A-Z]+)*$/);
  if (code === "unauthorized") expect(headers["www-authenticate"]).toMatch(/^Bearer/);
  if (method === "HEAD") {
    expect(text).toBe("");
    return;
  }
  expect(text).not.toMatch(STACK);
  expect(text.length).toBeLessThan(32_768);
  const problem = JSON.parse(text);
  expect(problem).toMatchObject({
    type: expect.stringMatching(/^https:\/\/\S+$/),
    title: expect.stringMatching(/\S/),
    status,
    code,
    detail: expect.stringMatching(/\S/),
    requestId: headers["x-request-id"],
  });
  expect(REFUSAL_WORDS).toContain(problem.code);
  if (code === "invalid") {
    const [place, field] = at ?? ["?", "?"];
    const named = problem.issues.filter(
      (issue: { in: string; path: string }) =>
        issue.in === place && (issue.path === field || issue.path.startsWith(`${field}.`)),
    );
    expect(named, JSON.stringify(problem.issues)).not.toEqual([]);
    for (const { message } of problem.issues) expect(message).toMatch(/\S/);
  }
}

// ── Who asks ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Authorization headers by name, filled before the first test. */
const authorization: Record<string, string> = {};

/** The stack's own signing key: a token that is wrong in one thing must be right in all others. */
function signingKey(): JWK {
  const folder = dirname(stack.log);
  const run = readdirSync(folder).find((name) => name.startsWith(`run-${stack.pid}-`));
  const { signingKey: key } = JSON.parse(readFileSync(join(folder, run ?? "", "secrets.json"), "utf8"));
  return JSON.parse(key);
}

const SECONDS = () => Math.floor(Date.now() / 1_000);

async function fillAuthorization(): Promise<void> {
  const jwk = signingKey();
  const ours = await importJWK(jwk, "EdDSA");
  const stranger = await generateKeyPair("EdDSA");
  const sound = () => ({
    sub: unique("u"),
    iss: "urn:firstcome:local",
    aud: "firstcome",
    iat: SECONDS(),
    exp: SECONDS() + 60,
    scope: "operator",
  });
  const sign = (claims: object, key = ours, header: object = {}) =>
    new SignJWT({ ...sound(), ...claims }).setProtectedHeader({ alg: "EdDSA", kid: "local-1", ...header }).sign(key);
  const text = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url");

  const good = await sign({});
  const [head = "", claims = "", signature = ""] = good.split(".");
  const { x = "" } = jwk;
  const publicPem = Buffer.from(JSON.stringify(await exportJWK(stranger.publicKey)));
  const tokens: Record<string, string> = {
    good,
    operator: good,
    shopper: await sign({ scope: undefined }),
    "signed by a stranger's key": await sign({}, stranger.privateKey),
    "with another subject under the signature": `${head}.${text({ ...sound(), sub: "somebody-else" })}.${signature}`,
    "with a cut signature": `${head}.${claims}.${signature.slice(0, -4)}`,
    "with no signature": `${head}.${claims}.`,
    "with alg none": `${text({ alg: "none", typ: "JWT" })}.${text(sound())}.`,
    "with alg none and the old signature": `${text({ alg: "none", kid: "local-1" })}.${claims}.${signature}`,
    "signed with the public key as a secret": await new SignJWT(sound())
      .setProtectedHeader({ alg: "HS256", kid: "local-1" })
      .sign(Buffer.from(x.padEnd(32, "="))),
    "signed with another algorithm": await new SignJWT(sound()).setProtectedHeader({ alg: "HS256" }).sign(publicPem),
    "with a key of its own in the header": await sign({}, stranger.privateKey, {
      jwk: await exportJWK(stranger.publicKey),
    }),
    "of an unknown key": await sign({}, stranger.privateKey, { kid: "local-2" }),
    "with a critical header nobody knows": await sign({}, ours, { crit: ["x"], x: 1 }).catch(() => `${head}.e30.x`),
    expired: await sign({ exp: SECONDS() - 60 }),
    "that is not valid yet": await sign({ nbf: SECONDS() + 600 }),
    "that never expires": await sign({ exp: undefined }),
    "with an expiry in words": `${head}.${text({ ...sound(), exp: "tomorrow" })}.${signature}`,
    "for another audience": await sign({ aud: "somebody-else" }),
    "without an audience": await sign({ aud: undefined }),
    "of another issuer": await sign({ iss: "https://issuer.example.com" }),
    "without an issuer": await sign({ iss: undefined }),
    "without a subject": await sign({ sub: undefined }),
    "with an empty subject": await sign({ sub: "" }),
    "with a number as its subject": await sign({ sub: 7 }),
    "with a list as its subject": await sign({ sub: ["u"] }),
    "with a subject of 256 characters": await sign({ sub: "u".repeat(limits.userIdLength + 1) }),
    "whose scope is another": await sign({ scope: "events" }),
    "whose scope is written in capitals": await sign({ scope: "OPERATOR" }),
    "whose scope only begins alike": await sign({ scope: "operators operator:read" }),
    "whose scopes are split by a comma": await sign({ scope: "operator,events" }),
    "whose scope is a list": await sign({ scope: ["operator"] }),
    "whose scope is an object": await sign({ scope: { operator: true } }),
    "that is three words": "a.b.c",
    "that is one word": "garbage",
    "that is only dots": "..",
    "of five parts": `${good}.a.b`,
    "with a line of its own": `${good}\t`,
    "that is long": `${good}${"x".repeat(8_000)}`,
  };
  for (const [name, value] of Object.entries(tokens)) authorization[name] = `Bearer ${value}`;
  Object.assign(authorization, {
    "that is missing after Bearer": "Bearer",
    "that is blank": "Bearer  ",
    "without Bearer": good,
    "as a password": `Basic ${Buffer.from("operator:operator").toString("base64")}`,
    "behind another word": `Token ${good}`,
    "that comes twice": `Bearer ${good}, Bearer ${good}`,
  });
}

// ── Bodies ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

const HOUR = 3_600_000;
const iso = (ms: number) => new Date(ms).toISOString();

/** A sound body as JSON texts by field; a test replaces one by whatever JSON can write, also what JavaScript cannot. */
const soundCampaign = (): Record<string, string> => ({
  campaignId: JSON.stringify(unique("m")),
  name: '"A name"',
  stock: "5",
  opensAt: JSON.stringify(iso(Date.now())),
  closesAt: JSON.stringify(iso(Date.now() + HOUR)),
});

const object = (fields: Readonly<Record<string, string>>) =>
  `{${Object.entries(fields)
    .map(([name, value]) => `${JSON.stringify(name)}:${value}`)
    .join(",")}}`;

const long = (length: number, text = "x") => JSON.stringify(text.repeat(length));

const NO_TEXT = ["5", "1.5", "true", "null", "[]", "{}", '["x"]', "1e400"];
const NO_WHOLE = ['"5"', '""', "null", "true", "[]", "[5]", "{}", "1.5", "1e400", "-1e400", "9007199254740993"];
const NO_ID = [
  ...NO_TEXT,
  ...['""', '"A"', '"a b"', '"a_b"', '"a/b"', '"a.b"', '"é"', '"🎟"', '"a\\u0000"', '"a\\n"', '"\\ud800"', '"\\udc00a"'],
  ...['"{a}"', '"../a"', long(65, "a"), long(10_000, "a")],
];
const NO_NAME = [
  ...NO_TEXT,
  ...[
    '""',
    '"   "',
    '"a\\u0000b"',
    '"a\\nb"',
    '"a\\u007f"',
    '"a\\u0085"',
    '"\\ud800"',
    '"a\\udfff"',
    '"\\u001b[31mred"',
  ],
  ...[long(limits.nameLength + 1), long(100_000, "é")],
];
const NO_TIME = [
  ...NO_TEXT,
  ...['""', '"soon"', '"2026-01-01"', '"2026-01-01T00:00:00"', '"2026-13-01T00:00:00Z"', '"2026-02-30T00:00:00Z"'],
  ...['"2026-01-01T25:00:00Z"', '"2026-01-01T00:00:00+25:00"', '"10000-01-01T00:00:00Z"', '"+275761-01-01T00:00:00Z"'],
  ...['" 2026-01-01T00:00:00Z"', '"2026-01-01T00:00:00Z\\u0000"', "1767225600000", "-1e400", long(10_000, "2")],
];

const WRONG_FIELDS: Readonly<Record<string, readonly string[]>> = {
  campaignId: NO_ID,
  name: NO_NAME,
  stock: [...NO_WHOLE, "0", "-0.0", "-1", "1e-400", `${limits.stockMost + 1}`, "1e21"],
  perUser: [...NO_WHOLE, "0", "-1", `${limits.perUserMost + 1}`],
  opensAt: NO_TIME,
  closesAt: [...NO_TIME, JSON.stringify(iso(Date.now() - HOUR)), '"2099-01-01T00:00:00.000Z"'],
  roomId: NO_ID,
  discount: [
    ...["null", "[]", "[1]", "1e400", '{"a":null}', '{"a":{}}', '{"a":[1]}', '{"a":1e400}', '{"a":{"a":{"a":1}}}'],
    ...[long(limits.discountTextLength + 1), `{"a":${long(limits.discountTextLength + 1)}}`],
    `{${Array.from({ length: limits.discountFieldCount + 1 }, (_, i) => `"f${i}":1`).join()}}`,
    `{${long(limits.discountTextLength + 1)}:1}`,
  ],
  validDays: [...NO_WHOLE, "0", "-1", `${limits.validDaysMost + 1}`],
  paused: ["0", "1", '"true"', '""', "null", "[]", "[true]", "{}"],
  orderId: [
    ...NO_TEXT,
    ...['""', '" "', '"a b"', '"a\\u0000"', '"a\\n"', '"é"', '"\\ud800"', long(limits.orderIdLength + 1)],
  ],
  transferId: NO_ID,
  to: NO_ID,
  count: [...NO_WHOLE, "0", "-1", `${limits.stockMost + 1}`],
  receipt: [...NO_TEXT, '""', long(1_001)],
  allotment: [
    ...["null", "[]", "5", '"0/2"', "{}", '{"index":0}', '{"of":2}', '{"index":2,"of":2}', '{"index":-1,"of":2}'],
    ...['{"index":0,"of":1}', `{"index":0,"of":${limits.allotmentsMost + 1}}`, '{"index":0,"of":2,"more":1}'],
  ],
  letterIds: [
    ...["5", "null", "true", '"x"', "{}", "[]", "[1]", "[null]", '[""]', `[${long(limits.cursorLength + 1)}]`],
    `[${Array(limits.lettersMost + 1)
      .fill('"x"')
      .join()}]`,
  ],
};

const UNKNOWN_FIELDS = ["extra", "Stock", " stock", "", "constructor", "prototype", "toString", "__proto__", "\u0000"];
const DEEP = 100_000;

/** What is no object, or no JSON at all: [what it is, the body, whether nothing at all is as wrong]. */
const NO_OBJECT: readonly [string, string | Buffer][] = [
  ["null", "null"],
  ["a number", "5"],
  ["a text", '"stock"'],
  ["a truth", "true"],
  ["a list", "[]"],
  ["a list of one object", "[{}]"],
  ["100,000 levels of lists", "[".repeat(DEEP) + "]".repeat(DEEP)],
  ["100,000 lists that never end", "[".repeat(DEEP)],
  ["40,000 levels of objects that never end", '{"a":'.repeat(DEEP / 2.5)],
  ["a blank", " "],
  ["an object that never ends", '{"stock":1'],
  ["an object that has ended before", '{"stock":1}}'],
  ["two objects", "{}{}"],
  ["single quotes", "{'stock':1}"],
  ["names without quotes", "{stock:1}"],
  ["a comma too many", '{"stock":1,}'],
  ["a comment", "{} // nothing"],
  ["NaN", '{"stock":NaN}'],
  ["a number with a leading zero", '{"stock":01}'],
  ["a hexadecimal number", '{"stock":0x10}'],
  ["a line break in a text", '{"name":"a\nb"}'],
  ["an escape that is none", '{"name":"\\x41"}'],
  ["a form", "stock=1&name=a"],
  ["XML", "<campaign/>"],
  ["a zero byte", "\u0000"],
  ["two byte-order marks", "\ufeff\ufeff{}"],
];

const utf16 = (text: string) => Buffer.from(text, "utf16le");
/** Bytes that are no UTF-8, made of a sound body. */
const ENCODINGS: readonly [string, (sound: string) => Buffer, headers?: Record<string, string>][] = [
  ["in UTF-16", (sound) => utf16(`\ufeff${sound}`)],
  ["in UTF-16 without a mark", utf16],
  ["in UTF-16, big end first", (sound) => utf16(`\ufeff${sound}`).swap16()],
  ["in UTF-16, and says so", utf16, { "content-type": "application/json; charset=utf-16" }],
  ["in UTF-32", (sound) => Buffer.from([...sound].flatMap((char) => [char.codePointAt(0) ?? 0, 0, 0, 0]))],
  ["in Latin-1", (sound) => Buffer.from(sound.replace("{", '{"é":1,'), "latin1")],
  ["with a byte that UTF-8 never has", (sound) => Buffer.concat([Buffer.from(sound), Buffer.of(0xff)])],
  ["with an overlong zero", (sound) => Buffer.from(sound.replace("{", '{"@@":1,').replace("@@", "\xc0\x80"), "latin1")],
  ["with a surrogate in UTF-8", (sound) => Buffer.from(sound.replace("{", '{"\xed\xa0\x80":1,'), "latin1")],
  ["cut within a character", (sound) => Buffer.from(`${sound} é`).subarray(0, -1)],
  ["as gzip", (sound) => gzipSync(sound), { "content-encoding": "gzip" }],
  ["as gzip that does not say so", (sound) => gzipSync(sound)],
  [
    "as random bytes",
    () => Buffer.concat([Buffer.of(0xff), randomBytes(64)]),
    { "content-type": "application/octet-stream" },
  ],
];

interface BodyRoute {
  readonly method: string;
  readonly path: string;
  readonly as?: string;
  /** A body that would be taken. */
  readonly sound: () => Record<string, string>;
  readonly fields: readonly string[];
  readonly required: readonly string[];
  /** Of the contract only, not of the stack's own routes. */
  readonly bounded: boolean;
}

const BODY_ROUTES: readonly BodyRoute[] = [
  {
    method: "POST",
    path: "/campaigns",
    as: "operator",
    sound: soundCampaign,
    fields: [
      "campaignId",
      "name",
      "stock",
      "perUser",
      "opensAt",
      "closesAt",
      "roomId",
      "discount",
      "validDays",
      "allotment",
    ],
    required: ["campaignId", "name", "stock", "opensAt", "closesAt"],
    bounded: true,
  },
  {
    method: "PATCH",
    path: `/campaigns/${OPEN}`,
    as: "operator",
    sound: () => ({ name: '"Another name"' }),
    fields: ["name", "stock", "opensAt", "paused"],
    required: [],
    bounded: true,
  },
  { method: "POST", path: COUPONS, as: "shopper", sound: () => ({}), fields: [], required: [], bounded: true },
  {
    method: "POST",
    path: `/coupons/${OPEN}.1.${"x".repeat(22)}/use`,
    as: "shopper",
    sound: () => ({ orderId: '"o-1"' }),
    fields: ["orderId"],
    required: ["orderId"],
    bounded: true,
  },
  ...[
    { path: `/coupons/${OPEN}.1.${"x".repeat(22)}/cancel`, as: "shopper" },
    { path: `/ops/campaigns/${OPEN}/verify`, as: "operator" },
    { path: `/ops/campaigns/${OPEN}/recover`, as: "operator" },
  ].map((route) => ({
    ...route,
    method: "POST",
    sound: () => ({}),
    fields: [],
    required: [],
    bounded: true,
  })),
  {
    method: "POST",
    path: `/ops/campaigns/${OPEN}/transfers`,
    as: "operator",
    sound: () => ({ transferId: '"t-1"', to: '"another"', count: "1" }),
    fields: ["transferId", "to", "count"],
    required: ["transferId", "to", "count"],
    bounded: true,
  },
  {
    method: "POST",
    path: `/ops/campaigns/${OPEN}/transfers/receive`,
    as: "operator",
    sound: () => ({ receipt: '"x.y"' }),
    fields: ["receipt"],
    required: ["receipt"],
    bounded: true,
  },
  {
    method: "POST",
    path: "/ops/dead-letters/redrive",
    as: "operator",
    sound: () => ({ letterIds: '["x"]' }),
    fields: ["letterIds"],
    required: [],
    bounded: true,
  },
  {
    method: "POST",
    path: "/_local/tokens",
    sound: () => ({ subjects: '["u"]' }),
    fields: [],
    required: ["subjects"],
    bounded: false,
  },
];

const short = (text: string) => (text.length > 40 ? `${text.slice(0, 36)}… (${text.length} characters)` : text);

function bodyCases(route: BodyRoute): Malformed[] {
  const { method, path, as, sound, fields, required, bounded } = route;
  const at = (field: string): Malformed["at"] => ["body", field];
  const base = { method, path, ...(as === undefined ? {} : { as }), code: "invalid" as const };
  const cases: Malformed[] = [];
  for (const field of fields) {
    for (const value of WRONG_FIELDS[field] ?? []) {
      const body = object({ ...sound(), [field]: value });
      cases.push({ ...base, wrong: `${field} = ${short(value)}`, body, at: at(field) });
    }
  }
  for (const field of required) {
    const { [field]: _, ...rest } = sound();
    cases.push({ ...base, wrong: `no ${field}`, body: object(rest), at: at(field) });
  }
  for (const field of UNKNOWN_FIELDS) {
    const body = object({ ...sound(), [field]: '{"stock":1}' });
    // An object literal would take `__proto__` for its prototype; the text is what is sent.
    const withProto =
      field === "__proto__" ? object(sound()).replace("{", '{"__proto__":{"stock":1},').replace(",}", "}") : body;
    cases.push({ ...base, wrong: `an unknown field ${JSON.stringify(field)}`, body: withProto, at: at(field) });
  }
  for (const [what, body] of NO_OBJECT) cases.push({ ...base, wrong: `${what} as its body`, body, at: at("") });
  for (const [how, encode, headers] of ENCODINGS) {
    const body = encode(object(sound()));
    cases.push({ ...base, wrong: `a body ${how}`, body, at: at(""), ...(headers ? { headers } : {}) });
  }
  if (required.length > 0) cases.push({ ...base, wrong: "no body", at: at("") });
  if (bounded) {
    const filled = (bytes: number) => object({ ...sound(), filling: long(bytes) }).slice(-bytes);
    const inBytes = (bytes: number) => `{"filling":"${"x".repeat(bytes - 14)}"}`;
    cases.push(
      {
        ...base,
        wrong: "the largest body that is read, with nothing that is known",
        body: inBytes(limits.bodyBytes),
        at: at("filling"),
      },
      { ...base, wrong: "a body one byte too large", body: inBytes(limits.bodyBytes + 1), code: "too-large" },
      { ...base, wrong: "a body of a megabyte that is no JSON", body: filled(1_000_000), code: "too-large" },
      { ...base, wrong: "a large body of bytes", body: Buffer.alloc(limits.bodyBytes + 1, 0xff), code: "too-large" },
    );
  }
  return cases;
}

const ODD_BODIES: readonly Malformed[] = [
  {
    wrong: "a name twice, the second time wrong",
    body: object(soundCampaign()).replace('"stock":5', '"stock":5,"stock":"x"'),
    at: ["body", "stock"],
  },
  {
    wrong: "all fields wrong at once",
    body: '{"campaignId":1,"name":1,"stock":"1","perUser":"1","opensAt":1,"closesAt":1,"roomId":1,"discount":[],"validDays":"1"}',
    at: ["body", "validDays"],
  },
  {
    wrong: "10,000 unknown fields",
    body: object(Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`f${i}`, "1"]))),
    at: ["body", "stock"],
  },
  {
    wrong: "an unknown field whose name has 100,000 characters",
    body: object({ ...soundCampaign(), ["x".repeat(100_000)]: "1" }),
    at: ["body", "x".repeat(limits.nameLength)],
  },
  {
    wrong: "100,000 levels of lists as its name",
    body: object({ ...soundCampaign(), name: "[".repeat(DEEP) + "]".repeat(DEEP) }),
    at: ["body", "name"],
  },
  {
    wrong: "40,000 levels of objects as its discount",
    body: object({ ...soundCampaign(), discount: `${'{"a":'.repeat(DEEP / 2.5)}1${"}".repeat(DEEP / 2.5)}` }),
    at: ["body", "discount"],
  },
  {
    wrong: "an end that is its beginning",
    body: object({ ...soundCampaign(), opensAt: '"2026-01-01T00:00:00Z"', closesAt: '"2026-01-01T01:00:00+01:00"' }),
    at: ["body", "closesAt"],
  },
].map((it) => ({
  ...it,
  method: "POST",
  path: "/campaigns",
  as: "operator",
  code: "invalid",
  at: it.at as ["body", string],
}));

const CHANGES: readonly Malformed[] = [
  { wrong: "nothing to change", body: "{}", at: ["body", ""] },
  ...["campaignId", "perUser", "roomId", "discount", "validDays", "issued", "version"].map((field) => ({
    wrong: `${field}, which never changes`,
    body: `{"name":"Another name","${field}":1}`,
    at: ["body", field],
  })),
  { wrong: "an end in a hundred years", body: '{"closesAt":"2126-01-01T00:00:00Z"}', at: ["body", "closesAt"] },
].map((it) => ({
  ...it,
  method: "PATCH",
  path: `/campaigns/${OPEN}`,
  as: "operator",
  code: "invalid",
  at: it.at as ["body", string],
}));

const SUBJECTS: readonly Malformed[] = [
  ...["null", '"u"', "5", "{}", "[]", "[5]", "[null]", '[""]', '[["u"]]', `[${long(256, "u")}]`],
  `[${Array.from({ length: 10_001 }, () => '"u"').join()}]`,
].map((value) => ({
  wrong: `subjects = ${short(value)}`,
  method: "POST",
  path: "/_local/tokens",
  body: `{"subjects":${value}}`,
  code: "invalid",
  at: ["body", "subjects"],
}));

// ── Paths, queries, headers ─────────────────────────────────────────────────────────────────────────────────────────────

const NO_PATH_ID = [
  "A",
  "a_b",
  "a.b",
  "%20",
  "a%20b",
  "%00",
  "%2e%2e",
  "a%2fb",
  "%C3%A9",
  "%F0%9F%8E%9F",
  "%7Bid%7D",
  "__proto__",
  "a".repeat(65),
  "a".repeat(4_000),
];
const NO_PERCENT = ["%", "%z", "%zz", "%E0%A4%A", "%C3", "%FF", "a%", "%u0041", "%C0%80", "%ED%A0%80"];

/** The routes with a campaign in their path, by where it stands. */
const ID_ROUTES: readonly [string, (id: string) => string, string | undefined, string?][] = [
  ["GET", (id) => `/campaigns/${id}`, undefined],
  ["PATCH", (id) => `/campaigns/${id}`, "operator", '{"name":"Another name"}'],
  ["POST", (id) => `/campaigns/${id}/coupons`, "shopper"],
  ["GET", (id) => `/campaigns/${id}/coupons/me`, "shopper"],
];

const PATHS: readonly Malformed[] = ID_ROUTES.flatMap(([method, pathOf, as, body]) => {
  const base = { method, ...(as === undefined ? {} : { as }), ...(body === undefined ? {} : { body }) };
  return [
    ...NO_PATH_ID.map(
      (id): Malformed => ({
        ...base,
        wrong: `"${short(id)}" as the campaign`,
        path: pathOf(id),
        code: "invalid",
        at: ["path", "campaignId"],
      }),
    ),
    ...NO_PERCENT.map(
      (id): Malformed => ({
        ...base,
        wrong: `a broken percent encoding: ${id}`,
        path: pathOf(id),
        code: "invalid",
        at: ["path", ""],
      }),
    ),
    { ...base, wrong: "a campaign that does not exist", path: pathOf("constructor"), code: "unknown" as const },
    { ...base, wrong: "no campaign between the slashes", path: pathOf(""), code: "unknown" as const },
  ];
});

const NO_LIMIT = [
  "0",
  "101",
  "999",
  "1000",
  "-1",
  "1.5",
  "1e1",
  "0x10",
  "abc",
  "",
  "%20",
  "5%20",
  "%2B5",
  "%D9%A5",
  "1%00",
  "NaN",
];
const noText = (bytes: number[]) => Buffer.from(bytes).toString("base64url");
const NO_CURSOR = [
  ...[
    "",
    "!",
    "a",
    "%20",
    "a%20b",
    "%00",
    "%C3%A9",
    "a%2Bb%2F",
    "YQ%3D%3D",
    "a.b",
    "[]",
    "a".repeat(limits.cursorLength + 1),
  ],
  // Bytes that are no text, few and many.
  ...[noText([0xff]), noText([0xed, 0xa0, 0x80]), noText(Array.from({ length: 700 }, () => 0xff))],
];

const QUERIES: readonly Malformed[] = [
  ["/campaigns", "operator"],
  ["/coupons", "shopper"],
].flatMap(([path = "", as = ""]) => {
  const fault = (field: string, value: string): Malformed => ({
    wrong: `${field}=${short(value)}`,
    path: `${path}?${field}=${value}`,
    as,
    code: "invalid",
    at: ["query", field],
  });
  return [
    ...NO_LIMIT.map((value) => fault("limit", value)),
    fault("limit", "5&limit=6"),
    fault("limit", "5&limit[]=6&limit="),
    ...NO_CURSOR.map((value) => fault("cursor", value)),
    fault("cursor", "YQ&cursor=YQ"),
  ];
});

const NO_KEY: readonly [string, string | string[]][] = [
  ["that is empty", ""],
  ["of 65 characters", "k".repeat(65)],
  ["of 8,000 characters", "k".repeat(8_000)],
  ["in Latin-1", "cl\xe9"],
  ["in UTF-8", Buffer.from("clé").toString("latin1")],
  ["with a tab", "a\tb"],
  ["that comes twice and is too long together", ["k".repeat(40), "k".repeat(40)]],
];

const HEADERS: readonly Malformed[] = [
  ...NO_KEY.map(
    ([what, key]): Malformed => ({
      wrong: `an Idempotency-Key ${what}`,
      method: "POST",
      path: COUPONS,
      as: "shopper",
      headers: { "idempotency-key": key },
      code: "invalid",
      at: ["header", "idempotency-key"],
    }),
  ),
  {
    wrong: "a Waiting-Room-Pass of 4,097 characters",
    method: "POST",
    path: COUPONS,
    as: "shopper",
    headers: { "waiting-room-pass": "p".repeat(4_097) },
    code: "invalid",
    at: ["header", "waiting-room-pass"],
  },
  {
    wrong: "an Idempotency-Key and a body that are both wrong",
    method: "POST",
    path: COUPONS,
    as: "shopper",
    headers: { "idempotency-key": "" },
    body: '{"a":1}',
    code: "invalid",
    at: ["header", "idempotency-key"],
  },
];

// ── Tokens ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

const pathOf = ({ path }: Contract) => path.replaceAll(/\{\w+\}/g, OPEN);
const closedRoutes = routes.map(({ contract }) => contract).filter(({ who }) => who !== "anyone");
const NO_TOKEN = [
  ...["that is missing after Bearer", "that is blank", "without Bearer", "as a password", "behind another word"],
  ...[
    "that comes twice",
    "that is three words",
    "that is one word",
    "that is only dots",
    "of five parts",
    "that is long",
  ],
  ...[
    "with a cut signature",
    "with no signature",
    "signed by a stranger's key",
    "with another subject under the signature",
  ],
  ...["with alg none", "with alg none and the old signature", "signed with the public key as a secret"],
  ...["signed with another algorithm", "with a key of its own in the header", "of an unknown key"],
  ...["with a critical header nobody knows", "expired", "that is not valid yet", "that never expires"],
  ...[
    "with an expiry in words",
    "for another audience",
    "without an audience",
    "of another issuer",
    "without an issuer",
  ],
  ...["without a subject", "with an empty subject", "with a number as its subject", "with a list as its subject"],
  "with a subject of 256 characters",
];
const NO_SCOPE = [
  ...["shopper", "whose scope is another", "whose scope is written in capitals", "whose scope only begins alike"],
  ...["whose scopes are split by a comma", "whose scope is a list", "whose scope is an object"],
];

const TOKENS: readonly Malformed[] = [
  ...closedRoutes.map(
    (contract): Malformed => ({
      wrong: "no token",
      method: contract.method,
      path: pathOf(contract),
      code: "unauthorized",
    }),
  ),
  ...closedRoutes
    .filter(({ who }) => who === "operator")
    .flatMap((contract) =>
      NO_SCOPE.map(
        (as): Malformed => ({
          wrong: as === "shopper" ? "a token without scope" : `a token ${as}`,
          method: contract.method,
          path: pathOf(contract),
          as,
          body: object(soundCampaign()),
          code: "forbidden",
        }),
      ),
    ),
  ...[
    { method: "POST", path: COUPONS },
    { method: "POST", path: "/campaigns", body: object(soundCampaign()) },
  ].flatMap((base) => NO_TOKEN.map((as): Malformed => ({ ...base, wrong: `a token ${as}`, as, code: "unauthorized" }))),
  { wrong: "no token and a broken body", method: "POST", path: "/campaigns", body: "{", code: "unauthorized" },
  {
    wrong: "no scope and a broken body",
    method: "POST",
    path: "/campaigns",
    body: "{",
    as: "shopper",
    code: "forbidden",
  },
];

// ── Routes and methods ──────────────────────────────────────────────────────────────────────────────────────────────────

const UNKNOWN_PATHS = [
  ...[
    "/",
    "//",
    "/nothing",
    "/campaigns/",
    `/campaigns/${OPEN}/`,
    `/campaigns/${OPEN}/coupon`,
    `${COUPONS}/`,
    `${COUPONS}/you`,
  ],
  ...[
    `/campaigns/${OPEN}/coupons/me/too`,
    "/Campaigns",
    "/campaigns%2f",
    "/%zz",
    "/%00",
    "/coupons/x",
    "/coupons/x/y/z",
  ],
  ...["/health/", "/healthz", "/openapi", "/openapi.json/", "/.env", "/../../etc/passwd", "/__proto__", "/constructor"],
  ...["/_local", "/_local/", "/_local/tokens/", "/_local/nothing", "/_local/schedules", "/_local/schedules//run"],
  ...[`/${"a".repeat(8_000)}`, `/${"a/".repeat(2_000)}`, "/campaigns;x=1", "/campaigns/x//coupons", "//campaigns"],
];
const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "QUERY"];
const served = Map.groupBy(routes, ({ contract }) => contract.path);

const ROUTES: readonly Malformed[] = [
  ...UNKNOWN_PATHS.map((path): Malformed => ({ wrong: "a path that leads nowhere", path, code: "unknown" })),
  { wrong: "a path that leads nowhere", method: "DELETE", path: "/nothing", body: "{", code: "unknown" },
  ...["__proto__", "constructor", "nothing", "%zz", "SWEEP"].map(
    (name): Malformed => ({
      wrong: "a schedule that does not exist",
      method: "POST",
      path: `/_local/schedules/${name}/run`,
      code: "unknown",
    }),
  ),
  ...["GET", "PUT", "HEAD"].flatMap((method) =>
    ["/_local/tokens", "/_local/schedules/sweep/run"].map(
      (path): Malformed => ({
        wrong: "a method that is not served",
        method,
        path,
        code: "method-not-allowed",
      }),
    ),
  ),
  ...[...served].flatMap(([path, those]) =>
    METHODS.filter((method) => !those.some(({ contract }) => contract.method === method)).map(
      (method): Malformed => ({
        wrong: "a method that is not served",
        method,
        path: path.replaceAll(/\{\w+\}/g, OPEN),
        code: "method-not-allowed",
      }),
    ),
  ),
];

const HUGE = Buffer.alloc(gateway.payloadBytes + 1, "x");
const HUGE_BODIES: readonly Malformed[] = [
  { method: "POST", path: "/campaigns", as: "operator" },
  { method: "PATCH", path: `/campaigns/${OPEN}`, as: "operator" },
  { method: "POST", path: COUPONS, as: "shopper" },
  { method: "GET", path: `/campaigns/${OPEN}` },
  { method: "POST", path: "/nothing" },
  { method: "POST", path: "/_local/tokens" },
].map((it) => ({ ...it, wrong: "a body of more than 10 MiB", body: HUGE, code: "too-large" }));

const CASES: readonly Malformed[] = [
  ...BODY_ROUTES.flatMap(bodyCases),
  ...ODD_BODIES,
  ...CHANGES,
  ...SUBJECTS,
  ...PATHS,
  ...QUERIES,
  ...HEADERS,
  ...TOKENS,
  ...ROUTES,
  ...HUGE_BODIES,
];

// ── What is no HTTP ─────────────────────────────────────────────────────────────────────────────────────────────────────

const HOST = "Host: 127.0.0.1\r\n";
const post = (headers: string, body: string) => `POST /nothing HTTP/1.1\r\n${HOST}${headers}\r\n\r\n${body}`;

const RUBBISH: readonly [wrong: string, bytes: string | Buffer, code?: RefusalWord, header?: string][] = [
  ["a word", "GARBAGE\r\n\r\n"],
  ["a method that does not exist", `GARBAGE / HTTP/1.1\r\n${HOST}\r\n`],
  ["a method in small letters", `get / HTTP/1.1\r\n${HOST}\r\n`],
  ["a version that does not exist", `GET / HTTP/9.9\r\n${HOST}\r\n`],
  ["another protocol", `GET / FTP/1.1\r\n${HOST}\r\n`],
  ["the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  ["a TLS handshake", Buffer.from("1603010200010001fc0303", "hex")],
  ["zeros", Buffer.alloc(64)],
  ["random bytes", Buffer.concat([Buffer.of(0xff, 0xfe), randomBytes(256)])],
  ["a path with a zero byte", `GET /\u0000 HTTP/1.1\r\n${HOST}\r\n`],
  ["a path with a space", `GET /a b HTTP/1.1\r\n${HOST}\r\n`],
  ["no Host", "GET /health HTTP/1.1\r\n\r\n", "invalid", "host"],
  ["a header without a colon", `GET /health HTTP/1.1\r\n${HOST}nothing\r\n\r\n`],
  ["a header without a name", `GET /health HTTP/1.1\r\n${HOST}: x\r\n\r\n`],
  ["a header with a space in its name", `GET /health HTTP/1.1\r\n${HOST}a b: x\r\n\r\n`],
  ["a header with a zero byte", `GET /health HTTP/1.1\r\n${HOST}a: \u0000\r\n\r\n`],
  ["a header on two lines", `GET /health HTTP/1.1\r\n${HOST}a: b\r\n c: d\r\n\r\n`],
  ["lines that end in a line feed", "GET /health HTTP/1.1\nHost: 127.0.0.1\n\n"],
  ["a header of 50,000 characters", `GET /health HTTP/1.1\r\n${HOST}a: ${"x".repeat(50_000)}\r\n\r\n`, "too-large"],
  ["5,000 headers", `GET /health HTTP/1.1\r\n${HOST}${"a: b\r\n".repeat(5_000)}\r\n`, "too-large"],
  ["a path of 50,000 characters", `GET /${"x".repeat(50_000)} HTTP/1.1\r\n${HOST}\r\n`, "too-large"],
  [
    "a token of 20,000 characters",
    `GET /coupons HTTP/1.1\r\n${HOST}Authorization: Bearer ${"x".repeat(20_000)}\r\n\r\n`,
    "too-large",
  ],
  ["a length that is no number", post("Content-Length: abc", "")],
  ["a negative length", post("Content-Length: -1", "")],
  ["an endless length", post(`Content-Length: ${"9".repeat(40)}`, "")],
  ["two lengths", post("Content-Length: 1\r\nContent-Length: 2", "ab")],
  ["a length and chunks", post("Content-Length: 3\r\nTransfer-Encoding: chunked", "0\r\n\r\n")],
  ["a chunk whose size is no number", post("Transfer-Encoding: chunked", "zz\r\nabc\r\n0\r\n\r\n")],
  ["a chunk that is longer than it says", post("Transfer-Encoding: chunked", "2\r\nabcdef\r\n0\r\n\r\n")],
  ["a chunk of an endless size", post("Transfer-Encoding: chunked", "ffffffffffffffffffff\r\nabc")],
  ["a transfer encoding that nobody knows", post("Transfer-Encoding: rot13", "abc")],
  ["a body shorter than its length", post("Content-Length: 10", "abc")],
  ["chunks that never end", post("Transfer-Encoding: chunked", "3\r\nabc\r\n")],
  ["a request line that never ends", "GET /health"],
  ["headers that never end", "GET /health HTTP/1.1\r\nHost: 127"],
  [
    "an expectation that cannot be met",
    `GET /health HTTP/1.1\r\n${HOST}Expect: a-miracle\r\n\r\n`,
    "invalid",
    "expect",
  ],
  ["a tunnel", `CONNECT example.com:443 HTTP/1.1\r\n${HOST}\r\n`],
  [
    "a whole address as the path",
    `GET http://example.com/health HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`,
    "unknown",
  ],
  ["a star as the path", `OPTIONS * HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`, "unknown"],
];

// ── Tests ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

const COUNT = CASES.length + RUBBISH.length + 1;
/** The log's length before the first of these requests; other tests may have written before. */
let logFrom = 0;

beforeAll(async () => {
  await Promise.all([campaign({ campaignId: OPEN, perUser: 10, stock: 1_000 }), fillAuthorization()]);
  logFrom = statSync(stack.log).size;
});

describe("the tokens of this test", () => {
  test("are wrong in one thing only: the one that is right in all is let in", async () => {
    const operator = { authorization: authorization.good ?? "" };
    expect((await send("GET", "/campaigns", operator)).status).toBe(200);
    expect((await send("POST", "/campaigns", operator, object(soundCampaign()))).status).toBe(201);
    expect((await send("POST", COUPONS, { authorization: authorization.shopper ?? "" })).status).toBe(201);
  });
});

describe("a malformed request is refused with the reason:", () => {
  const titled = CASES.map((it) => {
    const path = it.path.replaceAll(OPEN, "{id}").replace(/\?.*/, "");
    return [`${it.method ?? "GET"} ${short(path)} with ${it.wrong}`, it] as const;
  });

  test.each(titled)("%s", async (_, it) => {
    const { method = "GET", path, as, body, code, at } = it;
    if (as !== undefined) expect(Object.keys(authorization)).toContain(as);
    const headers = {
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(as === undefined ? {} : { authorization: authorization[as] ?? "" }),
      ...it.headers,
    };
    expectRefusal(await send(method, path, headers, body), code, at, method);
  });
});

test("a name that is nearly one is refused as fast as any of its length", async () => {
  const quickest = async (end: string) => {
    const name = long(60_000, "a").replace(/"$/, `${end}"`);
    const times = [];
    for (let round = 0; round < 5; round++) {
      const startedAt = performance.now();
      const told = await send(
        "POST",
        "/campaigns",
        { authorization: authorization.good ?? "" },
        object({ ...soundCampaign(), name }),
      );
      times.push(performance.now() - startedAt);
      expectRefusal(told, "invalid", ["body", "name"]);
    }
    return Math.min(...times);
  };
  // A pattern that goes back over what it has read would take a thousand times as long and more.
  expect(await quickest("\\n")).toBeLessThan(100 * (await quickest("aa")));
});

describe("what is no HTTP is refused with the reason:", () => {
  test.each(RUBBISH)("%s", async (_, bytes, code = "invalid", header = "") => {
    expectRefusal(readRaw(await sendRaw(bytes)), code, ["header", header]);
  });
});

describe("after all of that", () => {
  test(`the stack has seen more than 200 malformed requests (${COUNT}), and still issues a coupon`, async () => {
    expect(COUNT).toBeGreaterThan(200);
    console.log(`${COUNT} malformed requests`);
    const answer = await ask(await campaign(), await token(unique("u")));
    expect(answer).toMatchObject({ status: 201, body: { ticket: 1, state: "pending" } });
  });

  test("no function has met a bug, and neither has the gateway", () => {
    const lines = readFileSync(stack.log).subarray(logFrom).toString().split("\n");
    // The log was written to, so it is the right one: requests that are refused leave a line each.
    expect(lines.filter((line) => line.includes('"word":"invalid"')).length).toBeGreaterThan(100);
    expect(lines.filter((line) => /"event":"(?:bug|gateway)"/.test(line))).toEqual([]);
  });
});
