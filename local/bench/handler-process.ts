import { pathToFileURL } from "node:url";
import type { ProxyEvent } from "../../functions/http/request.ts";
import { alternate } from "./rounds.ts";
import { users } from "./users.ts";

/**
 * Calls two functions in turn, in a process that does nothing else: what it uses of the CPU is theirs. Gets a {@link Job} over
 * IPC and sends {@link Timed} rounds back.
 */

export interface Job {
  /** Files with a `handler`, by name. */
  readonly bundles: { readonly ours: string; readonly bare: string };
  readonly ways: readonly Way[];
  readonly rounds: number;
}

/** One kind of call. */
export interface Way {
  readonly name: string;
  readonly campaignId: string;
  /** Users `from` to `from + users`, again and again; or each only once, across all rounds. */
  readonly from: number;
  readonly users: number;
  readonly calls: number;
  readonly concurrency: number;
  /** What every answer must have. */
  readonly status: number;
}

export interface Timed {
  /** Microseconds from the first call to the last answer, by the number of calls. */
  readonly wallMicros: number;
  readonly cpuMicros: number;
}

export type WayRounds = { readonly name: string; readonly ours: Timed[]; readonly bare: Timed[] };

type Handler = (event: ProxyEvent, context: object) => Promise<{ statusCode: number; body: string }>;

function eventOf(campaignId: string, userId: string, index: number): ProxyEvent {
  const path = `/campaigns/${campaignId}/coupons`;
  const routeKey = "POST /campaigns/{campaignId}/coupons";
  const event = {
    version: "2.0",
    routeKey,
    rawPath: path,
    rawQueryString: "",
    headers: {
      accept: "application/json",
      "accept-encoding": "gzip, deflate, br",
      "content-length": "0",
      host: "api.example.com",
      "user-agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X)",
      "x-forwarded-for": "203.0.113.7",
      "x-forwarded-port": "443",
      "x-forwarded-proto": "https",
    },
    pathParameters: { campaignId },
    requestContext: {
      accountId: "000000000000",
      apiId: "bench",
      authorizer: { jwt: { claims: { sub: userId, iss: "https://example.com", exp: "1900000000" }, scopes: null } },
      http: { method: "POST", path, protocol: "HTTP/1.1", sourceIp: "203.0.113.7", userAgent: "bench" },
      requestId: `request-${index}`,
      routeKey,
      stage: "$default",
    },
    isBase64Encoded: false,
  };
  return event;
}

async function callAll(handler: Handler, way: Way, first: number): Promise<Timed> {
  const { campaignId, from, users: count, calls, concurrency, status } = way;
  const events = Array.from({ length: calls }, (_, index) =>
    eventOf(campaignId, users.numeric(from + ((first + index) % count)), index),
  );
  const context = { awsRequestId: "bench", getRemainingTimeInMillis: () => 10_000 };
  let next = 0;
  const caller = async () => {
    for (let event = events[next++]; event; event = events[next++]) {
      const { statusCode, body } = await handler(event, context);
      if (statusCode !== status) throw new Error(`${way.name} was answered ${statusCode}, not ${status}: ${body}`);
    }
  };
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: concurrency }, caller));
  const wallMicros = ((performance.now() - startedAt) * 1_000) / calls;
  const cpu = process.cpuUsage(cpuBefore);
  return { wallMicros, cpuMicros: (cpu.user + cpu.system) / calls };
}

async function work({ bundles, ways, rounds }: Job): Promise<WayRounds[]> {
  const load = async (file: string) => ((await import(pathToFileURL(file).href)) as { handler: Handler }).handler;
  const handlers = { ours: await load(bundles.ours), bare: await load(bundles.bare) };
  const all: WayRounds[] = [];
  for (const way of ways) {
    let called = 0;
    // One more round than asked for: the first warms up the compiler and the connections.
    const timed = await alternate(["ours", "bare"], rounds + 1, (name) => {
      const first = called;
      called += way.calls;
      return callAll(handlers[name], way, first);
    });
    all.push({ name: way.name, ours: timed.ours.slice(1), bare: timed.bare.slice(1) });
    process.send?.({ done: way.name });
  }
  return all;
}

process.on("message", async (job: Job) => {
  try {
    process.send?.({ all: await work(job) }, () => process.exit(0));
  } catch (error) {
    process.send?.({ error: error instanceof Error ? error.message : String(error) }, () => process.exit(1));
  }
});
// Nobody is left to hear what was measured.
process.on("disconnect", () => process.exit(1));
