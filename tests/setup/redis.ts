import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openRedis, type RedisDoor } from "../../core/doors/redis.ts";
import { Child, freePort, listens } from "../../local/child.ts";

export interface TestRedis {
  readonly door: RedisDoor;
  readonly port: number;
  readonly pid: () => number;
  /** A second connection, as another container would have. */
  connect(): RedisDoor;
  stop(): Promise<void>;
}

/** A Redis server of the test's own, spoken to over TCP. */
export async function startRedis(args: readonly string[] = []): Promise<TestRedis> {
  const port = await freePort();
  const dir = mkdtempSync(join(tmpdir(), "firstcome-redis-"));
  const output = openSync(join(dir, "log"), "w");
  const server = new Child({
    name: "redis",
    command: process.env.FIRSTCOME_REDIS_SERVER ?? "redis-server",
    args: ["--port", `${port}`, "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "no", ...args],
    output,
    ready: listens(port),
    node: false,
    restartMs: 50,
  });
  await server.start();
  const doors: RedisDoor[] = [];
  const connect = () => {
    const door = openRedis({ host: "127.0.0.1", port, tls: false });
    doors.push(door);
    return door;
  };
  return {
    door: connect(),
    port,
    pid: () => server.pid,
    connect,
    async stop() {
      for (const door of doors) door.close();
      await server.stop();
      closeSync(output);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
