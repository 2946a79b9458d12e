import * as z from "zod/mini";
import en from "zod/v4/locales/en.js";
import { limits } from "../../core/limits.ts";
import type { Trace } from "../../core/trace.ts";
import type { Refusal } from "../../core/words.ts";

// Without a locale zod/mini says only "Invalid input".
z.config(en());

/** The part of API Gateway's HTTP API event (payload format 2.0) that is read here. */
export interface ProxyEvent {
  readonly routeKey: string;
  readonly rawPath: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly pathParameters?: Readonly<Record<string, string | undefined>>;
  readonly queryStringParameters?: Readonly<Record<string, string | undefined>>;
  readonly body?: string;
  readonly isBase64Encoded: boolean;
  readonly requestContext: {
    readonly requestId: string;
    readonly http: { readonly method: string; readonly path: string };
    readonly authorizer?: { readonly jwt?: { readonly claims: Readonly<Record<string, unknown>> } };
  };
}

/** Who asks: only ever from the verified token. */
export interface Caller {
  readonly userId: string;
  readonly scopes: ReadonlySet<string>;
}

export interface FieldIssue {
  readonly in: "path" | "query" | "header" | "body";
  readonly path: string;
  readonly message: string;
}

export function invalid(issues: readonly FieldIssue[]): Refusal {
  const [first] = issues;
  const more = issues.length > 1 ? `, and ${issues.length - 1} more` : "";
  const where = first ? `${first.in}${first.path ? ` ${first.path}` : ""}: ${first.message}${more}` : "unreadable";
  return { word: "invalid", detail: `The request does not fit: ${where}.`, facts: { issues } };
}

/** Reads one part of a request by its schema. @returns the value, or an issue for each field that does not fit */
export function readPart<S extends z.ZodMiniType>(
  schema: S,
  raw: unknown,
  place: FieldIssue["in"],
): { value: z.output<S> } | { issues: FieldIssue[] } {
  const parsed = z.safeParse(schema, raw);
  if (parsed.success) return { value: parsed.data };
  const issues = parsed.error.issues.flatMap((issue): FieldIssue[] => {
    const path = issue.path.map(String);
    if (issue.code !== "unrecognized_keys") return [{ in: place, path: path.join("."), message: issue.message }];
    return issue.keys.map((key) => ({
      in: place,
      path: [...path, key.slice(0, limits.nameLength)].join("."),
      message: "This field is not known",
    }));
  });
  return { issues: issues.slice(0, 100) };
}

/**
 * The request's body as JSON.
 * @returns undefined for an empty body, a refusal for one that is too large or is not JSON in UTF-8
 */
export function readJson(event: ProxyEvent): { json: unknown } | Refusal {
  const text = event.body ?? "";
  const bytes = Buffer.from(text, event.isBase64Encoded ? "base64" : "utf8");
  if (bytes.length > limits.bodyBytes) {
    return { word: "too-large", detail: `A body may have ${limits.bodyBytes} bytes; this one has ${bytes.length}.` };
  }
  if (bytes.length === 0) return { json: undefined };
  try {
    return { json: JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as unknown };
  } catch {
    return invalid([{ in: "body", path: "", message: "This is not JSON in UTF-8" }]);
  }
}

/** The caller of a verified token, or undefined when there is none or it names nobody. */
export function readCaller(event: ProxyEvent): Caller | undefined {
  const claims = event.requestContext.authorizer?.jwt?.claims;
  const userId = claims?.sub;
  // Half a surrogate pair has no bytes of its own: two such users would meet in one holder.
  if (
    typeof userId !== "string" ||
    userId.length === 0 ||
    userId.length > limits.userIdLength ||
    !userId.isWellFormed()
  ) {
    return undefined;
  }
  const scope = typeof claims?.scope === "string" ? claims.scope : "";
  return { userId, scopes: new Set(scope.split(" ").filter(Boolean)) };
}

/** W3C Trace Context, version 00: four fields of hexadecimal digits. Neither id may be all zeros. */
const TRACEPARENT = /^00-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}$/;

/** The request's trace. A `traceparent` that is none is passed over, as the standard has it: it is nobody's reason to be refused. */
export function readTrace({ headers, requestContext: { requestId } }: ProxyEvent): Trace {
  const { traceparent = "" } = headers;
  return TRACEPARENT.test(traceparent) ? { requestId, traceparent } : { requestId };
}

/** A caller as the verbs on coupons take it. */
export const askerOf = (caller: Caller) => ({ userId: caller.userId, operator: caller.scopes.has("operator") });
