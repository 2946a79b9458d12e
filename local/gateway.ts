import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { Refusal } from "../core/words.ts";
import { type ProxyResult, problem } from "../functions/http/answer.ts";
import { invalid, type ProxyEvent } from "../functions/http/request.ts";
import { fallbackFile, type Route } from "../functions/routes.ts";
import { functionSeconds, gateway as gatewayLimits } from "../infra/settings.ts";
import type { Lambdas } from "./lambda.ts";
import type { Claims, Tokens } from "./tokens.ts";

/**
 * API Gateway's HTTP API for the laptop: HTTP becomes an event of payload format 2.0, a JWT authorizer stands before every
 * route that is not public, payload and integration time are bounded.
 *
 * One difference on purpose: where AWS answers by itself (401, 413, 503), it says `{"message": …}`; this one answers with the
 * contract's problem documents.
 */

/** An answer of a local route; its body may be bytes. */
export type LocalResult = ProxyResult & { readonly isBase64Encoded?: boolean };

export interface GatewayOptions {
  readonly routes: readonly Route[];
  readonly lambdas: Lambdas;
  readonly tokens: Tokens;
  /** Routes of the local stack alone. @returns undefined when the path is none of them */
  readonly local: (
    request: IncomingMessage,
    path: string,
    body: () => Promise<Buffer>,
  ) => Promise<LocalResult | undefined>;
}

interface Compiled {
  readonly routeKey: string;
  readonly method: string;
  readonly pattern: RegExp;
  readonly names: readonly string[];
  readonly literals: number;
  readonly file: string;
  readonly open: boolean;
}

function compile({ contract, file }: Route): Compiled {
  const names = [...contract.path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name);
  return {
    routeKey: `${contract.method} ${contract.path}`,
    method: contract.method,
    pattern: new RegExp(`^${contract.path.replaceAll(/\{\w+\}/g, "([^/]+)")}$`),
    names,
    literals: contract.path.split("/").length - names.length,
    file,
    open: contract.who === "anyone",
  };
}

