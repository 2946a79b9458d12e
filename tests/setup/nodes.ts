import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openRedis, type RedisDoor } from "../../core/doors/redis.ts";
import { Child, freePort, listens } from "../../local/child.ts";
import { eventually } from "./client.ts";

/** Redis servers of a test's own that can be promoted, demoted and killed: each a real process. */

export interface Node {
  readonly port: number;
  readonly door: RedisDoor;
  /** Ends the process at once; what it had only in memory is gone. */
  kill(): Promise<void>;
  /** Starts it again, on whatever its folder holds. */
  start(): Promise<void>;
  /** Makes it a replica of another and waits until it has everything. */
  follow(primary: Node): Promise<void>;
  /** Cuts it off from its primary: it keeps what it has and gets nothing more. */
  cutOff(): Promise<void>;
  /** Makes it a primary, as a failover does. */
  promote(): Promise<void>;
  info(section: string, name: string): Promise<string>;
}

export interface Nodes {
  add(...args: string[]): Promise<Node>;
  /** Another connection of a client's own. */
  connect(node: Node, cluster?: boolean): RedisDoor;
  stop(): Promise<void>;
}

/** Nothing listens there: whoever follows it is alone. */
const NOWHERE = 1;

export function startNodes(): Nodes {
  const folder = mkdtempSync(join(tmpdir(), "firstcome-nodes-"));
  const output = openSync(join(folder, "log"), "w");
  const servers: Child[] = [];
  const doors: RedisDoor[] = [];

  const connect = (port: number, cluster = false) => {
    const door = openRedis({ host: "127.0.0.1", port, tls: false, cluster });
    doors.push(door);
    return door;
  };

  return {
    connect: (node, cluster) => connect(node.port, cluster),
    async add(...args) {
      const port = await freePort();
      const dir = mkdtempSync(join(folder, "node-"));
      const server = new Child({
        name: `redis ${port}`,
        command: process.env.FIRSTCOME_REDIS_SERVER ?? "redis-server",
        args: [
          ...["--port", `${port}`, "--bind", "127.0.0.1", "--dir", dir, "--save", ""],
          ...["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"],
          ...args,
        ],
        output,
        ready: listens(port),
        node: false,
        restartMs: 60_000,
      });
      servers.push(server);
      await server.start();
      const door = connect(port);
      const info = async (section: string, name: string) => {
        const text = String(await door.command("INFO", section));
        return new RegExp(`^${name}:(.*?)\r?$`, "m").exec(text)?.[1] ?? "";
      };
      return {
        port,
        door,
        info,
        kill: async () => {
          process.kill(server.pid, "SIGKILL");
          await server.stop();
        },
        start: () => server.start(),
        async follow(primary) {
          await door.command("REPLICAOF", "127.0.0.1", primary.port);
          await eventually(
            async () => [
              await info("replication", "master_link_status"),
              await info("replication", "slave_repl_offset"),
              await primary.info("replication", "master_repl_offset"),
            ],
            ([link, here, there]) => link === "up" && Number(here) >= Number(there),
          );
        },
        cutOff: async () => {
          await door.command("REPLICAOF", "127.0.0.1", NOWHERE);
        },
        promote: async () => {
          await door.command("REPLICAOF", "NO", "ONE");
        },
      };
    },
    async stop() {
      for (const door of doors) door.close();
      for (const server of servers) await server.stop();
      closeSync(output);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
