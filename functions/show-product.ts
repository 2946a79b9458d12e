import { reader } from "../core/rankings/read.ts";
import { isRefusal } from "../core/words.ts";
import { showProduct } from "./contract/rankings.ts";
import { endpoint } from "./http/endpoint.ts";
import { base } from "./stores/base.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

const { product } = reader();
const ctx = { ...base, redis, table };

export const handler = endpoint(showProduct, async ({ params, query }) => {
  const result = await product(ctx, { ...params, ...query });
  if (isRefusal(result)) return result;
  const { word, ...body } = result;
  return { word, body, headers: { "cache-control": "public, max-age=1" } };
});