const TEXT = /^(text\/|application\/(.*\+)?(json|javascript|xml|x-www-form-urlencoded))/i;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** The time as API Gateway writes it: `22/Nov/2026:10:15:30 +0000`. */
function logTime(time: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${two(time.getUTCDate())}/${MONTHS[time.getUTCMonth()]}/${time.getUTCFullYear()}`;
  return `${day}:${two(time.getUTCHours())}:${two(time.getUTCMinutes())}:${two(time.getUTCSeconds())} +0000`;
}

/** Values of one name are joined with a comma, as the payload format says. */
function joined(entries: Iterable<readonly [string, string]>): Record<string, string> {
  const out = new Map<string, string>();
  for (const [name, value] of entries) {
    const before = out.get(name);
    out.set(name, before === undefined ? value : `${before},${value}`);
  }
  return Object.fromEntries(out);
}

/** Makes the event. `parameters` are the path's, decoded. */
export function toEvent(
  request: IncomingMessage,
  body: Buffer,
  match: { routeKey: string; parameters: Readonly<Record<string, string>>; claims?: Claims | undefined },
  requestId: string,
): ProxyEvent {
  const [path = "/", queryText = ""] = split(request.url ?? "/");
  const headers: Record<string, string> = {};
  for (const [name, values] of Object.entries(request.headersDistinct)) {
    if (name !== "cookie" && values) headers[name] = values.join(",");
  }
  const cookies = request.headersDistinct.cookie?.flatMap((line) => line.split(/; */));
  // Bytes that are no UTF-8 would not survive as text.
  const isText =
    TEXT.test(request.headers["content-type"] ?? "text/plain") && body.equals(Buffer.from(body.toString("utf8")));
  const method = request.method ?? "GET";
  const now = new Date();
  const { claims, parameters, routeKey } = match;
  const event = {
    version: "2.0",
    routeKey,
    rawPath: path,
    rawQueryString: queryText,
    ...(cookies ? { cookies } : {}),
    headers,
    ...(queryText ? { queryStringParameters: joined(new URLSearchParams(queryText)) } : {}),
    ...(Object.keys(parameters).length > 0 ? { pathParameters: parameters } : {}),
    requestContext: {
      accountId: "000000000000",
      apiId: "local",
      ...(claims ? { authorizer: { jwt: { claims, scopes: null } } } : {}),
      domainName: request.headers.host ?? "127.0.0.1",
      domainPrefix: "local",
      http: {
        method,
        path,
        protocol: `HTTP/${request.httpVersion}`,
        sourceIp: request.socket.remoteAddress ?? "127.0.0.1",
        userAgent: request.headers["user-agent"] ?? "",
      },
      requestId,
      routeKey,
      stage: "$default",
      time: logTime(now),
      timeEpoch: now.getTime(),
    },
    ...(body.length > 0 ? { body: body.toString(isText ? "utf8" : "base64") } : {}),
    isBase64Encoded: body.length > 0 && !isText,
  };
  return event;
}

function split(url: string): [string, string] {
  const at = url.indexOf("?");
  return at < 0 ? [url, ""] : [url.slice(0, at), url.slice(at + 1)];
}

function decodeParameters(names: readonly string[], match: RegExpExecArray): Record<string, string> | undefined {
  try {
    return Object.fromEntries(names.map((name, i) => [name, decodeURIComponent(match[i + 1] ?? "")]));
  } catch {
    return undefined;
  }
}

const TOO_LARGE: Refusal = { word: "too-large", detail: `A request may have ${gatewayLimits.payloadBytes} bytes.` };
const TIMED_OUT: Refusal = {
  word: "unavailable",
  detail: "The function behind this route did not answer.",
  retryAfterMs: 1_000,
};

class TooLarge extends Error {}

function readBody(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    request.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length > gatewayLimits.payloadBytes) {
        request.pause();
        reject(new TooLarge());
      } else chunks.push(chunk);
    });
    request.on("end", () => resolve(Buffer.concat(chunks)));
    request.on("error", reject);
  });
}

function write(
  response: ServerResponse,
  result: ProxyResult & { cookies?: string[]; isBase64Encoded?: boolean },
): void {
  if (response.destroyed) return;
  const body = Buffer.from(result.body ?? "", result.isBase64Encoded ? "base64" : "utf8");
  response.writeHead(result.statusCode, {
    ...result.headers,
    ...(result.cookies ? { "set-cookie": result.cookies } : {}),
    "content-length": body.length,
  });
  response.end(response.req.method === "HEAD" ? undefined : body);
}

/** Answers what never became a request, and ends the connection. */
function refuseRaw(socket: Duplex, refusal: Refusal): void {
  const { statusCode, headers, body } = problem(refusal, randomUUID(), 0);
  const lines = Object.entries({ ...headers, connection: "close", "content-length": Buffer.byteLength(body) });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  socket.end(`HTTP/1.1 ${statusCode} ${STATUS_CODES[statusCode]}\r\n${head}\r\n${body}`);
}

const invalidHeader = (path: string, message: string) => invalid([{ in: "header", path, message }]);

/** Makes the server; the caller lets it listen. */
export function gatewayServer(options: GatewayOptions): Server {
  // The more literal a path, the earlier it is tried: `/coupons/me` before `/coupons/{id}`.
  const routes = options.routes.map(compile).sort((a, b) => b.literals - a.literals);

  const authorize = async (request: IncomingMessage): Promise<Claims | undefined> => {
    const [, token] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "") ?? [];
    return token === undefined ? undefined : options.tokens.verify(token);
  };

  const serve = async (request: IncomingMessage, requestId: string): Promise<LocalResult> => {
    const [path] = split(request.url ?? "/");
    if (request.httpVersion === "1.1" && request.headers.host === undefined)
      return problem(invalidHeader("host", "A request must name its host"), requestId, 0);
    const own = await options.local(request, path, () => readBody(request));
    if (own) return own;

    const method = request.method ?? "GET";
    for (const route of routes) {
      const match = route.method === method ? route.pattern.exec(path) : null;
      if (!match) continue;
      const parameters = decodeParameters(route.names, match);
      if (!parameters)
        return problem(invalid([{ in: "path", path: "", message: "Broken percent encoding" }]), requestId, 0);
      const claims = route.open ? undefined : await authorize(request);
      if (!route.open && !claims) {
        request.resume();
        return problem({ word: "unauthorized", detail: "This route needs a valid bearer token." }, requestId, 0);
      }
      const event = toEvent(
        request,
        await readBody(request),
        { routeKey: route.routeKey, parameters, claims },
        requestId,
      );
      return (await options.lambdas.invoke(route.file, event)) as ProxyResult;
    }
    const event = toEvent(request, await readBody(request), { routeKey: "$default", parameters: {} }, requestId);
    return (await options.lambdas.invoke(fallbackFile, event)) as ProxyResult;
  };

  // Node would answer a request without a host by itself, without a body.
  const server = createServer({ requireHostHeader: false }, async (request, response) => {
    const requestId = randomUUID();
    try {
      write(response, await serve(request, requestId));
    } catch (error) {
      if (error instanceof TooLarge) {
        response.shouldKeepAlive = false;
        write(response, problem(TOO_LARGE, requestId, 0));
        // The rest of the body is not wanted; give the answer a moment to leave before the connection goes.
        request.resume();
        return;
      }
      if (request.destroyed && !request.complete) return;
      console.log(JSON.stringify({ event: "gateway", requestId, error: String(error) }));
      const timedOut = error instanceof Error && error.name === "FunctionTimeout";
      const refusal: Refusal = timedOut
        ? TIMED_OUT
        : { word: "internal", detail: `A fault on our side, on record as request ${requestId}.` };
      write(response, problem(refusal, requestId, Math.random()));
    }
  });
  server.requestTimeout = gatewayLimits.integrationSeconds * 1_000;
  server.keepAliveTimeout = 60_000;
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    if (!socket.writable) return socket.destroy();
    const tooLong = error.code === "HPE_HEADER_OVERFLOW";
    refuseRaw(
      socket,
      tooLong
        ? { word: "too-large", detail: "The request's headers are too large." }
        : invalidHeader("", "This is not HTTP"),
    );
    return undefined;
  });
  server.on("connect", (_, socket) => refuseRaw(socket, invalidHeader("", "This is no proxy")));
  server.on("checkExpectation", (_, response) => {
    write(response, problem(invalidHeader("expect", "Only 100-continue can be expected"), randomUUID(), 0));
  });
  return server;
}

/** A function behind the gateway is ended by its own timeout before the gateway gives up on it. */
if (functionSeconds.api > gatewayLimits.integrationSeconds)
  throw new Error("functions must end before the gateway gives up");
