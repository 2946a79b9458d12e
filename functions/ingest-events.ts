import { ingest } from "../core/rankings/ingest.ts";
import { isRefusal } from "../core/words.ts";
import { ingestEvents } from "./contract/rankings.ts";
import { endpoint } from "./http/endpoint.ts";
import { base } from "./stores/base.ts";
import { events } from "./stores/events.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

const ctx = { ...base, redis, table, events };

export const handler = endpoint(ingestEvents, async ({ headers, body, caller }) => {
  const batch = { senderId: caller.userId, key: headers["idempotency-key"], events: body.events };
  const result = await ingest(ctx, batch);
  if (isRefusal(result)) return result;
  const { word, batchId, accepted, late } = result;
  return { word, body: { batchId, accepted, late } };
});
