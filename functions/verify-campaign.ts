import { verify } from "../core/operations/verify.ts";
import { isRefusal } from "../core/words.ts";
import { verifyCampaign } from "./contract/operations.ts";
import { endpoint } from "./http/endpoint.ts";
import { verificationView } from "./http/views.ts";
import { base, couponSecret } from "./stores/base.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

const ctx = { ...base, redis, table, couponSecret: couponSecret() };

export const handler = endpoint(verifyCampaign, async ({ params, query }) => {
  const result = await verify(ctx, params.campaignId, { repair: query.repair ?? false });
  return isRefusal(result) ? result : { word: result.word, body: verificationView(result.verification) };
});
