import { openRedis } from "../../../core/doors/redis.ts";
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

/** Begins to watch. @throws when Redis is out of reach, or does not let itself be set */
export async function watchRedis(url: string): Promise<RedisWatch> {
  const door = openRedis(redisAddress(url));
  const configure = async (settings: Readonly<Record<string, string>>) => {
    for (const [name, value] of Object.entries(settings)) await door.command("CONFIG", "SET", name, value);
  };
  try {
    const before: Record<string, string> = {};
    for (const name of Object.keys(SETTINGS)) {
      const [, value = ""] = (await door.command("CONFIG", "GET", name)) as string[];
      before[name] = value;
    }
    await configure(SETTINGS);
    await door.command("LATENCY", "RESET");
    const [last] = (await door.command("SLOWLOG", "GET", 1)) as unknown[][];
    const seen = last === undefined ? -1 : Number(last[0]);
    return {
      read: async () => readingOf(String(await door.command("INFO", "all")), Date.now()),
      async end() {
        try {
          const entries = (await door.command("SLOWLOG", "GET", SLOW_MOST)) as unknown[][];
          const delays = (await door.command("LATENCY", "LATEST")) as unknown[][];
          await configure(before);
          return {
            slow: entries.filter(([id]) => Number(id) > seen).map(slowOf),
            delays: delays.map(([kind, , , mostMs]) => ({ kind: String(kind), mostMs: Number(mostMs) })),
          };
        } finally {
          door.close();
        }
      },
    };
  } catch (error) {
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
