import type { Call } from "../calls.ts";
import type { ShownPlace } from "../ground.ts";
import { type Evidence, type Judged, type Stint, stintsOf, type Told, type Violation } from "./evidence.ts";

/** No number was given to two users. */
export function judgeNumbers({ calls }: Evidence): Judged {
  const violations: Violation[] = [];
  const owners = new Map<number, string>();
  for (const { user, number } of [...stintsOf(calls).values()].flat()) {
    const owner = owners.get(number);
    if (owner !== undefined && owner !== user)
      violations.push({ user, number, what: `is also the number of ${owner}` });
    owners.set(number, user);
  }
  return { violations, note: `${owners.size} numbers seen` };
}

/** How many heartbeats somebody may be silent and keep the place. */
const KEPT_FOR = 1.5;

/** A user has one number, in every page, until they leave or are dropped; then a later one. */
export function judgeUsers({ calls, rules }: Evidence): Judged {
  const violations: Violation[] = [];
  const leaves = Map.groupBy(calls.filter(isEnd), ({ user }) => user);
  let again = 0;
  for (const [user, stints] of stintsOf(calls)) {
    for (const [index, next] of stints.entries()) {
      const before = stints[index - 1];
      if (!before) continue;
      again++;
      const seenAt = Math.min(...next.told.map(({ answeredAt }) => answeredAt));
      const late = before.told.find(({ sentAt }) => sentAt > seenAt);
      if (next.number < before.number) {
        violations.push({ user, number: next.number, what: `came after number ${before.number}` });
      } else if (late) {
        violations.push({ user, number: before.number, what: `was told again after number ${next.number}` });
      } else if (!mayChange(before, seenAt, leaves.get(user) ?? [], rules.heartbeatMs)) {
        violations.push({ user, number: next.number, what: `was given in place of ${before.number}, for no reason` });
      }
    }
  }
  return { violations, note: `${again} of ${stintsOf(calls).size} users came again` };
}

/** What ends a number: leaving, and being told that it is over. */
function isEnd({ verb, ticket, word }: Call): boolean {
  return verb === "leave" || ticket?.state === "expired" || (verb === "poll" && word === "unknown");
}

function mayChange(before: Stint, nextSeenAt: number, ends: readonly Call[], heartbeatMs: number): boolean {
  const firstSeenAt = Math.min(...before.told.map(({ answeredAt }) => answeredAt));
  if (ends.some(({ sentAt, answeredAt }) => answeredAt > firstSeenAt && sentAt < nextSeenAt)) return true;
  const lastSentAt = Math.max(...before.told.map(({ sentAt }) => sentAt));
  return nextSeenAt - lastSentAt > KEPT_FOR * heartbeatMs;
}

interface Sighting {
  readonly position: number;
  readonly reason?: string | undefined;
  readonly sentAt: number;
  readonly answeredAt: number;
}

/**
 * A place never got worse without a reason. What a ticket says is held against all that was known of that number before it was
 * asked for: earlier tickets, and places from the public document. What a page shows is held against what it showed before.
 */
export function judgePlaces({ calls, places }: Evidence): Judged {
  const violations: Violation[] = [];
  const shown = Map.groupBy(places, ({ user, number }) => `${number} ${user}`);
  let looked = 0;
  let reasons = 0;
  for (const { user, number, told } of [...stintsOf(calls).values()].flat()) {
    const theirs = shown.get(`${number} ${user}`) ?? [];
    const tickets = told.flatMap(sightingOf);
    const pages = theirs.flatMap(shownSighting);
    looked += tickets.length + pages.length;
    reasons += tickets.filter(({ reason }) => reason !== undefined).length;
    const worse = firstWorse(tickets, [...tickets, ...pages]);
    if (worse) violations.push({ user, number, what: `was told place ${worse.now} after ${worse.before}` });
    for (const page of Map.groupBy(theirs, (place) => place.page).values()) {
      const sightings = page.flatMap(shownSighting);
      const worseShown = firstWorse(sightings, sightings);
      if (worseShown) violations.push({ user, number, what: `saw place ${worseShown.now} after ${worseShown.before}` });
    }
  }
  return { violations, note: `${looked} places seen, ${reasons} tickets with a reason` };
}

function sightingOf({ ticket: { state, position, reason }, sentAt, answeredAt }: Told): Sighting[] {
  return state === "waiting" && position !== null ? [{ position, reason, sentAt, answeredAt }] : [];
}

function shownSighting({ position, reason, at }: ShownPlace): Sighting[] {
  return position === null ? [] : [{ position, reason, sentAt: at, answeredAt: at }];
}

/** The first of `news` that is worse than what was known before it was asked for. A reason lets knowledge begin anew. */
function firstWorse(
  news: readonly Sighting[],
  known: readonly Sighting[],
): { now: number; before: number } | undefined {
  const byAnswer = known.toSorted((a, b) => a.answeredAt - b.answeredAt);
  let next = 0;
  let before = Number.POSITIVE_INFINITY;
  for (const { position, reason, sentAt } of news.toSorted((a, b) => a.sentAt - b.sentAt)) {
    for (let it = byAnswer[next]; it && it.answeredAt < sentAt; it = byAnswer[++next]) {
      before = it.reason === undefined ? Math.min(before, it.position) : it.position;
    }
    if (reason === undefined && position > before) return { now: position, before };
  }
  return undefined;
}

/**
 * First come, first in, as far as clients can prove it. Somebody was let in at some time between two of their polls, so of two
 * people alone little is known. But an answer `waiting` proves that its number was not in yet when it was asked for; if by then
 * somebody with a larger number already knew that they were in, the order was broken. Only those are held against it who cannot
 * have been silent for one and a half heartbeats: others may be passed over.
 */
export function judgeOrder({ calls, rules }: Evidence): Judged {
  const violations: Violation[] = [];
  const stints = [...stintsOf(calls).values()].flat();
  const admitted = stints
    .flatMap(({ user, number, admitted: answer }) => (answer ? [{ user, number, at: answer.answeredAt }] : []))
    .sort((a, b) => a.at - b.at);
  /** For each of them, the one with the largest number who knew by then. */
  const largest: { user: string; number: number; at: number }[] = [];
  for (const { user, number, at } of admitted) {
    const before = largest.at(-1);
    largest.push(before && before.number > number ? { ...before, at } : { user, number, at });
  }
  let proofs = 0;
  let silent = 0;
  for (const { user, number, told } of stints) {
    const kept = whileKept(told, KEPT_FOR * rules.heartbeatMs);
    if (kept.length < told.length) silent++;
    const waiting = kept.filter(({ ticket }) => ticket.state === "waiting");
    proofs += waiting.length;
    for (const { sentAt } of waiting) {
      const known = largest[lastBefore(largest, sentAt)];
      if (!known || known.number < number) continue;
      violations.push({ user, number, what: `still waited when ${known.number} (${known.user}) was in` });
      break;
    }
  }
  const note = `${proofs} answers "waiting" against ${admitted.length} admissions; ${silent} were silent too long to prove it`;
  return { violations, note };
}

/** The answers up to the first gap in which the place may have been lost: from one request to the answer of the next. */
function whileKept(told: readonly Told[], keptMs: number): readonly Told[] {
  const lost = told.findIndex(({ answeredAt }, index) => answeredAt - (told[index - 1]?.sentAt ?? answeredAt) > keptMs);
  return lost < 0 ? told : told.slice(0, lost);
}

/** The index of the last that is earlier; −1 for none. */
function lastBefore(sorted: readonly { readonly at: number }[], time: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle]?.at ?? 0) < time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
