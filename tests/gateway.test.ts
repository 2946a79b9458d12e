import { mkdtempSync, rmSync } from "node:fs";
import { Agent, type IncomingHttpHeaders, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  type QueueAttributeName,
  SendMessageBatchCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import type { SQSEvent } from "aws-lambda";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { contract, type Who } from "../functions/contract/contract.ts";
import type { ProxyEvent } from "../functions/http/request.ts";
import type { Route } from "../functions/routes.ts";
import { gateway as gatewayLimits } from "../infra/settings.ts";
import { gatewayServer } from "../local/gateway.ts";
import { FunctionTimeout } from "../local/lambda.ts";
import { failedIds, startMapping, toRecord } from "../local/mapping.ts";
import { type RunningSqs, startSqs } from "../local/sqs/server.ts";
import { eventually, unique } from "./setup/client.ts";

/** What stands between HTTP or a queue and the functions, with functions of the test's own behind it. */

// ── The gateway ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const route = (file: string, method: "GET" | "POST", path: string, who: Who): Route => ({
  file,
  contract: contract({ method, path, who, summary: "", answers: {}, refusals: [] }),
});

const ROUTES: readonly Route[] = [
  route("show", "GET", "/things/{thingId}", "anyone"),
  route("mine", "GET", "/things/me", "anyone"),
  route("add", "POST", "/things/{thingId}/parts/{partId}", "shopper"),
  route("open-add", "POST", "/things", "anyone"),
];

/** Each request is answered by this; a test replaces it. */
type Serve = (file: string, event: ProxyEvent) => Promise<unknown>;
const OK = { statusCode: 200, headers: {}, body: "" };

let serve: Serve;
const invoked: { file: string; event: ProxyEvent }[] = [];

const server = gatewayServer({
  routes: ROUTES,
  lambdas: {
    load: async () => {},
    invoke: (file, event) => {
      invoked.push({ file, event: event as ProxyEvent });
      return serve(file, event as ProxyEvent);
    },
  },
  tokens: {
    mint: async () => "good",
    verify: async (token) => (token === "good" ? { sub: "u", scope: "a b" } : undefined),
  },
  local: async (_, path, body) =>
    path === "/_local/echo"
      ? { statusCode: 200, headers: { "x-local": "yes" }, body: (await body()).toString() }
      : undefined,
});
const agent = new Agent({ keepAlive: true });

beforeAll(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)));
afterAll(() => {
  agent.destroy();
  server.close();
});
beforeEach(() => {
  invoked.length = 0;
  serve = async () => OK;
});

interface Told {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

function send(
  method: string,
  path: string,
  headers: Record<string, string | string[]> = {},
  body?: string | Buffer,
): Promise<Told> {
  const { port } = server.address() as AddressInfo;
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: "127.0.0.1", port, method, path, headers, agent }, async (incoming) => {
      const chunks: Buffer[] = [];
      for await (const chunk of incoming) chunks.push(chunk as Buffer);
      resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: Buffer.concat(chunks) });
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

/** What API Gateway's event has beyond the part that the functions read. */
type Event = ProxyEvent & {
  readonly version: string;
  readonly rawQueryString: string;
  readonly cookies?: readonly string[];
  readonly requestContext: ProxyEvent["requestContext"] & Readonly<Record<string, unknown>>;
};

/** Sends a request and shows the event that the function got. */
async function eventOf(...sent: Parameters<typeof send>): Promise<Event> {
  expect((await send(...sent)).status).toBe(200);
  const [{ event } = {}, ...more] = invoked;
  expect(more).toEqual([]);
  return event as Event;
}

const GOOD = { authorization: "Bearer good" };

