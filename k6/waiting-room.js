// People take a ticket, poll as told, come in, ask with their pass and leave; some abandon the line.
//
// Environment: API, RATE (people/s), DURATION (of the arrivals), ADMIT (people/s let in), CAPACITY, STOCK, ABANDONS (share),
//              SUMMARY (file), ALLOW_REMOTE=1 (only for a target that you may put load on)
import { scriptOf } from "./lib/script.js";
import { numberOf, RATE, SECONDS } from "./lib/settings.js";
import { waitingRoom } from "./parts/waiting-room.js";

const part = waitingRoom({
  ...{ rate: RATE, seconds: SECONDS, abandons: numberOf("ABANDONS", 0.1) },
  ...{ admit: numberOf("ADMIT", 0) || undefined, capacity: numberOf("CAPACITY", 0) || undefined },
  stock: numberOf("STOCK", 0) || undefined,
});
const script = scriptOf("waiting-room", [part]);

export const { options, setup, teardown, handleSummary } = script;
export const { signInForRoom, visit, watch } = script.verbs;
