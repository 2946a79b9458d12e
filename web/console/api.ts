import type * as z from "zod/mini";
import type { RefusalWord } from "../../core/words.ts";
import type { Contract } from "../../functions/contract/contract.ts";

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
    this.retryAfterSeconds = retryAfter === null ? undefined : Number(retryAfter);
    this.issues = document.issues ?? [];
  }
}

export interface Issue {
  readonly in: string;
  readonly path: string;
  readonly message: string;
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
  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.name = "Unreachable";
  }
}

/** API Gateway itself gives up after 30 s; an operator who waits for more than ten wants to hear why. */
const PATIENCE_MS = 10_000;

/** What a contract answers with, whichever success it is. */
export type AnswerOf<C extends Contract> = z.output<
  NonNullable<C["answers"][keyof C["answers"]]> extends infer S extends z.ZodMiniType ? S : never
>;

export interface Ask {
  readonly token?: string | undefined;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

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
  const timeout = AbortSignal.timeout(PATIENCE_MS);
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
    throw new Unreachable(error);
  }
  const age = Number(response.headers.get("age") ?? 0);
  if (age > AGE_MOST) throw new Unreachable(`only a copy came, ${age} s old`);
  const json = parse(text);
  // The health document says with 503 what is wrong: that is its answer and no refusal.
  const isProblem = response.headers.get("content-type")?.startsWith("application/problem+json");
  if (response.ok || (json !== undefined && !isProblem && path === "/health"))
    return { status: response.status, body: json as T };
  throw new Problem(response.status, (json ?? {}) as Partial<ProblemDocument>, response.headers.get("retry-after"));
}

function parse(text: string): unknown {
  try {
    return text === "" ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}
