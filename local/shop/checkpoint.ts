import { setTimeout as sleep } from "node:timers/promises";
import type { RedisDoor } from "../../core/doors/redis.ts";
import { BOARDS, WINDOWS } from "./boards.ts";
import type { Clock } from "./clock.ts";
import type { Desk, RankingsStatus } from "./desk.ts";
import { lookAround } from "./look.ts";
import type { Senders } from "./senders.ts";
import type { Seen } from "./verdict/evidence.ts";

/** A checkpoint: nobody sends, all that was sent comes to rest, and everything is looked at. */

export interface CheckpointTerms {
  readonly desk: Desk;
  readonly redis: RedisDoor;
  readonly clock: Clock;
  readonly senders: Senders;
  readonly show: (text: string) => void;
}

export interface Checked {
  readonly seen: Seen | undefined;
  /** Why there is nothing to see. */
  readonly restless?: string;
}

const REST_WITHIN_MS = 120_000;
/** Looks in a row that find it at rest. */
const LOOKS = 2;
/** What passes between two looks: messages that a killed process had in hand come again after 36 s, unsent batches after 30 s. */
const PASS_MS = 20_000;
const PAUSE_MS = 150;
const TIMES_LOOKED = 5;
const PUBLISH_TRIES = 60;
/** Between two publishings: generations of one millisecond would have no order. */
const APART_MS = 10;
const MINUTE = 60_000;

export async function holdCheckpoint(terms: CheckpointTerms, sample: readonly string[]): Promise<Checked> {
  const { desk, clock, senders, show } = terms;
  show("waits for the last answers");
  await senders.idle();
  const rested = await rest(terms);
  if (typeof rested === "string") return { seen: undefined, restless: rested };
  const live = rested.editions.find(({ state }) => state === "live");
  if (!live) return { seen: undefined, restless: "no edition was live" };

  // A minute may begin while it is looked at, where the clock does not stand still. And a call to Redis that took too long on a
  // busy machine opens the breaker, whose answers are copies of a while ago, and say so. In both cases it is looked at again.
  let seen: Seen | undefined;
  for (let looks = 0; looks < TIMES_LOOKED; looks++) {
    await clock.stand();
    try {
      const startedAt = clock.now();
      await desk.expire();
      if (!(await publishTwice(desk, clock))) {
        return { seen: undefined, restless: "not every board could be published" };
      }
      show("looks at everything");
      const looked = await lookAround(terms, live, sample);
      seen = Math.floor(startedAt / MINUTE) === Math.floor(looked.until / MINUTE) ? looked : undefined;
      if (seen && isLive(seen)) return { seen };
    } finally {
      clock.go();
    }
    // So that a breaker may close again.
    await clock.pass(PASS_MS);
  }
  // What is not live by now is for the verdict to say.
  return seen ? { seen } : { seen: undefined, restless: "looking took longer than a minute" };
}

function isLive({ pages, products }: Seen): boolean {
  const sources = [...pages.flatMap((it) => it.sources), ...products.map(({ answer }) => answer?.source ?? "live")];
  return sources.every((source) => source === "live");
}

/** The first publishing may overlap with one that began before everything was at rest; the second is of this state for sure. */
async function publishTwice(desk: Desk, clock: Clock): Promise<boolean> {
  let done = 0;
  for (let tries = 0; tries < PUBLISH_TRIES && done < 2; tries++) {
    await clock.pass(APART_MS);
    const { generations } = await desk.publish();
    if (generations === BOARDS.length * WINDOWS.length) done++;
    else await sleep(PAUSE_MS);
  }
  return done === 2;
}

/** Lets time pass until nothing waits and nothing is being rebuilt. @returns the status then, or what it still waited for */
async function rest({ desk, clock, show }: CheckpointTerms): Promise<RankingsStatus | string> {
  const until = performance.now() + REST_WITHIN_MS;
  let looks = 0;
  for (;;) {
    await clock.pass(clock.isFast ? PASS_MS : 1_000);
    const { resent, stranded } = await desk.expire();
    await desk.rebuild();
    const status = await desk.status();
    const { queue } = status;
    const building = status.editions.find(({ state }) => state === "building");
    const waits = queue.waiting + queue.inFlight;
    looks = waits + resent + stranded === 0 && !building ? looks + 1 : 0;
    if (looks === LOOKS) return status;
    const what =
      `${waits} messages wait` +
      (building ? `, a rebuild is ${building.step ?? "waiting"}` : "") +
      (resent > 0 ? `, ${resent} batches were sent again` : "") +
      (stranded > 0 ? `, ${stranded} batches are in the ledger only` : "");
    show(what);
    if (performance.now() > until) return `after ${REST_WITHIN_MS / 1_000} s ${what}`;
    await sleep(PAUSE_MS);
  }
}
