// Everybody comes at the opening and asks for a coupon; a few ask twice.
//
// Environment: API, RATE (users/s), DURATION (of the peak), STOCK, REPEATS (share who ask twice), SUMMARY (file),
//              ALLOW_REMOTE=1 (only for a target that you may put load on)
import { scriptOf } from "./lib/script.js";
import { numberOf, RATE, SECONDS } from "./lib/settings.js";
import { burst } from "./parts/burst.js";

const stock = numberOf("STOCK", 0) || undefined;
const script = scriptOf("burst", [burst({ rate: RATE, seconds: SECONDS, stock, repeats: numberOf("REPEATS", 0.1) })]);

export const { options, setup, teardown, handleSummary } = script;
export const { signInForBurst, ask } = script.verbs;
