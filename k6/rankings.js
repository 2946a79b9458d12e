// Shops send batches of events, some twice, while visitors read a board's pages and single ranks.
//
// Environment: API, RATE (reads/s; a tenth of it in batches), DURATION, PRODUCTS, REPEATS (share of the batches that are sent
//              again), SUMMARY (file), ALLOW_REMOTE=1 (only for a target that you may put load on)
import { scriptOf } from "./lib/script.js";
import { numberOf, RATE, SECONDS } from "./lib/settings.js";
import { rankings } from "./parts/rankings.js";

const part = rankings({
  ...{ rate: RATE, seconds: SECONDS },
  ...{ products: numberOf("PRODUCTS", 250), repeats: numberOf("REPEATS", 0.1) },
});
const script = scriptOf("rankings", [part]);

export const { options, setup, teardown, handleSummary } = script;
export const { send, look } = script.verbs;
