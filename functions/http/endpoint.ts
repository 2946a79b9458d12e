import middy from "@middy/core";
import type { Context } from "aws-lambda";
import type * as z from "zod/mini";
import { StoreUnavailable } from "../../core/context.ts";
import { limits } from "../../core/limits.ts";
import type { Trace } from "../../core/trace.ts";
import { isRefusal, type Refusal, type Word } from "../../core/words.ts";
import type { Contract } from "../contract/contract.ts";
import { log, metrics } from "../log.ts";
import { spanned, waited } from "../spans/spans.ts";
import { type ProxyResult, problem, type Success, success } from "./answer.ts";
import { counts } from "./counts.ts";
import {
  type Caller,
  type FieldIssue,
  invalid,
  type ProxyEvent,
  readCaller,
  readJson,
  readPart,
  readTrace,
} from "./request.ts";

type Parsed<C extends Contract, K extends "params" | "query" | "headers" | "body"> = C[K] extends z.ZodMiniType
  ? z.output<C[K]>
  : undefined;

/** A request that fits its contract. */
export interface Input<C extends Contract> {
  readonly params: Parsed<C, "params">;
  readonly query: Parsed<C, "query">;
  readonly headers: Parsed<C, "headers">;
  readonly body: Parsed<C, "body">;
  /** Who asks; there is always one unless the contract is open to anyone. */
  readonly caller: C["who"] extends "anyone" ? undefined : Caller;
  readonly trace: Trace;
}

/**
 * Outcomes that come by the hundred thousand in a rush: counted, never a log line each, or a crowd of losers would cost more in logs
 * than in anything else. The gateway's access log has a line of every request all the same, with its id and status.
 */
const QUIET: ReadonlySet<Word> = new Set([
  "replayed",
  "found",
  "sold-out",
  "not-open",
  "closed",
  "limit-reached",
  "unknown",
  "paused",
  "recovering",
  "pass-required",
  "room-full",
  "left",
  "healthy",
]);

const countQuiet = counts((word, times) => metrics({ word }, { QuietAnswers: times }));

/**
 * A route's own count of all its answers, in place of the everyday ones' count.
 * @returns whether it counted this one: not one that cannot be put down to a campaign that exists
 */
export type CountAnswer = (word: Word, campaignId: string | undefined) => boolean;

function refuseCaller(contract: Contract, caller: Caller | undefined): Refusal | undefined {
  if (contract.who === "anyone") return undefined;
  if (!caller) return { word: "unauthorized", detail: "This route needs a valid bearer token." };
  if (contract.who === "shopper" || caller.scopes.has("operator") || caller.scopes.has(contract.who)) return undefined;
  return { word: "forbidden", detail: `This route needs a token with the scope "${contract.who}".` };
}

function readInput<C extends Contract>(contract: C, event: ProxyEvent, caller: Caller | undefined): Input<C> | Refusal {
  const json = contract.body ? readJson(event) : { json: undefined };
  if ("word" in json) return json;
  const issues: FieldIssue[] = [];
  const read = (schema: z.ZodMiniType | undefined, raw: unknown, place: FieldIssue["in"]) => {
    if (!schema) return undefined;
    const part = readPart(schema, raw, place);
    if ("value" in part) return part.value;
    issues.push(...part.issues);
    return undefined;
  };
  const input = {
    params: read(contract.params, event.pathParameters ?? {}, "path"),
    query: read(contract.query, event.queryStringParameters ?? {}, "query"),
    headers: read(contract.headers, event.headers, "header"),
    body: read(contract.body, json.json, "body"),
    caller,
    trace: readTrace(event),
  };
  return issues.length > 0 ? invalid(issues) : (input as Input<C>);
}

function refusalOf(error: unknown, requestId: string): Refusal {
  if (error instanceof StoreUnavailable) {
    return {
      word: "unavailable",
      detail: "A store behind this route is out of reach. The outcome is unclear: asking again is safe.",
      retryAfterMs: limits.retryAfterMs,
    };
  }
  return { word: "internal", detail: `A fault on our side, on record as request ${requestId}.` };
}

/**
 * Makes a Lambda handler of a contract and a verb: lets in who may call, reads the request by its schemas, calls the verb,
 * and answers with JSON or a problem document. A refusal is an ordinary answer; an exception is a bug (500, says only the
 * request id) unless a store was out of reach (503).
 * @param count for a route whose answers are told apart by campaign
 */
export function endpoint<const C extends Contract>(
  contract: C,
  verb: (input: Input<C>) => Promise<Success | Refusal>,
  count?: CountAnswer,
) {
  const handler = middy<ProxyEvent, ProxyResult, Error, Context, { startedAt?: number }>()
    .use({
      before: ({ internal }) => {
        internal.startedAt = performance.now();
      },
      onError: ({ event, error, internal }) => {
        const { requestId } = event.requestContext;
        const refusal = refusalOf(error, requestId);
        if (refusal.word === "internal") log("bug", { requestId, error: stackOf(error) });
        return answered(event, refusal.word, internal.startedAt, problem(refusal, requestId, Math.random()), count);
      },
    })
    .handler(async (event) => {
      const startedAt = performance.now();
      const { requestId } = event.requestContext;
      const caller = readCaller(event);
      const refused = refuseCaller(contract, caller);
      const input = refused ?? readInput(contract, event, caller);
      const result = "word" in input ? input : await verb(input);
      const answer = isRefusal(result) ? problem(result, requestId, Math.random()) : success(result, requestId);
      return answered(event, result.word, startedAt, answer, count);
    });
  return spanned((event: ProxyEvent, context: Context) => handler(event, context));
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Writes the request's line, unless its outcome is an everyday one, and counts it. Never a token, a body or a query. */
function answered(
  event: ProxyEvent,
  word: Word,
  startedAt: number | undefined,
  answer: ProxyResult,
  count: CountAnswer | undefined,
): ProxyResult {
  const isQuiet = QUIET.has(word);
  const isCounted = count?.(word, event.pathParameters?.campaignId) === true;
  if (isQuiet && !isCounted) countQuiet(word);
  if (isQuiet) return answer;
  log("request", {
    route: event.routeKey,
    ...readTrace(event),
    word,
    status: answer.statusCode,
    ...(startedAt === undefined ? {} : { ms: Math.round(performance.now() - startedAt) }),
    ...waited(),
  });
  return answer;
}
