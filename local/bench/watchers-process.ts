import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import type { ProxyEvent } from "../../functions/http/request.ts";
import { users } from "./users.ts";

/**
 * A process with the two functions that a watcher may ask. Each container of a function is a module of its own, with its own memory
 * and its own connection, and serves one request at a time, as Lambda has it. Gets a {@link Watch} over IPC, sends {@link Watched}.
 */

export interface Watch {
  /** The file with the `handler`. */
  readonly bundle: string;
  readonly route: { readonly key: string; readonly path: string };
  readonly roomId: string;
  readonly containers: number;
  /** Each asks once a second. */
  readonly watchers: number;
  readonly seconds: number;
}

export interface Watched {
  readonly asks: number;
  /** More than asked for where the functions could not keep up. */
  readonly seconds: number;
  /** CPU of this process for each. */
  readonly cpuMicros: number;
}

type Handler = (event: ProxyEvent, context: object) => Promise<{ statusCode: number; body: string }>;

function eventOf({ route, roomId }: Watch, watcher: number): ProxyEvent {
  return {
    routeKey: route.key,
    rawPath: route.path,
    headers: { accept: "application/json", host: "api.example.com" },
    pathParameters: { roomId },
    requestContext: {
      requestId: `request-${watcher}`,
      http: { method: "GET", path: route.path },
      authorizer: { jwt: { claims: { sub: users.numeric(watcher), iss: "https://example.com", exp: "1900000000" } } },
    },
    isBase64Encoded: false,
  };
}

const containers = new Map<string, Promise<Handler>>();

/** The same file under another address is another module. */
function containerOf(file: string, number: number): Promise<Handler> {
  const address = `${pathToFileURL(file).href}?container=${number}`;
  const container = containers.get(address) ?? import(address).then((module: { handler: Handler }) => module.handler);
  containers.set(address, container);
  return container;
}

/** Serves one container's watchers, evenly over each second, one after another. @returns when the last was answered */
async function serve(handler: Handler, events: readonly ProxyEvent[], seconds: number, startedAt: number) {
  const context = { awsRequestId: "bench", getRemainingTimeInMillis: () => 10_000 };
  const asks = events.length * seconds;
  for (let asked = 0; asked < asks; asked++) {
    const waitMs = startedAt + (asked / events.length) * 1_000 - performance.now();
    if (waitMs >= 1) await sleep(waitMs);
    const event = events[asked % events.length];
    const answer = event && (await handler(event, context));
    if (answer?.statusCode !== 200) throw new Error(`a watcher was answered ${answer?.statusCode}: ${answer?.body}`);
  }
}

async function work(watch: Watch): Promise<Watched> {
  const each = Array.from({ length: watch.containers }, async (_, number) => {
    const handler = await containerOf(watch.bundle, number);
    const mine = Array.from({ length: watch.watchers }, (_, watcher) => watcher).filter(
      (watcher) => watcher % watch.containers === number,
    );
    return { handler, events: mine.map((watcher) => eventOf(watch, watcher)) };
  });
  const all = await Promise.all(each);
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  await Promise.all(all.map(({ handler, events }) => serve(handler, events, watch.seconds, startedAt)));
  // The last second is over when the next ask would be due.
  await sleep(Math.max(0, startedAt + watch.seconds * 1_000 - performance.now()));
  const seconds = (performance.now() - startedAt) / 1_000;
  const cpu = process.cpuUsage(cpuBefore);
  const asks = watch.watchers * watch.seconds;
  return { asks, seconds, cpuMicros: (cpu.user + cpu.system) / asks };
}

process.on("message", async (watch: Watch) => {
  try {
    process.send?.({ watched: await work(watch) });
  } catch (error) {
    process.send?.({ error: error instanceof Error ? error.message : String(error) }, () => process.exit(1));
  }
});
// Nobody is left to hear what was measured.
process.on("disconnect", () => process.exit(0));
