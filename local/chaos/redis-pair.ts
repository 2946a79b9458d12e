import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Argument, Reply } from "../bench/resp.ts";
import { Child, freePort, listens } from "../child.ts";
import { until } from "./patience.ts";
import { startProxy, type TcpProxy } from "./proxy.ts";
import { redisCall, redisInfo } from "./redis-call.ts";

/** How long a start, a load from disk and a full synchronisation may take, together. */
const READY_MS = 20_000;

export interface Failover {
  /** How long the replica is out of the primary's reach before the primary goes: what is written meanwhile is lost. */
  readonly lagMs: number;
  /** From the primary's end to the promotion. */
  readonly outageMs: number;
  /** What becomes of the primary: its process is killed, or lives on and becomes the replica. */
  readonly old: "killed" | "demoted";
}

/**
 * A primary with an append-only file, its replica, and one endpoint in front of them that stays the same whoever is primary,
 * as ElastiCache's does by DNS. The replica reaches its primary through a second proxy, which can be parted: only then does
 * a replica on the same machine ever miss a write.
 */
export interface RedisPair {
  /** The primary's, whoever it is. */
  readonly url: string;
  readonly endpoint: TcpProxy;
  /** A command to the primary, past the endpoint's delay. */
  call(...args: readonly Argument[]): Promise<Reply>;
  primaryPid(): number;
  /** Kills the primary; it comes back with all that it had acknowledged. */
  killPrimary(): Promise<void>;
  /** Kills the primary; it comes back with nothing. */
  restartEmpty(): Promise<void>;
  /** Puts the replica in the primary's place. @returns how many bytes of acknowledged writes are lost with that */
  failover(how: Failover): Promise<number>;
  /** Starts the replica anew in another environment, and waits until it is in sync. */
  replaceReplica(env: NodeJS.ProcessEnv): Promise<void>;
  /** Waits until the replica is in sync. */
  inSync(): Promise<void>;
  /** Puts all in its first order: both up, in sync, and none of them in an environment of its own. */
  restore(): Promise<void>;
  stop(): Promise<void>;
}

export interface PairOptions {
  /** Where the two keep their files. */
  readonly folder: string;
  readonly server: string;
  /** File descriptor for their output. */
  readonly output: number;
  /** How long a killed server stays away. */
  readonly restartMs: number;
}

interface Node {
  readonly port: number;
  readonly dir: string;
  child: Child;
  /** Set while it runs in an environment other than ours. */
  env: NodeJS.ProcessEnv | undefined;
}

