import type { Measure, Statistic } from "./alarm-list.ts";
import { api } from "./api.ts";
import type { Shown } from "./dashboard-list.ts";
import { named } from "./deployed.ts";
import { componentName } from "./function-list.ts";
import { functionOf } from "./functions.ts";
import { ledger } from "./ledger.ts";
import { queues } from "./queues.ts";
import { redisNodes } from "./redis.ts";

/** The figures of infra/alarm-list.ts as CloudWatch knows them: for an alarm, and for a widget of the dashboard. */

const edge = $dev ? undefined : await import("./edge.ts");
/** Where CloudFront writes its metrics, wherever the stage is. */
const EDGE_REGION = "us-east-1";

/** Where functions/log.ts writes to. */
const OWN = "firstcome";
const PERIOD = 60;

interface Series {
  readonly namespace: string;
  readonly metricName: string;
  readonly dimensions: Readonly<Record<string, $util.Input<string>>>;
}

/** The metric that counts log lines with an event, or adds up one of their fields. */
function eventMetric({ event, sum }: { event: string; sum?: string }): string {
  return componentName(event) + (sum ? sum.charAt(0).toUpperCase() + sum.slice(1) : "");
}

const counted = new Set<string>();

/** Makes CloudWatch count the log lines that a measure is about; once, however often it is used. */
function count(measure: Measure): void {
  if (!("event" in measure)) return;
  const metricName = eventMetric(measure);
  if (counted.has(metricName)) return;
  counted.add(metricName);
  new aws.cloudwatch.LogMetricFilter(`${metricName}Lines`, {
    logGroupName: functionOf(measure.file).nodes.logGroup.apply((group) => {
      if (!group) throw new Error(`functions/${measure.file}.ts keeps no log, and an alarm reads it.`);
      return group.name;
    }),
    pattern: `{ $.event = "${measure.event}" }`,
    metricTransformation: { namespace: OWN, name: metricName, value: measure.sum ? `$.${measure.sum}` : "1" },
  });
}

/** The plain series of a measure; none where its values are told apart by a dimension that only time will name. */
function seriesOf(measure: Measure): Series[] {
  count(measure);
  const one = (namespace: string, metricName: string, dimensions: Series["dimensions"] = {}) => [
    { namespace, metricName, dimensions },
  ];
  if ("math" in measure) return [];
  if ("code" in measure) return measure.by ? [] : one(OWN, measure.code);
  if ("event" in measure) return one(OWN, eventMetric(measure));
  if ("lambda" in measure) {
    return one("AWS/Lambda", measure.lambda, measure.file ? { FunctionName: named(measure.file) } : {});
  }
  if ("ledger" in measure) return one("AWS/DynamoDB", measure.ledger, { TableName: ledger.name });
  if ("gateway" in measure) return one("AWS/ApiGateway", measure.gateway, { ApiId: api.nodes.api.id });
  if ("edge" in measure) {
    return edge ? one("AWS/CloudFront", measure.edge, { Region: "Global", DistributionId: edge.distributionId }) : [];
  }
  if ("queue" in measure) {
    const queue = queues[measure.queue];
    if (!queue)
      throw new Error(`infra/alarm-list.ts watches "${measure.queue}", which is no queue of infra/settings.ts.`);
    return one("AWS/SQS", measure.metric, { QueueName: queue.nodes.queue.name });
  }
  return redisNodes.flatMap((node) => one("AWS/ElastiCache", measure.redis, { CacheClusterId: node }));
}

/** Whether there is anything to measure: `sst dev` has no Redis of its own, and no edge. */
export const exists = (measure: Measure): boolean =>
  "redis" in measure ? redisNodes.length > 0 : "edge" in measure ? edge !== undefined : true;

const SHORT = { Sum: "SUM", Maximum: "MAX", Minimum: "MIN", Average: "AVG", SampleCount: "COUNT" } as const;

const insight = (statistic: string, metric: string, by: string) =>
  `SELECT ${statistic}("${metric}") FROM SCHEMA("${OWN}", ${by})`;

/** What an alarm asks CloudWatch. The query `it` is the one that is compared. */
export function alarmQueries(
  measure: Measure,
  statistic: Statistic,
): aws.types.input.cloudwatch.MetricAlarmMetricQuery[] {
  if ("edge" in measure) throw new Error("infra/alarm-list.ts: the edge's figures are in another region; show them.");
  if ("math" in measure) {
    const parts = Object.entries(measure.over).map(([id, { statistic: of, code, by }]) => ({
      id,
      expression: insight(of, code, by),
      period: PERIOD,
      returnData: false,
    }));
    return [...parts, { id: "it", expression: measure.math, label: "it", returnData: true }];
  }
  if ("code" in measure && measure.by) {
    return [
      { id: "it", expression: insight(SHORT[statistic], measure.code, measure.by), period: PERIOD, returnData: true },
    ];
  }
  const series = seriesOf(measure);
  if ("gateway" in measure && measure.shareOf) {
    const parts = [...series, ...seriesOf({ gateway: measure.shareOf })].map((metric, index) => ({
      id: index === 0 ? "part" : "all",
      metric: { ...metric, period: PERIOD, stat: statistic },
      returnData: false,
    }));
    return [...parts, { id: "it", expression: "part / all", label: "it", returnData: true }];
  }
  const queries = series.map((metric, index) => ({
    id: series.length === 1 ? "it" : `node${index}`,
    metric: { ...metric, period: PERIOD, stat: statistic },
    returnData: series.length === 1,
  }));
  if (series.length === 1) return queries;
  const over = "redis" in measure && measure.addedUp ? "SUM" : SHORT[statistic];
  return [...queries, { id: "it", expression: `${over}(METRICS())`, label: "it", returnData: true }];
}

/** A line of a widget's `metrics`, as the dashboard's JSON wants it. */
export function widgetLines(measure: Measure, statistic: Shown, label: string): $util.Input<unknown>[] {
  if ("math" in measure)
    throw new Error(`infra/dashboard-list.ts: "${label}" shows something computed; show what it is of.`);
  if ("code" in measure && measure.by) {
    const search = `SEARCH('{${OWN},${measure.by}} MetricName="${measure.code}"', '${statistic}', ${PERIOD})`;
    const told = measure.by.split(",").map((dimension) => `\${PROP('Dim.${dimension}')}`);
    return [[{ expression: search, label: `${label} ${told.join(" ")}` }]];
  }
  return seriesOf(measure).map(({ namespace, metricName, dimensions }) => [
    namespace,
    metricName,
    ...Object.entries(dimensions).flat(),
    {
      ...("edge" in measure ? { region: EDGE_REGION } : {}),
      stat: statistic,
      label: "redis" in measure ? `${label} \${PROP('Dim.CacheClusterId')}` : label,
    },
  ]);
}
