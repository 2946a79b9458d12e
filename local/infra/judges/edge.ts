import { runInNewContext } from "node:vm";
import { routes } from "../../../functions/routes.ts";
import { gateway } from "../../../infra/settings.ts";
import { ISSUER, REGION, saidFor } from "../evaluation.ts";
import type { Findings } from "../findings.ts";
import type { Graph } from "../graph.ts";
import { API_HOST, outputsOf } from "../mocks.ts";
import type { Judge } from "../subject.ts";

/**
 * The edge before API and console: what it keeps and for whom, what it refuses, and what it lets a browser do. Behaviours, origins
 * and policies are held whole: one setting more, or one less, is a finding.
 */

const FILE = "infra/edge.ts";
const DISTRIBUTION = "aws:cloudfront/distribution:Distribution";
const HEADERS = "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy";
const FUNCTION = "aws:cloudfront/function:Function";

/** AWS's own policies, by the ids in its Developer Guide. */
const ALL_VIEWER_EXCEPT_HOST = "b689b0a8-53d0-40ab-baf2-68738e2966ac";
const CACHING_OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6";

/** Refusals whose time in the cache CloudFront can be told. Others (401, 409, 410, 429) it does not keep. */
const KEPT_REFUSALS = [400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504];

const METHODS = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"];

const API_BEHAVIOUR = {
  targetOriginId: "api",
  viewerProtocolPolicy: "https-only",
  allowedMethods: METHODS,
  cachedMethods: ["GET", "HEAD"],
  compress: true,
  cachePolicyId: "ApiCache-id",
  originRequestPolicyId: ALL_VIEWER_EXCEPT_HOST,
  responseHeadersPolicyId: "ApiHeaders-id",
};

/** What comes of a resource that has a name only. */
const made = (type: string, name: string) => outputsOf({ type, name, inputs: {} }, REGION);

const consoleBehaviour = (pathPattern: string) => ({
  pathPattern,
  targetOriginId: "console",
  viewerProtocolPolicy: "redirect-to-https",
  allowedMethods: ["GET", "HEAD"],
  cachedMethods: ["GET", "HEAD"],
  compress: true,
  cachePolicyId: CACHING_OPTIMIZED,
  responseHeadersPolicyId: "ConsoleHeaders-id",
  functionAssociations: [{ eventType: "viewer-request", functionArn: made(FUNCTION, "ConsoleEntry").arn }],
});

const ORIGINS = [
  {
    originId: "api",
    domainName: API_HOST,
    customOriginConfig: {
      httpPort: 80,
      httpsPort: 443,
      originProtocolPolicy: "https-only",
      originSslProtocols: ["TLSv1.2"],
      originReadTimeout: gateway.integrationSeconds,
    },
  },
  {
    originId: "console",
    domainName: made("aws:s3/bucket:Bucket", "ConsoleFiles").bucketRegionalDomainName,
    originAccessControlId: "ConsoleAccess-id",
  },
];

/** What makes two requests the same one, and for how long an answer is. */
const API_CACHE = {
  minTtl: 0,
  defaultTtl: 0,
  maxTtl: 60,
  parametersInCacheKeyAndForwardedToOrigin: {
    headersConfig: { headerBehavior: "whitelist", headers: { items: ["Authorization", "Origin"] } },
    queryStringsConfig: { queryStringBehavior: "all" },
    cookiesConfig: { cookieBehavior: "none" },
    enableAcceptEncodingGzip: true,
    enableAcceptEncodingBrotli: true,
  },
};

const SECURITY_HEADERS = {
  strictTransportSecurity: { accessControlMaxAgeSec: 63_072_000, includeSubdomains: false, override: true },
  contentTypeOptions: { override: true },
};

export const edge: Judge = ({ graph, isDev, stage }, findings) => {
  const all = graph.of(DISTRIBUTION);
  findings.equal(FILE, "the number of distributions", all.length, isDev ? 0 : 1);
  const it = all[0]?.inputs;
  if (!it) return;
  findings.alike(FILE, "the API's behaviour", it.defaultCacheBehavior, API_BEHAVIOUR);
  for (const { contract } of routes)
    findings.that(FILE, METHODS.includes(contract.method), `API: ${contract.method} is stopped.`);
  const paths = ["/console", "/console/*"];
  findings.alike(FILE, "the console's behaviours", it.orderedCacheBehaviors, paths.map(consoleBehaviour));
  findings.alike(FILE, "origins", it.origins, ORIGINS);
  findings.alike(FILE, "origins that stand in for others", it.originGroups ?? [], []);
  // A page in place of a problem document would be no answer of the API.
  const notKept = KEPT_REFUSALS.map((errorCode) => ({ errorCode, errorCachingMinTtl: 0 }));
  const refusals = (it.customErrorResponses ?? []) as readonly { readonly errorCode: number }[];
  const codes = (list: typeof refusals) => list.map(({ errorCode }) => String(errorCode));
  findings.same(FILE, "refusals that are not kept", codes(refusals), codes(notKept));
  findings.alike(FILE, "refusals", refusals, notKept);
  findings.equal(FILE, "the edge is on", it.enabled, true);

  // CloudFront sets the version itself where the domain is its own.
  const domain = saidFor(stage, "FIRSTCOME_DOMAIN");
  findings.equal(FILE, "names", it.aliases, domain === "" ? [] : [domain]);
  findings.alike(
    FILE,
    "the certificate",
    it.viewerCertificate,
    domain === ""
      ? { cloudfrontDefaultCertificate: true }
      : {
          acmCertificateArn: made("aws:acm/certificate:Certificate", "EdgeSslCertificate").arn,
          sslSupportMethod: "sni-only",
          minimumProtocolVersion: "TLSv1.2_2021",
        },
  );
  judgeKey(graph, findings);
  const access = graph.inputs("aws:cloudfront/originAccessControl:OriginAccessControl", "ConsoleAccess");
  findings.alike(FILE, "who signs for the bucket", without(access, "description"), {
    originAccessControlOriginType: "s3",
    signingBehavior: "always",
    signingProtocol: "sigv4",
  });
  judgeHeaders(graph, stage, findings);
  judgeEntry(graph, findings);
};

