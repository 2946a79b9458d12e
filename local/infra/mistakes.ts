/** Mistakes that somebody could make, each an edit of one file, and what the check must say of it. */

export interface Mistake {
  readonly title: string;
  readonly file: string;
  /** The text that is replaced, which must stand there, and what comes in its place. */
  readonly edit: readonly [from: string, to: string];
  /** What the message must say, beside the file's name. */
  readonly says: RegExp;
}

export const mistakes: readonly Mistake[] = [
  {
    title: "a misspelt argument",
    file: "infra/ledger.ts",
    edit: ["deletionProtection:", "deletionProtecton:"],
    says: /deletionProtecton/,
  },
  {
    title: "a missing handler",
    file: "functions/sweep.ts",
    edit: ["export async function handler", "export async function handle"],
    says: /does not export "handler"/,
  },
  {
    title: "a wildcard permission",
    file: "infra/access.ts",
    edit: ['put: "dynamodb:PutItem"', 'put: "dynamodb:*"'],
    says: /dynamodb:\* .*star without a reason/,
  },
  {
    title: "one node of Redis in production",
    file: "infra/stages.ts",
    edit: ["replicas: 2", "replicas: 0"],
    says: /no replica/,
  },
  {
    title: "a standard queue in place of FIFO",
    file: "infra/queues.ts",
    edit: ["fifo: true", "fifo: false"],
    says: /FIFO is "false"/,
  },
  {
    title: "a missing authorizer",
    file: "infra/api.ts",
    edit: ['contract.who === "anyone" ?', 'contract.who !== "operator" ?'],
    says: /POST \/campaigns\/\{campaignId\}\/coupons" is authorized by NONE/,
  },
  {
    title: "a visibility that is too short",
    file: "infra/settings.ts",
    edit: ["visibilitySeconds: 6 * functionSeconds.consumer", "visibilitySeconds: 2 * functionSeconds.consumer"],
    says: /six times/,
  },
  {
    title: "an alarm that is removed",
    file: "infra/alarms.ts",
    edit: ["if (!exists(measure)) continue;", 'if (!exists(measure) || name === "coupons-revoked") continue;'],
    says: /CouponsRevokedAlarm is missing/,
  },
  {
    title: "a name that disagrees with local/",
    file: "local/stack.ts",
    edit: ["DeadLetters: {", "Deadletters: {"],
    says: /DeadLetters is missing/,
  },
  {
    title: "an oversized bundle",
    file: "functions/issue-coupon.ts",
    edit: [
      "export const handler",
      'import { openTable } from "../core/doors/dynamodb.ts";\nexport const unneeded = openTable;\nexport const handler',
    ],
    says: /its bundle has \d+ bytes/,
  },
  {
    title: "one person's answer given to another by the edge",
    file: "infra/edge.ts",
    edit: ['items: ["Authorization", "Origin"]', 'items: ["Origin"]'],
    says: /Authorization is not in the cache key/,
  },
  {
    title: "a public bucket",
    file: "infra/console.ts",
    edit: ["blockPublicPolicy: true", "blockPublicPolicy: false"],
    says: /the bucket may be public: blockPublicPolicy/,
  },
  {
    title: "a bucket that every distribution of every account may read",
    file: "infra/edge.ts",
    edit: ["values: [distribution.nodes.distribution.arn]", 'values: ["*"]'],
    says: /bucket's policy\.statements\[0\]\.conditions\[0\]\.values\[0\] is "\*"/,
  },
  {
    title: "a bucket that every distribution but ours may read",
    file: "infra/edge.ts",
    edit: ['test: "StringEquals"', 'test: "StringNotEquals"'],
    says: /statements\[0\]\.conditions\[0\]\.test is "StringNotEquals"/,
  },
  {
    title: "a bucket that is read without TLS only",
    file: "infra/edge.ts",
    edit: ['variable: "aws:SecureTransport", values: ["false"]', 'variable: "aws:SecureTransport", values: ["true"]'],
    says: /statements\[1\]\.conditions\[0\]\.values\[0\] is "true"/,
  },
  {
    title: "an entry to the console that stands nowhere",
    file: "infra/edge.ts",
    edit: ['functionAssociations: [{ eventType: "viewer-request", functionArn: entry.arn }],', ""],
    says: /console's behaviours\[0\]\.functionAssociations is nothing/,
  },
  {
    title: "answers of the API that do not ask for HTTPS",
    file: "infra/edge.ts",
    edit: ["responseHeadersPolicyId: apiHeaders.id,", ""],
    says: /API's behaviour\.responseHeadersPolicyId is nothing/,
  },
  {
    title: "tokens that the edge takes to somebody else",
    file: "infra/edge.ts",
    edit: ["domainName: api.url.apply((url) => new URL(url).host),", 'domainName: "evil.example",'],
    says: /origins\[0\]\.domainName is "evil\.example"/,
  },
  {
    title: "a copy for each visitor's cookies",
    file: "infra/edge.ts",
    edit: ['cookieBehavior: "none"', 'cookieBehavior: "all"'],
    says: /cookiesConfig\.cookieBehavior is "all"/,
  },
  {
    title: "headers that are listed for the cache key and not in it",
    file: "infra/edge.ts",
    edit: ['headerBehavior: "whitelist"', 'headerBehavior: "none"'],
    says: /headersConfig\.headerBehavior is "none"/,
  },
  {
    title: "refusals that the edge keeps",
    file: "infra/edge.ts",
    edit: ["[400, 403, 404,", "[400, 403,"],
    says: /refusals that are not kept: 404 is missing/,
  },
  {
    title: "a page that may run what stands in it",
    file: "infra/console-answers.ts",
    edit: ["default-src 'self'", "default-src 'self' 'unsafe-inline'"],
    says: /the console may load what it should not/,
  },
  {
    title: "a private answer that caches may keep",
    file: "functions/my-coupons.ts",
    edit: [
      "body: { items: result.items.map(couponView) } };",
      'body: { items: result.items.map(couponView) }, headers: { "cache-control": "public, max-age=1" } };',
    ],
    says: /lets caches keep/,
  },
  {
    title: "a private answer that caches may keep, in other letters",
    file: "functions/my-coupons.ts",
    edit: [
      "body: { items: result.items.map(couponView) } };",
      'body: { items: result.items.map(couponView) }, headers: { "Cache-Control": "public, max-age=60" } };',
    ],
    says: /lets caches keep what is not for anyone: it says Cache-Control, max-age/,
  },
  {
    title: "answers that caches may keep all together",
    file: "functions/http/answer.ts",
    edit: ['"cache-control": "no-store"', '"Cache-Control": ["public", "max-age=60"].join()'],
    says: /lets caches keep what is not for anyone/,
  },
];
