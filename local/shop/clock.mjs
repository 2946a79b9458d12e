// The clock of a stack that a shop's day is held on, for `node --import`: the real one and what it has leapt, or one moment while it
// stands still. All parts read the same eight bytes at each look, so that none of them leaps before another. Timers stay real.
import { openSync, readSync } from "node:fs";

const path = process.env.FIRSTCOME_SHOP_CLOCK;
if (!path) throw new Error("FIRSTCOME_SHOP_CLOCK names no file");
const file = openSync(path, "r");
const bytes = new Float64Array(1);
const real = Date.now;

// Not below 0: by how many milliseconds the clock is ahead. Below 0: less the time at which it stands still.
function now() {
  readSync(file, bytes, 0, 8, 0);
  const [state = 0] = bytes;
  return state < 0 ? -state : real() + state;
}

Date.now = now;
globalThis.Date = new Proxy(Date, {
  construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
  apply: (target) => new target(now()).toString(),
});
