import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "../rush/random.ts";
import type { StackFile } from "../stack-file.ts";

/** Kills of the stack's parts, which the stack starts again. */

export type Part = "worker" | "api" | "redis";

/** Between two kills of the process that counts, publishes and lets leave: it needs about a second to come back. */
const WORKER_EVERY_MS = [1_200, 5_000] as const;
const API_EVERY_MS = [8_000, 20_000] as const;
/** Shares of the day after which Redis is killed; of a short day only the first. */
const REDIS_AFTER = [0.35, 0.7] as const;
const SHORT_MS = 60_000;
const LOOK_MS = 25;
const BACK_WITHIN_MS = 30_000;

export interface StrikesTerms {
  /** What runs where, as the stack's file says now. */
  readonly stack: () => StackFile | undefined;
  readonly random: Random;
  /** Milliseconds of real time that the shop is open. */
  readonly openMs: number;
  /** Whether requests are under way: the API is killed in the midst of some. */
  readonly isBusy: () => boolean;
  /** Has what must be out of the way while Redis is away. @returns false where it is no time for it; it is asked again */
  readonly aroundRedis: (strike: () => Promise<void>) => Promise<boolean>;
}

export interface Strikes {
  readonly kills: Readonly<Record<Part, number>>;
  /** Kills what is due, and only then: nothing is killed unless it is asked to. @param openMs how long the shop has been open */
  due(openMs: number): Promise<void>;
}

export function openStrikes({ stack, random, openMs, isBusy, aroundRedis }: StrikesTerms): Strikes {
  const kills = { worker: 0, api: 0, redis: 0 };
  const after = ([least, most]: readonly [number, number]) => least + random.next() * (most - least);
  // A Redis that ran before is not ours to kill.
  const isOurs = stack()?.pids.redis !== undefined;
  const redisAt = isOurs ? REDIS_AFTER.slice(0, openMs < SHORT_MS ? 1 : 2).map((share) => share * openMs) : [];
  let workerAt = after(WORKER_EVERY_MS);
  let apiAt = Math.min(after(API_EVERY_MS), openMs / 2);

  /** @returns whether it was killed */
  function kill(part: Part): boolean {
    const pid = stack()?.pids[part];
    try {
      if (pid === undefined) return false;
      process.kill(pid, "SIGKILL");
    } catch {
      // It is away already, and not back yet.
      return false;
    }
    kills[part]++;
    return true;
  }

  async function killAndWait(part: Part): Promise<void> {
    const before = stack()?.pids[part];
    if (!kill(part)) return;
    for (let waited = 0; stack()?.pids[part] === before; waited += LOOK_MS) {
      if (waited > BACK_WITHIN_MS) throw new Error(`${part} was killed and did not come back`);
      await sleep(LOOK_MS);
    }
  }

  return {
    kills,
    async due(ms) {
      const [redis] = redisAt;
      if (redis !== undefined && ms >= redis) {
        if (await aroundRedis(() => killAndWait("redis"))) redisAt.shift();
      }
      if (ms >= apiAt && isBusy()) {
        kill("api");
        apiAt = ms + after(API_EVERY_MS);
      }
      if (ms >= workerAt) {
        kill("worker");
        workerAt = ms + after(WORKER_EVERY_MS);
      }
    },
  };
}
