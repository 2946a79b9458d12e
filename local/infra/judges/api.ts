import { routes } from "../../../functions/routes.ts";
import { saidFor } from "../evaluation.ts";
import type { Findings } from "../findings.ts";
import type { Judge } from "../subject.ts";

/** The HTTP API: its routes, who is let in, its limits, and the network behind it. */

interface Route {
  readonly routeKey: string;
  readonly authorizationType: string;
  readonly authorizerId?: string;
}

interface Limits {
  readonly routeKey: string;
  readonly throttlingRateLimit: number;
  readonly throttlingBurstLimit: number;
}

export const api: Judge = ({ graph, sizes, stage }, findings) => {
  const file = "infra/api.ts";
  const type = "aws:apigatewayv2/route:Route";
  const made = graph.of(type).map(({ inputs }) => inputs as unknown as Route);
  const key = ({ contract }: (typeof routes)[number]) => `${contract.method} ${contract.path}`;
  findings.same(
    file,
    "routes",
    made.map(({ routeKey }) => routeKey),
    [...routes.map(key), "$default"],
  );
  const open = new Set(["$default", ...routes.filter(({ contract }) => contract.who === "anyone").map(key)]);
  for (const { routeKey, authorizationType, authorizerId } of made) {
    const wanted = open.has(routeKey) ? "NONE" : "JWT";
    findings.that(
      file,
      authorizationType === wanted && (wanted === "NONE" || authorizerId !== undefined),
      `"${routeKey}" is authorized by ${authorizationType}, not ${wanted}.`,
    );
  }

  const settings = graph.of("aws:apigatewayv2/stage:Stage")[0]?.inputs ?? {};
  const limits = (settings.routeSettings ?? []) as readonly Limits[];
  for (const route of routes) {
    const { perSecond, burst } = sizes.throttle[route.contract.who];
    const it = limits.find(({ routeKey }) => routeKey === key(route));
    findings.equal(file, `${key(route)}: requests a second`, it?.throttlingRateLimit, perSecond);
    findings.equal(file, `${key(route)}: burst`, it?.throttlingBurstLimit, burst);
  }
  findings.that(file, settings.accessLogSettings !== undefined, "there is no access log.");
  // API Gateway refuses limits of routes that it does not have yet.
  const order = graph.all().map((resource) => resource.type);
  findings.that(
    file,
    order.indexOf("aws:apigatewayv2/stage:Stage") > order.lastIndexOf(type),
    "the stage with its limits is made before its routes.",
  );
  judgeOrigins(stage, graph.of("aws:apigatewayv2/api:Api")[0]?.inputs.corsConfiguration, findings);
};

/** Closed unless the owner names origins, and then for those only, and for what the API has. */
function judgeOrigins(stage: string, found: unknown, findings: Findings): void {
  const file = "infra/api.ts";
  const origins = saidFor(stage, "FIRSTCOME_ORIGINS");
  if (origins === "") {
    findings.equal(file, "what other origins may do", found, {});
    return;
  }
  const cors = (found ?? {}) as Readonly<Record<string, readonly string[] | undefined>>;
  findings.same(file, "origins", cors.allowOrigins ?? [], origins.split(","));
  findings.same(
    file,
    "methods for other origins",
    cors.allowMethods ?? [],
    routes.map(({ contract }) => contract.method),
  );
  findings.that(file, !JSON.stringify(cors).includes('"*"'), "other origins may send everything.");
}

export const network: Judge = ({ graph, sizes, isDev }, findings) => {
  const file = "infra/network.ts";
  findings.equal(file, "subnets", graph.of("aws:ec2/subnet:Subnet").length, isDev ? 0 : sizes.zones);
  const endpoints = graph.of("aws:ec2/vpcEndpoint:VpcEndpoint").map(({ name }) => name);
  findings.same(file, "endpoints", endpoints, isDev ? [] : ["DynamoEndpoint", "SqsEndpoint"]);
  for (const type of ["natGateway:NatGateway", "internetGateway:InternetGateway", "eip:Eip", "instance:Instance"]) {
    findings.equal(file, type, graph.of(`aws:ec2/${type}`).length, 0);
  }
  for (const { name, inputs } of graph.of("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")) {
    findings.that(file, inputs.cidrIpv4 === undefined, `${name} lets in addresses, not a security group.`);
  }
};
