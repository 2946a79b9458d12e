import { sweeper } from "../core/coupons/sweep.ts";
import { base, couponSecret } from "./stores/base.ts";
import { confirmations } from "./stores/confirmations.ts";
import { redis } from "./stores/redis.ts";

const sweep = sweeper();
const ctx = { ...base, redis, confirmations, couponSecret: couponSecret() };

/** Sends again what waits in the outboxes. Answers with what it found. */
export async function handler() {
  const swept = await sweep(ctx);
  if (swept.waiting > 0) base.log("swept", { ...swept });
  return swept;
}
