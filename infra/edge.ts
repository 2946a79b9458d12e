import { api } from "./api.ts";
import { consoleBucket } from "./console.ts";
import { consoleEntry, contentSecurityPolicy, originOf } from "./console-answers.ts";
import { deployed, named } from "./deployed.ts";
import { gateway } from "./settings.ts";

/**
 * The edge: one CloudFront distribution before the API and the console, so that both have one origin (a page of the console asks
 * the API without CORS) and the public documents are kept where the crowd is. It costs nothing without traffic. Every deployed
 * stage has it, one's own as well: what it changes (caches, headers, addresses) should not be met in production for the first
 * time, and the minutes that it takes to come up are less than ElastiCache's, beside which it does. `sst dev` has none.
 *
 * What it keeps is said by the functions alone (`Cache-Control`): the documents of a campaign, a room and a product for a second,
 * a board's top for a second and for five more while the next one is fetched, the OpenAPI document longer. Without such a word nothing is kept (`no-store` is what functions/http/
 * says of everything else), and the policy's times do not change that: 0 at least, 0 by default.
 *
 * CloudFront makes one request of several for the same key that arrive while the first is under way, which is what a crowd in
 * the same second needs. Not for answers that say `no-store` where the least time is 0: those are personal, and each person
 * gets their own (docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/RequestAndResponseBehaviorCustomOrigin.html,
 * "Simultaneous requests for the same object (request collapsing)"). POST, PUT, PATCH and DELETE are never made one.
 *
 * Left out: a web application firewall and rules by address, standard logs (the API's access log has what reached it), an
 * origin shield, and a secret between edge and API. The API's own address works as well, under the same limits and tokens.
 */

const { owner } = deployed;

/** Seconds. The longest that a public document may be served late: a board's top, when its function fails. */
const KEPT_MOST_SECONDS = 60;

/**
 * What makes two requests the same one. `Authorization`, so that an answer to one person can never be given to another, even if
 * a function forgot to say `no-store`; a page that asks for a public document should therefore leave its token out. `Origin`,
 * because the API's answer names the origin that may read it, and an answer without would be of no use to a page that has one.
 *
 * It is no protection: whoever sends a query, a token or an origin of their own with each request misses the cache with each.
 * The API's limits bound that (docs/deploy.md, "The edge").
 */
const apiCache = new aws.cloudfront.CachePolicy("ApiCache", {
  comment: `${named("api")}: what the functions allow, for a minute at most`,
  minTtl: 0,
  defaultTtl: 0,
  maxTtl: KEPT_MOST_SECONDS,
  parametersInCacheKeyAndForwardedToOrigin: {
    headersConfig: { headerBehavior: "whitelist", headers: { items: ["Authorization", "Origin"] } },
    queryStringsConfig: { queryStringBehavior: "all" },
    // No function reads one.
    cookiesConfig: { cookieBehavior: "none" },
    enableAcceptEncodingGzip: true,
    enableAcceptEncodingBrotli: true,
  },
});

/**
 * AWS's own policies (docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html and
 * …/using-managed-origin-request-policies.html). All headers but `Host` reach the API: Idempotency-Key, Waiting-Room-Pass and
 * -Ticket, traceparent. API Gateway knows itself only by its own host.
 */
const ALL_VIEWER_EXCEPT_HOST = "b689b0a8-53d0-40ab-baf2-68738e2966ac";
const CACHING_OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6";

/** Two years, which is what browsers' own lists ask for. */
const strictTransportSecurity = { accessControlMaxAgeSec: 63_072_000, includeSubdomains: false, override: true };

const apiHeaders = new aws.cloudfront.ResponseHeadersPolicy("ApiHeaders", {
  comment: `${named("api")}: HTTPS only, no guessing of types`,
  securityHeadersConfig: { strictTransportSecurity, contentTypeOptions: { override: true } },
});

const consoleHeaders = new aws.cloudfront.ResponseHeadersPolicy("ConsoleHeaders", {
  comment: `${named("console")}: loads and asks nothing but itself, and the issuer`,
  securityHeadersConfig: {
    strictTransportSecurity,
    contentTypeOptions: { override: true },
    referrerPolicy: { referrerPolicy: "no-referrer", override: true },
    contentSecurityPolicy: {
      contentSecurityPolicy: contentSecurityPolicy([originOf(owner.issuer), ...owner.consoleConnects]),
      override: true,
    },
  },
});

