import { health } from "../core/operations/health.ts";
import { showHealth } from "./contract/operations.ts";
import { endpoint } from "./http/endpoint.ts";
import { confirmations } from "./stores/confirmations.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

export const handler = endpoint(showHealth, async () => {
  const body = await health({ redis, confirmations, table }, () => performance.now());
  return { word: body.status === "up" ? "healthy" : "unhealthy", body };
});
