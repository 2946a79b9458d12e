import { join } from "node:path";
import "./links.ts";
import {
  type Access,
  accessOf,
  ledgerActions,
  logActions,
  metricActions,
  networkActions,
  queueActions,
} from "./access.ts";
import { bundle } from "./bundle.ts";
import { deployed, named } from "./deployed.ts";
import { componentName, type FunctionEntry, functionList } from "./function-list.ts";
import { ledger } from "./ledger.ts";
import { network } from "./network.ts";
import { queues } from "./queues.ts";
import { redis } from "./redis.ts";
import { secrets } from "./secrets.ts";

/**
 * One Lambda function for each route, consumer and schedule, from the same bundles as the laptop's stack, each with a role of its
 * own that allows what infra/access.ts says.
 */

/** What functions are told beside addresses: how to speak with what stands there. */
const settings = new sst.Linkable("Settings", {
  properties: {
    redisTls: !$dev,
    redisCluster: !$dev,
    // Empty: AWS's own.
    sqsEndpoint: "",
    dynamodbEndpoint: "",
    cloudwatchEndpoint: "",
  },
});

const bundles = join($cli.paths.work, "bundles", $app.stage);
if (!$dev) {
  const entries = Object.fromEntries(functionList.map(({ file }) => [file, `functions/${file}.ts`]));
  await bundle({ root: $cli.paths.root, outDir: bundles, entries });
}

/** In `sst dev` SST bundles the source by itself, so that a change is there at once; nothing of that is deployed. */
const codeOf = (file: string) =>
  $dev
    ? { handler: `functions/${file}.handler`, nodejs: { loader: { ".lua": "text" as const } } }
    : { bundle: join(bundles, file), handler: "index.handler" };

function linksOf(file: string, { redis: usesRedis, ledger: does, queues: uses = {}, secrets: knows = [] }: Access) {
  const stores = [
    ...(usesRedis ? [redis] : []),
    ...(does ? [ledger] : []),
    ...Object.keys(uses).map((name) => queueOf(file, name)),
  ];
  return [...stores, ...knows.map((name) => secrets[name]), ...(stores.length > 0 ? [settings] : [])];
}

function queueOf(file: string, name: string): sst.aws.Queue {
  const queue = queues[name];
  if (!queue)
    throw new Error(`infra/access.ts lets ${file} use the queue "${name}", which infra/settings.ts does not have.`);
  return queue;
}

const region = aws.getRegionOutput({}).region;
const account = aws.getCallerIdentityOutput({}).accountId;
const partition = aws.getPartitionOutput({}).partition;

function permissionsOf(file: string, { redis: usesRedis, ledger: does, queues: uses = {}, metrics = [] }: Access) {
  const name = named(file);
  const here = $interpolate`${region}:${account}`;
  return [
    {
      actions: logActions,
      resources: [$interpolate`arn:${partition}:logs:${here}:log-group:/aws/lambda/${name}:*`],
    },
    ...(does ? [{ actions: does.map((method) => ledgerActions[method]), resources: [ledger.arn] }] : []),
    ...Object.entries(uses).map(([queue, methods]) => ({
      actions: [...new Set(methods.flatMap((method): readonly string[] => queueActions[method]))],
      resources: [queueOf(file, queue).arn],
    })),
    ...(metrics.length > 0 ? [{ actions: metrics.map((method) => metricActions[method]), resources: ["*"] }] : []),
    ...(usesRedis && network ? networkPermissions($interpolate`arn:${partition}:lambda:${here}:function:${name}`) : []),
  ];
}

/**
 * Lambda makes the function's network interfaces with the function's own role. The second statement takes the same from the
 * function's code, as AWS advises: only Lambda's calls do not carry the function's name.
 */
function networkPermissions(functionArn: $util.Output<string>) {
  return [
    { actions: networkActions, resources: ["*"] },
    {
      effect: "deny" as const,
      actions: networkActions,
      resources: ["*"],
      conditions: [{ test: "ArnEquals", variable: "lambda:SourceFunctionArn", values: [functionArn] }],
    },
  ];
}

/** Lambda keeps environments ready of a version, so there must be versions. */
const { warmIssuers } = deployed.sizes;
const readiness = warmIssuers > 0 ? { versioning: true, concurrency: { provisioned: warmIssuers } } : {};

function create({ file, calledBy, seconds }: FunctionEntry): sst.aws.Function {
  const may = accessOf(file);
  return new sst.aws.Function(componentName(file), {
    name: named(file),
    description: `functions/${file}.ts`,
    ...codeOf(file),
    runtime: "nodejs24.x",
    architecture: "arm64",
    memory: `${deployed.sizes.memoryMb[calledBy]} MB`,
    timeout: `${seconds} seconds`,
    logging: { retention: deployed.sizes.logs },
    link: linksOf(file, may),
    permissions: permissionsOf(file, may),
    ...(may.redis && network ? { vpc: { privateSubnets: network.subnets, securityGroups: [network.functions] } } : {}),
    ...(file === "issue-coupon" && !$dev ? readiness : {}),
    // A look that failed is made again by the next one, a minute later.
    ...(calledBy === "schedule" ? { retries: 0 } : {}),
    transform: {
      role: (args) => {
        args.managedPolicyArns = [];
        // SST would let everybody in the account take on this role; its own `sst dev` needs that, a deployed function does not.
        if (!$dev) args.assumeRolePolicy = aws.iam.assumeRolePolicyForPrincipal({ Service: "lambda.amazonaws.com" });
      },
    },
  });
}

const made = new Map(functionList.map((entry) => [entry.file, create(entry)]));

/** The function of a file in `functions/`. */
export function functionOf(file: string): sst.aws.Function {
  const it = made.get(file);
  if (!it) throw new Error(`functions/${file}.ts is in no list of functions/routes.ts.`);
  return it;
}
