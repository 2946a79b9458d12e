import {
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { request } from "undici";
import { Child, freePort, listens } from "../child.ts";
import { ROOT, startStack } from "../stack.ts";
import { readStackFile } from "../stack-file.ts";
import type { Part } from "./faults.ts";
import { NotReady, until } from "./patience.ts";
import { startProxy, type TcpProxy } from "./proxy.ts";
import { type RedisPair, startRedisPair } from "./redis-pair.ts";

/** How long a killed part stays away. */
const RESTART_MS = 700;
const BACK_MS = 20_000;
const HEALTHY_MS = 60_000;

/** The whole system with its stores behind proxies, and every process within reach. */
export interface Parts {
  readonly api: string;
  readonly redis: RedisPair;
  /** Where each store is when nothing stands in between: a judge must see past what was slowed down. */
  readonly direct: { readonly sqs: string; readonly dynamodb: string };
  readonly confirmations: string;
  readonly table: string;
  pidOf(part: Part): number;
  proxyOf(store: "redis" | "sqs" | "dynamodb"): TcpProxy;
  /** Kills a part, and waits until it is back. */
  kill(part: Part): Promise<void>;
  /** Moves SQS's clock forward. It stays so when SQS is started again. */
  advanceSqs(ms: number): void;
  /** Waits until every part is up and well again, and in its first order. */
  restore(): Promise<void>;
  /** Writes to a file what the processes have printed. */
  keepLog(path: string): void;
  /** Stops all of it and removes its files. */
  stop(): Promise<void>;
}

/**
 * Starts everything, in order. What it has started when it fails, it stops.
 *
 * @throws {NotReady} Says which part could not be started, and why.
 */
export async function startParts(server: string, say: (step: string) => void): Promise<Parts> {
  mkdirSync(join(ROOT, ".local"), { recursive: true });
  const folder = mkdtempSync(join(ROOT, ".local", "chaos-"));
  const storesLog = join(folder, "stores.log");
  const output = openSync(storesLog, "w");
  const started: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const end of started.splice(0).reverse()) await end();
    closeSync(output);
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };

  async function startEmulator(name: "sqs" | "dynamodb", onStart: (child: Child) => void) {
    const port = await freePort();
    const child: Child = new Child({
      name,
      command: process.execPath,
      args: [join(ROOT, `local/${name}/main.ts`), "--port", `${port}`, "--data", join(folder, name)],
      node: true,
      output,
      restartMs: RESTART_MS,
      ready: listens(port),
      onStart: () => onStart(child),
    });
    started.push(() => child.stop());
    await child.start();
    const proxy = await startProxy(port);
    started.push(proxy.stop);
    return { child, proxy, direct: `http://127.0.0.1:${port}`, endpoint: `http://127.0.0.1:${proxy.port}` };
  }

  let sqsAheadMs = 0;
  try {
    say("Redis with a replica, SQS and DynamoDB");
    const startPair = async () => {
      const pair = await startRedisPair({ folder, server, output, restartMs: RESTART_MS });
      started.push(pair.stop);
      return pair;
    };
    // All of them are waited for, so that none is on its way up while the others are stopped.
    const [pair, queue, ledger] = await Promise.allSettled([
      startPair(),
      startEmulator("sqs", (child) => child.tell({ advanceMs: sqsAheadMs })),
      startEmulator("dynamodb", () => {}),
    ]);
    if (pair.status === "rejected") throw pair.reason;
    if (queue.status === "rejected") throw queue.reason;
    if (ledger.status === "rejected") throw ledger.reason;
    const [redis, sqs, dynamodb] = [pair.value, queue.value, ledger.value];

    const stackFile = join(folder, "stack.json");
    const stack = await startStack({
      port: 0,
      stackFile,
      redisUrl: redis.url,
      sqsEndpoint: sqs.endpoint,
      dynamodbEndpoint: dynamodb.endpoint,
      restartMs: RESTART_MS,
      progress: say,
    });
    started.push(stack.stop);
    const { api, queues, tables, log } = stack.file;

    const pidOf = (part: Part): number => {
      if (part === "redis") return redis.primaryPid();
      if (part === "sqs") return sqs.child.pid;
      if (part === "dynamodb") return dynamodb.child.pid;
      return readStackFile(stackFile)?.pids[part] ?? 0;
    };
    const stores = { redis: redis.endpoint, sqs: sqs.proxy, dynamodb: dynamodb.proxy };

    return {
      api,
      redis,
      direct: { sqs: sqs.direct, dynamodb: dynamodb.direct },
      confirmations: queues.Confirmations ?? "",
      table: tables.Ledger ?? "",
      pidOf,
      proxyOf: (store) => stores[store],

      async kill(part) {
        if (part === "redis") return redis.killPrimary();
        const pid = pidOf(part);
        process.kill(pid, "SIGKILL");
        await until(`${part} is started again`, async () => pidOf(part) !== pid, BACK_MS);
        const where = { sqs: sqs.direct, dynamodb: dynamodb.direct, api, worker: undefined }[part];
        if (where !== undefined) await until(`${part} answers`, () => answers(where), BACK_MS);
      },

      advanceSqs(ms) {
        sqsAheadMs += ms;
        sqs.child.tell({ advanceMs: ms });
      },

      async restore() {
        for (const proxy of Object.values(stores)) proxy.delay(0);
        await redis.restore();
        await until("every part is well", () => isHealthy(api), HEALTHY_MS);
      },

      keepLog(path) {
        copyFileSync(log, path);
        writeFileSync(path, readFileSync(storesLog), { flag: "a" });
      },

      stop,
    };
  } catch (error) {
    await stop();
    throw new NotReady(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

async function answers(url: string): Promise<boolean> {
  const { body } = await request(url, { headersTimeout: 1_000 });
  await body.dump();
  return true;
}

async function isHealthy(api: string): Promise<boolean> {
  const { statusCode, body } = await request(new URL("/health", api), { headersTimeout: 5_000 });
  await body.dump();
  return statusCode === 200;
}
