import {
  type Access,
  access,
  accessOf,
  ledgerActions,
  metricActions,
  queueActions,
  stars,
} from "../../../infra/access.ts";
import { componentName, functionList } from "../../../infra/function-list.ts";
import { type GraphResource, type Statement, statementsOf } from "../graph.ts";
import type { Needs } from "../needs.ts";
import type { Judge, Subject } from "../subject.ts";

/** Permissions: each role allows what infra/access.ts says and nothing else, and that is what the function's code asks for. */

const FILE = "infra/access.ts";
const ROLE = "aws:iam/role:Role";
const STARS = /[*?]/;

/** The row of infra/access.ts as `action resource` pairs, resources by their last part. */
function listed({ ledger = [], queues = {}, metrics = [] }: Access): string[] {
  return [
    ...ledger.map((method) => `${ledgerActions[method]} LedgerTable`),
    ...Object.entries(queues).flatMap(([queue, methods]) =>
      methods.flatMap((method) => queueActions[method].map((action) => `${action} ${queue}Queue.fifo`)),
    ),
    ...metrics.map((method) => `${metricActions[method]} *`),
  ];
}

const pairsOf = (statements: readonly Statement[]) =>
  statements.flatMap(({ actions, resources }) =>
    actions.flatMap((action) => resources.map((resource) => ({ action, resource }))),
  );

const lastPart = (arn: string) => arn.split(/[:/]/).at(-1) ?? arn;

/** A star that has no reason in infra/access.ts. */
export function isUnexplained(action: string, resource: string): boolean {
  if (!STARS.test(action) && !STARS.test(resource)) return false;
  return !stars.some((star) => star.actions.includes(action) && star.resource.test(resource));
}

/** SST's own additions in `sst dev`, where functions run on a laptop: a channel to it. Nothing of that is deployed. */
const isDevChannel = ({ actions }: Statement) => actions.every((action) => /^(appsync|s3):\*$/.test(action));

export const permissions: Judge = ({ graph, stage, isDev }, findings) => {
  const roles = new Map(graph.of(ROLE).map((role) => [role.name, role]));
  for (const { file } of functionList) {
    const role = roles.get(`${componentName(file)}Role`);
    if (!role) {
      findings.that("infra/functions.ts", false, `${file} has no role of its own.`);
      continue;
    }
    const statements = statementsOf(role).filter((statement) => !(isDev && isDevChannel(statement)));
    const allowed = pairsOf(statements.filter(({ effect }) => effect === "Allow"));
    const ours = allowed.filter(({ action }) => !/^(logs|ec2):/.test(action));
    findings.same(
      FILE,
      `permissions of ${file}`,
      ours.map(({ action, resource }) => `${action} ${lastPart(resource)}`),
      listed(accessOf(file)),
    );
    findings.equal("infra/functions.ts", `${file}: AWS's own policies`, role.inputs.managedPolicyArns, []);
    findings.that(
      "infra/functions.ts",
      allowed
        .filter(({ action }) => action.startsWith("logs:"))
        .every(({ resource }) => resource.endsWith(`:/aws/lambda/firstcome-${stage}-${file}:*`)),
      `${file} may write to another function's log.`,
    );
    const isInNetwork = allowed.some(({ action }) => action.startsWith("ec2:"));
    findings.that(
      "infra/functions.ts",
      !isInNetwork || statements.some(({ effect, conditions }) => effect === "Deny" && conditions.length === 1),
      `${file}'s own code may make network interfaces.`,
    );
    findings.that(
      "infra/access.ts",
      !isInNetwork || accessOf(file).metrics === undefined,
      `${file} reads metrics from within the network, which has no way to CloudWatch.`,
    );
  }
  for (const role of roles.values()) judgeRole(role, isDev, findings);
};

function judgeRole(role: GraphResource, isDev: boolean, findings: Parameters<Judge>[1]): void {
  const statements = statementsOf(role).filter((statement) => !(isDev && isDevChannel(statement)));
  for (const { action, resource } of pairsOf(statements.filter(({ effect }) => effect === "Allow"))) {
    findings.that(
      FILE,
      !isUnexplained(action, resource),
      `${role.name} allows ${action} on ${resource}, a star without a reason.`,
    );
  }
  const trust = JSON.stringify(role.inputs.assumeRolePolicy);
  findings.that(
    "infra/functions.ts",
    isDev || !trust.includes(":root"),
    `${role.name} can be taken on by everybody in the account.`,
  );
}

/** What a function is linked to and allowed, against what its code asks for. */
export const needed: Judge = ({ needs }: Subject, findings) => {
  const files = functionList.map(({ file }) => file);
  findings.same(FILE, "rows", Object.keys(access), files);
  for (const file of files) {
    const need = needs.get(file);
    if (!need) continue;
    const may = accessOf(file);
    findings.same(FILE, `links of ${file}`, linksOf(may), need.links);
    const fits = (name: string, has: readonly string[], wants: ReadonlySet<string>) => {
      const unused = has.filter((method) => !wants.has(method));
      findings.that(FILE, unused.length === 0, `${file} never calls ${name}.${unused.join(", ")}.`);
      const missing = [...wants].filter((method) => !has.includes(method));
      findings.that(
        FILE,
        may.narrowed !== undefined || missing.length === 0,
        `${file} calls ${name}.${missing.join(", ")} and may not; if it never comes to that, say why in "narrowed".`,
      );
    };
    fits("table", may.ledger ?? [], need.ledger);
    fits("metrics", may.metrics ?? [], need.metricReads);
    const queueMethods = Object.values(may.queues ?? {}).flat();
    fits("queue", [...new Set(queueMethods.filter((method) => method !== "receive"))], queueNeeds(need));
  }
};

const queueNeeds = (need: Needs) => need.queue;

function linksOf({ redis, ledger, queues = {}, metrics, secrets = [] }: Access): string[] {
  const stores = [...(redis ? ["Redis"] : []), ...(ledger ? ["Ledger"] : []), ...(metrics ? ["Metrics"] : [])];
  return [...stores, ...Object.keys(queues), ...secrets];
}
