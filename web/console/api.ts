import type * as z from "zod/mini";
import type { RefusalWord } from "../../core/words.ts";
import type { Contract } from "../../functions/contract/contract.ts";
import { heard, unheard } from "./connection.ts";

/** The console's one way to the API, typed by the API's own contracts; of those only the types get into the page. */

/** The API refused: its problem document (RFC 9457). */
export class Problem extends Error {
  readonly status: number;
  /** One of the API's closed set of words; `throttled` or another where something before the API answered by itself. */
  readonly code: RefusalWord;
  readonly requestId: string | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly issues: readonly Issue[];

  constructor(status: number, document: Partial<ProblemDocument>, retryAfter: string | null) {
    super(document.detail ?? document.title ?? `HTTP ${status}`);
    this.name = "Problem";
    this.status = status;
    this.code = document.code ?? (status === 401 ? "unauthorized" : status === 429 ? "throttled" : "unavailable");
    this.requestId = document.requestId;
    this.retryAfterSeconds = secondsOf(retryAfter);
    this.issues = document.issues ?? [];
  }
}

export interface Issue {
  readonly in: string;
  readonly path: string;
  readonly message: string;
}

/** The seconds of a `Retry-After`, which may be a time as well (RFC 9110). */
function secondsOf(retryAfter: string | null): number | undefined {
  if (retryAfter === null || retryAfter.trim() === "") return undefined;
  const seconds = /^\s*\d+\s*$/.test(retryAfter) ? Number(retryAfter) : (Date.parse(retryAfter) - Date.now()) / 1_000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined;
}

interface ProblemDocument {
  readonly title: string;
  readonly detail: string;
  readonly code: RefusalWord;
  readonly requestId: string;
  readonly issues: readonly Issue[];
}

/** No answer came: the network, the server, or the time. What was asked for may have happened all the same. */
export class Unreachable extends Error {
  /** Whether something was to be done, and not only to be read. */
  readonly mayHaveHappened: boolean;

  constructor(cause: unknown, mayHaveHappened = false) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.name = "Unreachable";
    this.mayHaveHappened = mayHaveHappened;
  }
}

/** Whoever waits for a document for more than ten seconds wants to hear why, in milliseconds. */
const PATIENCE_MS = 10_000;
/** What is done goes on until it is done, or until API Gateway gives up after 30 s and says so. */
const ACTION_PATIENCE_MS = 31_000;

/** What a contract answers with, whichever success it is. */
export type AnswerOf<C extends Contract> = z.output<
  NonNullable<C["answers"][keyof C["answers"]]> extends infer S extends z.ZodMiniType ? S : never
>;

export interface Ask {
  readonly token?: string | undefined;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** How long an answer is waited for, in milliseconds; by default as long as the API may take. */
  readonly patienceMs?: number;
}

/** What a header can carry. All else would never be sent, and is no token of anybody. */
export const isTokenLike = (text: string): boolean => /^[\x21-\x7e]+$/.test(text);

/** Seconds. Public documents are kept for one; what is much older is a copy that the edge gives while the API fails. */
const AGE_MOST = 5;

/**
 * Asks the API.
 *
 * @param path from the API's root, such as `/campaigns?limit=50`
 * @throws {Problem} it refused
 * @throws {Unreachable} it did not answer
 */
export async function ask<T>(method: Contract["method"], path: string, asked: Ask = {}): Promise<T> {
  return (await hear<T>(method, path, asked)).body;
}

/** Asks, where successes are told apart by their status: 201 and 202 are not the same promise. */
export async function hear<T>(
  method: Contract["method"],
  path: string,
  asked: Ask = {},
): Promise<{ readonly status: number; readonly body: T }> {
  const { token, body, headers, signal } = asked;
  if (token && !isTokenLike(token)) throw new Problem(401, { detail: "This is no token." }, null);
  const isAction = method !== "GET";
  const timeout = AbortSignal.timeout(asked.patienceMs ?? (isAction ? ACTION_PATIENCE_MS : PATIENCE_MS));
  const askedAt = performance.now();
  let response: Response;
  let text: string;
  try {
    response = await fetch(path, {
      method,
      headers: {
        ...(token ? { authorization: `Bearer ${token}` } : {}),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      // The console shows what is; what a cache knows is up to a second old.
      cache: "no-store",
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    text = await response.text();
  } catch (error) {
    // Whoever has stopped waiting has learned nothing of the API; nor have the console's own files, which come from elsewhere.
    if (!signal?.aborted && isApi(path)) unheard(askedAt);
    throw new Unreachable(error, isAction);
  }
  const age = Number(response.headers.get("age") ?? 0);
  if (age > AGE_MOST) throw new Unreachable(`only a copy came, ${age} s old`);
  const json = parse(text);
  // No answer of this API, though of something between: a proxy, or a network that wants to be signed in to.
  if (response.ok && response.status !== 204 && json === undefined) {
    throw new Unreachable("what came is no JSON", isAction);
  }
  if (isApi(path)) heard();
  // The health document says with 503 what is wrong: that is its answer and no refusal.
  const isProblem = response.headers.get("content-type")?.startsWith("application/problem+json");
  if (response.ok || (json !== undefined && !isProblem && path === "/health"))
    return { status: response.status, body: json as T };
  throw new Problem(response.status, (json ?? {}) as Partial<ProblemDocument>, response.headers.get("retry-after"));
}

const isApi = (path: string): boolean => path.startsWith("/");

function parse(text: string): unknown {
  try {
    return text === "" ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}
