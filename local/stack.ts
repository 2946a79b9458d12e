import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { openRedis } from "../core/doors/redis.ts";
import { consumers, fallbackFile, routes, schedules } from "../functions/routes.ts";
import { bundle } from "../infra/bundle.ts";
import { bundleConsole } from "../infra/bundle-console.ts";
import { Child, freePort, listens, saysReady } from "./child.ts";
import { redisAddress } from "./redis-address.ts";
import { createQueues, createTable } from "./resources.ts";
import { readStackFile, removeStackFile, type StackFile, writeStackFile } from "./stack-file.ts";
import { generateSigningKey } from "./tokens.ts";

/**
 * The whole system on one laptop: what `infra/` deploys, under the same names, as processes that a drill can kill. Started in
 * order, stopped in reverse; tests use the same two functions.
 */

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

export interface StackOptions {
  /** Port of the API; 0 for a free one. */
  readonly port: number;
  /** Where to write what runs where. */
  readonly stackFile: string;
  /** Redis server to start, unless `redisUrl` says where one runs. */
  readonly redisServer?: string | undefined;
  readonly redisUrl?: string | undefined;
  readonly sqsEndpoint?: string | undefined;
  readonly dynamodbEndpoint?: string | undefined;
  /** Folder that keeps the state over restarts; without it every start is fresh. */
  readonly data?: string | undefined;
  /** How long after its death a part is started again, in milliseconds. */
  readonly restartMs?: number;
  readonly progress?: (step: string) => void;
  /** A module that the API, the worker and the embedded SQS load before all else: a clock of their own. */
  readonly preload?: string | undefined;
  /** Work to be done at the API before the stack says that it is ready. */
  readonly seed?: (api: string) => Promise<void>;
}

export interface Stack {
  /** As it was written first; a part that was started again since has another pid in the file on disk. */
  readonly file: StackFile;
  /** Ends one part for good, or starts it again after that: for tests that need the back to stand still. */
  readonly worker: Child;
  stop(): Promise<void>;
}

interface Secrets {
  readonly signingKey: string;
  readonly couponSecret: string;
  readonly roomKeys: string;
}

async function secretsIn(folder: string): Promise<Secrets> {
  const path = join(folder, "secrets.json");
  const random = () => randomBytes(32).toString("base64url");
  const fresh = { signingKey: await generateSigningKey(), couponSecret: random(), roomKeys: `local-1:${random()}` };
  // What is kept stays; a secret that was not needed before is added.
  const secrets: Secrets = existsSync(path) ? { ...fresh, ...JSON.parse(readFileSync(path, "utf8")) } : fresh;
  writeFileSync(path, JSON.stringify(secrets), { mode: 0o600 });
  return secrets;
}

/** Functions of the bundle, each by its file's name. */
export function functionFiles(): string[] {
  const files = [
    ...routes.map((route) => route.file),
    fallbackFile,
    ...Object.values(consumers),
    ...Object.values(schedules).map((schedule) => schedule.file),
  ];
  return [...new Set(files)];
}

/** Builds what the stack serves: the functions and the console. */
export async function buildAll({ bundles, consoleFolder }: { bundles: string; consoleFolder: string }): Promise<void> {
  await Promise.all([
    bundle({
      root: ROOT,
      outDir: bundles,
      entries: Object.fromEntries(functionFiles().map((name) => [name, `functions/${name}.ts`])),
    }),
    bundleConsole({ root: ROOT, outDir: consoleFolder }),
  ]);
}

/** A part that was said to run already and does not answer: says which, why, and what to do. */
function outOfReach(part: string, where: string, variable: string) {
  return (error: unknown): never => {
    const reason = error instanceof Error ? error.message || error.name : String(error);
    throw new Error(
      `${part} at ${where} does not answer (${reason}). Start it there, or unset ${variable} to use the embedded one.`,
    );
  };
}

async function pingRedis(url: string): Promise<void> {
  const door = openRedis(redisAddress(url));
  try {
    await door.command("PING");
  } finally {
    door.close();
  }
}

