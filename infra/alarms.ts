import { alarmList, runbookAnchor } from "./alarm-list.ts";
import { deployed, named } from "./deployed.ts";
import { componentName } from "./function-list.ts";
import { alarmQueries, exists } from "./measure.ts";
import { topic } from "./topic.ts";

/**
 * The alarms of infra/alarm-list.ts. Each tells of its end as well, and names the runbook's section. It costs 0.10 USD a month for
 * each figure that it reads.
 */
for (const { name, section, also = [], measure, statistic, above, below, minutes, of, silence } of alarmList) {
  if (!exists(measure)) continue;
  const limit = above === "shards" ? deployed.sizes.redis.shards : (above ?? below ?? 0);
  new aws.cloudwatch.MetricAlarm(`${componentName(name)}Alarm`, {
    name: named(name),
    alarmDescription: [section, ...also].map((it) => `${it}: docs/runbook.md#${runbookAnchor(it)}`).join("\n"),
    metricQueries: alarmQueries(measure, statistic),
    comparisonOperator: above === undefined ? "LessThanThreshold" : "GreaterThanThreshold",
    threshold: limit,
    datapointsToAlarm: minutes,
    evaluationPeriods: of ?? minutes,
    treatMissingData: silence === "alarm" ? "breaching" : "notBreaching",
    alarmActions: [topic.arn],
    okActions: [topic.arn],
  });
}
