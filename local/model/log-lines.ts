/**
 * Lines of the log as they come in an event, for their length. CloudWatch bills by the byte (what it may add of its own for each line
 * is not counted). Those that our functions write are held against what they do write by tests/load-model.test.ts.
 */

const requestId = "fXbVKhSqoE0EJnQ=";
const invocationId = "0b9c6a58-6f6e-4ad8-9a0e-3a1d2f8f0d7c";
const route = "POST /campaigns/{campaignId}/coupons";

/** As SST's ApiGatewayV2 has API Gateway write it (`accessLogSettings` in its apigatewayv2.ts). */
function gatewayLine(status: number, ms: number, integration: Readonly<Record<string, string>>): string {
  return JSON.stringify({
    requestTime: "24/Nov/2026:02:00:00 +0000",
    requestId,
    httpMethod: "POST",
    path: "/campaigns/spring-sale-2026/coupons",
    routeKey: route,
    ...{ status, responseLatency: ms },
    ...integration,
    ip: "130.176.132.71",
    // The edge passes on what the browser says of itself.
    userAgent:
      "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
  });
}

const passed = {
  integrationRequestId: invocationId,
  ...{ integrationStatus: "201", integrationLatency: "55", integrationServiceStatus: "200" },
};
const nothing = "-";
const refused = {
  integrationRequestId: nothing,
  ...{ integrationStatus: nothing, integrationLatency: nothing, integrationServiceStatus: nothing },
};
const spans = { n: 67, sumMs: 1000.2, p50Ms: 13.5, p95Ms: 32, p99Ms: 32, maxMs: 34.5 };
const metric = { Name: "Answers", Unit: "Count", StorageResolution: 1 };

export const LINES = {
  /** API Gateway's, of a request that reached a function, and of one that it refused. */
  passed: gatewayLine(201, 58, passed),
  refused: gatewayLine(429, 0, refused),
  /** Lambda's own three of each invocation, as https://docs.aws.amazon.com/lambda/latest/operatorguide/log-structure.html names them. */
  invocation: [
    `START RequestId: ${invocationId} Version: 12\n`,
    `END RequestId: ${invocationId}\n`,
    `REPORT RequestId: ${invocationId}\tDuration: 54.27 ms\tBilled Duration: 55 ms\tMemory Size: 1024 MB\tMax Memory Used: 118 MB\t\n`,
  ].join(""),
  /** The function's, of an answer that is not an everyday one: a coupon, a ticket. */
  request: JSON.stringify({
    event: "request",
    route,
    requestId,
    word: "issued",
    ...{ status: 201, ms: 54, redisMs: 1.3, queueMs: 48.9 },
  }),
  /** A container's, of one word and second, and of where its time went. */
  answers: JSON.stringify({
    _aws: {
      Timestamp: 1_795_532_400_000,
      CloudWatchMetrics: [{ Namespace: "firstcome", Dimensions: [["campaignId", "word"]], Metrics: [metric] }],
    },
    ...{ campaignId: "spring-sale-2026", word: "sold-out", Answers: 123 },
  }),
  spans: JSON.stringify({
    event: "spans",
    function: "firstcome-production-issue-coupon",
    ...{ from: "2026-11-24T02:00:00.000Z", to: "2026-11-24T02:00:01.000Z" },
    ...{ handler: spans, redis: spans, queue: spans, ownMs: 447.5, cpuMs: 300.1, loop: 0.4 },
  }),
} as const;

export const bytesOf = (line: string) => Buffer.byteLength(line);
