import { rankingsStatus } from "../core/rankings/status.ts";
import { showRankings } from "./contract/rankings.ts";
import { endpoint } from "./http/endpoint.ts";
import { rankingsView } from "./http/ranking-views.ts";
import { base } from "./stores/base.ts";
import { events } from "./stores/events.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

const ctx = { ...base, redis, table, events };

export const handler = endpoint(showRankings, async () => ({
  word: "found",
  body: rankingsView(await rankingsStatus(ctx)),
}));
