import { takeTicket as take } from "../core/rooms/ticket.ts";
import { isRefusal } from "../core/words.ts";
import { takeTicket } from "./contract/rooms.ts";
import { endpoint } from "./http/endpoint.ts";
import { ticketView, visitorOf } from "./http/views.ts";
import { base } from "./stores/base.ts";
import { redis } from "./stores/redis.ts";
import { roomKeys } from "./stores/room-keys.ts";

const ctx = { ...base, redis, roomKeys };

export const handler = endpoint(takeTicket, async ({ params, headers, caller }) => {
  const result = await take(ctx, visitorOf(params.roomId, caller, headers));
  return isRefusal(result) ? result : { word: result.word, body: ticketView(result.ticket) };
});
