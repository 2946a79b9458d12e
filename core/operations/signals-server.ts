import type { Ctx } from "../context.ts";
import { keys, shardKeys } from "../keys.ts";
import { defineScript, UnexpectedReply } from "../lua.ts";
import { SHARDS } from "../rankings/shards.ts";
import serverText from "./server.lua";

/** How the servers of Redis stand, in INFO's own figures. */

/** A replica as its primary sees it. */
export interface ReplicaSignals {
  /** As INFO has it: `online`, `wait_bgsave`, … */
  readonly state: string;
  readonly offset: number;
  /** Bytes of the primary's stream that it has not acknowledged: what a failover at this moment would lose. */
  readonly gapBytes: number;
  /** Seconds since its last acknowledgement; it gives one each second. */
  readonly lagSeconds: number;
}

export interface ServerSignals {
  /** Another one after each start of the process. */
  readonly runId: string;
  readonly version: string;
  readonly role: "primary" | "replica";
  /** Bytes of its replication stream so far. */
  readonly offset: number;
  readonly replicas: readonly ReplicaSignals[];
  readonly usedBytes: number;
  /** Zero where no limit is set. */
  readonly maxBytes: number;
  readonly policy: string;
  /** Memory that the system has given it, divided by what it uses. */
  readonly fragmentation: number;
  /** Since it was started. */
  readonly evictedKeys: number;
  readonly expiredKeys: number;
}

export const tellServer = defineScript("server", serverText, ["anchor"], [], (raw): Record<string, string> => {
  const [word, ...parts] = Array.isArray(raw) ? raw : [];
  if (word !== "told") throw new UnexpectedReply("server", raw);
  return readInfo(parts.map(String).join("\r\n"));
});

/** Fields of INFO by their names. */
export function readInfo(text: string): Record<string, string> {
  return Object.fromEntries([...text.matchAll(/^(\w+):(.*?)\r?$/gm)].map(([, name = "", value = ""]) => [name, value]));
}

const REPLICA = /^(?:slave|replica)\d+$/;

/** A server's figures out of the fields of INFO. */
export function serverOf(info: Readonly<Record<string, string>>): ServerSignals {
  const count = (name: string) => Number(info[name] ?? 0);
  const role = info.role === "master" ? "primary" : "replica";
  // A replica's stream is its primary's, as far as it has it.
  const offset = count(role === "primary" ? "master_repl_offset" : "slave_repl_offset");
  const replicas = Object.entries(info)
    .filter(([name]) => REPLICA.test(name))
    .map(([, line]): ReplicaSignals => {
      const of = Object.fromEntries(line.split(",").map((part) => part.split("=") as [string, string]));
      const acknowledged = Number(of.offset ?? 0);
      return {
        state: of.state ?? "",
        offset: acknowledged,
        // Fields of one INFO are of one moment, yet a replica that has just connected may be told of as ahead.
        gapBytes: Math.max(0, offset - acknowledged),
        lagSeconds: Number(of.lag ?? 0),
      };
    });
  return {
    runId: info.run_id ?? "",
    version: info.valkey_version ?? info.redis_version ?? "",
    ...{ role, offset, replicas },
    usedBytes: count("used_memory"),
    maxBytes: count("maxmemory"),
    policy: info.maxmemory_policy ?? "",
    fragmentation: count("mem_fragmentation_ratio"),
    evictedKeys: count("evicted_keys"),
    expiredKeys: count("expired_keys"),
  };
}

/** Campaigns whose servers are asked for, beside those of the rankings' shards. */
const CAMPAIGNS_ASKED = 16;

/**
 * The servers that hold these campaigns and the rankings' shards, each once. There is no list of a cluster's servers behind one door,
 * so each is found by what lies on it: one that holds none of these is not told of.
 */
export async function serversOf(
  ctx: Pick<Ctx, "redis">,
  campaignIds: readonly string[],
): Promise<readonly ServerSignals[]> {
  const anchors = [
    ...SHARDS.map((shard) => shardKeys(shard, 0).origin),
    ...campaignIds.slice(0, CAMPAIGNS_ASKED).map(keys.tally),
  ];
  const told = await Promise.all(anchors.map((anchor) => ctx.redis.run(tellServer, { anchor }, {})));
  return [...new Map(told.map(serverOf).map((server) => [server.runId, server])).values()];
}
