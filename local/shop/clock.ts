import { openSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * The time that a shop's day goes by. A day of hours has to pass in minutes, and yet a part of the system that gives itself five
 * seconds for a write has to get them. So the clock goes at its usual speed, and leaps ahead again and again. `clock.mjs` makes the
 * stack's parts go by the same clock.
 */
export interface Clock {
  /** Whether it can leap and stand still. */
  readonly isFast: boolean;
  /** Milliseconds since 1970. */
  now(): number;
  /** Lets so many milliseconds go by. */
  pass(ms: number): Promise<void>;
  /** Lets time go by until a minute has just begun. A clock that can then stands still. */
  stand(): Promise<void>;
  /** A clock that stands still goes on. */
  go(): void;
}

const MINUTE_MS = 60_000;
/** Into the minute in which it stands still. */
const INTO_MINUTE_MS = 1_000;

const nextMinute = (now: number) => (Math.floor(now / MINUTE_MS) + 1) * MINUTE_MS + INTO_MINUTE_MS;

/** The real clock. */
export const realClock: Clock = {
  isFast: false,
  now: () => Date.now(),
  pass: (ms) => sleep(ms),
  stand: () => sleep(nextMinute(Date.now()) - Date.now()),
  go: () => {},
};

/** A clock that leaps, whose state stands in a file. */
export function leapingClock(path: string): Clock {
  const file = openSync(path, "w");
  const state = new Float64Array(1);
  const set = (value: number) => {
    state[0] = value;
    // Eight bytes in one call: nobody reads half of it.
    writeSync(file, new Uint8Array(state.buffer), 0, 8, 0);
  };
  set(0);
  const now = () => {
    const [value = 0] = state;
    return value < 0 ? -value : Date.now() + value;
  };
  return {
    isFast: true,
    now,
    async pass(ms) {
      const [value = 0] = state;
      // Clocks have whole milliseconds.
      const whole = Math.round(ms);
      set(value < 0 ? value - whole : value + whole);
    },
    async stand() {
      set(-nextMinute(now()));
    },
    go() {
      const [value = 0] = state;
      if (value < 0) set(-value - Date.now());
    },
  };
}
