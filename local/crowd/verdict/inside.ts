import { type Evidence, type Judged, stintsOf, type Violation } from "./evidence.ts";

const SECOND_MS = 1_000;

/** At no sample were there more people inside than the room takes; nor do clients prove that there ever were. */
export function judgeCapacity({ rules, samples, calls }: Evidence): Judged {
  const { capacity } = rules;
  const violations: Violation[] = [];
  if (samples.length === 0) violations.push({ what: "there is no sample of the room" });
  let most = 0;
  let full = 0;
  for (const { active, now } of samples) {
    most = Math.max(most, active);
    if (active >= capacity) full++;
    if (active > capacity) violations.push({ what: `${active} inside at ${timeOf(now)}` });
  }
  const proved = mostAtOnce(surelyInside({ rules, calls }));
  if (proved > capacity) violations.push({ what: `${proved} clients held a pass at once` });
  const share = samples.length > 0 ? Math.round((100 * full) / samples.length) : 0;
  const note = `at most ${most} of ${capacity} in ${samples.length} samples, full in ${share} % of them; clients prove ${proved}`;
  return { violations, note };
}

/**
 * When each client was inside for sure: from the answer that said so until it gave the pass back, or until its pass must have
 * ended. A pass runs from the poll that collected it, so not before that was sent.
 */
function surelyInside({ rules, calls }: Pick<Evidence, "rules" | "calls">): [from: number, until: number][] {
  const left = Map.groupBy(
    calls.filter(({ verb }) => verb === "leave"),
    ({ user }) => user,
  );
  return [...stintsOf(calls).values()].flat().flatMap(({ user, told, admitted }): [number, number][] => {
    if (!admitted) return [];
    const inside = told.filter(({ ticket }) => ticket.state === "admitted");
    const ends = Math.min(...inside.map(({ sentAt }) => sentAt)) + rules.passMs;
    const leaves = left.get(user)?.find(({ sentAt }) => sentAt >= admitted.answeredAt)?.sentAt ?? ends;
    const until = Math.min(ends, leaves);
    return until > admitted.answeredAt ? [[admitted.answeredAt, until]] : [];
  });
}

function mostAtOnce(spans: readonly (readonly [number, number])[]): number {
  const steps = spans.flatMap(([from, until]): [number, number][] => [
    [from, 1],
    [until, -1],
  ]);
  steps.sort(([a, up], [b, down]) => a - b || up - down);
  let now = 0;
  let most = 0;
  for (const [, step] of steps) {
    now += step;
    most = Math.max(most, now);
  }
  return most;
}

/** Between two samples a second apart, or less, no more were admitted than the rate. The time is the samples' own. */
export function judgeRate({ rules, samples }: Evidence): Judged {
  const violations: Violation[] = [];
  if (samples.length === 0) violations.push({ what: "there is no sample of the room" });
  let from = 0;
  let most = 0;
  let burst = 0;
  for (const [index, { now, admitted }] of samples.entries()) {
    burst = Math.max(burst, admitted - (samples[index - 1]?.admitted ?? admitted));
    while (Math.abs(now - (samples[from]?.now ?? now)) > SECOND_MS) from++;
    const count = admitted - (samples[from]?.admitted ?? admitted);
    most = Math.max(most, count);
    if (count > rules.rate) {
      violations.push({
        what: `${count} were admitted in ${now - (samples[from]?.now ?? now)} ms until ${timeOf(now)}`,
      });
    }
  }
  const all = (samples.at(-1)?.admitted ?? 0) - (samples[0]?.admitted ?? 0);
  return {
    violations,
    note: `at most ${most} of ${rules.rate} in a second, ${burst} between two samples; ${all} in all`,
  };
}

const timeOf = (ms: number) => new Date(ms).toISOString().slice(11, 23);
