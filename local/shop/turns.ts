import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "../rush/random.ts";
import { busyAt, type Day, type ShopBatch } from "./day.ts";
import type { Desk } from "./desk.ts";
import type { Ground } from "./ground.ts";
import type { Options } from "./options.ts";
import type { Senders } from "./senders.ts";
import type { Strikes } from "./strikes.ts";

/** The shop while it is open: turn by turn the clock leaps, and what happened since is sent. */

/** A turn: the clock leaps, and what happened since the last one is sent. */
const TURN_MS = 300;
/** A leap is not longer: what the system does every minute is done once a leap. */
const LEAP_MOST_MS = 20 * 60_000;
const MINUTE_MS = 60_000;
const INTO_MINUTE_MS = 500;
/** More are not under way at once. */
const UNDER_WAY_MOST = 48;
const STRIKE_LOOK_MS = 15;
const REBUILD_LOOK_MS = 500;
const PAUSE_MS = 20;
/** Turns after which a batch is sent again, at most. */
const AGAIN_TURNS = 60;

export interface ShopTerms {
  readonly options: Options;
  readonly ground: Ground;
  readonly desk: Desk;
  readonly senders: Senders;
  readonly day: Day;
  readonly strikes: Strikes;
  /** Whether the clock may not leap just now. */
  readonly leaps: { readonly areHeld: boolean };
  readonly random: Random;
  readonly startsAt: number;
}

/** Makes a shop that opens when it is asked to. Beside the turns parts are killed, and rebuilds go on. */
export function openShop({ options, ground, desk, senders, day, strikes, leaps, random, startsAt }: ShopTerms) {
  const { clock } = ground;
  let openedFor = 0;
  let openedAt: number | undefined;
  let sentUntil = startsAt;
  let turn = 0;
  /** What is sent in a later turn: batches that were held back, and copies. */
  const later = new Map<number, (() => void)[]>();
  const openMs = () => openedFor + (openedAt === undefined ? 0 : performance.now() - openedAt);
  const inTurns = (turns: number, work: () => void) => {
    later.set(turn + turns, [...(later.get(turn + turns) ?? []), work]);
  };

  const note = (error: unknown) => {
    senders.flaws.push(String(error));
  };
  const send = (batch: ShopBatch): void => {
    senders.send(batch).catch(note);
    for (let i = 0; i < batch.copiesLater; i++) {
      inTurns(1 + random.below(AGAIN_TURNS), () => {
        senders.again(batch).catch(note);
      });
    }
  };

  async function takeTurn(sinceMs: number): Promise<void> {
    turn++;
    if (clock.isFast) {
      const due = startsAt + options.speed * openMs();
      // To the beginning of a minute: what has no time happens in it, however long its batch is under way.
      const landing = Math.floor(Math.min(due, clock.now() + LEAP_MOST_MS) / MINUTE_MS) * MINUTE_MS + INTO_MINUTE_MS;
      await senders.between(async () => {
        if (!leaps.areHeld && landing > clock.now()) await clock.pass(landing - clock.now());
      });
    }
    const until = clock.now();
    const busy = busyEvents(options.rate, sinceMs, until);
    const works = later.get(turn) ?? [];
    later.delete(turn);
    for (const batch of day.between(sentUntil, until, busy, !senders.isActedHeld())) {
      if (batch.turnsLate > 0) inTurns(batch.turnsLate, () => send(batch));
      else works.push(() => send(batch));
    }
    sentUntil = until;
    for (const work of works) {
      while (senders.underWay() > UNDER_WAY_MOST) await sleep(PAUSE_MS);
      work();
    }
    // Stands in for the schedule that comes once a minute.
    if (clock.isFast) await desk.expire();
  }

  return {
    openMs,

    /** Keeps it open until it was open for so long in all. */
    async openUntil(ms: number, say: (text: string) => void): Promise<void> {
      openedAt = performance.now();
      let isOpen = true;
      let failure: unknown;
      /** Does something again and again beside the turns. What fails ends the day. */
      const beside = async (everyMs: number, work: () => Promise<void>) => {
        try {
          while (isOpen) {
            await work();
            await sleep(everyMs);
          }
        } catch (error) {
          failure ??= error;
          isOpen = false;
        }
      };
      const all = [
        ...(options.chaos ? [beside(STRIKE_LOOK_MS, () => strikes.due(openMs()))] : []),
        // Stands in for the schedule that comes once a minute: a leap ends a watch.
        ...(clock.isFast ? [beside(REBUILD_LOOK_MS, desk.rebuild)] : []),
      ];
      try {
        let lastAt = performance.now() - TURN_MS;
        while (isOpen && openMs() < ms) {
          const now = performance.now();
          await takeTurn(Math.min(now - lastAt, 2 * TURN_MS));
          lastAt = now;
          say("open");
          await sleep(Math.max(0, TURN_MS - (performance.now() - now)));
        }
      } finally {
        isOpen = false;
        openedFor = openMs();
        openedAt = undefined;
        await Promise.all(all);
      }
      if (failure !== undefined) throw failure;
    },
  };
}

function busyEvents(rate: number, sinceMs: number, at: number): number {
  return Math.round(((rate * sinceMs) / 1_000) * busyAt(at));
}
