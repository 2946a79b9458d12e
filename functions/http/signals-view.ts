import { limits } from "../../core/limits.ts";
import type { QueueSignals, Signals } from "../../core/operations/signals.ts";

/** The signals as the contract writes them: times in ISO 8601, and of each store whether it answered. */

const iso = (ms: number) => new Date(ms).toISOString();
const statusOf = (isUp: boolean) => (isUp ? ("up" as const) : ("down" as const));
const queueView = (queue: QueueSignals | undefined) => ({ status: statusOf(queue !== undefined), ...queue });

/** Figures that no call can ask for, and where they are. */
const ELSEWHERE = {
  oldestMessage: "CloudWatch, AWS/SQS ApproximateAgeOfOldestMessage of each queue: SQS tells it nowhere else.",
  memoryHits: `CloudWatch, firstcome MemoryHits divided by MemoryLooks, by memory (sold-out, room, ranking): every container writes its own each ${limits.countsEveryMs / 1_000} s, and sees no other's.`,
};

export function signalsView(it: Signals) {
  const { at, servers, queues, isLedgerUp, registry, rankings } = it;
  return {
    at: iso(at),
    redis: { status: statusOf(servers !== undefined), servers: servers ?? [], registry },
    queues: {
      confirmations: queueView(queues.confirmations),
      deadLetters: queueView(queues.deadLetters),
      events: queueView(queues.events),
    },
    ledger: { status: statusOf(isLedgerUp) },
    campaigns: {
      more: it.campaigns.more,
      items: it.campaigns.items.map(({ verification, ...campaign }) => ({
        ...campaign,
        verification: verification && { ...verification, verifiedAt: iso(verification.verifiedAt) },
      })),
    },
    ...{ rooms: it.rooms, rankings, boards: it.boards },
    elsewhere: ELSEWHERE,
  };
}
