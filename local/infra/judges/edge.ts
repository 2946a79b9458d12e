import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runInNewContext } from "node:vm";
import { routes } from "../../../functions/routes.ts";
import { ISSUER, saidFor } from "../evaluation.ts";
import type { Findings } from "../findings.ts";
import type { Graph } from "../graph.ts";
import type { Judge, Subject } from "../subject.ts";

/** The edge before API and console: what it keeps and for whom, what it refuses, and what it lets a browser do. */

const FILE = "infra/edge.ts";
const DISTRIBUTION = "aws:cloudfront/distribution:Distribution";
const HEADERS = "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy";

/** AWS's own policies, by the ids in its Developer Guide. */
const ALL_VIEWER_EXCEPT_HOST = "b689b0a8-53d0-40ab-baf2-68738e2966ac";
const CACHING_OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6";

/** Refusals whose time in the cache CloudFront can be told. Others (401, 409, 410, 429) it does not keep. */
const KEPT_REFUSALS = [400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504];

interface Behaviour {
  readonly pathPattern?: string;
  readonly targetOriginId: string;
  readonly viewerProtocolPolicy: string;
  readonly allowedMethods: readonly string[];
  readonly cachedMethods: readonly string[];
  readonly compress: boolean;
  readonly cachePolicyId: string;
  readonly originRequestPolicyId?: string;
  readonly responseHeadersPolicyId: string;
}

interface Origin {
  readonly originId: string;
  readonly originAccessControlId?: string;
  readonly customOriginConfig?: {
    readonly originProtocolPolicy: string;
    readonly originSslProtocols: readonly string[];
  };
}

interface Distribution {
  readonly defaultCacheBehavior: Behaviour;
  readonly orderedCacheBehaviors: readonly Behaviour[];
  readonly origins: readonly Origin[];
  readonly customErrorResponses: readonly {
    readonly errorCode: number;
    readonly errorCachingMinTtl?: number;
    readonly responsePagePath?: string;
  }[];
  readonly aliases: readonly string[];
  readonly viewerCertificate: { readonly minimumProtocolVersion?: string; readonly sslSupportMethod?: string };
}

export const edge: Judge = (subject, findings) => {
  const { graph, isDev, stage } = subject;
  const all = graph.of(DISTRIBUTION);
  findings.equal(FILE, "the number of distributions", all.length, isDev ? 0 : 1);
  const it = all[0]?.inputs as Distribution | undefined;
  if (!it) return;
  const [api, ...consoles] = [it.defaultCacheBehavior, ...it.orderedCacheBehaviors];
  judgeApi(api, subject, findings);
  findings.equal(
    FILE,
    "paths of the console",
    consoles.map(({ pathPattern }) => pathPattern),
    ["/console", "/console/*"],
  );
  for (const behaviour of consoles) {
    const { pathPattern: path } = behaviour;
    findings.equal(FILE, `${path}: origin`, behaviour.targetOriginId, "console");
    findings.equal(FILE, `${path}: protocol`, behaviour.viewerProtocolPolicy, "redirect-to-https");
    findings.equal(FILE, `${path}: methods`, behaviour.allowedMethods, ["GET", "HEAD"]);
    findings.equal(FILE, `${path}: compression`, behaviour.compress, true);
    findings.equal(FILE, `${path}: cache policy`, behaviour.cachePolicyId, CACHING_OPTIMIZED);
    findings.equal(FILE, `${path}: headers`, behaviour.responseHeadersPolicyId, "ConsoleHeaders-id");
  }

  const kept = it.customErrorResponses.filter(({ errorCachingMinTtl }) => errorCachingMinTtl === 0);
  const codes = (list: typeof kept) => list.map(({ errorCode }) => String(errorCode));
  findings.same(FILE, "refusals that are not kept", codes(kept), KEPT_REFUSALS.map(String));
  // A page in place of a problem document would be no answer of the API.
  findings.equal(
    FILE,
    "refusals that are replaced",
    codes(it.customErrorResponses.filter(({ responsePagePath }) => responsePagePath !== undefined)),
    [],
  );

  const origin = (id: string) => it.origins.find(({ originId }) => originId === id);
  findings.equal(FILE, "the way to the API", origin("api")?.customOriginConfig?.originProtocolPolicy, "https-only");
  findings.equal(FILE, "TLS to the API", origin("api")?.customOriginConfig?.originSslProtocols, ["TLSv1.2"]);
  findings.equal(FILE, "who signs for the bucket", origin("console")?.originAccessControlId, "ConsoleAccess-id");
  const access = graph.inputs("aws:cloudfront/originAccessControl:OriginAccessControl", "ConsoleAccess");
  findings.equal(FILE, "what is signed", access?.signingBehavior, "always");

  // CloudFront sets the version itself where the domain is its own.
  const domain = saidFor(stage, "FIRSTCOME_DOMAIN");
  findings.equal(FILE, "names", it.aliases, domain === "" ? [] : [domain]);
  findings.equal(
    FILE,
    "the oldest TLS",
    it.viewerCertificate.minimumProtocolVersion,
    domain === "" ? undefined : "TLSv1.2_2021",
  );
  judgeHeaders(graph, stage, findings);
  judgeEntry(graph, findings);
};

