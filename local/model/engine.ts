/**
 * One primary as a queue: what is asked of its thread, and of its network, in a tick, and what is left over for the next. Within a
 * tick calls come by chance and take the same time each (M/D/1, mean wait ρ/(2(1 − ρ)) services); what a tick leaves over waits
 * before all that come.
 */

const FULL = 0.99;
/** Of an exponential wait, the 99th percentile is this many means. */
const TAIL = Math.log(100);

export class Engine {
  readonly #tickSeconds: number;
  /** Seconds of work that wait for the thread, and for the network. */
  backlog = 0;
  #unsent = 0;
  /** Share of the tick in which it works. */
  busy = 0;
  meanWait = 0;
  tailWait = 0;

  constructor(tickSeconds: number) {
    this.#tickSeconds = tickSeconds;
  }

  /** @param work seconds of work asked for in this tick, in so many calls; `sending` the seconds that their replies take the network */
  step(work: number, calls: number, sending: number): void {
    const tick = this.#tickSeconds;
    const load = Math.min(FULL, work / tick);
    const service = calls > 0 ? work / calls : 0;
    const queued = (load / (2 * (1 - load))) * service;
    this.meanWait = this.backlog + this.#unsent + queued;
    this.tailWait = this.backlog + this.#unsent + TAIL * queued;
    this.busy = Math.min(1, (this.backlog + work) / tick);
    this.backlog = Math.max(0, this.backlog + work - tick);
    this.#unsent = Math.max(0, this.#unsent + sending - tick);
  }
}
