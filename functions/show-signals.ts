import { limits } from "../core/limits.ts";
import { signals } from "../core/operations/signals.ts";
import { showSignals } from "./contract/operations.ts";
import { endpoint } from "./http/endpoint.ts";
import { signalsView } from "./http/signals-view.ts";
import { base } from "./stores/base.ts";
import { confirmations } from "./stores/confirmations.ts";
import { deadLetters } from "./stores/dead-letters.ts";
import { events } from "./stores/events.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

const ctx = { ...base, redis, table, confirmations, deadLetters, events };

export const handler = endpoint(showSignals, async () => ({
  word: "found",
  body: signalsView(await signals(ctx, limits.signalsMs)),
}));
