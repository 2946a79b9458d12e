import type { Refusal, RefusalWord, SuccessWord } from "../../core/words.ts";
import { STATUS } from "./status.ts";

/** API Gateway's proxy result, payload format 2.0. */
export interface ProxyResult {
  statusCode: number;
  headers: Record<string, string>;
  body: string;
}

/** A success on its way out. */
export interface Success {
  readonly word: SuccessWord;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

const TITLES: Readonly<Record<RefusalWord, string>> = {
  invalid: "The request does not fit the schema",
  unauthorized: "No valid token",
  forbidden: "The token lacks the scope",
  "pass-required": "A waiting-room pass is needed",
  unknown: "There is no such thing",
  "method-not-allowed": "The route has no such method",
  exists: "Exists with other content",
  "not-open": "Not open yet",
  "sold-out": "Sold out",
  "limit-reached": "Limit reached",
  "room-full": "The waiting room is full",
  conflict: "The change would break a guarantee",
  closed: "Closed",
  "too-large": "The body is too large",
  throttled: "Too many requests",
  internal: "Internal error",
  paused: "Paused",
  recovering: "Being recovered",
  unavailable: "Out of reach",
};

/** A success as JSON; without a body, where there is nothing to say. Answers are personal unless they say otherwise, so caches keep out. */
export function success({ word, body, headers }: Success, requestId: string): ProxyResult {
  return {
    statusCode: STATUS[word],
    headers: {
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      "cache-control": "no-store",
      "x-request-id": requestId,
      ...headers,
    },
    body: body === undefined ? "" : JSON.stringify(body),
  };
}

/** A refusal as a problem document (RFC 9457). `random` (0…1) spreads those who come back over twice the time asked for. */
export function problem(
  refusal: Refusal,
  requestId: string,
  random: number,
  headers: Record<string, string> = {},
): ProxyResult {
  const { word, detail, retryAfterMs, facts } = refusal;
  const retryAfter =
    retryAfterMs === undefined
      ? {}
      : { "retry-after": String(Math.ceil((retryAfterMs * (1 + spread(retryAfterMs, random))) / 1_000)) };
  return {
    statusCode: STATUS[word],
    headers: {
      "content-type": "application/problem+json",
      "cache-control": "no-store",
      "x-request-id": requestId,
      ...(word === "unauthorized" ? { "www-authenticate": "Bearer" } : {}),
      ...retryAfter,
      ...headers,
    },
    body: JSON.stringify({
      type: `https://firstcome.dev/problems/${word}`,
      title: TITLES[word],
      status: STATUS[word],
      code: word,
      detail,
      requestId,
      ...facts,
    }),
  };
}

/** Long waits (an opening time) are spread by five seconds at most, so that nobody is kept from the opening. */
function spread(retryAfterMs: number, random: number): number {
  return random * Math.min(1, 5_000 / retryAfterMs);
}
