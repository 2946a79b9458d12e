import { limits } from "../core/limits.ts";
import { reader } from "../core/rankings/read.ts";
import { isRefusal } from "../core/words.ts";
import { showTop } from "./contract/rankings.ts";
import { endpoint } from "./http/endpoint.ts";
import { topView } from "./http/ranking-views.ts";
import { base } from "./stores/base.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

const { top } = reader();
const ctx = { ...base, redis, table };

export const handler = endpoint(showTop, async ({ params, query }) => {
  const { window, limit = limits.pageRowsDefault, cursor } = query;
  const result = await top(ctx, { boardId: params.boardId, window, limit, from: cursor });
  if (isRefusal(result)) return result;
  return {
    word: result.word,
    body: topView(params.boardId, window, result),
    // The edge may answer the crowd, and goes on for a minute with what it has when everything behind it is gone.
    headers: { "cache-control": "public, max-age=1, stale-while-revalidate=5, stale-if-error=60" },
  };
});