describe("the event that a function gets", () => {
  test("has headers in lower case, values of one name joined by a comma, and cookies apart", async () => {
    const headers = { "X-One": "1", "X-Many": ["a", "b, c"], Cookie: ["k=v; l=w", "m=x"], Accept: "text/html" };
    const event = await eventOf("GET", "/things/1", headers);
    expect(event.headers).toMatchObject({ "x-one": "1", "x-many": "a,b, c", accept: "text/html" });
    expect(Object.keys(event.headers)).not.toContain("cookie");
    expect(event.cookies).toEqual(["k=v", "l=w", "m=x"]);
  });

  test("has no cookies where none were sent", async () => {
    expect(await eventOf("GET", "/things/1")).not.toHaveProperty("cookies");
  });

  test("has the query decoded, values of one name joined by a comma, and the text as it came", async () => {
    const event = await eventOf("GET", "/things/1?a=1&b=%C3%A9+x&a=2,3&empty=&flag&a=4?5");
    expect(event.queryStringParameters).toEqual({ a: "1,2,3,4?5", b: "é x", empty: "", flag: "" });
    expect(event.rawQueryString).toBe("a=1&b=%C3%A9+x&a=2,3&empty=&flag&a=4?5");
    expect(event.rawPath).toBe("/things/1");
  });

  test.each(["constructor", "toString", "__proto__"])(
    "takes %s for the name of a parameter like any other",
    async (name) => {
      const { queryStringParameters = {} } = await eventOf("GET", `/things/1?${name}=1&${name}=2`);
      expect(Object.entries(queryStringParameters)).toEqual([[name, "1,2"]]);
    },
  );

  test.each(["/things/1", "/things/1?"])("has no parameters where there is no query: %s", async (path) => {
    const event = await eventOf("GET", path);
    expect(event).not.toHaveProperty("queryStringParameters");
    expect(event.rawQueryString).toBe("");
  });

  test("has path parameters by name and decoded, and the path as it came", async () => {
    const event = await eventOf("POST", "/things/a%2Fb%20c/parts/%C3%A9%25", GOOD);
    expect(event.pathParameters).toEqual({ thingId: "a/b c", partId: "é%" });
    expect(event.rawPath).toBe("/things/a%2Fb%20c/parts/%C3%A9%25");
    expect(event.routeKey).toBe("POST /things/{thingId}/parts/{partId}");
  });

  test("has no path parameters where the route names none", async () => {
    expect(await eventOf("POST", "/things")).not.toHaveProperty("pathParameters");
  });

  const texts: [string, Record<string, string>][] = [
    ["JSON", { "content-type": "application/json" }],
    ["JSON with a charset", { "content-type": "application/json; charset=utf-8" }],
    ["a kind of JSON", { "content-type": "application/merge-patch+json" }],
    ["a form", { "content-type": "application/x-www-form-urlencoded" }],
    ["text", { "content-type": "text/plain" }],
    ["nothing in particular", {}],
  ];
  test.each(texts)("has a body that calls itself %s as text", async (_, headers) => {
    const event = await eventOf("POST", "/things", headers, '{"é":"🎟"}');
    expect(event).toMatchObject({ body: '{"é":"🎟"}', isBase64Encoded: false });
  });

  const every = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  const bytes: [string, Record<string, string>, Buffer][] = [
    ["a picture", { "content-type": "image/png" }, every],
    ["bytes that happen to be text", { "content-type": "application/octet-stream" }, Buffer.from("text")],
    ["JSON that is no UTF-8", { "content-type": "application/json" }, Buffer.from('{"é":1}', "latin1")],
    ["JSON packed with gzip", { "content-type": "application/json", "content-encoding": "gzip" }, every],
  ];
  test.each(bytes)("has %s in Base64, to the byte", async (_, headers, body) => {
    const event = await eventOf("POST", "/things", headers, body);
    expect(event.isBase64Encoded).toBe(true);
    expect(Buffer.from(event.body ?? "", "base64")).toEqual(body);
  });

  test("has no body where none was sent", async () => {
    const event = await eventOf("POST", "/things", { "content-type": "image/png" });
    expect(event).not.toHaveProperty("body");
    expect(event.isBase64Encoded).toBe(false);
  });

  test("has the claims of a verified token, and none on an open route, whatever token comes", async () => {
    const event = await eventOf("POST", "/things/1/parts/2", GOOD);
    expect(event.requestContext.authorizer).toEqual({ jwt: { claims: { sub: "u", scope: "a b" }, scopes: null } });
    invoked.length = 0;
    expect((await eventOf("GET", "/things/1", GOOD)).requestContext).not.toHaveProperty("authorizer");
  });

  test("says who asked, how, and when, as payload format 2.0 does", async () => {
    const before = Date.now();
    const { version, requestContext } = await eventOf("GET", "/things/1?a=1", { "user-agent": "a test" });
    expect(version).toBe("2.0");
    expect(requestContext).toMatchObject({
      http: { method: "GET", path: "/things/1", protocol: "HTTP/1.1", sourceIp: "127.0.0.1", userAgent: "a test" },
      requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      routeKey: "GET /things/{thingId}",
      stage: "$default",
    });
    const { timeEpoch, time } = requestContext;
    expect(timeEpoch).toBeGreaterThanOrEqual(before);
    const [, day, month, year, clock] = /^(\d\d)\/(\w{3})\/(\d{4}):(\d\d:\d\d:\d\d) \+0000$/.exec(String(time)) ?? [];
    expect(Date.parse(`${day} ${month} ${year} ${clock} GMT`)).toBe(Math.floor(Number(timeEpoch) / 1_000) * 1_000);
  });
});

