import { setTimeout as sleep } from "node:timers/promises";
import type { RedisDoor } from "../../core/doors/redis.ts";
import { keys } from "../../core/keys.ts";
import { memberOf } from "../../core/member.ts";
import { readRoom } from "../../core/rooms/attach.ts";

const SAMPLE_EVERY_MS = 25;
const LOOK_EVERY_MS = 200;
/** Members that are looked up in one command. */
const LOOKED_UP_AT_ONCE = 500;

/** A room as Redis had it at one moment. */
export interface Sample {
  /** Redis's clock, milliseconds since 1970. */
  readonly now: number;
  readonly waiting: number;
  readonly active: number;
  /** People admitted and dropped so far. */
  readonly admitted: number;
  readonly dropped: number;
  /** Share of the rate that was in force. */
  readonly pace: number;
}

/** Somebody who has stopped polling, looked for in the line. Times on this process's steady clock. */
export interface Silence {
  readonly user: string;
  /** When they were last answered. */
  readonly since: number;
  /** When the last look began that still found them in line. */
  readonly seenAt: number | undefined;
  /** When the first look ended that did not. */
  readonly goneAt: number | undefined;
}

/**
 * From when Redis had lost the room, because it was killed or replaced, until the line moved again. Times on this process's steady
 * clock; the beginning is that of the last look before.
 */
export interface Loss {
  readonly from: number;
  readonly to: number;
}

export interface Sampler {
  readonly samples: readonly Sample[];
  readonly losses: readonly Loss[];
  readonly silences: readonly Silence[];
  /** Samples that Redis did not answer in time. */
  readonly missed: () => number;
  /** Looks for somebody in the line until they are gone. */
  lookFor(user: string, since: number): void;
  stop(): Promise<void>;
}

/** Samples a room in Redis, past the API: what that says of itself proves little. */
export function openSampler(redis: RedisDoor, roomId: string): Sampler {
  const samples: Sample[] = [];
  const losses: Loss[] = [];
  /** The last look that found the room well. */
  let well: { readonly at: number; readonly epoch: number } | undefined;
  const silences: { user: string; since: number; seenAt: number | undefined; goneAt: number | undefined }[] = [];
  let missed = 0;
  let isOver = false;

  async function sample(): Promise<void> {
    const askedAt = performance.now();
    const facts = await readRoom({ redis }, roomId);
    if (facts && !facts.isRecovering && facts.graceMs === 0) {
      // Each loss begins a new epoch.
      if (well && well.epoch !== facts.epoch) losses.push({ from: well.at, to: performance.now() });
      well = { at: askedAt, epoch: facts.epoch };
    }
    if (!facts) throw new Error(`Redis does not know room ${roomId}.`);
    const { now, waiting, active, admitted, dropped, pace } = facts;
    samples.push({ now, waiting, active, admitted, dropped, pace });
  }

  async function look(): Promise<void> {
    const present = silences.filter(({ goneAt }) => goneAt === undefined);
    for (let from = 0; from < present.length; from += LOOKED_UP_AT_ONCE) {
      const some = present.slice(from, from + LOOKED_UP_AT_ONCE);
      const askedAt = performance.now();
      const members = some.map(({ user }) => memberOf(user));
      const [scores] = (await redis.commands([["ZMSCORE", keys.waiting(roomId), ...members]])) as [unknown[]];
      const answeredAt = performance.now();
      for (const [index, silence] of some.entries()) {
        if (scores[index] === null) silence.goneAt = answeredAt;
        else silence.seenAt = askedAt;
      }
    }
  }

  async function every(ms: number, work: () => Promise<void>): Promise<void> {
    while (!isOver) {
      const next = performance.now() + ms;
      // Redis is busy or away for a moment: the next sample tells.
      await work().catch(() => missed++);
      await sleep(Math.max(1, next - performance.now()));
    }
  }
  const running = [every(SAMPLE_EVERY_MS, sample), every(LOOK_EVERY_MS, look)];

  return {
    samples,
    losses,
    silences,
    missed: () => missed,
    lookFor: (user, since) => void silences.push({ user, since, seenAt: undefined, goneAt: undefined }),
    async stop() {
      isOver = true;
      await Promise.all(running);
    },
  };
}
