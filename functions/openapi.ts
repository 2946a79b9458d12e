import { showOpenapi } from "./contract/operations.ts";
import { endpoint } from "./http/endpoint.ts";
import { openapiDocument } from "./http/openapi.ts";
import { routes } from "./routes.ts";

const document = openapiDocument(routes.map((route) => route.contract));

export const handler = endpoint(showOpenapi, async () => ({
  word: "found",
  body: document,
  headers: { "cache-control": "public, max-age=300" },
}));
