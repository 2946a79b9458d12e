import type { RedisDoor } from "../../core/doors/redis.ts";
import { metrics } from "../log.ts";
import { counts } from "./counts.ts";

/**
 * How much of a crowd is answered from a container's memory: the sold-out answer, the room's document, generations of rankings. It
 * is what lets watchers and latecomers grow without Redis's load, and no other container can see it.
 */

/** Counts one look in a memory, and whether it had the answer. */
export const noteLook: (memory: "sold-out" | "room" | "ranking", isHit: boolean) => void = counts(
  (memory, looks, hits) => metrics({ memory }, { MemoryLooks: looks, MemoryHits: hits }),
);

/** A door to Redis for one request that remembers whether it was used: what was answered without it came from memory. */
export function watched(door: RedisDoor): { redis: RedisDoor; wasAsked: () => boolean } {
  let asked = false;
  const through =
    <A extends unknown[], R>(call: (...args: A) => R) =>
    (...args: A): R => {
      asked = true;
      return call(...args);
    };
  const redis = {
    ...door,
    run: through(door.run) as RedisDoor["run"],
    command: through(door.command),
    commands: through(door.commands),
  };
  return { redis, wasAsked: () => asked };
}
