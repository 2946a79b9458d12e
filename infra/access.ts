/**
 * What each function may do, and nothing else: the table of permissions. A function that is not listed is not deployed, and
 * `npm run check:infra` holds every row against what the function's bundle can call.
 */

/** What a function may do with the ledger's table, by the table door's methods, and the actions of AWS that each needs. */
export const ledgerActions = {
  get: "dynamodb:GetItem",
  getBatch: "dynamodb:BatchGetItem",
  query: "dynamodb:Query",
  put: "dynamodb:PutItem",
  remove: "dynamodb:DeleteItem",
} as const;

/** The same for a queue. `receive` is Lambda's own work, which it does with the role of the function that the queue feeds. */
export const queueActions = {
  send: ["sqs:SendMessage"],
  depth: ["sqs:GetQueueAttributes"],
  postpone: ["sqs:ChangeMessageVisibility"],
  receive: ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
} as const;

/** The same for CloudWatch's metrics. AWS lets nobody say which. */
export const metricActions = { sums: "cloudwatch:GetMetricData" } as const;

export interface Access {
  /** Reaches Redis: stands in the network, and knows address and password. */
  readonly redis?: boolean;
  readonly ledger?: readonly (keyof typeof ledgerActions)[];
  /** By the queue's name in infra/settings.ts. */
  readonly queues?: Readonly<Record<string, readonly (keyof typeof queueActions)[]>>;
  /** Reads what functions have counted. Such a function stays out of the network, from where there is no way to CloudWatch. */
  readonly metrics?: readonly (keyof typeof metricActions)[];
  /** Secrets that it is given. */
  readonly secrets?: readonly ("CouponSecret" | "RoomKeys")[];
  /** Why it may do less than its bundle could: what it is made of can do more than this function ever asks of it. */
  readonly narrowed?: string;
}

const READS = ["get", "query"] as const;
const WRITES = ["get", "query", "put"] as const;
const REMOVES = ["get", "query", "put", "remove"] as const;
const KEEPS = ["get", "getBatch", "query", "put"] as const;
const ALL = ["get", "getBatch", "query", "put", "remove"] as const;
const ONLY_READS = "reads records, by the same object that others write them with";

