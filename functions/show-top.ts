import { limits } from "../core/limits.ts";
import { reader } from "../core/rankings/read.ts";
import { isRefusal } from "../core/words.ts";
import { showTop } from "./contract/rankings.ts";
import { endpoint } from "./http/endpoint.ts";
import { noteLook, watched } from "./http/memory-hits.ts";
import { topView } from "./http/ranking-views.ts";
import { base } from "./stores/base.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

const { top } = reader();

export const handler = endpoint(showTop, async ({ params, query }) => {
  const { window, limit = limits.pageRowsDefault, cursor } = query;
  const door = watched(redis);
  const result = await top(
    { ...base, redis: door.redis, table },
    { boardId: params.boardId, window, limit, from: cursor },
  );
  if (isRefusal(result)) return result;
  // Of a copy nothing is said: it is shown because Redis is away, not because memory had it.
  if (result.source === "live") noteLook("ranking", !door.wasAsked());
  return {
    word: result.word,
    body: topView(params.boardId, window, result),
    // The edge may answer the crowd, and goes on for a minute with what it has when everything behind it is gone.
    headers: { "cache-control": "public, max-age=1, stale-while-revalidate=5, stale-if-error=60" },
  };
});
