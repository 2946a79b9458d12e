import { type Evidence, isThroughLoss, type Judged, quantile, stintsOf, type Violation } from "./evidence.ts";

/** Whole seconds cannot foretell a shorter wait. */
const SHORTEST_MS = 4_000;
/** The share of the people whose wait must end within the range that they were told half-way. */
const LEAST_SHARE = 0.8;

/** What somebody was told half-way, and what came of it. Seconds from then. */
export interface Foretold {
  readonly user: string;
  readonly number: number;
  /** The whole wait. */
  readonly wait: number;
  readonly low: number;
  readonly high: number;
  readonly real: number;
}

export interface Foresight {
  readonly judged: number;
  /** Let in after a wait that was too short to be judged. */
  readonly leftOut: number;
  /** Let in after the room was lost in the time that had been foretold. */
  readonly lost: number;
  readonly share: number;
  /** Came in before and after the range, as shares. */
  readonly early: number;
  readonly late: number;
  readonly medianWidth: number;
  /** The real wait over the middle of the range: tenth, half, nine tenths. */
  readonly ratio: readonly [number, number, number];
  /** The same by how long people waited, in four equal parts: the longest wait of each, and its share within. */
  readonly byWait: readonly { readonly upTo: number; readonly share: number; readonly ratio: number }[];
}

/** For each who was let in: the last ticket at or before half of the wait, and when they learned that they were in. */
export function foretold({ calls, losses }: Pick<Evidence, "calls" | "losses">) {
  const judged: Foretold[] = [];
  let leftOut = 0;
  let lost = 0;
  for (const { user, number, told, admitted } of [...stintsOf(calls).values()].flat()) {
    const startedAt = Math.min(...told.map(({ answeredAt }) => answeredAt));
    if (!admitted) continue;
    const waitMs = admitted.answeredAt - startedAt;
    const half = told
      .filter(({ ticket, answeredAt }) => ticket.state === "waiting" && answeredAt <= startedAt + waitMs / 2)
      .reduce<(typeof told)[number] | undefined>((a, b) => (a && a.answeredAt > b.answeredAt ? a : b), undefined);
    if (!half || waitMs < SHORTEST_MS) {
      leftOut++;
      continue;
    }
    if (isThroughLoss(losses, half.sentAt, admitted.answeredAt)) {
      lost++;
      continue;
    }
    const real = (admitted.answeredAt - half.answeredAt) / 1_000;
    judged.push({ user, number, wait: waitMs / 1_000, real, ...half.ticket.etaSeconds });
  }
  return { judged, leftOut, lost };
}

const isWithin = ({ low, high, real }: Foretold) => low <= real && real <= high;
const ratioOf = ({ low, high, real }: Foretold) => real / Math.max(0.5, (low + high) / 2);
const ascending = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b);
const shareOf = (all: readonly Foretold[], holds: (it: Foretold) => boolean) =>
  all.filter(holds).length / Math.max(1, all.length);

export function foresightOf(evidence: Pick<Evidence, "calls" | "losses">): Foresight {
  const { judged, leftOut, lost } = foretold(evidence);
  const ratios = ascending(judged.map(ratioOf));
  const byWait = judged.toSorted((a, b) => a.wait - b.wait);
  const parts = [0, 1, 2, 3].map((part) => byWait.slice((part * byWait.length) / 4, ((part + 1) * byWait.length) / 4));
  return {
    judged: judged.length,
    ...{ leftOut, lost },
    share: shareOf(judged, isWithin),
    early: shareOf(judged, ({ real, low }) => real < low),
    late: shareOf(judged, ({ real, high }) => real > high),
    medianWidth: quantile(ascending(judged.map(({ low, high }) => high - low)), 0.5) ?? 0,
    ratio: [quantile(ratios, 0.1) ?? 0, quantile(ratios, 0.5) ?? 0, quantile(ratios, 0.9) ?? 0],
    byWait: parts.map((part) => ({
      upTo: part.at(-1)?.wait ?? 0,
      share: shareOf(part, isWithin),
      ratio: quantile(ascending(part.map(ratioOf)), 0.5) ?? 0,
    })),
  };
}

/** Of those who waited long enough, four in five came in within the range that they were told half-way. */
export function judgeEta(evidence: Evidence): Judged {
  const { judged, leftOut, lost, share, early, late, medianWidth } = foresightOf(evidence);
  const percent = (of: number) => `${(100 * of).toFixed(1)} %`;
  const note = `${percent(share)} of ${judged} within, ${percent(early)} earlier, ${percent(late)} later; median width ${medianWidth} s; ${leftOut} waited too short${lost > 0 ? `, ${lost} through a loss` : ""}`;
  if (judged === 0) return { violations: [{ what: "nobody waited long enough to be judged" }], note };
  if (share >= LEAST_SHARE) return { violations: [], note };
  const violations = foretold(evidence)
    .judged.filter((it) => !isWithin(it))
    .map(({ user, number, low, high, real }): Violation => {
      return { user, number, what: `was told ${low} to ${high} s, and it was ${real.toFixed(1)} s` };
    });
  return { violations, note };
}
