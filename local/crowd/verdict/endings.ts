import type { Ending } from "../ground.ts";
import { type Evidence, type Judged, quantile, type Violation } from "./evidence.ts";

/** How many heartbeats after the last poll somebody is still in line at the most. */
const GONE_AFTER = 2;

/** Who stops polling is not in line any more two heartbeats later: dropped, or let in before that. */
export function judgeSilences({ rules, silences }: Evidence): Judged {
  const violations: Violation[] = [];
  const mostMs = GONE_AFTER * rules.heartbeatMs;
  const gone: number[] = [];
  for (const { user, since, seenAt, goneAt } of silences) {
    if (goneAt !== undefined) gone.push(goneAt - since);
    if (seenAt !== undefined && seenAt - since > mostMs) {
      violations.push({ user, what: `was still in line ${seconds(seenAt - since)} after the last poll` });
    } else if (goneAt === undefined) {
      violations.push({ user, what: "was never seen to be gone" });
    }
  }
  gone.sort((a, b) => a - b);
  const [half, last] = [quantile(gone, 0.5), quantile(gone, 1)];
  const after =
    half === undefined || last === undefined ? "" : `; after ${seconds(half)} (half), ${seconds(last)} (all)`;
  return { violations, note: `${gone.length} of ${silences.length} gone${after}` };
}

/** Everybody who stayed was let in. */
export function judgeStayers({ endings }: Evidence): Judged {
  const stayed = endings.filter(({ outcome }) => outcome !== "abandoned");
  const violations = stayed.flatMap(({ user, habit, outcome }): Violation[] =>
    outcome === "admitted" ? [] : [{ user, what: `${SAYS[outcome]} (${habit})` }],
  );
  if (stayed.length === 0) violations.push({ what: "nobody stayed" });
  return { violations, note: `${stayed.length - violations.length} of ${stayed.length} let in` };
}

const SAYS: Readonly<Record<Ending["outcome"], string>> = {
  admitted: "was let in",
  abandoned: "went away",
  unfinished: "was sent home, still waiting or shopping",
  expired: "lost the place, or a pass that was not collected",
  gone: "had no ticket any more",
  refused: "was refused a ticket",
};

const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
