import { openRedis, type RedisDoor } from "../../../core/doors/redis.ts";
import { redisAddress } from "../../redis-address.ts";

/** Redis's own account of itself at a moment. All are totals since its start. */
export interface RedisReading {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Processor time of the thread that runs all commands. */
  readonly engineMs: number;
  readonly connections: number;
  /** By command (`INFO commandstats`): how often, and for how many microseconds it held the engine. */
  readonly commands: ReadonlyMap<string, { readonly calls: number; readonly micros: number }>;
}

export interface SlowCommand {
  readonly command: string;
  readonly ms: number;
}

/** What Redis has noted about its delays since the watch began. */
export interface RedisNotes {
  /** Commands that held the engine for longer than {@link SLOW_MS}. */
  readonly slow: readonly SlowCommand[];
  /** `LATENCY LATEST`: the longest delay of each kind, such as a command, a fork, or the append-only file. */
  readonly delays: readonly { readonly kind: string; readonly mostMs: number }[];
}

export interface RedisWatch {
  read(): Promise<RedisReading>;
  /** Puts Redis's settings back, and leaves. */
  end(): Promise<RedisNotes>;
}

/** A single command over this is one to look at, since all others wait for it. */
export const SLOW_MS = 10;
const SLOW_MOST = 1_000;
/** For the time of a run; by default it is off, or less. */
const SETTINGS = {
  "latency-monitor-threshold": `${SLOW_MS}`,
  "slowlog-log-slower-than": `${SLOW_MS * 1_000}`,
  "slowlog-max-len": `${SLOW_MOST}`,
};

const TRIES = 3;

/** Sets all, each by itself: one that does not answer in time keeps none of the others from being set. @throws the first failure */
async function configure(door: RedisDoor, settings: ReadonlyMap<string, string>): Promise<void> {
  const failures: unknown[] = [];
  for (const [name, value] of settings) {
    for (let left = TRIES; left > 0; left--) {
      try {
        await door.command("CONFIG", "SET", name, value);
        break;
      } catch (error) {
        if (left === 1) failures.push(error);
      }
    }
  }
  if (failures.length > 0) throw failures[0];
}

/** When each kind of delay was last seen: what is there already is somebody else's, and stays. */
async function latestDelays(door: RedisDoor): Promise<Map<string, number>> {
  const delays = (await door.command("LATENCY", "LATEST")) as unknown[][];
  return new Map(delays.map(([kind, second]) => [String(kind), Number(second)]));
}

/** The longest delay of each kind since those. */
async function delaysSince(door: RedisDoor, before: ReadonlyMap<string, number>): Promise<RedisNotes["delays"]> {
  const delays: { kind: string; mostMs: number }[] = [];
  for (const [kind, latest] of await latestDelays(door)) {
    const since = before.get(kind) ?? 0;
    if (latest <= since) continue;
    const history = (await door.command("LATENCY", "HISTORY", kind)) as unknown[][];
    const ms = history.filter(([second]) => Number(second) > since).map(([, took]) => Number(took));
    delays.push({ kind, mostMs: Math.max(0, ...ms) });
  }
  return delays;
}

/** Begins to watch. @throws when Redis is out of reach, or does not let itself be set; its settings are then as they were */
export async function watchRedis(url: string): Promise<RedisWatch> {
  const door = openRedis(redisAddress(url));
  const before = new Map<string, string>();
  try {
    for (const name of Object.keys(SETTINGS)) {
      const [, value = ""] = (await door.command("CONFIG", "GET", name)) as string[];
      before.set(name, value);
    }
    const delays = await latestDelays(door);
    const [last] = (await door.command("SLOWLOG", "GET", 1)) as unknown[][];
    const seen = last === undefined ? -1 : Number(last[0]);
    await configure(door, new Map(Object.entries(SETTINGS)));
    return {
      read: async () => readingOf(String(await door.command("INFO", "all")), Date.now()),
      async end() {
        try {
          const entries = (await door.command("SLOWLOG", "GET", SLOW_MOST)) as unknown[][];
          const slow = entries.filter(([id]) => Number(id) > seen).map(slowOf);
          return { slow, delays: await delaysSince(door, delays) };
        } finally {
          await configure(door, before).finally(() => door.close());
        }
      },
    };
  } catch (error) {
    // What went wrong first is what is told.
    await configure(door, before).catch(() => {});
    door.close();
    throw error;
  }
}

/** Of a slow command only its name is taken: what follows it may be somebody's. */
function slowOf([, , micros, words]: unknown[]): SlowCommand {
  const [name] = words as unknown[];
  return { command: String(name).toUpperCase(), ms: Number(micros) / 1_000 };
}

/** Reads the answer to `INFO all`. */
export function readingOf(info: string, at: number): RedisReading {
  const fields = new Map(
    info
      .split(/\r?\n/)
      .filter((line) => line.includes(":"))
      .map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)] as const),
  );
  const number = (name: string) => Number(fields.get(name) ?? Number.NaN);
  const mainMs = (number("used_cpu_user_main_thread") + number("used_cpu_sys_main_thread")) * 1_000;
  const commands = new Map<string, { calls: number; micros: number }>();
  for (const [name, value] of fields) {
    const [, command] = /^cmdstat_(.+)$/.exec(name) ?? [];
    const [, calls, micros] = /^calls=(\d+),usec=(\d+)/.exec(value) ?? [];
    if (command !== undefined) {
      commands.set(command.toUpperCase().replace("|", " "), { calls: Number(calls), micros: Number(micros) });
    }
  }
  return {
    at,
    // Before Redis 6.2 only the whole process has a figure.
    engineMs: Number.isNaN(mainMs) ? (number("used_cpu_user") + number("used_cpu_sys")) * 1_000 : mainMs,
    connections: number("total_connections_received"),
    commands,
  };
}