const entry = new aws.cloudfront.Function("ConsoleEntry", {
  comment: `${named("console")}: /console is /console/`,
  runtime: "cloudfront-js-2.0",
  code: consoleEntry,
});

const access = new aws.cloudfront.OriginAccessControl("ConsoleAccess", {
  description: `${named("console")}: the edge signs what it asks the bucket`,
  originAccessControlOriginType: "s3",
  signingBehavior: "always",
  signingProtocol: "sigv4",
});

/**
 * Everything that CloudFront can be told of (…/DeveloperGuide/HTTPStatusCodes.html). It keeps refusals for ten seconds unless it
 * is told otherwise, whatever their `Cache-Control` says, and a coupon that was not there a second ago is there now. Where a
 * function fails (5xx) and an old answer is still at hand, CloudFront goes on giving that one; `serverTime` tells its age.
 * What CloudFront says itself (502, 504, 403, 400) is HTML: a page in its place would stand in the functions' place as well.
 */
const REFUSALS = [400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504];

const consolePaths = {
  targetOriginId: "console",
  viewerProtocolPolicy: "redirect-to-https",
  allowedMethods: ["GET", "HEAD"],
  cachedMethods: ["GET", "HEAD"],
  compress: true,
  cachePolicyId: CACHING_OPTIMIZED,
  responseHeadersPolicyId: consoleHeaders.id,
  functionAssociations: [{ eventType: "viewer-request", functionArn: entry.arn }],
};

function domainOf({ domain, certificate }: typeof owner) {
  if (domain === "") return {};
  // With a certificate of the owner's own the name is theirs to point here; otherwise both are made in Route 53.
  return { domain: certificate === "" ? { name: domain } : { name: domain, dns: false as const, cert: certificate } };
}

const distribution = new sst.aws.Cdn("Edge", {
  comment: named("edge"),
  ...domainOf(owner),
  origins: [
    {
      originId: "api",
      domainName: api.url.apply((url) => new URL(url).host),
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
      domainName: consoleBucket.bucketRegionalDomainName,
      originAccessControlId: access.id,
    },
  ],
  defaultCacheBehavior: {
    targetOriginId: "api",
    // Not a redirect: whoever sends a token in the clear should hear of it.
    viewerProtocolPolicy: "https-only",
    allowedMethods: ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"],
    cachedMethods: ["GET", "HEAD"],
    compress: true,
    cachePolicyId: apiCache.id,
    originRequestPolicyId: ALL_VIEWER_EXCEPT_HOST,
    responseHeadersPolicyId: apiHeaders.id,
  },
  orderedCacheBehaviors: ["/console", "/console/*"].map((pathPattern) => ({ pathPattern, ...consolePaths })),
  customErrorResponses: REFUSALS.map((errorCode) => ({ errorCode, errorCachingMinTtl: 0 })),
  transform: {
    distribution: (args) => {
      args.httpVersion = "http2and3";
      args.isIpv6Enabled = true;
    },
  },
});

const files = $interpolate`${consoleBucket.arn}/*`;
new aws.s3.BucketPolicy("ConsoleFilesPolicy", {
  bucket: consoleBucket.id,
  policy: aws.iam.getPolicyDocumentOutput({
    statements: [
      {
        // SST's own policy for a bucket behind CloudFront would let every distribution of every account read it.
        principals: [{ type: "Service", identifiers: ["cloudfront.amazonaws.com"] }],
        actions: ["s3:GetObject"],
        resources: [files],
        conditions: [
          { test: "StringEquals", variable: "AWS:SourceArn", values: [distribution.nodes.distribution.arn] },
        ],
      },
      {
        effect: "Deny",
        principals: [{ type: "*", identifiers: ["*"] }],
        actions: ["s3:*"],
        resources: [consoleBucket.arn, files],
        conditions: [{ test: "Bool", variable: "aws:SecureTransport", values: ["false"] }],
      },
    ],
  }).json,
});

export const distributionId = distribution.nodes.distribution.id;

/** What people are given: the owner's domain, or the one that CloudFront makes. */
export const edgeUrl = $util.all([distribution.domainUrl, distribution.url]).apply(([domain, its]) => domain ?? its);
