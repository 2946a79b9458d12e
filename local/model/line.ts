import { limits } from "../../core/limits.ts";

/** How often a page looks at the public document while it waits: web/waiting-room.ts. */
export const LOOK_SECONDS = 2;

const CRUMB = 0.01;

/** A waiting room as a flow: who waits, who is admitted, and how many poll. */
export class Line {
  readonly #admitPerSecond: number;
  readonly #heartbeatSeconds: number;
  #leavingPerSecond: number | undefined;
  waiting = 0;

  /** @param heartbeatSeconds the contract's default */
  constructor(admitPerSecond: number, heartbeatSeconds = 30) {
    this.#admitPerSecond = admitPerSecond;
    this.#heartbeatSeconds = heartbeatSeconds;
  }

  /** @returns who is let in */
  step(joined: number, seconds: number): number {
    this.waiting += joined;
    const admitted = Math.min(this.waiting, this.#admitPerSecond * seconds);
    this.waiting -= admitted;
    return admitted;
  }

  /**
   * Polls a second. Somebody with `n` before them is asked to poll again after a third of the time that they will wait, at least a
   * second and at most half a heartbeat (core/rooms/wait.ts): near the turn each second, far from it seldom.
   */
  get pollsPerSecond(): number {
    const [least, most] = [limits.pollLeastMs / 1_000, this.#heartbeatSeconds / 2];
    const perThird = 3 * this.#admitPerSecond;
    const near = Math.min(this.waiting, perThird * least);
    const between = Math.min(this.waiting, perThird * most) - near;
    const far = this.waiting - near - between;
    return near / least + (between > 0 ? perThird * Math.log((near + between) / near) : 0) + far / most;
  }

  /** Looks a second at the room's public document. */
  get looksPerSecond(): number {
    return this.waiting / LOOK_SECONDS;
  }

  /** All who wait leave, evenly over some time from the first call on. @returns who leaves now */
  leave(seconds: number, within: number): number {
    this.#leavingPerSecond ??= this.waiting / within;
    // The last look of all finds the rest.
    const leaving = Math.min(this.waiting, this.#leavingPerSecond * seconds + CRUMB);
    this.waiting -= leaving;
    return leaving;
  }
}
