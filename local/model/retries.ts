/** People who were refused for a passing reason and ask again: how many at each attempt, and when. */
export class Retries {
  readonly #tickSeconds: number;
  readonly #pauseSeconds: number;
  readonly #most: number;
  /** For each attempt, what the number of those who come in a tick changes by in it. */
  readonly #changes: Map<number, number>[];
  readonly #coming: number[];
  #tick = 0;
  /** Who will ask again. */
  waiting = 0;

  /** @param tries how often somebody asks in all */
  constructor(tries: number, pauseSeconds: number, tickSeconds: number) {
    this.#most = Math.max(1, Math.round(tries));
    this.#pauseSeconds = pauseSeconds;
    this.#tickSeconds = tickSeconds;
    this.#changes = Array.from({ length: this.#most }, () => new Map<number, number>());
    this.#coming = Array<number>(this.#most).fill(0);
  }

  /** Who asks in this tick, by how often they have asked before; those who come for the first time are the first entry. */
  next(first: number): number[] {
    const asking = this.#coming.map((amount, attempt) => {
      const now = amount + (this.#changes[attempt]?.get(this.#tick) ?? 0);
      this.#changes[attempt]?.delete(this.#tick);
      // Sums of what comes and goes leave crumbs.
      this.#coming[attempt] = Math.abs(now) < 1e-9 ? 0 : now;
      return Math.max(0, this.#coming[attempt] ?? 0);
    });
    this.waiting -= asking.reduce((sum, amount) => sum + amount, 0);
    asking[0] = (asking[0] ?? 0) + first;
    this.#tick++;
    return asking;
  }

  /** @returns how many of them give up */
  refuse(refused: readonly number[]): number {
    let gaveUp = 0;
    for (const [attempt, amount] of refused.entries()) {
      if (amount <= 0) continue;
      if (attempt + 1 >= this.#most) {
        gaveUp += amount;
        continue;
      }
      const pause = Math.min(MOST_PAUSE_SECONDS, this.#pauseSeconds * 2 ** attempt);
      const from = this.#tick + Math.floor((0.5 * pause) / this.#tickSeconds);
      const length = Math.max(1, Math.round(pause / this.#tickSeconds));
      this.#change(attempt + 1, from, amount / length);
      this.#change(attempt + 1, from + length, -amount / length);
      this.waiting += amount;
    }
    return gaveUp;
  }

  #change(attempt: number, tick: number, by: number): void {
    const changes = this.#changes[attempt];
    changes?.set(tick, (changes.get(tick) ?? 0) + by);
  }
}

/** As web/waiting-room.ts backs off at most. */
const MOST_PAUSE_SECONDS = 8;