function judgeApi(api: Behaviour, { root, graph }: Subject, findings: Findings): void {
  findings.equal(FILE, "API: origin", api.targetOriginId, "api");
  findings.equal(FILE, "API: protocol", api.viewerProtocolPolicy, "https-only");
  findings.equal(FILE, "API: what may be kept", api.cachedMethods, ["GET", "HEAD"]);
  findings.equal(FILE, "API: compression", api.compress, true);
  findings.equal(FILE, "API: what reaches it", api.originRequestPolicyId, ALL_VIEWER_EXCEPT_HOST);
  const methods = new Set(api.allowedMethods);
  for (const { contract } of routes)
    findings.that(FILE, methods.has(contract.method), `API: ${contract.method} is stopped.`);

  const policy = graph.inputs("aws:cloudfront/cachePolicy:CachePolicy", "ApiCache") ?? {};
  findings.equal(FILE, "API: cache policy", api.cachePolicyId, "ApiCache-id");
  findings.equal(FILE, "API: kept at least, seconds", policy.minTtl, 0);
  findings.equal(FILE, "API: kept without a word, seconds", policy.defaultTtl, 0);
  findings.that(FILE, Number(policy.maxTtl) <= 60, `API: kept for ${policy.maxTtl} s; a minute is the most.`);
  const key = (policy.parametersInCacheKeyAndForwardedToOrigin ?? {}) as {
    readonly headersConfig?: { readonly headers?: { readonly items?: readonly string[] } };
    readonly queryStringsConfig?: { readonly queryStringBehavior?: string };
    readonly enableAcceptEncodingGzip?: boolean;
    readonly enableAcceptEncodingBrotli?: boolean;
  };
  const inKey = key.headersConfig?.headers?.items ?? [];
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
  findings.equal(FILE, "API: query strings in the key", key.queryStringsConfig?.queryStringBehavior, "all");
  findings.that(
    FILE,
    key.enableAcceptEncodingGzip === true && key.enableAcceptEncodingBrotli === true,
    "API: compressed answers are not kept.",
  );

  // What may be kept is said by the functions. Only what is for anyone may be, and nothing that changes something.
  for (const { file, contract } of routes) {
    const says = /["'`]cache-control["'`]:\s*["'`]([^"'`]*)/.exec(
      readFileSync(join(root, `functions/${file}.ts`), "utf8"),
    );
    if (!says) continue;
    findings.that(
      `functions/${file}.ts`,
      contract.who === "anyone" && contract.method === "GET",
      `lets caches keep "${says[1]}" what is for ${contract.who}.`,
    );
  }
}

/** What browsers are told. */
function judgeHeaders(graph: Graph, stage: string, findings: Findings): void {
  const told = (name: string) => {
    const inputs = graph.inputs(HEADERS, name) as { securityHeadersConfig?: Record<string, Told> } | undefined;
    return inputs?.securityHeadersConfig ?? {};
  };
  for (const name of ["ApiHeaders", "ConsoleHeaders"]) {
    const { strictTransportSecurity, contentTypeOptions } = told(name);
    const seconds = Number(strictTransportSecurity?.accessControlMaxAgeSec);
    findings.that(FILE, seconds >= 31_536_000, `${name}: HTTPS only is said for ${seconds} s; a year is the least.`);
    findings.equal(FILE, `${name}: nosniff`, contentTypeOptions?.override, true);
  }
  const { contentSecurityPolicy, referrerPolicy } = told("ConsoleHeaders");
  findings.equal(FILE, "referrer", referrerPolicy?.referrerPolicy, "no-referrer");
  findings.equal(FILE, "the console's policy is its own", contentSecurityPolicy?.override, true);
  judgePolicy(String(contentSecurityPolicy?.contentSecurityPolicy), stage, findings);
}

interface Told {
  readonly override?: boolean;
  readonly accessControlMaxAgeSec?: number;
  readonly referrerPolicy?: string;
  readonly contentSecurityPolicy?: string;
}

function judgePolicy(text: string, stage: string, findings: Findings): void {
  const file = "infra/console-answers.ts";
  const policy = new Map(
    text.split(";").map((part) => {
      const [name = "", ...sources] = part.trim().split(/\s+/);
      return [name, sources.join(" ")];
    }),
  );
  findings.that(file, !/unsafe-|\*|http:/.test(text), `the console may load what it should not: ${text}`);
  for (const [name, sources] of Object.entries({
    "default-src": "'self'",
    "object-src": "'none'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
    "form-action": "'self'",
  }))
    findings.equal(file, name, policy.get(name), sources);
  const connects = ["'self'", new URL(ISSUER).origin, saidFor(stage, "FIRSTCOME_CONSOLE_CONNECTS")];
  findings.equal(file, "whom the console asks", policy.get("connect-src"), connects.filter(Boolean).join(" "));
}

/** Runs what stands at the console's entry, as CloudFront would. */
function judgeEntry(graph: Graph, findings: Findings): void {
  const file = "infra/console-answers.ts";
  const inputs = graph.inputs("aws:cloudfront/function:Function", "ConsoleEntry") ?? {};
  findings.equal(FILE, "language of the entry", inputs.runtime, "cloudfront-js-2.0");
  const answer = (uri: string) =>
    runInNewContext(`${inputs.code}; JSON.stringify(handler({ request: { uri: ${JSON.stringify(uri)} } }))`) as string;
  findings.that(file, answer("/console").includes('"value":"/console/"'), "/console does not lead to /console/.");
  findings.equal(file, "the page's file", JSON.parse(answer("/console/")), { uri: "/console/index.html" });
  findings.equal(file, "another file", JSON.parse(answer("/console/a.js")), { uri: "/console/a.js" });
}
