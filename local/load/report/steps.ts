import type { Second } from "./evidence.ts";
import { addSpent, nothingSpent, type Spent } from "./spent.ts";

/** Some seconds as one step of a chart. */
export interface Step {
  /** The first of its seconds, counted from the beginning of the run. */
  readonly second: number;
  readonly seconds: number;
  readonly front: Spent;
  readonly back: Spent;
  /** Redis's engine, 0 to 1; the highest of the step. */
  readonly engine?: number | undefined;
  /** Messages waiting or in work in all queues, at most. */
  readonly waiting: number;
}

/** Seconds in so many steps at most, from the first to the last in which anything was done. */
export function stepsOf(all: readonly Second[], most: number): Step[] {
  const isIdle = ({ front, back, queues }: Second) => front.n + back.n + waitingIn(queues) === 0;
  const first = all.findIndex((second) => !isIdle(second));
  if (first < 0) return [];
  const last = all.findLastIndex((second) => !isIdle(second));
  const size = Math.ceil((last - first + 1) / most);
  const steps: Step[] = [];
  for (let second = first; second <= last; second += size) {
    const part = all.slice(second, Math.min(second + size, last + 1));
    const engines = part.flatMap(({ engine }) => (engine ? [engine.busy] : []));
    steps.push({
      second,
      seconds: part.length,
      front: sum(part.map(({ front }) => front)),
      back: sum(part.map(({ back }) => back)),
      engine: engines.length > 0 ? Math.max(...engines) : undefined,
      waiting: Math.max(...part.map(({ queues }) => waitingIn(queues))),
    });
  }
  return steps;
}

const waitingIn = (queues: Second["queues"]) => Object.values(queues).reduce((total, waiting) => total + waiting, 0);

function sum(all: readonly Spent[]): Spent {
  const total = nothingSpent();
  for (const spent of all) addSpent(total, spent);
  return total;
}

/** Where time goes, in the order in which it is drawn. */
const PARTS = [
  { key: "redisMs", name: "Redis" },
  { key: "queueMs", name: "queue" },
  { key: "ledgerMs", name: "ledger" },
  { key: "metricsMs", name: "metrics" },
  { key: "ownMs", name: "no door" },
] as const;

/** Those that are shown: metrics are read by a person's look, and in most runs nobody does. */
export function partsOf(all: readonly Spent[]): readonly (typeof PARTS)[number][] {
  return PARTS.filter(({ key }) => key !== "metricsMs" || all.some((spent) => spent.metricsMs > 0));
}