describe("the gateway", () => {
  test("takes the path with more literals, whatever order the routes are in", async () => {
    await send("GET", "/things/me");
    await send("GET", "/things/you");
    expect(invoked.map(({ file }) => file)).toEqual(["mine", "show"]);
  });

  const elsewhere: [string, string][] = [
    ["GET", "/nothing"],
    ["GET", "/things/1/"],
    ["GET", "/things/"],
    ["GET", "/Things/1"],
    ["DELETE", "/things/1"],
    ["HEAD", "/things/1"],
  ];
  test.each(elsewhere)("hands what no route fits to the fallback: %s %s", async (method, path) => {
    await send(method, path);
    expect(invoked).toMatchObject([{ file: "fallback", event: { routeKey: "$default", rawPath: path } }]);
  });

  const strangers: [string, Record<string, string>][] = [
    ["no token", {}],
    ["a token that is not valid", { authorization: "Bearer bad" }],
    ["a valid token under another scheme", { authorization: "Basic good" }],
    ["two tokens", { authorization: "Bearer good good" }],
  ];
  test.each(strangers)("lets nobody with %s reach a function behind a route that needs one", async (_, headers) => {
    const told = await send("POST", "/things/1/parts/2", headers, "{}");
    expect(told.status).toBe(401);
    expect(told.headers).toMatchObject({ "www-authenticate": "Bearer", "content-type": "application/problem+json" });
    expect(invoked).toEqual([]);
  });

  const every64 = Buffer.from(Array.from({ length: 256 }, (_, i) => i)).toString("base64");
  test("gives a function's answer back: status, headers, cookies, and a body of bytes", async () => {
    serve = async () => ({
      statusCode: 207,
      headers: { "content-type": "image/png", "x-request-id": "r" },
      cookies: ["a=1; Secure", "b=2"],
      body: every64,
      isBase64Encoded: true,
    });
    const told = await send("GET", "/things/1");
    expect(told.status).toBe(207);
    expect(told.headers).toMatchObject({ "content-type": "image/png", "x-request-id": "r", "content-length": "256" });
    expect(told.headers["set-cookie"]).toEqual(["a=1; Secure", "b=2"]);
    expect(told.body.toString("base64")).toBe(every64);
  });

  test("sends no body after HEAD, and says how long it would be", async () => {
    serve = async () => ({ ...OK, body: "é" });
    const told = await send("HEAD", "/things/1");
    expect(told.headers["content-length"]).toBe("2");
    expect(told.body).toHaveLength(0);
  });

  test("asks the stack's own routes first, and only for their paths", async () => {
    expect(await send("POST", "/_local/echo", {}, "echo")).toMatchObject({ headers: { "x-local": "yes" } });
    expect(invoked).toEqual([]);
    await send("POST", "/_local/other");
    expect(invoked).toMatchObject([{ file: "fallback" }]);
  });

  test("takes a body of 10 MiB and not a byte more, whether its length is said or not", async () => {
    const most = Buffer.alloc(gatewayLimits.payloadBytes, "x");
    expect((await send("POST", "/things", {}, most)).status).toBe(200);
    expect(invoked[0]?.event.body).toHaveLength(gatewayLimits.payloadBytes);
    invoked.length = 0;
    for (const headers of [{}, { "transfer-encoding": "chunked" }]) {
      const told = await send("POST", "/things", headers, Buffer.concat([most, Buffer.of(1)]));
      expect(told.status).toBe(413);
      expect(JSON.parse(told.body.toString())).toMatchObject({ code: "too-large" });
    }
    expect(invoked).toEqual([]);
  });

  describe("when a function fails", () => {
    afterEach(() => {
      vi.restoreAllMocks();
    });

    test("answers a function that did not end in time with 503 and when to come again", async () => {
      vi.spyOn(console, "log").mockImplementation(() => {});
      serve = async () => {
        throw new FunctionTimeout("show", 10);
      };
      const told = await send("GET", "/things/1");
      expect(told.status).toBe(503);
      expect(told.headers["retry-after"]).toMatch(/^[12]$/);
      expect(JSON.parse(told.body.toString())).toMatchObject({ code: "unavailable" });
    });

    test("answers a crash with 500, tells its own log why, and the caller nothing but the request's id", async () => {
      const log = vi.spyOn(console, "log").mockImplementation(() => {});
      serve = async () => {
        throw new Error("the secret is 42");
      };
      const told = await send("GET", "/things/1");
      expect(told.status).toBe(500);
      const problem = JSON.parse(told.body.toString());
      expect(problem).toMatchObject({ code: "internal", requestId: told.headers["x-request-id"] });
      expect(told.body.toString()).not.toMatch(/secret|Error|\bat /);
      expect(log.mock.calls.flat().join()).toContain("the secret is 42");
      expect(log.mock.calls.flat().join()).toContain(problem.requestId);
    });
  });
});

