import type { RedisAddress } from "../core/doors/redis.ts";

/** Where a Redis URL leads: `redis://` or, with TLS, `rediss://`. */
export function redisAddress(url: string): RedisAddress {
  const { protocol, hostname, port, username, password } = new URL(url);
  return {
    host: hostname,
    port: Number(port || 6379),
    ...(username ? { username: decodeURIComponent(username) } : {}),
    ...(password ? { password: decodeURIComponent(password) } : {}),
    tls: protocol === "rediss:",
  };
}
