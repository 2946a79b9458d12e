import { pollTicket as poll } from "../core/rooms/ticket.ts";
import { isRefusal } from "../core/words.ts";
import { pollTicket } from "./contract/rooms.ts";
import { endpoint } from "./http/endpoint.ts";
import { ticketView, visitorOf } from "./http/views.ts";
import { base } from "./stores/base.ts";
import { redis } from "./stores/redis.ts";
import { roomKeys } from "./stores/room-keys.ts";

const ctx = { ...base, redis, roomKeys };

export const handler = endpoint(pollTicket, async ({ params, headers, caller }) => {
  const result = await poll(ctx, visitorOf(params.roomId, caller, headers));
  return isRefusal(result) ? result : { word: "found", body: ticketView(result.ticket) };
});
