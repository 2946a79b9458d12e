import { beginRebuild } from "../core/rankings/edition.ts";
import { rankingsStatus } from "../core/rankings/status.ts";
import { rebuildRankings } from "./contract/rankings.ts";
import { endpoint } from "./http/endpoint.ts";
import { rankingsView } from "./http/ranking-views.ts";
import { base } from "./stores/base.ts";
import { events } from "./stores/events.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

const ctx = { ...base, redis, table, events };

export const handler = endpoint(rebuildRankings, async () => {
  await beginRebuild(ctx, "asked for by an operator");
  return { word: "accepted", body: rankingsView(await rankingsStatus(ctx)) };
});