// ── The queue's mapping ─────────────────────────────────────────────────────────────────────────────────────────────────

describe("a message as a function gets it", () => {
  test("has what Lambda gives, under the names that Lambda uses", () => {
    const message = {
      MessageId: "m",
      ReceiptHandle: "r",
      Body: "b",
      MD5OfBody: "d",
      Attributes: { MessageGroupId: "g", ApproximateReceiveCount: "2" },
      MessageAttributes: { reason: { DataType: "String", StringValue: "why" } },
    };
    expect(toRecord(message, "arn:aws:sqs:eu-west-1:000000000000:q.fifo")).toEqual({
      messageId: "m",
      receiptHandle: "r",
      body: "b",
      md5OfBody: "d",
      attributes: { MessageGroupId: "g", ApproximateReceiveCount: "2" },
      messageAttributes: {
        reason: { dataType: "String", stringValue: "why", stringListValues: [], binaryListValues: [] },
      },
      eventSource: "aws:sqs",
      eventSourceARN: "arn:aws:sqs:eu-west-1:000000000000:q.fifo",
      awsRegion: "eu-west-1",
    });
  });

  test("has every member, also where the message has little", () => {
    expect(toRecord({}, "arn:aws:sqs:eu-west-1:0:q")).toMatchObject({
      messageId: "",
      body: "",
      attributes: {},
      messageAttributes: {},
    });
  });
});

