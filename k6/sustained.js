// Shoppers come at a steady rate, wait for the confirmation, and give back, use or keep the coupon.
//
// Environment: API, RATE (shoppers/s), DURATION, STOCK, CANCELS and USES (shares of the shoppers), SUMMARY (file),
//              ALLOW_REMOTE=1 (only for a target that you may put load on)
import { scriptOf } from "./lib/script.js";
import { numberOf, RATE, SECONDS } from "./lib/settings.js";
import { sustained } from "./parts/sustained.js";

const part = sustained({
  ...{ rate: RATE, seconds: SECONDS, stock: numberOf("STOCK", 0) || undefined },
  ...{ cancels: numberOf("CANCELS", 0.1), uses: numberOf("USES", 0.3) },
});
const script = scriptOf("sustained", [part]);

export const { options, setup, teardown, handleSummary } = script;
export const { signInForShop, shop } = script.verbs;
