import { createHash } from "node:crypto";
import * as z from "zod";
import type { Figures, Point } from "./figures.ts";

/** GetMetricData as CloudWatch answers it, as far as plain metrics go: it computes no expression. */

/** What a caller did wrong, by the name that CloudWatch has for it. */
export class Fault extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = "Fault";
    this.code = code;
  }
}

const STATISTICS: Readonly<Record<string, (point: Point) => number>> = {
  Sum: ({ sum }) => sum,
  SampleCount: ({ count }) => count,
  Average: ({ sum, count }) => sum / count,
  Minimum: ({ least }) => least,
  Maximum: ({ most }) => most,
};

/** Periods of less than a minute: seconds. Longer ones are whole minutes. */
const SHORT_PERIODS = [1, 5, 10, 20, 30];
const FIGURES_MOST = 100_800;
const QUERIES_MOST = 500;
/** As the protocol writes times: seconds since 1970, with a fraction. */
const time = z.number().min(0);
const name = z.string().min(1).max(255);
const isPeriod = (it: number) => SHORT_PERIODS.includes(it) || (it > 0 && it % 60 === 0);

const query = z.object({
  Id: z
    .string()
    .regex(/^[a-z]\w{0,254}$/, "it must begin with a lowercase letter and have letters, digits and underscores only"),
  MetricStat: z
    .object({
      Metric: z.object({
        Namespace: name,
        MetricName: name,
        Dimensions: z
          .array(z.object({ Name: name, Value: z.string().min(1).max(1_024) }))
          .max(30)
          .optional(),
      }),
      Period: z.int().refine(isPeriod, "it must be 1, 5, 10, 20, 30 or a multiple of 60"),
      Stat: z.string(),
      Unit: z.string().optional(),
    })
    .optional(),
  Expression: z.string().optional(),
  Label: z.string().optional(),
  ReturnData: z.boolean().optional(),
});

const input = z.object({
  MetricDataQueries: z.array(query).min(1).max(QUERIES_MOST),
  StartTime: time,
  EndTime: time,
  ScanBy: z.enum(["TimestampAscending", "TimestampDescending"]).optional(),
  MaxDatapoints: z.int().min(1).max(FIGURES_MOST).optional(),
  NextToken: z.string().optional(),
});

type Input = z.output<typeof input>;
type Query = Input["MetricDataQueries"][number];

const invalid = (message: string) => new Fault("ValidationError", message);

function read(raw: unknown): Input {
  const parsed = z.safeParse(input, raw);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw invalid(`The parameter ${issue?.path.join(".")} is wrong: ${issue?.message}.`);
  }
  const { MetricDataQueries: queries, StartTime, EndTime } = parsed.data;
  if (StartTime >= EndTime) throw invalid("The parameter StartTime must be less than the parameter EndTime.");
  if (new Set(queries.map(({ Id }) => Id)).size < queries.length) throw invalid("The values for Id are not unique.");
  for (const { Id, MetricStat, Expression } of queries) {
    if ((MetricStat === undefined) === (Expression === undefined))
      throw invalid(`${Id} must have either MetricStat or Expression.`);
    if (Expression !== undefined) throw invalid(`${Id}: expressions are not computed here.`);
    if (MetricStat && !Object.hasOwn(STATISTICS, MetricStat.Stat))
      throw invalid(`${Id}: the statistic ${MetricStat.Stat} is not computed here.`);
  }
  return parsed.data;
}

/** CloudWatch begins at a whole minute, or at a whole period where that is five seconds to half a minute. */
const beginOf = (startTime: number, period: number) => {
  const unit = period > 1 && period < 60 ? period : 60;
  return Math.floor(startTime / unit) * unit;
};

function rowOf(figures: Figures, { MetricStat }: Query, { StartTime, EndTime, ScanBy }: Input): [number, number][] {
  if (!MetricStat) return [];
  const { Metric, Period, Stat } = MetricStat;
  const dimensions = Object.fromEntries((Metric.Dimensions ?? []).map(({ Name, Value }) => [Name, Value]));
  const series = { namespace: Metric.Namespace, metric: Metric.MetricName, dimensions };
  const periods = figures.periods(series, beginOf(StartTime, Period), Math.ceil(EndTime), Period);
  const statistic = STATISTICS[Stat] ?? (() => 0);
  const row = [...periods].map(([second, point]): [number, number] => [second, statistic(point)]);
  return row.sort(([a], [b]) => (ScanBy === "TimestampAscending" ? a - b : b - a));
}

/** A page's token: how many figures of each query came before, and of which request. */
function tokens({ NextToken: _, ...asked }: Input) {
  const of = createHash("sha256").update(JSON.stringify(asked)).digest("base64url");
  return {
    write: (before: number) => `${before}.${of}`,
    read(token: string | undefined): number {
      if (token === undefined) return 0;
      const [before = "", rest = ""] = token.split(".");
      if (!/^\d{1,9}$/.test(before) || rest !== of)
        throw new Fault("InvalidNextToken", "The next token specified is invalid.");
      return Number(before);
    },
  };
}

/** Answers one request. Throws {@link Fault} for one that does not fit. */
export function getMetricData(figures: Figures, raw: unknown): object {
  const asked = read(raw);
  const token = tokens(asked);
  const shown = asked.MetricDataQueries.filter(({ ReturnData }) => ReturnData !== false);
  const from = token.read(asked.NextToken);
  const to = from + Math.max(1, Math.floor((asked.MaxDatapoints ?? FIGURES_MOST) / Math.max(1, shown.length)));
  let hasMore = false;
  const MetricDataResults = shown.map((it) => {
    const row = rowOf(figures, it, asked);
    const page = row.slice(from, to);
    hasMore ||= row.length > to;
    return {
      Id: it.Id,
      Label: it.Label ?? it.MetricStat?.Metric.MetricName,
      Timestamps: page.map(([second]) => second),
      Values: page.map(([, value]) => value),
      StatusCode: row.length > to ? "PartialData" : "Complete",
    };
  });
  return { MetricDataResults, Messages: [], ...(hasMore ? { NextToken: token.write(to) } : {}) };
}
