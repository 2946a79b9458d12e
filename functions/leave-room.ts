import { leaveRoom as leave } from "../core/rooms/ticket.ts";
import { isRefusal } from "../core/words.ts";
import { leaveRoom } from "./contract/rooms.ts";
import { endpoint } from "./http/endpoint.ts";
import { redis } from "./stores/redis.ts";

const ctx = { redis };

export const handler = endpoint(leaveRoom, async ({ params, caller }) => {
  const result = await leave(ctx, { roomId: params.roomId, userId: caller.userId });
  return isRefusal(result) ? result : { word: result.word, body: undefined };
});
