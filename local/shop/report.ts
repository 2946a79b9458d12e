import { resultAsJson } from "../rush/as-json.ts";
import { table, whole } from "../rush/columns.ts";
import type { Printed } from "./log.ts";
import type { Options } from "./options.ts";
import type { Part } from "./strikes.ts";
import type { Violation } from "./verdict/evidence.ts";
import type { Finding } from "./verdict/judge.ts";

const EXAMPLES = 3;

export interface Result {
  readonly options: Options;
  readonly api: string;
  /** Of the shop's day. */
  readonly hours: number;
  readonly sent: {
    readonly batches: number;
    readonly events: number;
    readonly copies: number;
    readonly attempts: number;
    /** Attempts that had to be made again, by status; 0: no answer. */
    readonly again: readonly { readonly status: number; readonly count: number }[];
  };
  /** What the recount took of it: events that count, events too late for any window, views over a cap. */
  readonly counted: { readonly events: number; readonly late: number; readonly capped: number };
  readonly printed: Printed;
  /** What left its tier: of each minute, then of each quarter of an hour, then of each hour. */
  readonly expired: { readonly buckets: number; readonly rows: number };
  readonly kills: Readonly<Record<Part, number>>;
  readonly checkpoints: number;
  /** By how much trending sums were off ages in milliseconds: as a share of the sum, and of what minutes can make. */
  readonly minutes: { readonly worst: number; readonly ofStated: number };
  readonly findings: readonly Finding[];
}

/** Whether all held, in a day that could have shown otherwise. */
export function holds({ findings, checkpoints, counted }: Result): boolean {
  return checkpoints > 0 && counted.events > 0 && findings.every((finding) => finding.holds);
}

/** The result for a program. */
export const toJson = (result: Result): string => resultAsJson(result, holds(result));

/** The result for people. */
export function toText(result: Result): string {
  const { options, sent, counted, printed, kills, minutes } = result;
  const title =
    `${result.hours.toFixed(1)} hours in ${options.minutes} minutes, ${whole(options.products)} products, ` +
    `chaos ${options.chaos ? "on" : "off"}, seed ${options.seed}`;
  const clock =
    options.speed === 1
      ? "The real clock."
      : "The clock of API, functions and SQS goes at its usual speed and leaps; Redis and DynamoDB have the real one.";
  const again = sent.again.map(({ status, count }) => `${whole(count)} × ${status === 0 ? "no answer" : status}`);
  const rows = [
    ["events sent", whole(sent.events), `of which ${whole(counted.late)} too late for any window`],
    ["batches", whole(sent.batches), `${whole(sent.copies)} copies of them, at once or later, under the same key`],
    ["attempts", whole(sent.attempts), again.length > 0 ? `again after ${again.join(", ")}` : "each was answered"],
    ["views over the cap", whole(counted.capped), "of bots"],
    ["rows applied", whole(printed.rowsApplied), `${whole(printed.duplicates)} parts came again and were recognised`],
    ["rows that left", whole(result.expired.rows + printed.rowsExpired), "their minute, quarter of an hour or hour"],
    ["generations", whole(printed.generations), "published"],
    [
      "kills",
      whole(kills.worker + kills.api + kills.redis),
      `${kills.worker} worker, ${kills.api} API, ${kills.redis} Redis`,
    ],
    [
      "batches sent again",
      whole(printed.batchesResent),
      "by the system, which could not know whether they were in the queue",
    ],
    ["rebuilds", whole(printed.rebuilds.length), printed.rebuilds.map(({ reason }) => reason).join("; ") || "–"],
    ["checkpoints", whole(result.checkpoints), `of ${options.checkpoints}`],
  ];
  const wide = table(rows.map(([name = "", count = ""]) => [name, count]));
  const verdict = result.findings.flatMap(({ id, title: what, holds: held, note, violations }) => [
    `${id.padEnd(3)}  ${what.padEnd(42)}  ${held ? "holds   " : "VIOLATED"}  ${note}`,
    ...exampleLines(violations),
  ]);
  return [
    title,
    clock,
    "",
    ...rows.map((row, index) => `${wide[index]}  ${row[2]}`),
    "",
    ...verdict,
    "",
    `Trending counts ages in minutes: at most ${(100 * minutes.worst).toFixed(2)} % off ages in milliseconds, ` +
      `${(100 * minutes.ofStated).toFixed(0)} % of what is stated (2^(1/60H) − 1).`,
    "",
  ].join("\n");
}

function exampleLines(violations: readonly Violation[]): string[] {
  const lines = violations
    .slice(0, EXAMPLES)
    .map(({ product, what }) => `       ${product === undefined ? "" : `${product}: `}${what}`);
  const more = violations.length - lines.length;
  return more > 0 ? [...lines, `       and ${whole(more)} more`] : lines;
}
