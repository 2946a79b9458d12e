// A flood asks, at ten times the rate, for what is sold out; in its midst a few coupons come back.
//
// Environment: API, RATE (a tenth of the asks/s), DURATION, STOCK, SUMMARY (file),
//              ALLOW_REMOTE=1 (only for a target that you may put load on)
import { scriptOf } from "./lib/script.js";
import { numberOf, RATE, SECONDS } from "./lib/settings.js";
import { soldOut } from "./parts/sold-out.js";

const script = scriptOf("sold-out", [soldOut({ rate: RATE, seconds: SECONDS, stock: numberOf("STOCK", 50) })]);

export const { options, setup, teardown, handleSummary } = script;
export const { flood, giveSomeBack } = script.verbs;
