import { createHash } from "node:crypto";
import { Cluster, Redis, type RedisOptions } from "ioredis";
import { StoreUnavailable } from "../context.ts";
import { limits } from "../limits.ts";
import { type Script, type ScriptArgument, valuesOf } from "../lua.ts";

export interface RedisAddress {
  readonly host: string;
  readonly port: number;
  readonly username?: string;
  readonly password?: string;
  readonly tls: boolean;
  /** Whether it is a cluster: `host` and `port` are its configuration endpoint, and each key's own node is found by it. */
  readonly cluster?: boolean;
}

/** The one way to Redis. Every call answers within `limits.redisCommandMs` or throws {@link StoreUnavailable}. */
export interface RedisDoor {
  /** Runs a script by its SHA; loads it when the server does not know it. */
  run<K extends string, A extends string, R>(
    script: Script<K, A, R>,
    keys: Readonly<Record<K, string>>,
    args: Readonly<Record<A, ScriptArgument>>,
  ): Promise<R>;
  /** One plain command, for what needs no decision: `command("SISMEMBER", key, id)`. */
  command(name: string, ...args: ScriptArgument[]): Promise<unknown>;
  /** Plain commands in one round trip; replies as bytes. */
  commands(batch: readonly (readonly [name: string, ...args: ScriptArgument[]])[]): Promise<unknown[]>;
  close(): void;
}

/** Server errors that pass by themselves: loading, failing over, out of memory. Anything else a server says is a bug of ours. */
const PASSING = /^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|OOM|MISCONF|NOREPLICAS|NOAUTH)/;

function isBug(error: unknown): boolean {
  return error instanceof Error && error.name === "ReplyError" && !PASSING.test(error.message);
}

const digests = new WeakMap<object, string>();
function sha1(script: Script<string, string, unknown>): string {
  let digest = digests.get(script);
  if (digest === undefined) {
    digest = createHash("sha1").update(script.text).digest("hex");
    digests.set(script, digest);
  }
  return digest;
}

const RETRY_MOST_MS = 250;

function open(address: RedisAddress): Redis | Cluster {
  const { host, port, username, password, tls, cluster } = address;
  const options = {
    ...(username && username !== "default" ? { username } : {}),
    ...(password ? { password } : {}),
    ...(tls ? { tls: {} } : {}),
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    connectTimeout: limits.redisConnectMs,
    commandTimeout: limits.redisCommandMs,
    // A primary whose host died says nothing more, and TCP would believe in it for a quarter of an hour.
    socketTimeout: limits.redisSilenceMs,
    // A server that loads its file says how long that will take; it is asked again as soon as one that refuses connections.
    maxLoadingRetryTime: RETRY_MOST_MS,
    // A primary that was demoted: the endpoint's name leads to another server by now. The command itself is not sent again.
    reconnectOnError: (error: Error) => (error.message.startsWith("READONLY") ? 1 : false),
  } satisfies RedisOptions;
  // Reconnects quickly: a failover is seconds, and a refused attempt costs a packet.
  const retry = (attempt: number) => Math.min(20 * attempt, RETRY_MOST_MS);
  if (!cluster) {
    return new Redis({
      ...options,
      host,
      port,
      enableOfflineQueue: false,
      enableAutoPipelining: false,
      retryStrategy: retry,
    });
  }
  return new Cluster([{ host, port }], {
    redisOptions: options,
    enableOfflineQueue: false,
    // Only a redirection that the cluster itself asks for is followed; nothing that may have run is sent again.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    clusterRetryStrategy: retry,
    // TLS certificates carry names, and ElastiCache's nodes have some.
    dnsLookup: (name, done) => done(null, name),
  });
}

/**
 * Opens one connection (to a cluster: one to each node) and begins to connect at once, so that a Lambda container connects
 * while it initialises. There is no offline queue and no retry of a command: a command that may have run is never sent twice
 * behind the caller's back. The first call waits for the connection, at most `limits.redisConnectMs`.
 */
export function openRedis(address: RedisAddress): RedisDoor {
  const client = open(address);
  // Without a listener an error event would end the process; each command reports its own failure.
  client.on("error", () => {});

  // Callers that wait for the connection share one wait.
  let waiting: Promise<void> | undefined;
  async function ready(): Promise<void> {
    if (client.status === "ready") return;
    waiting ??= new Promise<void>((resolve, reject) => {
      const onReady = () => done();
      const timer = setTimeout(() => done(new Error(`not connected (${client.status})`)), limits.redisConnectMs);
      function done(error?: Error): void {
        waiting = undefined;
        clearTimeout(timer);
        client.off("ready", onReady);
        if (error) reject(error);
        else resolve();
      }
      client.once("ready", onReady);
    });
    return waiting;
  }

  async function guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      await ready();
      return await work();
    } catch (error) {
      if (isBug(error)) throw error;
      throw new StoreUnavailable("redis", error);
    }
  }

  return {
    run: async (script, keys, args) => {
      const values = valuesOf(script, keys, args);
      const call = (name: string, text: string) =>
        script.isBinary ? client.callBuffer(name, text, ...values) : client.call(name, text, ...values);
      const raw = await guarded(async () => {
        try {
          return await call("EVALSHA", sha1(script));
        } catch (error) {
          if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error;
          return await call("EVAL", script.text);
        }
      });
      // Outside the guard: a reply that cannot be read is a bug of ours, not a server out of reach.
      return script.reply(raw);
    },
    command: (name, ...args) => guarded(() => client.call(name, ...args)),
    commands: (batch) =>
      guarded(async () => {
        const pipeline = client.pipeline();
        for (const [name, ...args] of batch) pipeline.callBuffer(name, ...args);
        const replies = (await pipeline.exec()) ?? [];
        return replies.map(([error, reply]) => {
          if (error) throw error;
          return reply;
        });
      }),
    close: () => client.disconnect(),
  };
}