describe("the failures that a function names", () => {
  const all = ["a", "b", "c"];
  const items = (...ids: unknown[]) => ({ batchItemFailures: ids.map((itemIdentifier) => ({ itemIdentifier })) });
  // As "Reporting batch item failures" in AWS's Lambda guide says.
  const answers: [string, unknown, string[]][] = [
    ["nothing at all", undefined, []],
    ["null", null, []],
    ["an object that names none", {}, []],
    ["an empty list", items(), []],
    ["null for a list", { batchItemFailures: null }, []],
    ["one", items("b"), ["b"]],
    ["two", items("c", "a"), ["c", "a"]],
    ["the same twice", items("b", "b"), ["b"]],
    ["all", items("a", "b", "c"), all],
    ["one that was not in the batch", items("b", "x"), all],
    ["an empty name", items(""), all],
    ["null for a name", items(null), all],
    ["a number for a name", items(1), all],
    ["a name under another key", { batchItemFailures: [{ id: "a" }] }, all],
    ["null among the items", { batchItemFailures: [null] }, all],
    ["a text for a list", { batchItemFailures: "a" }, all],
    ["an object for a list", { batchItemFailures: { itemIdentifier: "a" } }, all],
  ];
  test.each(answers)("are taken as Lambda takes them when it answers with %s", (_, answer, failed) => {
    expect([...failedIds(answer, all)]).toEqual(failed);
  });
});

