import { revokePasses as revoke } from "../core/rooms/room.ts";
import { isRefusal } from "../core/words.ts";
import { revokePasses } from "./contract/rooms.ts";
import { endpoint } from "./http/endpoint.ts";
import { roomDetailsView } from "./http/views.ts";
import { base } from "./stores/base.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

const ctx = { ...base, redis, table };

export const handler = endpoint(revokePasses, async ({ params }) => {
  const result = await revoke(ctx, params.roomId);
  return isRefusal(result) ? result : { word: result.word, body: roomDetailsView(result.room) };
});
