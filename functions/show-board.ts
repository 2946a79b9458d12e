import { showBoard as show } from "../core/rankings/board.ts";
import { isRefusal } from "../core/words.ts";
import { showBoard } from "./contract/rankings.ts";
import { endpoint } from "./http/endpoint.ts";
import { boardView } from "./http/ranking-views.ts";
import { table } from "./stores/table.ts";

export const handler = endpoint(showBoard, async ({ params }) => {
  const result = await show({ table }, params.boardId);
  return isRefusal(result) ? result : { word: result.word, body: boardView(result.board) };
});
