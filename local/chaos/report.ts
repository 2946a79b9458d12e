import { describe, FAULT_NAMES, type FaultName } from "./faults.ts";
import type { Round } from "./round.ts";

const EXAMPLES = 5;
const EXAMPLES_AS_JSON = 100;

/** A round and its number. */
export interface Numbered extends Round {
  readonly number: number;
}

const COLUMNS = [
  ["round", 5],
  ["told", 5],
  ["accepted", 8],
  ["kept", 5],
  ["revoked", 7],
  ["cancelled", 9],
  ["oversold", 8],
  ["duplicates", 10],
  ["lost stock", 10],
  ["s to normal", 11],
] as const;

const line = (cells: readonly (string | number)[], verdict: string, faults: string) =>
  `${COLUMNS.map(([, width], index) => String(cells[index] ?? "").padStart(width)).join("  ")}  ${verdict.padEnd(8)}  ${faults}`;

export function header(): string {
  return line(
    COLUMNS.map(([name]) => name),
    "verdict",
    "faults",
  );
}

/** Whether all that was judged held. */
export function holds({ judgement }: Round): boolean {
  return judgement.violations.length === 0;
}

/** A round in one line, and what is wrong with it in some more. */
export function lineOf(round: Numbered, choice: readonly FaultName[]): string {
  const { judgement, number, plan, struck, secondsToNormal } = round;
  const { told, accepted, kept, revoked, cancelled, oversold, duplicates, lostStock, violations } = judgement;
  const cells = [
    number,
    told,
    accepted,
    kept,
    revoked,
    cancelled,
    oversold,
    duplicates,
    lostStock,
    seconds(secondsToNormal),
  ];
  const faults = struck.map(({ fault, note }) => {
    const facts = [describe(fault.action), note].filter(Boolean).join("; ");
    return facts ? `${fault.name} (${facts})` : fault.name;
  });
  const first = line(cells, holds(round) ? "holds" : "VIOLATED", faults.join(" + "));
  if (holds(round)) return first;
  const examples = violations.slice(0, EXAMPLES).map(({ phase, user, ticket, what }) => {
    const who = [user === undefined ? "" : `user ${user}`, ticket === undefined ? "" : `ticket ${ticket}`];
    return `       ${phase}: ${[who.filter(Boolean).join(", "), what].filter(Boolean).join(": ")}`;
  });
  const more = violations.length - examples.length;
  return [
    first,
    ...examples,
    ...(more > 0 ? [`       and ${more} more`] : []),
    `       seed ${plan.seed}; again: ${replayOf(plan.seed, choice)}`,
  ].join("\n");
}

/** The command that runs a round again. */
export function replayOf(seed: number, choice: readonly FaultName[]): string {
  const faults = choice.length === FAULT_NAMES.length ? "" : choice.map((name) => ` --fault ${name}`).join("");
  return `npm run chaos -- --seed ${seed} --rounds 1${faults}`;
}

export interface Totals {
  readonly holds: boolean;
  readonly rounds: number;
  readonly violated: number;
  readonly requests: number;
  readonly told: number;
  readonly accepted: number;
  readonly kept: number;
  readonly revoked: number;
  readonly cancelled: number;
  readonly oversold: number;
  readonly duplicates: number;
  readonly lostStock: number;
  readonly secondsToNormal: { readonly median: number | undefined; readonly worst: number | undefined };
}

export function totalsOf(rounds: readonly Round[]): Totals {
  const sum = (of: (round: Round) => number) => rounds.reduce((total, round) => total + of(round), 0);
  const violated = rounds.filter((round) => !holds(round)).length;
  // A round that never came back to normal is the worst of all.
  const times = rounds.map(({ secondsToNormal }) => secondsToNormal ?? Number.POSITIVE_INFINITY).sort((a, b) => a - b);
  return {
    holds: violated === 0,
    rounds: rounds.length,
    violated,
    requests: sum(({ requests }) => requests),
    told: sum(({ judgement }) => judgement.told),
    accepted: sum(({ judgement }) => judgement.accepted),
    kept: sum(({ judgement }) => judgement.kept),
    revoked: sum(({ judgement }) => judgement.revoked),
    cancelled: sum(({ judgement }) => judgement.cancelled),
    oversold: sum(({ judgement }) => judgement.oversold),
    duplicates: sum(({ judgement }) => judgement.duplicates),
    lostStock: sum(({ judgement }) => judgement.lostStock),
    secondsToNormal: { median: finite(times[Math.floor((times.length - 1) / 2)]), worst: finite(times.at(-1)) },
  };
}

const finite = (value: number | undefined) => (value !== undefined && Number.isFinite(value) ? value : undefined);
const seconds = (value: number | undefined) => (value === undefined ? "never" : value.toFixed(1));

/** The totals for people. */
export function toText(totals: Totals): string {
  const { rounds, violated, requests, told, accepted, kept, revoked, cancelled, oversold, duplicates, lostStock } =
    totals;
  const { median, worst } = totals.secondsToNormal;
  return [
    `${rounds} rounds, ${violated === 0 ? "all hold" : `${violated} VIOLATED`}`,
    `${count(requests)} requests; told (201) ${count(told)}, kept ${count(kept)}, revoked ${revoked}; accepted (202) ${accepted}; cancelled ${count(cancelled)}`,
    `oversold ${oversold}, duplicates ${duplicates}, told but not kept ${told - kept - revoked}, lost stock ${lostStock}`,
    `seconds to normal: median ${seconds(median)}, worst ${seconds(worst)}`,
    "",
  ].join("\n");
}

const count = (value: number) => value.toLocaleString("en-US");

/** The result for a program. */
export function toJson(seed: number, rounds: readonly Numbered[]): string {
  const told = rounds.map(({ number, plan, struck, judgement, ...round }) => {
    const { violations, ...figures } = judgement;
    return {
      number,
      seed: plan.seed,
      stock: plan.stock,
      perUser: plan.perUser,
      users: plan.crowd.length,
      faults: struck.map(({ fault, startedAt, overAt, note }) => ({
        name: fault.name,
        atMs: fault.atMs,
        tookMs: Math.round(overAt - startedAt),
        ...fault.action,
        note,
      })),
      ...round,
      ...figures,
      violations: violations.length,
      examples: violations.slice(0, EXAMPLES_AS_JSON),
    };
  });
  return `${JSON.stringify({ seed, ...totalsOf(rounds), each: told }, null, 2)}\n`;
}
