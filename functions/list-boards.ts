import { limits } from "../core/limits.ts";
import { listBoards as list } from "../core/rankings/board.ts";
import { listBoards } from "./contract/rankings.ts";
import { endpoint } from "./http/endpoint.ts";
import { boardView } from "./http/ranking-views.ts";
import { afterOf, cursorOf } from "./http/views.ts";
import { table } from "./stores/table.ts";

export const handler = endpoint(listBoards, async ({ query }) => {
  const { limit = limits.pageRowsDefault, cursor } = query;
  const { items, after } = await list({ table }, { limit, after: afterOf(cursor) });
  return { word: "listed", body: { items: items.map(boardView), ...cursorOf(after) } };
});
