import { openRedis, type RedisDoor } from "../../../core/doors/redis.ts";
import { redisAddress } from "../../redis-address.ts";
import type { Slowing } from "./slow.ts";

const KEYS = { one: "slowed:one", other: "slowed:other", union: "slowed:union" } as const;
/** A union of two sets of so many takes the engine some ten to thirty milliseconds, and all others wait for it. */
const MEMBERS = 15_000;
const BATCH = 5_000;
/** While one union runs the next is waiting, so that the engine is never without. */
const CLIENTS = 2;

/** Redis with somebody else's expensive commands: unions of big sets, one after the other. */
export function slowRedis(): Slowing {
  const doors: RedisDoor[] = [];
  const loops: Promise<void>[] = [];
  let isOver = false;
  const unite = async (door: RedisDoor) => {
    while (!isOver) await door.command("ZUNIONSTORE", KEYS.union, 2, KEYS.one, KEYS.other);
  };
  return {
    env: {},
    async begin({ redis }) {
      for (let client = 0; client < CLIENTS; client++) doors.push(openRedis(redisAddress(redis)));
      const [first] = doors;
      for (const key of [KEYS.one, KEYS.other]) {
        for (let from = 0; from < MEMBERS; from += BATCH) {
          const pairs = Array.from({ length: BATCH }, (_, i) => [(i * 7_919) % MEMBERS, `${key}:${from + i}`]).flat();
          await first?.command("ZADD", key, ...pairs);
        }
      }
      // The stack may be stopped first; a loop that fails then has done what it was for.
      for (const door of doors) loops.push(unite(door).catch(() => {}));
    },
    async end() {
      isOver = true;
      await Promise.all(loops);
      for (const door of doors) door.close();
    },
  };
}
