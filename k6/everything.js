// All of the others side by side, each with its share of the rate.
//
// Environment: API, RATE (shared out), DURATION, SUMMARY (file),
//              ALLOW_REMOTE=1 (only for a target that you may put load on)
import { scriptOf } from "./lib/script.js";
import { RATE, SECONDS } from "./lib/settings.js";
import { signInSeconds } from "./lib/tokens.js";
import { burst } from "./parts/burst.js";
import { oneUser } from "./parts/one-user.js";
import { rankings } from "./parts/rankings.js";
import { soldOut } from "./parts/sold-out.js";
import { sustained } from "./parts/sustained.js";
import { waitingRoom } from "./parts/waiting-room.js";

/** Of the rate, a part's share; the flood of who comes too late asks at ten times of its own. */
const shareOf = (share) => ({ rate: Math.max(1, Math.round(RATE * share * 10)) / 10, seconds: SECONDS });

/** Of all parts together, before any of them begins. */
const startSeconds = signInSeconds(RATE * SECONDS);
const script = scriptOf("everything", [
  burst({ ...shareOf(0.3), startSeconds, repeats: 0.1 }),
  sustained({ ...shareOf(0.2), startSeconds, cancels: 0.1, uses: 0.3 }),
  soldOut({ ...shareOf(0.05), startSeconds, stock: 20 }),
  oneUser({ ...shareOf(0.1), startSeconds, perUser: 3 }),
  waitingRoom({ ...shareOf(0.15), startSeconds, abandons: 0.1 }),
  rankings({ ...shareOf(0.2), startSeconds, products: 250, repeats: 0.1 }),
]);

export const { options, setup, teardown, handleSummary } = script;
export const { signInForBurst, ask, signInForShop, shop, flood, giveSomeBack, askAgain, askWithKeys } = script.verbs;
export const { signInForRoom, visit, watch, send, look } = script.verbs;
