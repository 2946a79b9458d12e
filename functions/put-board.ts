import { putBoard as put } from "../core/rankings/board.ts";
import { publisher } from "../core/rankings/publish.ts";
import { isRefusal } from "../core/words.ts";
import { putBoard } from "./contract/rankings.ts";
import { endpoint } from "./http/endpoint.ts";
import { boardView } from "./http/ranking-views.ts";
import { base } from "./stores/base.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

const ctx = { ...base, redis, table };
const publish = publisher();

export const handler = endpoint(putBoard, async ({ params, query, body }) => {
  const result = await put(ctx, publish, params.boardId, body, query.switch ?? true);
  return isRefusal(result) ? result : { word: result.word, body: boardView(result.board) };
});
