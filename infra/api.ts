import { fallbackFile, routes } from "../functions/routes.ts";
import { deployed } from "./deployed.ts";
import { functionOf } from "./functions.ts";

/**
 * The HTTP API: every route of functions/routes.ts, behind a JWT authorizer unless it is for anyone. Scopes are looked at by the
 * functions and not here, because the gateway's own refusal could not be a problem document. People reach it through the edge
 * (infra/edge.ts); its own address holds the same tokens and limits.
 */

const { origins, issuer, audiences } = deployed.owner;
const { throttle, logs } = deployed.sizes;

const cors = {
  allowOrigins: [...origins],
  allowMethods: [...new Set(routes.map(({ contract }) => contract.method))],
  allowHeaders: [
    "authorization",
    "content-type",
    "idempotency-key",
    "waiting-room-pass",
    "waiting-room-ticket",
    "traceparent",
  ],
  exposeHeaders: ["location", "retry-after", "x-request-id"],
  maxAge: "1 day" as const,
};

// The gateway takes limits only of routes that it has, and SST makes the stage before it knows of any: it has to wait for them.
let routesAreMade: (all: $util.Output<aws.apigatewayv2.Route>[]) => void = () => {};
const allRoutes = new Promise<$util.Output<aws.apigatewayv2.Route>[]>((resolve) => {
  routesAreMade = resolve;
});

export const api = new sst.aws.ApiGatewayV2("Api", {
  cors: origins.length > 0 ? cors : false,
  accessLog: { retention: logs },
  transform: {
    stage: (args, options) => {
      args.defaultRouteSettings = {
        throttlingRateLimit: throttle.anyone.perSecond,
        throttlingBurstLimit: throttle.anyone.burst,
      };
      args.routeSettings = routes.map(({ contract }) => ({
        routeKey: `${contract.method} ${contract.path}`,
        throttlingRateLimit: throttle[contract.who].perSecond,
        throttlingBurstLimit: throttle[contract.who].burst,
        // Figures of each route would be half a dozen metrics of 0.30 USD each a month; the access log has them as well.
        detailedMetricsEnabled: false,
      }));
      options.dependsOn = $util.output(allRoutes).apply((all) => all);
    },
  },
});

const authorizer = api.addAuthorizer({ name: "Tokens", jwt: { issuer, audiences: [...audiences] } });

const made = routes.map(({ file, contract }) =>
  api.route(
    `${contract.method} ${contract.path}`,
    functionOf(file).targetArn,
    contract.who === "anyone" ? {} : { auth: { jwt: { authorizer: authorizer.id } } },
  ),
);
// Whatever no route fits is refused with a problem document, to anyone: there is nothing behind it.
made.push(api.route("$default", functionOf(fallbackFile).targetArn));
routesAreMade(made.map((route) => route.nodes.route));
