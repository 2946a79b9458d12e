import { putRoom as put } from "../core/rooms/room.ts";
import { isRefusal } from "../core/words.ts";
import { putRoom } from "./contract/rooms.ts";
import { endpoint } from "./http/endpoint.ts";
import { roomDetailsView } from "./http/views.ts";
import { base } from "./stores/base.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

const ctx = { ...base, redis, table };

export const handler = endpoint(putRoom, async ({ params, body }) => {
  const result = await put(ctx, { ...params, ...body });
  return isRefusal(result) ? result : { word: result.word, body: roomDetailsView(result.room) };
});
