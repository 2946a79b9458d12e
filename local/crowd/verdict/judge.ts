import { judgeAnswers, judgePasses, judgeStock } from "./coupons.ts";
import { judgeSilences, judgeStayers } from "./endings.ts";
import { judgeEta } from "./eta.ts";
import type { Evidence, Judged, Violation } from "./evidence.ts";
import { judgeCapacity, judgeRate } from "./inside.ts";
import { judgeNumbers, judgeOrder, judgePlaces, judgeUsers } from "./numbers.ts";

/** The verdicts, in the order in which they are shown: guarantee, title, and what decides. */
const VERDICTS = [
  ["G8", "never more inside than capacity", judgeCapacity],
  ["G8", "never more a second than the rate", judgeRate],
  ["G8", "a number is given once", judgeNumbers],
  ["G8", "one user, one number", judgeUsers],
  ["G8", "a place never gets worse", judgePlaces],
  ["G8", "first come, first in", judgeOrder],
  ["G8", "who stops polling is gone", judgeSilences],
  ["G8", "who stays is let in", judgeStayers],
  ["G12", "no coupon without a pass", judgePasses],
  ["G1", "never oversold", judgeStock],
  ["ETA", "a wait is foretold", judgeEta],
  ["API", "no answer but documented ones", judgeAnswers],
] as const satisfies readonly (readonly [string, string, (evidence: Evidence) => Judged])[];

export interface Finding {
  readonly id: (typeof VERDICTS)[number][0];
  readonly title: (typeof VERDICTS)[number][1];
  readonly holds: boolean;
  readonly violations: readonly Violation[];
  /** What was looked at, in figures. */
  readonly note: string;
}

/** Says of each guarantee whether it held. Nothing but its argument decides. */
export function judge(evidence: Evidence): Finding[] {
  return VERDICTS.map(([id, title, look]) => {
    const { violations, note } = look(evidence);
    return { id, title, holds: violations.length === 0, violations, note };
  });
}
