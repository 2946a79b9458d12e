import {
  CloudWatchClient,
  GetMetricDataCommand,
  type GetMetricDataCommandOutput,
  type MetricDataQuery,
} from "@aws-sdk/client-cloudwatch";
import { StoreUnavailable } from "../context.ts";
import { limits } from "../limits.ts";

export interface MetricsAddress {
  /** Only where the metrics are not AWS's own: the emulator's address. */
  readonly endpoint?: string;
}

/** One series of a metric that functions write. */
export interface Series {
  readonly metric: string;
  readonly dimensions: Readonly<Record<string, string>>;
}

/** From the first instant up to the second, which is not part of it, in steps; all in milliseconds, and both times whole steps. */
export interface Span {
  readonly from: number;
  readonly to: number;
  /** CloudWatch takes 1, 5, 10, 20 and 30 seconds, and whole minutes. */
  readonly stepMs: number;
}

/** The one way to CloudWatch's metrics. */
export interface MetricsDoor {
  /**
   * Adds up each series step by step, oldest first. A step of which CloudWatch has no figure is zero: it does not tell "none" from
   * "none yet". Throws {@link StoreUnavailable} when it does not answer, or not completely.
   * @returns in the order of the series, each with one number a step
   */
  sums(series: readonly Series[], span: Span): Promise<number[][]>;
  close(): void;
}

/** Where functions/log.ts writes to. */
const NAMESPACE = "firstcome";
/** Pages of one answer. A page has up to 100,800 figures, so what is asked for here fits in one; more would be an answer without end. */
const PAGES_MOST = 10;
/** Errors that asking again would not mend: a bug of ours, in the question or in the function's permissions. */
const OURS: ReadonlySet<string> = new Set([
  "AccessDenied",
  "AccessDeniedException",
  "InvalidParameterCombinationException",
  "InvalidParameterValueException",
  "MissingRequiredParameterException",
  "ValidationError",
  "ValidationException",
]);

function queryOf({ metric, dimensions }: Series, index: number, stepMs: number): MetricDataQuery {
  const Dimensions = Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value }));
  return {
    Id: `s${index}`,
    // No SEARCH, which would find only what was written: AWS says that a new metric may be listed up to 15 minutes late.
    MetricStat: {
      Metric: { Namespace: NAMESPACE, MetricName: metric, Dimensions },
      Period: stepMs / 1_000,
      Stat: "Sum",
    },
  };
}

/** Opens a client. Each of two attempts has `limits.metricsAttemptMs`. */
export function openMetrics(address: MetricsAddress): MetricsDoor {
  const client = new CloudWatchClient({
    ...(address.endpoint ? { endpoint: address.endpoint } : {}),
    maxAttempts: 2,
    requestHandler: {
      connectionTimeout: limits.metricsAttemptMs,
      requestTimeout: limits.metricsAttemptMs,
      throwOnRequestTimeout: true,
    },
  });

  async function* pages(
    series: readonly Series[],
    { from, to, stepMs }: Span,
  ): AsyncGenerator<GetMetricDataCommandOutput> {
    let NextToken: string | undefined;
    for (let page = 0; page < PAGES_MOST; page++) {
      const output = await client.send(
        new GetMetricDataCommand({
          MetricDataQueries: series.map((it, index) => queryOf(it, index, stepMs)),
          StartTime: new Date(from),
          EndTime: new Date(to),
          ScanBy: "TimestampAscending",
          NextToken,
        }),
      );
      yield output;
      NextToken = output.NextToken;
      if (NextToken === undefined) return;
    }
    throw new Error(`the answer has more than ${PAGES_MOST} pages`);
  }

  return {
    async sums(series, span) {
      const { from, to, stepMs } = span;
      const rows = series.map(() => new Array<number>((to - from) / stepMs).fill(0));
      try {
        for await (const { MetricDataResults = [] } of pages(series, span)) {
          for (const { Id = "", StatusCode, Timestamps = [], Values = [] } of MetricDataResults) {
            if (StatusCode === "InternalError" || StatusCode === "Forbidden") throw new Error(`${Id}: ${StatusCode}`);
            const row = rows[Number(Id.slice(1))] ?? [];
            for (const [index, time] of Timestamps.entries()) {
              // CloudWatch begins at the whole minute before `from`.
              const step = Math.floor((time.getTime() - from) / stepMs);
              if (step in row) row[step] = Values[index] ?? 0;
            }
          }
        }
      } catch (error) {
        if (error instanceof Error && OURS.has(error.name)) throw error;
        throw new StoreUnavailable("metrics", error);
      }
      return rows;
    },
    close: () => client.destroy(),
  };
}
