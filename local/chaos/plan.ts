import { type Random, seeded } from "../rush/random.ts";
import { gather, type Shopper } from "./crowd.ts";
import { type Action, FAULTS, type FaultName, type Part } from "./faults.ts";

/** A fault and when it strikes. */
export interface PlannedFault {
  readonly name: FaultName;
  /** Milliseconds from the start of the round. */
  readonly atMs: number;
  readonly parts: readonly Part[];
  readonly action: Action;
}

/** Everything about a round that chance decides. */
export interface Plan {
  readonly seed: number;
  readonly stock: number;
  readonly perUser: number;
  readonly faults: readonly PlannedFault[];
  readonly crowd: readonly Shopper[];
}

/** Load before the first fault, and after the last. */
const BEFORE_MS = 1_500;
const AFTER_MS = 2_500;
const SHORTEST_MS = 6_000;
const LONGEST_MS = 15_000;

/** The seed of a run's round. A round is replayed as the first of its own seed. */
export function seedOfRound(seed: number, round: number): number {
  return round === 1 ? seed : seeded(seed ^ Math.imul(round, 0x9e3779b1)).below(2 ** 32);
}

/**
 * Decides a round. The same seed and the same choice of faults make the same plan; a fault that cannot be done on this
 * machine changes only the plans in which it would have been.
 */
export function planRound(seed: number, choice: readonly FaultName[], available: (name: FaultName) => boolean): Plan {
  const random = seeded(seed);
  const ofFaults = random.fork();
  const ofCrowd = random.fork();
  const perUser = random.next() < 0.25 ? 2 : 1;
  const stock = 150 + random.below(250);
  const users = Math.round(stock * (1.1 + random.next() * 0.7));

  const names = drawNames(choice, available, ofFaults);
  let atMs = BEFORE_MS + ofFaults.below(1_500);
  let lastMs = 0;
  const faults = names.map((name) => {
    const { parts, draw, lasts } = FAULTS[name];
    const action = draw(ofFaults);
    const fault = { name, atMs, parts, action };
    lastMs = Math.max(lastMs, atMs) + lasts(action);
    atMs += ofFaults.below(3_000);
    return fault;
  });
  const overMs = Math.min(Math.max(lastMs + AFTER_MS, SHORTEST_MS), LONGEST_MS);
  return { seed, stock, perUser, faults, crowd: gather(users, overMs, ofCrowd) };
}

/** One fault, or two. Drawn without looking at what is available, so that the rest of the draws stays the same everywhere. */
function drawNames(choice: readonly FaultName[], available: (name: FaultName) => boolean, random: Random): FaultName[] {
  const order = inRandomOrder(choice, random).filter(available);
  const count = random.next() < 0.5 ? 1 : 2;
  return order.slice(0, count);
}

/** All of them, the weighty ones more often in front. */
function inRandomOrder(choice: readonly FaultName[], random: Random): FaultName[] {
  const placed = choice.map((name) => ({ name, at: random.next() ** (1 / FAULTS[name].weight) }));
  return placed.sort((left, right) => right.at - left.at).map(({ name }) => name);
}
