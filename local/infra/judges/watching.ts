import { readFileSync } from "node:fs";
import { join } from "node:path";
import { alarmList, runbookAnchor } from "../../../infra/alarm-list.ts";
import { dashboardList } from "../../../infra/dashboard-list.ts";
import { componentName } from "../../../infra/function-list.ts";
import type { Judge } from "../subject.ts";
import { unwritten } from "../watched.ts";

/**
 * Alarms and the dashboard: all of the lists are deployed, each alarm reaches somebody and a section that exists, and what is
 * watched is what the functions write.
 */

const ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm";

interface DeployedAlarm {
  readonly alarmDescription: string;
  readonly alarmActions: readonly string[];
  readonly okActions: readonly string[];
  readonly evaluationPeriods: number;
  readonly treatMissingData: string;
  readonly metricQueries: readonly { readonly returnData?: boolean }[];
}

export const alarms: Judge = ({ root, graph, isDev, needs }, findings) => {
  const file = "infra/alarms.ts";
  const runbook = readFileSync(join(root, "docs/runbook.md"), "utf8");
  const sections = new Set([...runbook.matchAll(/^## (.+)$/gm)].map(([, heading = ""]) => heading));
  const wanted = alarmList.filter(({ measure }) => !(isDev && "redis" in measure));
  findings.same(
    file,
    "alarms",
    graph.of(ALARM).map(({ name }) => name),
    wanted.map(({ name }) => `${componentName(name)}Alarm`),
  );
  for (const fault of unwritten(needs)) findings.that(fault.file, false, fault.text);
  for (const { name, section, silence, minutes, of } of wanted) {
    const it = graph.inputs(ALARM, `${componentName(name)}Alarm`) as DeployedAlarm | undefined;
    findings.that(
      "infra/alarm-list.ts",
      sections.has(section),
      `"${name}" names "${section}", no section of the runbook.`,
    );
    if (!it) continue;
    findings.that(
      file,
      it.alarmDescription.includes(`docs/runbook.md#${runbookAnchor(section)}`),
      `"${name}" does not name its section of the runbook.`,
    );
    findings.equal(file, `${name}: who hears`, [it.alarmActions.length, it.okActions.length], [1, 1]);
    findings.equal(file, `${name}: minutes`, it.evaluationPeriods, of ?? minutes);
    findings.equal(file, `${name}: silence`, it.treatMissingData, silence === "alarm" ? "breaching" : "notBreaching");
    const compared = it.metricQueries.filter(({ returnData }) => returnData === true);
    findings.equal(file, `${name}: figures compared`, compared.length, 1);
    findings.that(file, it.metricQueries.length <= 10, `"${name}" reads more than the ten figures that AWS takes.`);
  }
};

export const dashboard: Judge = ({ graph, isDev }, findings) => {
  const file = "infra/dashboard.ts";
  const body = graph.of("aws:cloudwatch/dashboard:Dashboard")[0]?.inputs.dashboardBody;
  const widgets = (
    JSON.parse(String(body ?? '{"widgets":[]}')) as { widgets: readonly { type: string; properties: object }[] }
  ).widgets;
  const titles = (from: typeof widgets) =>
    from.map(({ properties }) => String((properties as { title?: string }).title));
  findings.same(
    file,
    "widgets",
    titles(widgets.filter(({ type }) => type === "metric")),
    dashboardList
      .flatMap((row) => row.widgets)
      .filter(({ lines }) => !(isDev && lines.every(({ measure }) => "redis" in measure)))
      .map(({ title }) => title),
  );
  findings.equal(file, "headings", widgets.filter(({ type }) => type === "text").length, dashboardList.length);
};
