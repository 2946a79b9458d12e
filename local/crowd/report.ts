import { resultAsJson } from "../rush/as-json.ts";
import { table, times, whole } from "../rush/columns.ts";
import type { Figures } from "./figures.ts";
import type { Options } from "./options.ts";
import { HABITS } from "./people.ts";
import type { Foresight } from "./verdict/eta.ts";
import type { Violation } from "./verdict/evidence.ts";
import type { Finding } from "./verdict/judge.ts";

const EXAMPLES = 3;

export interface Result {
  readonly options: Options;
  readonly api: string;
  readonly roomId: string;
  readonly seconds: number;
  /** Whether the crowd was sent home because its time was over. */
  readonly isCutShort: boolean;
  readonly figures: Figures;
  readonly foresight: Foresight;
  readonly findings: readonly Finding[];
}

/** Whether all held, in a crowd that came to its end. */
export function holds({ findings, isCutShort }: Result): boolean {
  return !isCutShort && findings.every((finding) => finding.holds);
}

/** The result for a program. */
export const toJson = (result: Result): string => resultAsJson(result, holds(result));

/** The result for people. */
export function toText(result: Result): string {
  const { options, figures, foresight, roomId } = result;
  const { waits, looks, samples } = figures;
  const title =
    `${whole(options.people)} people, ${whole(options.capacity)} inside at once, ${whole(options.rate)} a second, ` +
    `heartbeat ${options.heartbeat} s, passes ${options.passSeconds} s, seed ${options.seed}, room ${roomId}`;
  const answers = figures.answers.map(({ verb, word, status, count }) => [
    `${verb}: ${word}`,
    status === 0 ? "–" : String(status),
    whole(count),
  ]);
  const latencies = [
    ["milliseconds", "p50", "p95", "p99", "max"],
    ["take a ticket", ...times(figures.latencies.take)],
    ["poll it", ...times(figures.latencies.poll)],
  ];
  const facts = [
    ["people", HABITS.map((habit) => `${whole(figures.habits[habit] ?? 0)} ${habit}`).join(", ")],
    ["in line at once", `${whole(figures.mostWaiting)} at the most; ${whole(figures.dropped)} dropped`],
    [
      "waits",
      waits
        ? `half ${waits.half.toFixed(1)} s, nine of ten ${waits.most.toFixed(1)} s, all ${waits.last.toFixed(1)} s`
        : "–",
    ],
    ["real wait ÷ foretold", foresightLine(foresight)],
    ["public document", `${whole(looks)} looks at what was asked for once a second`],
    [
      "samples of Redis",
      `${whole(samples.count)}, every ${samples.halfMs} ms (half), ${samples.nearlyAllMs} ms (99 %); ${samples.missed} missed`,
    ],
    ...(figures.losses.count > 0
      ? [
          [
            "Redis lost the room",
            `${figures.losses.count} times; nobody was let in for ${figures.losses.seconds.toFixed(1)} s`,
          ],
        ]
      : []),
    ...(figures.leastPace < 1
      ? [["rate in force", `${(100 * figures.leastPace).toFixed(0)} % at the least: admission followed the backend`]]
      : []),
    [
      "in all",
      `${whole(figures.answers.reduce((sum, { count }) => sum + count, 0))} answers, ${whole(figures.perSecond)} a second; ${result.seconds.toFixed(1)} s`,
    ],
  ];
  const verdict = result.findings.flatMap(({ id, title: what, holds: held, note, violations }) => [
    `${id.padEnd(3)}  ${what.padEnd(34)}  ${held ? "holds   " : "VIOLATED"}  ${note}`,
    ...exampleLines(violations),
  ]);
  return [
    title,
    "",
    ...table([["answer", "status", "count"], ...answers]),
    "",
    ...table(latencies),
    "",
    ...facts.map(([name = "", value = ""]) => `${name.padEnd(20)}  ${value}`),
    "",
    ...verdict,
    ...(result.isCutShort
      ? ["", `The crowd did not come to its end within ${options.limit} s and was sent home.`]
      : []),
    "",
  ].join("\n");
}

function foresightLine({ judged, ratio: [low, half, high], byWait }: Foresight): string {
  if (judged === 0) return "–";
  const parts = byWait.map(
    ({ upTo, share, ratio }) => `to ${upTo.toFixed(0)} s ${(100 * share).toFixed(0)} % (${ratio.toFixed(2)})`,
  );
  return `${low.toFixed(2)} (tenth), ${half.toFixed(2)} (half), ${high.toFixed(2)} (nine tenths); by wait: ${parts.join(", ")}`;
}

function exampleLines(violations: readonly Violation[]): string[] {
  const lines = violations.slice(0, EXAMPLES).map(({ user, number, what }) => {
    const who = [user === undefined ? "" : `user ${user}`, number === undefined ? "" : `number ${number}`];
    return `       ${[who.filter(Boolean).join(", "), what].filter(Boolean).join(": ")}`;
  });
  const more = violations.length - lines.length;
  return more > 0 ? [...lines, `       and ${whole(more)} more`] : lines;
}
