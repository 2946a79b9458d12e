import { setTimeout as sleep } from "node:timers/promises";
import { type Action, BEYOND_DEDUPLICATION_MS, type Part } from "./faults.ts";
import type { Parts } from "./parts.ts";
import { until } from "./patience.ts";
import type { PlannedFault } from "./plan.ts";
import type { Queue } from "./queue.ts";

/** Confirmations that are delivered once more; bounded, because each is sent twice. */
const COPIES_MOST = 200;
const LATER_MS = 3_000;
/** A promoted node has so long to be recovered, before the former one takes over again. */
const OPEN_MS = 20_000;

export interface Weapons {
  readonly parts: Parts;
  readonly queue: Queue;
  /** Has the sweeper send again what is stuck. */
  readonly sweep: () => Promise<void>;
  /** Whether the campaign was seen open by the last look at it, and that look was later than this. */
  readonly isOpenAfter: (at: number) => boolean;
  /** An environment in which a process lives so many minutes in the past. */
  readonly behind: (minutes: number) => NodeJS.ProcessEnv;
}

/** A fault as it was: when it was over, on this process's steady clock, and what it did. */
export interface Struck {
  readonly fault: PlannedFault;
  readonly startedAt: number;
  readonly overAt: number;
  /** What it came to, where chance does not tell. */
  readonly note: string;
}

/** Strikes at the planned times. Two faults that share a part do not meet: the second waits until the first is over. */
export async function strikeAll(
  faults: readonly PlannedFault[],
  weapons: Weapons,
  startedAt: number,
  onChange: (going: ReadonlySet<string>) => void,
): Promise<Struck[]> {
  const going = new Set<string>();
  const last = new Map<Part, Promise<unknown>>();
  const all = faults.map((fault) => {
    const before = fault.parts.flatMap((part) => last.get(part) ?? []);
    const struck = (async (): Promise<Struck> => {
      await sleep(Math.max(0, startedAt + fault.atMs - performance.now()));
      await Promise.allSettled(before);
      const from = performance.now();
      going.add(fault.name);
      onChange(going);
      const note = await strike(fault.action, weapons);
      going.delete(fault.name);
      onChange(going);
      return { fault, startedAt: from, overAt: performance.now(), note };
    })();
    for (const part of fault.parts) last.set(part, struck);
    return struck;
  });
  // All of them are over before the first failure is thrown: none goes on behind the back of what cleans up.
  await Promise.allSettled(all);
  return Promise.all(all);
}

/** Does it, and comes back when it is over. @returns what is worth a note */
async function strike(action: Action, { parts, queue, sweep, behind, isOpenAfter }: Weapons): Promise<string> {
  const { redis } = parts;
  switch (action.how) {
    case "kill":
      await parts.kill(action.part);
      return "";
    case "pause":
      await paused(parts.pidOf(action.part), () => sleep(action.forMs));
      return "";
    case "slow": {
      const proxy = parts.proxyOf(action.store);
      proxy.delay(action.delayMs);
      await sleep(action.forMs);
      proxy.delay(0);
      return "";
    }
    case "failover": {
      if (action.behindMinutes > 0) await redis.replaceReplica(behind(action.behindMinutes));
      return lossOf(await redis.failover(action));
    }
    case "failover-and-back": {
      const lost = await redis.failover({ lagMs: action.lagMs, outageMs: 0, old: "demoted" });
      const promotedAt = performance.now();
      await redis.inSync();
      if (action.back === "soon") await sleep(action.stayMs);
      // At once after it: those who have waited for it write now. What is not recovered in this time is for the judge to name.
      else await until("the campaign is open", async () => isOpenAfter(promotedAt), OPEN_MS).catch(() => {});
      const lostAgain = await redis.failover({ lagMs: action.lagBackMs, outageMs: 0, old: "demoted" });
      return `${lossOf(lost)}, then ${lossOf(lostAgain)}`;
    }
    case "restart-empty":
      await redis.restartEmpty();
      return "";
    case "flush":
      await redis.call("FLUSHALL");
      return "";
    case "duplicates": {
      const copies = await paused(parts.pidOf("worker"), async () => {
        await sleep(action.forMs);
        return queue.copies(COPIES_MOST);
      });
      await queue.sendAgain(copies, action.order);
      await sleep(LATER_MS);
      await queue.sendAgain(copies, action.order + 1);
      return `${copies.length} confirmations delivered three times`;
    }
    case "late-resend":
      await paused(parts.pidOf("worker"), async () => {
        await sleep(action.forMs);
        parts.advanceSqs(BEYOND_DEDUPLICATION_MS);
        await sweep();
      });
      return "";
  }
}

const lossOf = (bytes: number) => `${bytes.toLocaleString("en-US")} bytes of acknowledged writes lost`;

/** Does something while a process hangs. */
async function paused<T>(pid: number, work: () => Promise<T>): Promise<T> {
  process.kill(pid, "SIGSTOP");
  try {
    return await work();
  } finally {
    process.kill(pid, "SIGCONT");
  }
}
