import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "undici";
import type { Random } from "../rush/random.ts";

/** From one answer to the next call, on average: more would leave a small machine to the schedulers alone. */
const PAUSE_MS = 250;
const TIMEOUT_MS = 30_000;

/** A run that did not end well. Times on this process's steady clock. */
export interface Failure {
  readonly what: string;
  readonly sentAt: number;
  readonly answeredAt: number;
}

export interface Schedulers {
  /** Runs that ended well, and the others. */
  readonly done: { runs: number; readonly failures: Failure[] };
  stop(): Promise<void>;
}

/** So many callers of the admitting job at once, each again and again: in AWS a schedule may fire twice, and runs overlap. */
export function openSchedulers(api: string, count: number, random: Random): Schedulers {
  const pool = new Pool(api, { connections: Math.max(1, count), headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS });
  const done = { runs: 0, failures: [] as Failure[] };
  let isOver = false;

  async function run(): Promise<void> {
    const sentAt = performance.now();
    const fail = (what: string) => void done.failures.push({ what, sentAt, answeredAt: performance.now() });
    try {
      const answer = await pool.request({ method: "POST", path: "/_local/schedules/admit/run" });
      const text = await answer.body.text();
      if (answer.statusCode === 200) done.runs++;
      else fail(`a run of the schedule was answered with ${answer.statusCode}: ${text.slice(0, 200)}`);
    } catch (error) {
      fail(`a run of the schedule was not answered: ${error}`);
    }
  }

  const running = Array.from({ length: count }, async () => {
    while (!isOver) {
      await run();
      await sleep(2 * PAUSE_MS * random.next());
    }
  });

  return {
    done,
    async stop() {
      isOver = true;
      await Promise.all(running);
      await pool.close();
    },
  };
}
