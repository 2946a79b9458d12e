import { listLetters } from "../core/coupons/triage.ts";
import { limits } from "../core/limits.ts";
import { listDeadLetters } from "./contract/operations.ts";
import { endpoint } from "./http/endpoint.ts";
import { afterOf, cursorOf, letterView } from "./http/views.ts";
import { deadLetters } from "./stores/dead-letters.ts";
import { table } from "./stores/table.ts";

export const handler = endpoint(listDeadLetters, async ({ query }) => {
  const page = { limit: query.limit ?? limits.pageRowsDefault, after: afterOf(query.cursor) };
  const [{ items, after }, queue] = await Promise.all([listLetters({ table }, page), deadLetters.depth()]);
  return { word: "listed", body: { items: items.map(letterView), queue, ...cursorOf(after) } };
});