/** The inputs without the one that is for people only. */
function without(inputs: Readonly<Record<string, unknown>> | undefined, name: string): Record<string, unknown> {
  return Object.fromEntries(Object.entries(inputs ?? {}).filter(([key]) => key !== name));
}

function judgeKey(graph: Graph, findings: Findings): void {
  const policy = graph.inputs("aws:cloudfront/cachePolicy:CachePolicy", "ApiCache");
  const { headersConfig } = (policy?.parametersInCacheKeyAndForwardedToOrigin ?? {}) as {
    readonly headersConfig?: { readonly headers?: { readonly items?: readonly string[] } };
  };
  const inKey = headersConfig?.headers?.items ?? [];
  // What these two are for is not to be seen in a list.
  findings.that(
    FILE,
    inKey.includes("Authorization"),
    "API: Authorization is not in the cache key: an answer to one person could be given to another.",
  );
  findings.that(
    FILE,
    inKey.includes("Origin"),
    "API: Origin is not in the cache key: a page of another origin could get an answer that it may not read.",
  );
  findings.alike(FILE, "the API's cache policy", without(policy, "comment"), API_CACHE);
}

/** What browsers are told. */
function judgeHeaders(graph: Graph, stage: string, findings: Findings): void {
  const told = (name: string) => without(graph.inputs(HEADERS, name), "comment");
  findings.alike(FILE, "what the API's answers say beside", told("ApiHeaders"), {
    securityHeadersConfig: SECURITY_HEADERS,
  });
  const { securityHeadersConfig, ...others } = told("ConsoleHeaders");
  const { contentSecurityPolicy, ...rest } = (securityHeadersConfig ?? {}) as {
    readonly contentSecurityPolicy?: { readonly contentSecurityPolicy?: string; readonly override?: boolean };
  };
  findings.alike(
    FILE,
    "what the console's files say beside",
    { ...others, ...rest },
    {
      ...SECURITY_HEADERS,
      referrerPolicy: { referrerPolicy: "no-referrer", override: true },
    },
  );
  findings.equal(FILE, "the console's policy is its own", contentSecurityPolicy?.override, true);
  judgePolicy(String(contentSecurityPolicy?.contentSecurityPolicy), stage, findings);
}

function judgePolicy(text: string, stage: string, findings: Findings): void {
  const file = "infra/console-answers.ts";
  findings.that(file, !/unsafe-|\*|http:/.test(text), `the console may load what it should not: ${text}`);
  const connects = ["'self'", new URL(ISSUER).origin, saidFor(stage, "FIRSTCOME_CONSOLE_CONNECTS")].filter(Boolean);
  // In order, because of a rule that stands twice browsers take the first.
  findings.alike(
    file,
    "what the console may do",
    text.split(";").map((rule) => rule.trim()),
    [
      "default-src 'self'",
      `connect-src ${connects.join(" ")}`,
      "img-src 'self' data:",
      "form-action 'self'",
      "frame-ancestors 'none'",
      "object-src 'none'",
      "base-uri 'none'",
    ],
  );
}

/** Runs what stands at the console's entry, as CloudFront would. */
function judgeEntry(graph: Graph, findings: Findings): void {
  const file = "infra/console-answers.ts";
  const inputs = graph.inputs(FUNCTION, "ConsoleEntry") ?? {};
  findings.equal(FILE, "language of the entry", inputs.runtime, "cloudfront-js-2.0");
  const answer = (uri: string): unknown =>
    JSON.parse(
      runInNewContext(
        `${inputs.code}; JSON.stringify(handler({ request: { uri: ${JSON.stringify(uri)} } }))`,
      ) as string,
    );
  findings.alike(file, "the answer to /console", answer("/console"), {
    statusCode: 308,
    statusDescription: "Permanent Redirect",
    headers: { location: { value: "/console/" } },
  });
  findings.alike(file, "the page's file", answer("/console/"), { uri: "/console/index.html" });
  findings.alike(file, "another file", answer("/console/a.js"), { uri: "/console/a.js" });
}