describe("the mapping of a FIFO queue", () => {
  let sqs: RunningSqs;
  let client: SQSClient;
  const dataDir = mkdtempSync(join(tmpdir(), "firstcome-mapping-"));
  const mappings: { stop(): Promise<void> }[] = [];

  beforeAll(async () => {
    sqs = await startSqs({ dataDir });
    client = new SQSClient({
      endpoint: sqs.endpoint,
      region: "us-east-1",
      credentials: { accessKeyId: "local", secretAccessKey: "local" },
      useQueueUrlAsEndpoint: false,
    });
  });
  beforeEach(() => {
    vi.spyOn(console, "log").mockImplementation(() => {});
  });
  afterEach(async () => {
    await Promise.all(mappings.splice(0).map((mapping) => mapping.stop()));
    vi.restoreAllMocks();
  });
  afterAll(async () => {
    client?.destroy();
    await sqs?.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  /** A second: what comes again comes soon, and a handler here is done long before. */
  const VISIBILITY_SECONDS = 1;

  async function attributes(queueUrl: string): Promise<Partial<Record<QueueAttributeName, string>>> {
    const command = new GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: ["All"] });
    return (await client.send(command)).Attributes ?? {};
  }

  async function makeQueue(redrive?: { deadLetterTargetArn: string; maxReceiveCount: number }) {
    const command = new CreateQueueCommand({
      QueueName: `${unique("q")}.fifo`,
      Attributes: {
        FifoQueue: "true",
        VisibilityTimeout: String(VISIBILITY_SECONDS),
        ...(redrive ? { RedrivePolicy: JSON.stringify(redrive) } : {}),
      },
    });
    const { QueueUrl: url = "" } = await client.send(command);
    return { url, arn: (await attributes(url)).QueueArn ?? "" };
  }
  type Queue = Awaited<ReturnType<typeof makeQueue>>;

  /** Bodies are `<group>.<number>`, in the order in which they are given. */
  async function post(queue: Queue, bodies: readonly string[]): Promise<void> {
    for (let from = 0; from < bodies.length; from += 10) {
      const Entries = bodies.slice(from, from + 10).map((body, i) => ({
        Id: String(i),
        MessageBody: body,
        MessageGroupId: body.split(".")[0],
        MessageDeduplicationId: body,
        MessageAttributes: { body: { DataType: "String", StringValue: body } },
      }));
      await client.send(new SendMessageBatchCommand({ QueueUrl: queue.url, Entries }));
    }
  }

  function map(
    queue: Queue,
    invoke: (event: SQSEvent) => Promise<unknown>,
    concurrency = 1,
  ): { stop(): Promise<void> } {
    const mapping = startMapping({
      sqs: client,
      queueUrl: queue.url,
      queueArn: queue.arn,
      invoke: (event) => invoke(event as SQSEvent),
      concurrency,
    });
    mappings.push(mapping);
    return mapping;
  }

  const bodiesOf = (event: SQSEvent) => event.Records.map((record) => record.body);

  /** SQS keeps the order within a group only. Sorting is stable, so that order stays as it came. */
  const byGroup = (a: string, b: string) => (a.split(".")[0] ?? "").localeCompare(b.split(".")[0] ?? "");

  /** Names a message as failed with all of its group behind it, as the persister does. */
  function failFrom(event: SQSEvent, body: string) {
    const from = event.Records.findIndex((record) => record.body === body);
    const [group] = body.split(".");
    const failed = event.Records.filter((record, i) => from >= 0 && i >= from && record.body.split(".")[0] === group);
    return { batchItemFailures: failed.map(({ messageId }) => ({ itemIdentifier: messageId })) };
  }

  /** Waits until the queue holds nothing, neither waiting nor in flight. */
  const untilEmpty = (queue: Queue) =>
    eventually(
      async () => {
        const { ApproximateNumberOfMessages: waiting, ApproximateNumberOfMessagesNotVisible: inFlight } =
          await attributes(queue.url);
        return `${waiting} waiting, ${inFlight} in flight`;
      },
      (seen) => seen === "0 waiting, 0 in flight",
    );

  test("keeps the order within each group and works on groups at once, never on one group twice at a time", async () => {
    const queue = await makeQueue();
    const groups = ["a", "b", "c", "d", "e", "f"];
    const numbers = Array.from({ length: 15 }, (_, i) => i);
    await post(
      queue,
      numbers.flatMap((n) => groups.map((group) => `${group}.${n}`)),
    );

    const seen = new Map<string, string[]>(groups.map((group) => [group, []]));
    const busy = new Set<string>();
    const clashes: string[] = [];
    let atOnce = 0;
    let atOnceMost = 0;
    map(
      queue,
      async (event) => {
        atOnceMost = Math.max(atOnceMost, ++atOnce);
        const mine = new Set(event.Records.map((record) => record.attributes.MessageGroupId ?? ""));
        for (const group of mine) {
          if (busy.has(group)) clashes.push(group);
          busy.add(group);
        }
        await new Promise((resolve) => setTimeout(resolve, 10));
        for (const body of bodiesOf(event)) seen.get(body.split(".")[0] ?? "")?.push(body);
        for (const group of mine) busy.delete(group);
        atOnce--;
      },
      4,
    );
    await untilEmpty(queue);
    for (const group of groups) expect(seen.get(group)).toEqual(numbers.map((n) => `${group}.${n}`));
    expect(clashes).toEqual([]);
    expect(atOnceMost).toBeGreaterThan(1);
  });

  test("hands over at most ten messages at a time, with their attributes and the queue's name", async () => {
    const queue = await makeQueue();
    await post(
      queue,
      Array.from({ length: 25 }, (_, n) => `a.${n}`),
    );
    const events: SQSEvent[] = [];
    map(queue, async (event) => events.push(event) && undefined);
    await untilEmpty(queue);
    expect(events.map((event) => event.Records.length)).toEqual([10, 10, 5]);
    expect(events[0]?.Records[0]).toMatchObject({
      body: "a.0",
      attributes: { MessageGroupId: "a", ApproximateReceiveCount: "1" },
      messageAttributes: { body: { stringValue: "a.0" } },
      eventSourceARN: queue.arn,
      awsRegion: "us-east-1",
    });
  });

  test("lets come again what was named as failed and nothing else, in its order", async () => {
    const queue = await makeQueue();
    await post(queue, ["a.1", "b.1", "a.2", "b.2", "a.3"]);
    const batches: string[][] = [];
    const counts: (string | undefined)[] = [];
    map(queue, async (event) => {
      batches.push(bodiesOf(event).sort(byGroup));
      counts.push(...event.Records.map((record) => record.attributes.ApproximateReceiveCount));
      return batches.length === 1 ? failFrom(event, "a.2") : {};
    });
    await untilEmpty(queue);
    expect(batches).toEqual([
      ["a.1", "a.2", "a.3", "b.1", "b.2"],
      ["a.2", "a.3"],
    ]);
    expect(counts).toEqual(["1", "1", "1", "1", "1", "2", "2"]);
  });

  const failures: [string, () => Promise<unknown>][] = [
    ["throws", () => Promise.reject(new Error("no"))],
    ["answers with something that cannot be read", async () => ({ batchItemFailures: "all of them" })],
    ["names a message that was not in the batch", async () => ({ batchItemFailures: [{ itemIdentifier: "x" }] })],
  ];
  test.each(failures)("lets the whole batch come again when the function %s", async (_, fail) => {
    const queue = await makeQueue();
    await post(queue, ["a.1", "b.1", "a.2"]);
    const batches: string[][] = [];
    map(queue, async (event) => {
      batches.push(bodiesOf(event));
      return batches.length === 1 ? fail() : undefined;
    });
    await untilEmpty(queue);
    expect(batches[0]?.sort(byGroup)).toEqual(["a.1", "a.2", "b.1"]);
    expect(batches.slice(1).flat().sort(byGroup)).toEqual(["a.1", "a.2", "b.1"]);
  });

  test("leaves what came too often to the dead letters, and goes on with its group", async () => {
    const deadLetters = await makeQueue();
    const queue = await makeQueue({ deadLetterTargetArn: deadLetters.arn, maxReceiveCount: 2 });
    await post(queue, ["a.poison", "a.2", "b.1"]);
    const seen: string[] = [];
    const done: string[] = [];
    map(queue, async (event) => {
      seen.push(...bodiesOf(event));
      const answer = failFrom(event, "a.poison");
      const failed = new Set(answer.batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
      done.push(...event.Records.filter(({ messageId }) => !failed.has(messageId)).map(({ body }) => body));
      return answer;
    });
    await untilEmpty(queue);
    expect(seen.filter((body) => body === "a.poison")).toHaveLength(2);
    // What stands behind it in its group has come as often, and shares its fate or is done: it is never lost.
    const dead: string[] = [];
    map(deadLetters, async (event) => {
      dead.push(...bodiesOf(event));
    });
    await untilEmpty(deadLetters);
    expect(dead).toContain("a.poison");
    expect([...dead, ...done].sort()).toEqual(["a.2", "a.poison", "b.1"]);
  });

  test("finishes the batch in hand when it is stopped, and takes no further one", async () => {
    const queue = await makeQueue();
    await post(queue, ["a.1"]);
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const batches: string[][] = [];
    const mapping = map(queue, async (event) => {
      batches.push(bodiesOf(event));
      begin();
      await ended;
    });
    await begun;
    let stopped = false;
    const stop = mapping.stop().then(() => {
      stopped = true;
    });
    await post(queue, ["b.1"]);
    expect(stopped).toBe(false);
    end();
    await stop;
    expect(batches).toEqual([["a.1"]]);
    expect(await attributes(queue.url)).toMatchObject({
      ApproximateNumberOfMessages: "1",
      ApproximateNumberOfMessagesNotVisible: "0",
    });
  });

  test("stops at once while it waits for messages", async () => {
    const queue = await makeQueue();
    const mapping = map(queue, async () => {}, 4);
    // Let it begin to wait.
    await attributes(queue.url);
    const startedAt = performance.now();
    await mapping.stop();
    // A receive waits for 20 s.
    expect(performance.now() - startedAt).toBeLessThan(20_000);
  });

  test("goes on when the queue was out of reach for a while", async () => {
    const queue = await makeQueue();
    const seen: string[] = [];
    map(queue, async (event) => {
      seen.push(...bodiesOf(event));
    });
    await post(queue, ["a.1"]);
    await untilEmpty(queue);
    await sqs.stop();
    await eventually(
      async () => vi.mocked(console.log).mock.calls.flat().join(),
      (said) => said.includes("poll-failed"),
    );
    sqs = await startSqs({ dataDir, port: sqs.port });
    await post(queue, ["a.2"]);
    await untilEmpty(queue);
    expect(seen).toEqual(["a.1", "a.2"]);
  });
});
