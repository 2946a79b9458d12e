import { alarmList, type Measure, runbookAnchor } from "../../infra/alarm-list.ts";
import { dashboardList } from "../../infra/dashboard-list.ts";
import type { Needs } from "./needs.ts";

/** The join of what is watched with what the functions really write. */

interface Fault {
  readonly file: string;
  readonly text: string;
}

interface Watched {
  readonly file: string;
  readonly by: string;
  readonly measure: Measure;
}

const watched: readonly Watched[] = [
  ...alarmList.map(({ name, measure }) => ({ file: "infra/alarm-list.ts", by: `the alarm "${name}"`, measure })),
  ...dashboardList.flatMap(({ widgets }) =>
    widgets.flatMap(({ title, lines }) =>
      lines.map(({ measure }) => ({ file: "infra/dashboard-list.ts", by: `the widget "${title}"`, measure })),
    ),
  ),
];

/** The metrics of our own that a measure reads, each with its dimension. */
function ownOf(measure: Measure): (readonly [metric: string, by: string])[] {
  if ("math" in measure) return Object.values(measure.over).map(({ code, by }) => [code, by]);
  return "code" in measure ? [[measure.code, measure.by ?? ""]] : [];
}

/** All metrics that any function writes, with their dimension. */
export function writtenMetrics(needs: ReadonlyMap<string, Needs>): Map<string, string> {
  return new Map([...needs.values()].flatMap(({ metrics }) => [...metrics]));
}

/** What is watched and not written, or written and not shown. */
export function unwritten(needs: ReadonlyMap<string, Needs>): Fault[] {
  const written = writtenMetrics(needs);
  const faults: Fault[] = [];
  for (const { file, by, measure } of watched) {
    for (const [metric, dimension] of ownOf(measure)) {
      if (written.get(metric) === dimension) continue;
      const how = dimension ? ` told apart by ${dimension}` : "";
      faults.push({ file, text: `${by} reads ${metric}${how}, which no function writes like that.` });
    }
    if ("event" in measure && !needs.get(measure.file)?.events.has(measure.event)) {
      faults.push({ file, text: `${by} counts "${measure.event}", which functions/${measure.file}.ts does not log.` });
    }
  }
  const shown = new Set(
    dashboardList.flatMap(({ widgets }) =>
      widgets.flatMap(({ lines }) => lines.flatMap(({ measure }) => ownOf(measure).map(([metric]) => metric))),
    ),
  );
  for (const metric of written.keys()) {
    if (!shown.has(metric))
      faults.push({ file: "infra/dashboard-list.ts", text: `${metric} is written and shown nowhere.` });
  }
  return faults;
}

/** The figure that a measure is, in a few words. */
export function measureText(measure: Measure): string {
  if ("math" in measure)
    return Object.values(measure.over)
      .map(({ code, by }) => `firstcome ${code} by ${by}`)
      .join(", ");
  if ("code" in measure) return `firstcome ${measure.code}${measure.by ? ` by ${measure.by}` : ""}`;
  if ("event" in measure) return `log of ${measure.file}: ${measure.event}${measure.sum ? `.${measure.sum}` : ""}`;
  if ("lambda" in measure) return `Lambda ${measure.lambda}${measure.file ? ` of ${measure.file}` : ""}`;
  if ("queue" in measure) return `SQS ${measure.metric} of ${measure.queue}`;
  if ("ledger" in measure) return `DynamoDB ${measure.ledger}`;
  if ("redis" in measure) return `ElastiCache ${measure.redis}`;
  if ("edge" in measure) return `CloudFront ${measure.edge}`;
  return `API Gateway ${measure.gateway}${measure.shareOf ? ` divided by ${measure.shareOf}` : ""}`;
}

/** The alarms, and the widgets, each beside what it reads. */
export function watchTable(): string {
  const width = Math.max(...alarmList.map(({ name }) => name.length));
  const alarms = alarmList.map(({ name, section, measure, statistic, above, below, minutes, of }) => {
    const limit = above === undefined ? `below ${below}` : `above ${above}`;
    const lasting = `${minutes} of ${of ?? minutes} min`;
    return `${name.padEnd(width)}  ${measureText(measure)}, ${statistic} ${limit}, ${lasting}; #${runbookAnchor(section)}`;
  });
  const widgets = dashboardList.flatMap(({ title, widgets: row }) => [
    `${title}:`,
    ...row.map((widget) => {
      const figures = widget.lines.map(({ measure }) => measureText(measure));
      return `  ${widget.title}: ${[...new Set(figures)].join(", ")}`;
    }),
  ]);
  return ["Alarms", ...alarms, "", "Dashboard", ...widgets].join("\n");
}
