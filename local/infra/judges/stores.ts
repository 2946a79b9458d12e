import { queueAttributes, queues, table } from "../../../infra/settings.ts";
import type { Judge } from "../subject.ts";

/** Redis, the ledger and the queues: every setting that the design names. */

const SSE = "sqsManagedSseEnabled";

export const redis: Judge = ({ graph, sizes, isDev }, findings) => {
  const file = "infra/redis.ts";
  const cluster = graph.inputs("aws:elasticache/replicationGroup:ReplicationGroup", "RedisCluster");
  if (isDev) {
    findings.that(file, cluster === undefined, "sst dev makes a cluster; it has the laptop's Redis.");
    return;
  }
  if (!cluster) {
    findings.that(file, false, "there is no Redis.");
    return;
  }
  const { replicas, shards, instance, snapshotDays, parameters } = sizes.redis;
  const wanted = {
    engine: "valkey",
    clusterMode: "enabled",
    numNodeGroups: shards,
    replicasPerNodeGroup: replicas,
    automaticFailoverEnabled: true,
    multiAzEnabled: replicas > 0,
    transitEncryptionEnabled: true,
    transitEncryptionMode: "required",
    atRestEncryptionEnabled: true,
    nodeType: `cache.${instance}`,
    snapshotRetentionLimit: snapshotDays,
  };
  for (const [name, value] of Object.entries(wanted)) findings.equal(file, name, cluster[name], value);
  findings.that(file, cluster.authToken !== undefined, "Redis has no password.");
  findings.that(file, cluster.notificationTopicArn !== undefined, "nobody hears of a failover.");
  const group = graph.inputs("aws:elasticache/parameterGroup:ParameterGroup", "RedisParameterGroup");
  const set = (group?.parameters ?? []) as readonly { name: string; value: string }[];
  const setTo = (name: string) => set.find((parameter) => parameter.name === name)?.value;
  findings.equal(file, "cluster-enabled", setTo("cluster-enabled"), "yes");
  findings.equal("infra/stages.ts", "maxmemory-policy", setTo("maxmemory-policy"), "noeviction");
  for (const [name, value] of Object.entries(parameters)) findings.equal(file, name, setTo(name), value);
};

export const ledger: Judge = ({ graph, sizes }, findings) => {
  const file = "infra/ledger.ts";
  const it = graph.inputs("aws:dynamodb/table:Table", "LedgerTable");
  if (!it) {
    findings.that(file, false, "there is no table Ledger.");
    return;
  }
  // The laptop's table is made from the same names by local/resources.ts.
  findings.equal(file, "the partition key", it.hashKey, table.hashKey);
  findings.equal(file, "the sort key", it.rangeKey, table.rangeKey);
  findings.equal(file, "billing", it.billingMode, "PAY_PER_REQUEST");
  findings.equal(file, "point-in-time recovery", it.pointInTimeRecovery, { enabled: true });
  findings.equal(file, "time to live", it.ttl, { attributeName: table.ttl, enabled: true });
  findings.equal(file, "deletion protection", it.deletionProtectionEnabled, sizes.keepsLedger);
};

export const allQueues: Judge = ({ graph }, findings) => {
  const file = "infra/queues.ts";
  const type = "aws:sqs/queue:Queue";
  findings.same(
    file,
    "queues",
    graph.of(type).map(({ name }) => name.replace(/Queue$/, "")),
    Object.keys(queues),
  );
  for (const name of Object.keys(queues) as (keyof typeof queues)[]) {
    const it = graph.inputs(type, `${name}Queue`);
    if (!it) continue;
    // What the laptop's queues are made with (local/resources.ts), in the words of the SQS API.
    const wanted = queueAttributes(name, "-");
    findings.equal(file, `${name}: FIFO`, String(it.fifoQueue), wanted.FifoQueue);
    findings.equal(file, `${name}: deduplication`, it.deduplicationScope, wanted.DeduplicationScope);
    findings.equal(file, `${name}: throughput`, it.fifoThroughputLimit, wanted.FifoThroughputLimit);
    findings.equal(file, `${name}: visibility`, String(it.visibilityTimeoutSeconds), wanted.VisibilityTimeout);
    findings.equal(file, `${name}: retention`, String(it.messageRetentionSeconds), wanted.MessageRetentionPeriod);
    findings.equal(file, `${name}: encryption`, it[SSE], true);
    const redrive = it.redrivePolicy === undefined ? undefined : JSON.parse(String(it.redrivePolicy));
    const settings: { retentionSeconds: number; deadLetters?: string; receivesMost?: number } = queues[name];
    findings.equal(file, `${name}: receives`, redrive?.maxReceiveCount, settings.receivesMost);
    if (!settings.deadLetters) continue;
    const target = String(redrive?.deadLetterTargetArn ?? "");
    findings.that(
      file,
      target.endsWith(`:${settings.deadLetters}Queue.fifo`),
      `${name}: dead letters go to ${target || "nowhere"}; those of a FIFO queue need a FIFO queue.`,
    );
  }
};
