import { problem } from "./http/answer.ts";
import type { ProxyEvent } from "./http/request.ts";
import { routes } from "./routes.ts";

const patterns = routes.map(({ contract }) => ({
  method: contract.method,
  pattern: new RegExp(`^${contract.path.replaceAll(/\{\w+\}/g, "[^/]+")}$`),
}));

/** The gateway's default route: tells a path that does not exist from one that has other methods. */
export async function handler(event: ProxyEvent) {
  const { requestId, http } = event.requestContext;
  const methods = patterns.filter(({ pattern }) => pattern.test(event.rawPath)).map(({ method }) => method);
  if (methods.length === 0) {
    return problem({ word: "unknown", detail: "There is no such route; see /openapi.json." }, requestId, 0);
  }
  const allow = [...new Set(methods)].sort().join(", ");
  const detail = `This path takes ${allow}, not ${http.method.slice(0, 20)}.`;
  return problem({ word: "method-not-allowed", detail }, requestId, 0, { allow });
}