export const access: Readonly<Record<string, Access>> = {
  "create-campaign": { redis: true, ledger: WRITES },
  "change-campaign": { redis: true, ledger: WRITES },
  "list-campaigns": { redis: true, ledger: READS, narrowed: ONLY_READS },
  "show-campaign": { redis: true, ledger: READS, narrowed: ONLY_READS },
  "issue-coupon": { redis: true, queues: { Confirmations: ["send"] }, secrets: ["CouponSecret", "RoomKeys"] },
  "my-coupons": { redis: true, ledger: READS, secrets: ["CouponSecret"], narrowed: ONLY_READS },
  "list-coupons": { ledger: READS, narrowed: ONLY_READS },
  "use-coupon": { redis: true, ledger: ALL, secrets: ["CouponSecret"] },
  "cancel-coupon": { redis: true, ledger: ALL, secrets: ["CouponSecret"] },
  "watch-campaign": { redis: true, ledger: READS, narrowed: ONLY_READS },
  "show-answers": { ledger: READS, metrics: ["sums"], narrowed: ONLY_READS },
  "verify-campaign": { redis: true, ledger: KEEPS, secrets: ["CouponSecret"] },
  "recover-campaign": {
    redis: true,
    ledger: KEEPS,
    queues: { Confirmations: ["send"], DeadLetters: ["send"] },
    secrets: ["CouponSecret"],
  },
  "send-stock": { redis: true, ledger: WRITES, secrets: ["CouponSecret"] },
  "receive-stock": { redis: true, ledger: WRITES, secrets: ["CouponSecret"] },
  "list-dead-letters": { ledger: READS, queues: { DeadLetters: ["depth"] }, narrowed: ONLY_READS },
  "redrive-dead-letters": { ledger: WRITES, queues: { Confirmations: ["send"] } },
  "put-room": { redis: true, ledger: WRITES },
  "show-room": { redis: true },
  "list-rooms": { redis: true, ledger: READS, narrowed: ONLY_READS },
  "revoke-passes": { redis: true, ledger: WRITES },
  "take-ticket": { redis: true, secrets: ["RoomKeys"] },
  "poll-ticket": { redis: true, secrets: ["RoomKeys"] },
  "leave-room": { redis: true },
  "put-board": { redis: true, ledger: WRITES },
  "list-boards": { ledger: READS, narrowed: ONLY_READS },
  "show-board": { ledger: READS, narrowed: ONLY_READS },
  "switch-board": { redis: true, ledger: WRITES },
  "ingest-events": { redis: true, ledger: REMOVES, queues: { Events: ["send"] } },
  // They write the breaker's state down.
  "show-top": { redis: true, ledger: WRITES },
  "show-product": { redis: true, ledger: WRITES },
  "set-breaker": { ledger: ["get", "put"] },
  "show-rankings": { redis: true, ledger: READS, queues: { Events: ["depth"] }, narrowed: ONLY_READS },
  "rebuild-rankings": { redis: true, ledger: WRITES, queues: { Events: ["depth"] } },
  "show-signals": {
    redis: true,
    ledger: READS,
    queues: { Confirmations: ["depth"], DeadLetters: ["depth"], Events: ["depth"] },
    narrowed: ONLY_READS,
  },
  health: { redis: true, ledger: ["get"], queues: { Confirmations: ["depth"] } },
  openapi: {},
  fallback: {},
  confirm: {
    redis: true,
    ledger: KEEPS,
    queues: { Confirmations: ["receive", "postpone"], DeadLetters: ["send"] },
  },
  triage: {
    redis: true,
    ledger: KEEPS,
    queues: { DeadLetters: ["receive", "postpone"], Confirmations: ["send"] },
  },
  sweep: {
    redis: true,
    ledger: ALL,
    queues: { Confirmations: ["send"], DeadLetters: ["send"] },
    secrets: ["CouponSecret"],
  },
  recover: {
    redis: true,
    ledger: KEEPS,
    queues: { Confirmations: ["send"], DeadLetters: ["send"] },
    secrets: ["CouponSecret"],
  },
  admit: { redis: true, ledger: WRITES },
  "apply-events": { redis: true, ledger: WRITES, queues: { Events: ["receive", "postpone"] } },
  publish: { redis: true, ledger: WRITES },
  expire: { redis: true, ledger: REMOVES, queues: { Events: ["send", "depth"] } },
  rebuild: { redis: true, ledger: REMOVES },
  signals: {
    redis: true,
    ledger: READS,
    queues: { Confirmations: ["depth"], DeadLetters: ["depth"], Events: ["depth"] },
    narrowed: ONLY_READS,
  },
  verify: { redis: true, ledger: KEEPS, secrets: ["CouponSecret"] },
};

export function accessOf(file: string): Access {
  const listed = Object.hasOwn(access, file) ? access[file] : undefined;
  if (listed === undefined) {
    throw new Error(`functions/${file}.ts has no row in infra/access.ts: say there what it may do.`);
  }
  return listed;
}

/** What every function does with its own log group, which SST makes. AWS's own policy would let it write to every group. */
export const logActions = ["logs:CreateLogStream", "logs:PutLogEvents"];

/** What Lambda does, with the role of a function that stands in the network, before it starts the function. */
export const networkActions = [
  "ec2:CreateNetworkInterface",
  "ec2:DescribeNetworkInterfaces",
  "ec2:DescribeSubnets",
  "ec2:DeleteNetworkInterface",
  "ec2:AssignPrivateIpAddresses",
  "ec2:UnassignPrivateIpAddresses",
];

/** Every `*` that a role has, with the reason. The check takes no other. */
export const stars: readonly {
  readonly actions: readonly string[];
  readonly resource: RegExp;
  readonly why: string;
}[] = [
  {
    actions: networkActions,
    resource: /^\*$/,
    why: "AWS documents no finer form for Lambda's own calls; a second statement denies them to the function's code",
  },
  {
    actions: logActions,
    resource: /:log-group:\/aws\/lambda\/firstcome-[\w-]+:\*$/,
    why: "the streams of the function's own log group, which Lambda names as it needs them",
  },
  {
    actions: Object.values(metricActions),
    resource: /^\*$/,
    why: "AWS has no finer form for reading metrics: neither by namespace nor by name",
  },
];
