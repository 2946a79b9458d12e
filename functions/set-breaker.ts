import { setBreaker as set } from "../core/rankings/breaker.ts";
import { isRefusal } from "../core/words.ts";
import { setBreaker } from "./contract/rankings.ts";
import { endpoint } from "./http/endpoint.ts";
import { breakerView } from "./http/ranking-views.ts";
import { base } from "./stores/base.ts";
import { table } from "./stores/table.ts";

const ctx = { ...base, table };

export const handler = endpoint(setBreaker, async ({ body }) => {
  const result = await set(ctx, body.mode);
  return isRefusal(result) ? result : { word: result.word, body: breakerView(result.breaker) };
});
