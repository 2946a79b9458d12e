import { dashboardList } from "./dashboard-list.ts";
import { named } from "./deployed.ts";
import { exists, widgetLines } from "./measure.ts";

/** The dashboard of infra/dashboard-list.ts: four widgets beside one another, a heading over each row. */

const COLUMNS = 24;
const WIDTH = 6;
const HEIGHT = 6;
const region = aws.getRegionOutput({}).region;

let y = 0;
const widgets = dashboardList.flatMap((row) => {
  const heading = { type: "text", x: 0, y, width: COLUMNS, height: 1, properties: { markdown: `## ${row.title}` } };
  y += 1;
  const shown = row.widgets
    .map(({ title, lines }) => ({ title, lines: lines.filter(({ measure }) => exists(measure)) }))
    .filter(({ lines }) => lines.length > 0);
  const drawn = shown.map(({ title, lines }, index) => ({
    type: "metric",
    x: (index * WIDTH) % COLUMNS,
    y: y + HEIGHT * Math.floor((index * WIDTH) / COLUMNS),
    width: WIDTH,
    height: HEIGHT,
    properties: {
      title,
      region,
      period: 60,
      view: "timeSeries",
      metrics: lines.flatMap(({ measure, statistic, label }) => widgetLines(measure, statistic, label)),
    },
  }));
  y += HEIGHT * Math.ceil((drawn.length * WIDTH) / COLUMNS);
  return [heading, ...drawn];
});

const dashboard = new aws.cloudwatch.Dashboard("Dashboard", {
  dashboardName: named("overview"),
  dashboardBody: $jsonStringify({ widgets }),
});

export const dashboardUrl = $interpolate`https://${region}.console.aws.amazon.com/cloudwatch/home?region=${region}#dashboards/dashboard/${dashboard.dashboardName}`;
