import { statSync } from "node:fs";
import { open } from "node:fs/promises";
import { cpus } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { openQueue } from "../../../core/doors/sqs.ts";
import { limits } from "../../../core/limits.ts";
import { consumers } from "../../../functions/routes.ts";
import { consumerConcurrency } from "../../../infra/settings.ts";
import type { StackFile } from "../../stack-file.ts";
import type { Run, Sample } from "./evidence.ts";
import { type RedisReading, watchRedis } from "./redis-watch.ts";
import { readSpans } from "./spent.ts";

const EVERY_MS = 1_000;
/** A function that is no longer called writes its last line after `limits.spansEveryMs`; it looks for that as often. */
const LAST_LINE_MS = 2 * limits.spansEveryMs + 500;
/** One that is at work writes a line at least so often. */
const LINE_MS = limits.spansQuietMs + 500;

/** Of a stack only what can be reached: of an API elsewhere, its address. */
export type Watched = { readonly api: string } & Partial<Pick<StackFile, "redis" | "sqs" | "queues" | "log">>;

export interface Watch {
  /** Waits for the functions' last lines, ends the watch and tells what it saw, all but k6's part. */
  end(): Promise<Omit<Run, "load">>;
}

/** Looks at all parts of a stack about once a second, from now until it is ended. What it cannot reach is named as missing. */
export async function watchStack(stack: Watched): Promise<Watch> {
  const missing: string[] = [];
  const lacks = (what: string, error: unknown): undefined => {
    missing.push(`${what} (${error instanceof Error ? error.message : String(error)})`);
    return undefined;
  };
  const elsewhere = `not known of an API elsewhere, ${stack.api}`;

  const redis =
    stack.redis === undefined
      ? lacks("Redis's own figures", elsewhere)
      : await watchRedis(stack.redis).catch((error: unknown) => lacks("Redis's own figures", error));
  // As the stack itself: what stands in for SQS wants some region and some credentials.
  process.env.AWS_REGION ??= "us-east-1";
  process.env.AWS_ACCESS_KEY_ID ??= "local";
  process.env.AWS_SECRET_ACCESS_KEY ??= "local";
  const queues = Object.entries(stack.queues ?? {})
    .filter(([name]) => name in consumers)
    .map(([name, url]) => ({ name, door: openQueue({ url, ...(stack.sqs ? { endpoint: stack.sqs } : {}) }) }));
  if (queues.length === 0) lacks("queues", elsewhere);
  if (stack.log === undefined) lacks("the functions' spans", elsewhere);
  const logFrom = stack.log === undefined ? 0 : sizeOf(stack.log);

  const failures = new Set<string>();
  const tried = async <T>(what: string, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      // A part that is slow does not answer every time, and says so once.
      if (!failures.has(what)) lacks(`${what} at times`, error);
      failures.add(what);
      return undefined;
    }
  };
  const samples: Sample[] = [];
  let machine = processors();
  const sample = async () => {
    const [reading, depths] = await Promise.all([
      redis ? tried<RedisReading>("Redis's own figures", redis.read) : undefined,
      tried("queues", () =>
        Promise.all(
          queues.map(async ({ name, door }) => {
            const { waiting, inFlight } = await door.depth();
            return [name, waiting + inFlight] as const;
          }),
        ),
      ),
    ]);
    const now = processors();
    const share = now.all > machine.all ? (now.busy - machine.busy) / (now.all - machine.all) : 0;
    machine = now;
    samples.push({ at: Date.now(), redis: reading, queues: Object.fromEntries(depths ?? []), machine: share });
  };

  const ending = new AbortController();
  await sample();
  const loop = (async () => {
    while (!ending.signal.aborted) {
      await sleep(EVERY_MS, undefined, { signal: ending.signal }).catch(() => undefined);
      await sample();
    }
  })();

  return {
    async end() {
      // Who answers is done by now; consumers may be at work for long.
      const beganAt = performance.now();
      let emptyAt: number | undefined;
      const isTold = () => {
        const now = performance.now();
        const waiting = Object.values(samples.at(-1)?.queues ?? {}).reduce((sum, depth) => sum + depth, 0);
        emptyAt = waiting === 0 ? (emptyAt ?? now) : undefined;
        return now - beganAt >= LINE_MS || (emptyAt !== undefined && now - emptyAt >= LAST_LINE_MS);
      };
      while (stack.log !== undefined && !isTold()) await sleep(100);
      ending.abort();
      await loop;
      const notes = redis ? await tried("Redis's slow log", () => redis.end()) : undefined;
      for (const { door } of queues) door.close();
      const { log } = stack;
      const text = log === undefined ? "" : await tried("the functions' log", () => readFrom(log, logFrom));
      return {
        samples,
        lines: readSpans(text ?? ""),
        notes,
        consumers,
        concurrency: consumerConcurrency.local,
        missing,
      };
    },
  };
}

/** Time of all processors since the machine's start, and how much of it they were at work. */
function processors(): { all: number; busy: number } {
  const times = cpus().map((cpu) => cpu.times);
  const all = times.reduce((sum, { user, nice, sys, idle, irq }) => sum + user + nice + sys + idle + irq, 0);
  return { all, busy: all - times.reduce((sum, { idle }) => sum + idle, 0) };
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

async function readFrom(path: string, from: number): Promise<string> {
  const file = await open(path);
  try {
    const chunks: Buffer[] = [];
    for await (const chunk of file.createReadStream({ start: from, autoClose: false })) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString("utf8");
  } finally {
    await file.close();
  }
}
