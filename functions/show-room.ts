import { roomMemory } from "../core/rooms/room.ts";
import { isRefusal } from "../core/words.ts";
import { showRoom } from "./contract/rooms.ts";
import { endpoint } from "./http/endpoint.ts";
import { noteLook, watched } from "./http/memory-hits.ts";
import { roomView } from "./http/views.ts";
import { base } from "./stores/base.ts";
import { redis } from "./stores/redis.ts";

const show = roomMemory();

export const handler = endpoint(showRoom, async ({ params }) => {
  const door = watched(redis);
  const result = await show({ ...base, redis: door.redis }, params.roomId);
  noteLook("room", !door.wasAsked());
  if (isRefusal(result)) return result;
  // The edge may answer the crowd: a second old is what the contract allows.
  return { word: result.word, body: roomView(result.room), headers: { "cache-control": "public, max-age=1" } };
});