/** Starts both, and waits until the replica is in sync. What it has started when it fails, it stops. */
export async function startRedisPair(options: PairOptions): Promise<RedisPair> {
  const started: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const end of started.splice(0).reverse()) await end();
  };
  try {
    return await start(options, started, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(
  options: PairOptions,
  started: (() => Promise<void>)[],
  stop: () => Promise<void>,
): Promise<RedisPair> {
  function childOf(name: string, port: number, dir: string, env: NodeJS.ProcessEnv | undefined): Child {
    return new Child({
      name,
      command: options.server,
      args: [
        ...["--port", `${port}`, "--bind", "127.0.0.1", "--dir", dir],
        ...["--save", "", "--appendonly", "yes", "--maxmemory-policy", "noeviction"],
        // A replica is wanted soon, and a server that is told to end must not wait for one that is out of reach.
        ...["--repl-diskless-sync-delay", "0", "--shutdown-timeout", "0"],
      ],
      ...(env ? { env } : {}),
      output: options.output,
      restartMs: options.restartMs,
      ready: listens(port),
      node: false,
    });
  }

  async function startNode(name: string): Promise<Node> {
    const port = await freePort();
    const dir = join(options.folder, name);
    mkdirSync(dir, { recursive: true });
    const node: Node = { port, dir, child: childOf(name, port, dir, undefined), env: undefined };
    started.push(() => node.child.stop());
    await node.child.start();
    return node;
  }

  /** Ends a node's process in the hard way, without it being started again. */
  const end = (node: Node) => node.child.stop(0);

  async function startAgain(node: Node, env: NodeJS.ProcessEnv | undefined): Promise<void> {
    await end(node);
    node.child = childOf("redis", node.port, node.dir, env);
    node.env = env;
    await node.child.start();
  }

  const answersAt = (port: number) =>
    until(`Redis at port ${port} answers`, async () => (await redisCall(port, "PING")) === "PONG", READY_MS);

  let primary = await startNode("redis-a");
  let replica = await startNode("redis-b");
  const endpoint = await startProxy(primary.port);
  started.push(endpoint.stop);
  const link = await startProxy(primary.port);
  started.push(link.stop);
  /** What is still under way to bring the pair in order; the next fault waits for it. */
  let mending = Promise.resolve();

  const follow = async () => {
    await answersAt(replica.port);
    await redisCall(replica.port, "REPLICAOF", "127.0.0.1", link.port);
  };

  async function offsets(): Promise<{ primary: number; replica: number; isLinked: boolean }> {
    const [ofPrimary, ofReplica] = await Promise.all([
      redisInfo(primary.port, "replication"),
      redisInfo(replica.port, "replication"),
    ]);
    return {
      primary: Number(ofPrimary.get("master_repl_offset")),
      replica: Number(ofReplica.get("slave_repl_offset")),
      isLinked:
        ofReplica.get("role") === "slave" &&
        ofReplica.get("master_link_status") === "up" &&
        /state=online/.test(ofPrimary.get("slave0") ?? ""),
    };
  }

  async function synced(): Promise<void> {
    // What was written by now must be there; under load the two are never equal for long.
    const { primary: goal } = await offsets();
    const isThere = async () => {
      const now = await offsets();
      return now.isLinked && now.replica >= goal;
    };
    await until("the replica is in sync", isThere, READY_MS);
  }

  /** Goes on in the background; whoever needs the pair whole waits for it. */
  function mend(work: () => Promise<void>): void {
    mending = work();
    mending.catch(() => {});
  }

  async function failover({ lagMs, outageMs, old }: Failover): Promise<number> {
    await mending;
    link.part();
    await sleep(lagMs);
    const { primary: written, replica: received } = await offsets();
    endpoint.part();
    if (old === "killed") await end(primary);
    await sleep(outageMs);
    await redisCall(replica.port, "REPLICAOF", "NO", "ONE");
    [primary, replica] = [replica, primary];
    endpoint.retarget(primary.port);
    link.retarget(primary.port);
    endpoint.join();
    mend(async () => {
      link.join();
      if (old === "killed") await startAgain(replica, undefined);
      await follow();
      await synced();
    });
    return Math.max(0, written - received);
  }

  async function replaceReplica(env: NodeJS.ProcessEnv | undefined): Promise<void> {
    await mending;
    await startAgain(replica, env);
    await follow();
    await synced();
  }

  await follow();
  await synced();

  return {
    url: `redis://127.0.0.1:${endpoint.port}`,
    endpoint,
    call: (...args) => redisCall(primary.port, ...args),
    primaryPid: () => primary.child.pid,

    async killPrimary() {
      await mending;
      const { pid } = primary.child;
      process.kill(pid, "SIGKILL");
      await until("Redis is started again", async () => primary.child.pid !== pid, READY_MS);
      await answersAt(primary.port);
    },

    async restartEmpty() {
      await mending;
      await end(primary);
      rmSync(primary.dir, { recursive: true, force: true });
      mkdirSync(primary.dir, { recursive: true });
      await sleep(options.restartMs);
      await primary.child.start();
      await answersAt(primary.port);
    },

    failover,
    replaceReplica,

    async inSync() {
      await mending;
      await synced();
    },

    async restore() {
      await mending;
      await synced();
      // Without load, nothing is lost by it; and one that was ended is started again in our own environment.
      if (primary.env) await failover({ lagMs: 0, outageMs: 0, old: "killed" });
      await mending;
      if (replica.env) await replaceReplica(undefined);
      await synced();
    },

    stop,
  };
}
