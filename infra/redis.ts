import { deployed, named } from "./deployed.ts";
import { network } from "./network.ts";
import { topic } from "./topic.ts";

/**
 * ElastiCache for Valkey, always as a cluster, so that shards can be added while it runs; TLS and a password always. SST's own
 * defaults (no replica, one zone, keys that may be evicted) are all replaced. There is no append-only file: ElastiCache has none
 * where it fails over by itself. What a failover loses is told by the fence and rebuilt from the ledger.
 */
const { instance, shards, replicas, snapshotDays, parameters } = deployed.sizes.redis;

export const redis = new sst.aws.Redis("Redis", {
  vpc: { subnets: network?.subnets ?? [], securityGroups: network ? [network.redis] : [] },
  engine: "valkey",
  version: "8.2",
  instance,
  cluster: { nodes: shards },
  parameters,
  dev: { host: "127.0.0.1", port: 6379 },
  transform: {
    cluster: (args) => {
      args.description = "firstcome: campaigns, rooms and boards";
      args.replicasPerNodeGroup = replicas;
      args.multiAzEnabled = replicas > 0;
      args.snapshotRetentionLimit = snapshotDays;
      args.notificationTopicArn = topic.arn;
      args.tags = { ...args.tags, Name: named("redis") };
    },
  },
});

/** Names of all nodes, as their metrics carry them: ElastiCache makes them from the group's, the shard and the node. */
export const redisNodes = $dev
  ? []
  : Array.from({ length: shards }, (_, shard) =>
      Array.from({ length: 1 + replicas }, (_, node) => {
        const number = (value: number, digits: number) => String(value + 1).padStart(digits, "0");
        return $interpolate`${redis.clusterId}-${number(shard, 4)}-${number(node, 3)}`;
      }),
    ).flat();
