import { switchBoard as switchTo } from "../core/rankings/board.ts";
import { publisher } from "../core/rankings/publish.ts";
import { isRefusal } from "../core/words.ts";
import { switchBoard } from "./contract/rankings.ts";
import { endpoint } from "./http/endpoint.ts";
import { boardView } from "./http/ranking-views.ts";
import { base } from "./stores/base.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

const ctx = { ...base, redis, table };
const publish = publisher();

export const handler = endpoint(switchBoard, async ({ params, body }) => {
  const result = await switchTo(ctx, publish, params.boardId, body.version);
  return isRefusal(result) ? result : { word: result.word, body: boardView(result.board) };
});
