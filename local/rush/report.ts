import { resultAsJson } from "./as-json.ts";
import { table, times, whole } from "./columns.ts";
import type { Figures } from "./figures.ts";
import type { Options } from "./options.ts";
import type { Finding, Violation } from "./verdict.ts";

const EXAMPLES = 3;

export interface Result {
  readonly options: Options;
  readonly api: string;
  readonly campaignId: string;
  readonly state: string | undefined;
  readonly asks: number;
  /** Asks that came to no decision: every attempt was lost or put off. */
  readonly gaveUp: number;
  readonly figures: Figures;
  readonly promised: number;
  readonly confirmed: number;
  /** Milliseconds from the first request to the last confirmation, by the ledger's own times. */
  readonly untilConfirmedMs: number | undefined;
  readonly findings: readonly Finding[];
}

/** Whether all guarantees held, in a rush that could have shown otherwise. */
export function holds({ findings, asks, gaveUp }: Result): boolean {
  return gaveUp < asks && findings.every((finding) => finding.holds);
}

/** The result for a program. */
export const toJson = (result: Result): string => resultAsJson(result, holds(result));

/** The result for people. */
export function toText(result: Result): string {
  const { options, figures } = result;
  const title =
    `${whole(options.users)} users, ${whole(options.stock)} coupons, ${options.concurrency} connections, ` +
    `seed ${options.seed}, campaign ${result.campaignId}`;
  const words = figures.words.map(({ word, status, count }) => [
    word,
    status === 0 ? "–" : String(status),
    whole(count),
  ]);
  const latencies = [
    ["", "p50", "p95", "p99", "max"],
    ["all", ...times(figures.all)],
    ["winners", ...times(figures.winners)],
  ];
  const facts = [
    ["requests", `${whole(figures.answers)} in ${figures.seconds.toFixed(2)} s, ${whole(figures.perSecond)} a second`],
    ...(result.gaveUp > 0 ? [["gave up", `${whole(result.gaveUp)} of ${whole(result.asks)} asks`]] : []),
    ["confirmed", `${whole(result.confirmed)} of ${whole(result.promised)} told`],
    ["first request to last confirmation", duration(result.untilConfirmedMs)],
  ];
  const verdict = result.findings.flatMap(({ id, title: what, holds: held, note, violations }) => [
    `${id.padEnd(3)}  ${what.padEnd(30)}  ${held ? "holds   " : "VIOLATED"}  ${note}`,
    ...exampleLines(violations),
  ]);
  return [
    title,
    "",
    ...table([["answer", "status", "count"], ...words]),
    "",
    ...table(latencies.map(([name = "", ...rest], index) => [index === 0 ? "milliseconds" : name, ...rest])),
    "",
    ...facts.map(([name = "", value = ""]) => `${name.padEnd(34)}  ${value}`),
    "",
    ...verdict,
    ...(result.gaveUp === result.asks ? ["", "No request was decided, so this rush has proved nothing."] : []),
    "",
  ].join("\n");
}

function exampleLines(violations: readonly Violation[]): string[] {
  const lines = violations.slice(0, EXAMPLES).map(({ user, ticket, what }) => {
    const who = [user === undefined ? "" : `user ${user}`, ticket === undefined ? "" : `ticket ${ticket}`];
    return `       ${[who.filter(Boolean).join(", "), what].filter(Boolean).join(": ")}`;
  });
  const more = violations.length - lines.length;
  return more > 0 ? [...lines, `       and ${whole(more)} more`] : lines;
}

function duration(ms: number | undefined): string {
  return ms === undefined ? "–" : `${(ms / 1_000).toFixed(2)} s`;
}