export async function startStack(options: StackOptions): Promise<Stack> {
  const running = readStackFile(options.stackFile);
  if (running) {
    throw new Error(
      `A stack is running already (pid ${running.pid}) at ${running.api}. Stop it, or set FIRSTCOME_STACK=<file> for a second one.`,
    );
  }
  const progress = options.progress ?? (() => {});
  const folder =
    options.data ?? join(dirname(options.stackFile), `run-${process.pid}-${randomBytes(3).toString("hex")}`);
  mkdirSync(folder, { recursive: true });
  const logPath = options.stackFile.replace(/(\.json)?$/, ".log");
  const log = openSync(logPath, "w");
  const restartMs = options.restartMs ?? 1_000;
  const children: Child[] = [];
  const pids: Record<string, number> = {};

  // What stands in for AWS wants some credentials; whoever brings an endpoint of their own has theirs in the environment.
  process.env.AWS_REGION ??= "us-east-1";
  process.env.AWS_ACCESS_KEY_ID ??= "local";
  process.env.AWS_SECRET_ACCESS_KEY ??= "local";

  const stop = async () => {
    for (const child of children.splice(0).reverse()) await child.stop();
    removeStackFile(options.stackFile);
    if (options.data === undefined) rmSync(folder, { recursive: true, force: true });
  };

  try {
    let file: StackFile | undefined;
    let worker: Child | undefined;
    const onStart = (name: string) => (pid: number) => {
      pids[name] = pid;
      if (name === "redis") worker?.tell({ redisPid: pid });
      if (!file) return;
      file = { ...file, pids: { ...pids }, redisPid: pids.redis ?? null };
      writeStackFile(options.stackFile, file);
    };
    const start = async (
      name: string,
      it: Omit<ConstructorParameters<typeof Child>[0], "name" | "output" | "restartMs" | "onStart">,
    ) => {
      const child = new Child({ ...it, name, output: log, restartMs, onStart: onStart(name) });
      children.push(child);
      await child.start();
      return child;
    };

    progress("Redis, SQS and DynamoDB");
    const redis = async () => {
      if (options.redisUrl) return options.redisUrl;
      const port = await freePort();
      const dir = join(folder, "redis");
      mkdirSync(dir, { recursive: true });
      await start("redis", {
        command: options.redisServer ?? "redis-server",
        // The append-only file is written before each reply: a killed server finds all it had acknowledged.
        args: [
          "--port",
          `${port}`,
          "--bind",
          "127.0.0.1",
          "--dir",
          dir,
          "--save",
          "",
          "--appendonly",
          "yes",
          "--maxmemory-policy",
          "noeviction",
        ],
        node: false,
        ready: listens(port),
      });
      return `redis://127.0.0.1:${port}`;
    };
    const preloaded = options.preload === undefined ? [] : ["--import", options.preload];
    const emulator = async (
      name: string,
      main: string,
      imports: readonly string[] = [],
      told: readonly string[] = ["--data", join(folder, name)],
    ) => {
      const port = await freePort();
      await start(name, {
        command: process.execPath,
        args: [...imports, join(ROOT, main), "--port", `${port}`, ...told],
        node: true,
        ready: listens(port),
      });
      return `http://127.0.0.1:${port}`;
    };
    // Beside the stack's own data: two stacks at once must not write each other's bundles. Whoever starts many stacks of one tree
    // (tests/setup/stack.ts) has them built once, and says where.
    const built = process.env.FIRSTCOME_BUILT;
    const bundles = join(built ?? folder, "functions");
    const consoleFolder = join(built ?? folder, "console");
    const [redisUrl, sqs, dynamodb, cloudwatch, secrets] = await Promise.all([
      redis(),
      options.sqsEndpoint ?? emulator("sqs", "local/sqs/main.ts", preloaded),
      options.dynamodbEndpoint ?? emulator("dynamodb", "local/dynamodb/main.ts"),
      emulator("cloudwatch", "local/cloudwatch/main.ts", [], ["--log", logPath]),
      secretsIn(folder),
      built === undefined && buildAll({ bundles, consoleFolder }),
    ]);

    progress("Queues and table");
    const tables = { Ledger: "firstcome-Ledger" };
    const [queueUrls] = await Promise.all([
      createQueues(sqs, "firstcome-").catch(outOfReach("SQS", sqs, "FIRSTCOME_SQS_ENDPOINT")),
      createTable(dynamodb, tables.Ledger).catch(outOfReach("DynamoDB", dynamodb, "FIRSTCOME_DYNAMODB_ENDPOINT")),
      pingRedis(redisUrl).catch(outOfReach("Redis", redisUrl.replace(/\/\/.*@/, "//…@"), "FIRSTCOME_REDIS_URL")),
    ]);

    progress("Functions");
    const { tls, ...link } = redisAddress(redisUrl);
    const linked = {
      App: { name: "firstcome", stage: "local" },
      Redis: link,
      Confirmations: { url: queueUrls.Confirmations },
      DeadLetters: { url: queueUrls.DeadLetters },
      Events: { url: queueUrls.Events },
      Ledger: { name: tables.Ledger },
      CouponSecret: { value: secrets.couponSecret },
      RoomKeys: { value: secrets.roomKeys },
      Settings: {
        redisTls: tls,
        redisCluster: false,
        sqsEndpoint: sqs,
        dynamodbEndpoint: dynamodb,
        cloudwatchEndpoint: cloudwatch,
      },
    };
    const port = options.port === 0 ? await freePort() : options.port;
    const env: NodeJS.ProcessEnv = {
      ...process.env,
      ...Object.fromEntries(
        Object.entries(linked).map(([name, value]) => [`SST_RESOURCE_${name}`, JSON.stringify(value)]),
      ),
      FIRSTCOME_LOCAL_BUNDLES: bundles,
      FIRSTCOME_LOCAL_CONSOLE: consoleFolder,
      FIRSTCOME_LOCAL_PORT: String(port),
      FIRSTCOME_LOCAL_SIGNING_KEY: secrets.signingKey,
      FIRSTCOME_LOCAL_QUEUES: JSON.stringify(queueUrls),
      FIRSTCOME_LOCAL_SQS: sqs,
      FIRSTCOME_LOCAL_STACK: resolve(options.stackFile),
    };
    const ours = (name: string, main: string) =>
      start(name, {
        command: process.execPath,
        args: [...preloaded, "--import", join(ROOT, "local/register.mjs"), join(ROOT, main)],
        env,
        node: true,
        ready: saysReady,
      });
    [, worker] = await Promise.all([ours("api", "local/api.ts"), ours("worker", "local/worker.ts")]);
    if (pids.redis) worker.tell({ redisPid: pids.redis });

    const api = `http://127.0.0.1:${port}`;
    if (options.seed) {
      progress("Sample campaign");
      await options.seed(api);
    }
    file = {
      api,
      console: `${api}/console/`,
      redis: redisUrl,
      redisPid: pids.redis ?? null,
      sqs,
      dynamodb,
      cloudwatch,
      queues: queueUrls,
      tables,
      pid: process.pid,
      pids: { ...pids },
      log: logPath,
    };
    writeStackFile(options.stackFile, file);
    return { file, worker, stop };
  } catch (error) {
    await stop();
    if (error instanceof Error && error.message.includes("EADDRINUSE")) {
      throw new Error(`Port ${options.port} is taken. PORT=0 npm start takes a free one, PORT=<n> another.`, {
        cause: error,
      });
    }
    throw error;
  }
}
