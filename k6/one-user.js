// One user asks many times at once, with keys and without, and must end up with perUser coupons.
//
// Environment: API, RATE (asks/s), DURATION, PER_USER (coupons of a user with keys), SUMMARY (file),
//              ALLOW_REMOTE=1 (only for a target that you may put load on)
import { scriptOf } from "./lib/script.js";
import { numberOf, RATE, SECONDS } from "./lib/settings.js";
import { oneUser } from "./parts/one-user.js";

const script = scriptOf("one-user", [oneUser({ rate: RATE, seconds: SECONDS, perUser: numberOf("PER_USER", 3) })]);

export const { options, setup, teardown, handleSummary } = script;
export const { askAgain, askWithKeys } = script.verbs;
