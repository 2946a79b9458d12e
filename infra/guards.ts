import { type Capacity, capacity } from "./capacity.ts";
import { functionList } from "./function-list.ts";
import type { Owner } from "./owner.ts";
import { quotasOf } from "./quotas.ts";
import type { StageKind, StageSizes } from "./stages.ts";

/** What a deployment refuses to begin with, because it would be found out at the worst moment. */

export interface Deployment {
  readonly stage: string;
  readonly kind: StageKind;
  readonly sizes: StageSizes;
  readonly owner: Owner;
}

/** An alarm reads ten figures at most, and infra/alarms.ts has one for all nodes, which takes one more to compare. */
const NODES_MOST = 9;
/** Characters of a Lambda function's name. */
const NAME_MOST = 64;

const DOMAIN = /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$/;
const CERTIFICATE = /^arn:[\w-]+:acm:us-east-1:\d{12}:certificate\/[\w-]+$/;

/** `https://shop.example.com`: no star, no path, nothing in the clear. */
const isHttpsOrigin = (text: string): boolean => /^https:\/\/[a-z0-9.-]+(?::\d+)?$/.test(text);

/** Every reason not to deploy; none: go on. */
export function refusals({ stage, kind, sizes, owner }: Deployment): string[] {
  const { redis, zones } = sizes;
  const variables = `.env.${stage}`;
  const faults: string[] = [];
  const refuse = (isFault: boolean, text: string) => {
    if (isFault) faults.push(text);
  };
  refuse(
    !owner.issuer.startsWith("https://"),
    `${variables}: FIRSTCOME_TOKEN_ISSUER must be the https address of who signs the shoppers' tokens.`,
  );
  refuse(owner.audiences.length === 0, `${variables}: FIRSTCOME_TOKEN_AUDIENCES must name at least one audience.`);
  for (const origin of owner.consoleConnects) {
    refuse(
      !isHttpsOrigin(origin),
      `${variables}: FIRSTCOME_CONSOLE_CONNECTS has "${origin}"; it takes whole https origins only.`,
    );
  }
  refuse(
    owner.domain !== "" && !DOMAIN.test(owner.domain),
    `${variables}: FIRSTCOME_DOMAIN takes a name such as coupons.shop.example, not "${owner.domain}".`,
  );
  refuse(
    owner.certificate !== "" && !CERTIFICATE.test(owner.certificate),
    `${variables}: FIRSTCOME_CERTIFICATE must be of ACM in us-east-1, where CloudFront reads them.`,
  );
  refuse(
    owner.certificate !== "" && owner.domain === "",
    `${variables}: FIRSTCOME_CERTIFICATE is of no use without FIRSTCOME_DOMAIN.`,
  );
  refuse(
    redis.parameters["maxmemory-policy"] !== "noeviction",
    `infra/stages.ts: ${kind} lets Redis evict keys (maxmemory-policy "${redis.parameters["maxmemory-policy"] ?? "volatile-lru"}"); each is stock, a holder or a place in a line.`,
  );
  refuse(
    redis.shards * (1 + redis.replicas) > NODES_MOST,
    `infra/stages.ts: ${kind} has more than ${NODES_MOST} nodes of Redis, which is more than one alarm can watch.`,
  );
  const longest = Math.max(...functionList.map(({ file }) => `firstcome-${stage}-${file}`.length));
  refuse(longest > NAME_MOST, `The stage's name is ${longest - NAME_MOST} characters too long for Lambda.`);
  const most = owner.raisedGatewayPerSecond || quotasOf(owner.region).gatewayPerSecond.value;
  for (const [who, { perSecond }] of Object.entries(sizes.throttle)) {
    refuse(
      perSecond > most,
      `infra/stages.ts: ${kind} lets ${perSecond} requests a second through for ${who}; ${owner.region} gives an account ${most}.`,
    );
  }
  if (kind !== "production") return faults;
  refuse(
    redis.replicas < 1,
    "infra/stages.ts: production has no replica of Redis; the loss of its node would stop everything.",
  );
  refuse(zones < 2, "infra/stages.ts: production stands in one zone.");
  refuse(owner.alarmEmail === "", `${variables}: FIRSTCOME_ALARM_EMAIL is missing; alarms would go nowhere.`);
  refuse(!sizes.keepsLedger, "infra/stages.ts: production's ledger can be deleted.");
  for (const origin of owner.origins) {
    refuse(
      !isHttpsOrigin(origin),
      `${variables}: FIRSTCOME_ORIGINS has "${origin}"; production takes whole https origins only.`,
    );
  }
  return faults;
}

/** The capacity gate's verdict on the event that the owner expects; undefined where none is named. */
export function expectedCapacity({ sizes, owner }: Deployment): Capacity | undefined {
  if (owner.expectedPeakPerSecond === 0) return undefined;
  return capacity(
    {
      expectedPeakPerSecond: owner.expectedPeakPerSecond,
      stock: owner.expectedStock,
      watchers: owner.expectedWatchers,
      region: owner.region,
    },
    sizes,
    { gatewayPerSecond: owner.raisedGatewayPerSecond, lambdaAtOnce: owner.raisedLambdaAtOnce },
  );
}

/** Stops the deployment with every reason at once. What only an event would break is a warning outside production. */
export function refuseUnsafe(deployment: Deployment): void {
  const faults = refusals(deployment);
  const breaking = expectedCapacity(deployment)?.lines.filter((line) => line.breaks) ?? [];
  const warnings = breaking.map(
    ({ part, needs, has, unit, fix }) => `${part}: needs ${needs} ${unit}, has ${has}. ${fix}`,
  );
  if (deployment.kind === "production") faults.push(...warnings);
  else for (const warning of warnings) console.warn(warning);
  if (faults.length > 0)
    throw new Error(`"${deployment.stage}" is not deployed:\n${faults.map((it) => `- ${it}`).join("\n")}`);
}
