/**
 * One primary as a queue: what is asked of its thread in a tick, and what is left over for the next; and behind it the network, which
 * gets the replies only as the thread makes them. Within a tick calls come by chance and take the same time each (M/D/1, mean wait
 * ρ/(2(1 − ρ)) services); what a tick leaves over waits before all that come.
 */

const FULL = 0.99;
/** Of an exponential wait, the 99th percentile is this many means. */
const TAIL = Math.log(100);
/** Seconds that are nothing but a sum of fractions. */
const CRUMB = 1e-9;

/** Work that is not done yet, in the order in which it came: seconds of the thread, and seconds that its replies take the network. */
interface Left {
  work: number;
  sending: number;
}

export class Engine {
  readonly #tickSeconds: number;
  #left: Left[] = [];
  /** Seconds that the network has yet to send of what is made. */
  #unsent = 0;
  /** Share of the tick in which the thread works, and in which the network sends. */
  busy = 0;
  sent = 0;
  meanWait = 0;
  tailWait = 0;
  /** How much of the wait is for the network alone, which goes on sending when the thread has long made the replies. */
  networkWait = 0;

  constructor(tickSeconds: number) {
    this.#tickSeconds = tickSeconds;
  }

  /** Seconds of work that wait for the thread. */
  get backlog(): number {
    return this.#left.reduce((sum, { work }) => sum + work, 0);
  }

  /** @param work seconds of work asked for in this tick, in so many calls; `sending` the seconds that their replies take the network */
  step(work: number, calls: number, sending: number): void {
    const tick = this.#tickSeconds;
    const load = Math.min(FULL, work / tick);
    const service = calls > 0 ? work / calls : 0;
    const queued = (load / (2 * (1 - load))) * service;
    const { made, sent } = this.#ahead();
    this.networkWait = sent - made;
    this.meanWait = sent + queued;
    this.tailWait = sent + TAIL * queued;
    if (work > 0) this.#left.push({ work, sending });
    const { worked, replies } = this.#work(tick);
    this.busy = worked / tick;
    this.sent = Math.min(1, (this.#unsent + replies) / tick);
    this.#unsent = Math.max(0, this.#unsent + replies - tick);
    if (this.#unsent < CRUMB) this.#unsent = 0;
  }

  /** Seconds until the thread has made all that it was asked for, and until the network has sent it: both at once, not in turn. */
  #ahead(): { made: number; sent: number } {
    let [made, sent] = [0, this.#unsent];
    for (const { work, sending } of this.#left) {
      made += work;
      sent = Math.max(made, sent + sending);
    }
    return { made, sent };
  }

  /** Does what there is time for, the oldest first. */
  #work(seconds: number): { worked: number; replies: number } {
    let [worked, replies] = [0, 0];
    for (const one of this.#left) {
      const share = Math.min(1, Math.max(0, seconds - worked) / one.work);
      worked += share * one.work;
      replies += share * one.sending;
      one.sending -= share * one.sending;
      one.work -= share * one.work;
    }
    this.#left = this.#left.filter(({ work }) => work > CRUMB);
    return { worked, replies };
  }
}
