import { Resource } from "sst";

/**
 * What the deployment (or the laptop's stack) has linked to this function. The only file that imports `sst`: everything else
 * gets addresses as arguments and cannot tell where it runs.
 */

interface Linked {
  readonly Redis: { host: string; port: number; username?: string; password?: string };
  readonly Confirmations: { url: string };
  readonly DeadLetters: { url: string };
  readonly Events: { url: string };
  readonly Ledger: { name: string };
  readonly CouponSecret: { value: string };
  readonly RoomKeys: { value: string };
  /** Whether Redis speaks TLS, and whether it is a cluster; where SQS, DynamoDB and CloudWatch are, when not at AWS. */
  readonly Settings: {
    redisTls: boolean;
    redisCluster: boolean;
    sqsEndpoint: string;
    dynamodbEndpoint: string;
    cloudwatchEndpoint: string;
  };
}

const linked = Resource as unknown as Linked;

export const settings = {
  redis: () => {
    const { redisTls, redisCluster } = linked.Settings;
    return { ...linked.Redis, port: Number(linked.Redis.port), tls: redisTls, cluster: redisCluster };
  },
  confirmations: () => ({ url: linked.Confirmations.url, ...at(linked.Settings.sqsEndpoint) }),
  deadLetters: () => ({ url: linked.DeadLetters.url, ...at(linked.Settings.sqsEndpoint) }),
  events: () => ({ url: linked.Events.url, ...at(linked.Settings.sqsEndpoint) }),
  ledger: () => ({ name: linked.Ledger.name, ...at(linked.Settings.dynamodbEndpoint) }),
  metrics: () => at(linked.Settings.cloudwatchEndpoint),
  couponSecret: () => linked.CouponSecret.value,
  roomKeys: () => linked.RoomKeys.value,
};

function at(endpoint: string): { endpoint?: string } {
  return endpoint === "" ? {} : { endpoint };
}
