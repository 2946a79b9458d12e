import { table, whole } from "../../rush/columns.ts";
import type { Finding } from "./conditions.ts";
import type { Evidence, Load } from "./evidence.ts";
import { NAMES, type Part, type Verdict } from "./rules.ts";
import type { Spent } from "./spent.ts";
import { partsOf, type Step, stepsOf } from "./steps.ts";

const ROWS_MOST = 30;
const BAR_LENGTH = 24;
const FILLS = { redisMs: "█", queueMs: "▓", ledgerMs: "▒", metricsMs: "▚", ownMs: "░" } as const;
type Parts = ReturnType<typeof partsOf>;

/** The report as its reader's terminal shows it. */
export function textOf(evidence: Evidence, verdict: Verdict): string {
  const { load, missing } = evidence;
  const steps = stepsOf(evidence.seconds, ROWS_MOST);
  return [
    load ? heading(load) : "k6: no summary",
    "",
    ...(steps.length > 0 ? [...chart(steps), ""] : []),
    ...doors(evidence),
    "Asked in this order; the first that holds names the part:",
    ...verdict.findings.map((finding, index) => `  ${index + 1}. ${asked(finding)}`),
    ...missing.map((what) => `Missing: ${what}`),
    "",
    `bound by: ${verdict.sentence}`,
    "",
  ].join("\n");
}

function heading({ requests, dropped, p95Ms }: Load): string {
  const p95 = p95Ms === undefined ? "–" : `${Math.round(p95Ms)} ms`;
  return `k6: ${whole(requests)} requests, ${whole(dropped)} arrivals dropped, 95 % of answers within ${p95}`;
}

function asked({ part, holds, because, isAsked }: Finding<Part>): string {
  if (!isAsked) return `${NAMES[part]}: ${because}`;
  return `${NAMES[part]}: ${holds ? "yes" : "no"}, ${because}`;
}

function chart(steps: readonly Step[]): string[] {
  const parts = partsOf(steps.flatMap(({ front, back }) => [front, back]));
  const rows = steps.map(({ second, seconds, front, back, engine, waiting }) => [
    `${second} s`,
    whole(front.n / seconds),
    front.n > 0 ? (front.handlerMs / front.n).toFixed(1) : "–",
    bar(front, parts),
    back.n > 0 ? (back.handlerMs / back.n).toFixed(1) : "–",
    bar(back, parts),
    engine === undefined ? "–" : engine.toFixed(2),
    front.n > 0 ? front.loop.toFixed(2) : "–",
    whole(waiting),
  ]);
  const legend = parts.map(({ key, name }) => `${FILLS[key]} ${name}`).join("  ");
  const head = ["", "answers/s", "ms", "of that", "batch ms", "of that", "Redis busy", "loop busy", "waiting"];
  return [`Where the functions' time went: ${legend}`, "", ...table([head, ...rows])];
}

/** A whole bar is all of the time; the longest remainders get the characters that are left. */
function bar(spent: Spent, parts: Parts): string {
  if (spent.handlerMs === 0) return " ".repeat(BAR_LENGTH);
  let drawn = 0;
  let sum = 0;
  return parts
    .map(({ key }) => {
      sum += spent[key];
      const until = Math.round((sum / spent.handlerMs) * BAR_LENGTH);
      const length = Math.max(0, until - drawn);
      drawn += length;
      return FILLS[key].repeat(length);
    })
    .join("")
    .padEnd(BAR_LENGTH);
}

function doors({ front, backlog }: Evidence): string[] {
  const rows = [
    ["functions that answer", front],
    [`consumer of ${backlog?.queue ?? "a queue"}`, backlog?.consumer],
  ] as const;
  const parts = partsOf(rows.flatMap(([, spent]) => spent ?? []));
  const shown = rows.flatMap(([name, spent]) =>
    spent && spent.n > 0
      ? [[name, whole(spent.n), (spent.handlerMs / spent.n).toFixed(1), ...parts.map(({ key }) => shareOf(spent, key))]]
      : [],
  );
  if (shown.length === 0) return [];
  const head = ["while under load", "calls", "ms each", ...parts.map(({ name }) => name)];
  return [...table([head, ...shown]), ""];
}

function shareOf(spent: Spent, key: Parts[number]["key"]): string {
  return `${Math.round((spent[key] / spent.handlerMs) * 100)} %`;
}
