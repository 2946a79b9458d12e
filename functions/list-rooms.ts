import { limits } from "../core/limits.ts";
import { listRooms as list } from "../core/rooms/room.ts";
import { listRooms } from "./contract/rooms.ts";
import { endpoint } from "./http/endpoint.ts";
import { afterOf, cursorOf, roomDetailsView } from "./http/views.ts";
import { base } from "./stores/base.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

const ctx = { ...base, redis, table };

export const handler = endpoint(listRooms, async ({ query }) => {
  const { limit = limits.pageRowsDefault, cursor } = query;
  const { items, after } = await list(ctx, { limit, after: afterOf(cursor) });
  return { word: "listed", body: { items: items.map(roomDetailsView), ...cursorOf(after) } };
});
