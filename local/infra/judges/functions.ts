import { consumers, schedules } from "../../../functions/routes.ts";
import { accessOf } from "../../../infra/access.ts";
import { componentName, functionList } from "../../../infra/function-list.ts";
import type { Graph } from "../graph.ts";
import type { Judge } from "../subject.ts";

/** Functions, and what calls them beside the API: queues and the clock. */

/**
 * Bytes of a minified bundle. The issuing function is the one that a crowd waits for: a client that it does not need does not
 * fit beside what it has. The others have room for one more.
 */
const BUNDLE_BYTES = 600_000;
const ISSUE_BYTES = 500_000;

const LAMBDA = "aws:lambda/function:Function";

const functionOf = (graph: Graph, file: string) => graph.inputs(LAMBDA, `${componentName(file)}Function`);

export const functions: Judge = ({ graph, sizes, stage, isDev, bundles }, findings) => {
  const file = "infra/functions.ts";
  findings.same(
    file,
    "functions",
    graph.of(LAMBDA).map(({ name }) => name.replace(/Function$/, "")),
    functionList.map((entry) => componentName(entry.file)),
  );
  for (const entry of functionList) {
    const it = functionOf(graph, entry.file);
    if (!it) continue;
    findings.equal(file, `${entry.file}: name`, it.name, `firstcome-${stage}-${entry.file}`);
    findings.equal(file, `${entry.file}: timeout`, it.timeout, entry.seconds);
    findings.equal(file, `${entry.file}: memory`, it.memorySize, sizes.memoryMb[entry.calledBy]);
    const group = graph.inputs("aws:cloudwatch/logGroup:LogGroup", `${componentName(entry.file)}LogGroup`);
    findings.that(file, Number(group?.retentionInDays) > 0, `${entry.file} keeps its log for ever.`);
    // In sst dev SST puts a bridge of its own in place of the code.
    if (isDev) continue;
    findings.equal(file, `${entry.file}: runtime`, it.runtime, "nodejs24.x");
    findings.equal(file, `${entry.file}: processor`, it.architectures, ["arm64"]);
    findings.equal(
      file,
      `${entry.file}: stands in the network`,
      it.vpcConfig !== undefined,
      accessOf(entry.file).redis === true,
    );
    const most = entry.file === "issue-coupon" ? ISSUE_BYTES : BUNDLE_BYTES;
    const bytes = bundles[entry.file] ?? 0;
    findings.that(`functions/${entry.file}.ts`, bytes > 0, "has no bundle.");
    findings.that(`functions/${entry.file}.ts`, bytes <= most, `its bundle has ${bytes} bytes; ${most} are allowed.`);
  }
};

interface Mapping {
  readonly eventSourceArn: string;
  readonly functionName: unknown;
  readonly functionResponseTypes: readonly string[];
  readonly batchSize: number;
  readonly scalingConfig?: { readonly maximumConcurrency: number };
}

export const queueConsumers: Judge = ({ graph, sizes }, findings) => {
  const file = "infra/consumers.ts";
  const mappings = graph
    .of("aws:lambda/eventSourceMapping:EventSourceMapping")
    .map(({ inputs }) => inputs as unknown as Mapping);
  findings.equal(file, "the number of consumers", mappings.length, Object.keys(consumers).length);
  for (const [queue, consumer] of Object.entries(consumers)) {
    const mapping = mappings.find(({ eventSourceArn }) => eventSourceArn.includes(`:${queue}Queue`));
    if (!mapping) {
      findings.that(file, false, `nothing takes messages off ${queue}.`);
      continue;
    }
    findings.that(
      file,
      String(mapping.functionName).endsWith(`-${consumer}`),
      `${queue} feeds ${mapping.functionName}, not ${consumer}.`,
    );
    findings.equal(file, `${queue}: partial responses`, mapping.functionResponseTypes, ["ReportBatchItemFailures"]);
    findings.equal(file, `${queue}: batch`, mapping.batchSize, 10);
    findings.equal(file, `${queue}: batches at once`, mapping.scalingConfig?.maximumConcurrency, sizes.consumersAtOnce);
    const seconds = Number(functionOf(graph, consumer)?.timeout);
    const visible = Number(graph.inputs("aws:sqs/queue:Queue", `${queue}Queue`)?.visibilityTimeoutSeconds);
    findings.that(
      "infra/settings.ts",
      visible >= 6 * seconds,
      `a message of ${queue} is invisible for ${visible} s, and ${consumer} may run for ${seconds} s; AWS advises six times that.`,
    );
  }
};

interface Schedule {
  readonly scheduleExpression: string;
  readonly state: string;
  readonly target: { readonly arn: string; readonly input: string };
}

export const clock: Judge = ({ graph, stage }, findings) => {
  const file = "infra/schedules.ts";
  const type = "aws:scheduler/schedule:Schedule";
  findings.equal(file, "the number of schedules", graph.of(type).length, Object.keys(schedules).length);
  for (const [name, { file: called, rate, input }] of Object.entries(schedules)) {
    const it = graph.inputs(type, `${componentName(name)}ScheduleSchedule`) as Schedule | undefined;
    if (!it) {
      findings.that(file, false, `the schedule "${name}" is missing.`);
      continue;
    }
    findings.equal(file, `${name}: rate`, it.scheduleExpression, `rate(${rate})`);
    findings.equal(file, `${name}: state`, it.state, "ENABLED");
    findings.equal(file, `${name}: input`, it.target.input, JSON.stringify(input));
    findings.that(
      file,
      it.target.arn.endsWith(`:firstcome-${stage}-${called}`),
      `${name} calls ${it.target.arn}, not ${called}.`,
    );
    const retries = graph.inputs(
      "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig",
      `${componentName(called)}EventInvokeConfig`,
    );
    findings.equal("infra/functions.ts", `${called}: retries`, retries?.maximumRetryAttempts, 0);
  }
};
