import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Child, freePort, listens } from "../child.ts";
import { type Client, openClient } from "./client.ts";
import { encode } from "./resp.ts";

/** A Redis server of the bench's own, that writes to no disk, and what its INFO tells. */
export interface Server {
  readonly port: number;
  readonly client: Client;
  /** The fields of some sections of INFO. */
  info(...sections: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Empties it and forgets its statistics. */
  clear(): Promise<void>;
  stop(): Promise<void>;
}

export async function startServer(): Promise<Server> {
  const port = await freePort();
  const dir = mkdtempSync(join(tmpdir(), "firstcome-bench-redis-"));
  const output = openSync(join(dir, "log"), "w");
  const child = new Child({
    name: "redis",
    command: process.env.FIRSTCOME_REDIS_SERVER || "redis-server",
    args: [
      ...["--port", `${port}`, "--bind", "127.0.0.1", "--dir", dir],
      ...["--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"],
      // An entry in the slow log would be memory that no coupon has taken.
      ...["--slowlog-max-len", "0"],
      // What is deleted is gone when the reply comes.
      ...["--lazyfree-lazy-user-del", "no"],
    ],
    output,
    ready: listens(port),
    node: false,
    // A server that dies ends the bench: its connections break.
    restartMs: 60_000,
  });
  const discard = () => {
    closeSync(output);
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    await child.start();
  } catch (error) {
    discard();
    throw new Error(`${error instanceof Error ? error.message : error}. FIRSTCOME_REDIS_SERVER names another binary.`);
  }
  const client = await openClient(port);
  return {
    port,
    client,
    async info(...sections) {
      const fields = new Map<string, string>();
      for (const section of sections) {
        for (const line of String(await client.call("INFO", section)).split("\r\n")) {
          const colon = line.indexOf(":");
          if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1));
        }
      }
      return fields;
    },
    async clear() {
      await client.call("FLUSHALL", "SYNC");
      await client.call("CONFIG", "RESETSTAT");
    },
    async stop() {
      await client.close();
      await child.stop();
      discard();
    },
  };
}

/** A figure of INFO. Throws when the server does not tell it. */
export function figure(info: ReadonlyMap<string, string>, name: string): number {
  const value = Number(info.get(name));
  if (Number.isNaN(value)) throw new Error(`Redis' INFO tells no ${name}`);
  return value;
}

/** What `cmdstat_<name>` counts: calls, and the microseconds inside them. */
export function commandStat(info: ReadonlyMap<string, string>, name: string): { calls: number; micros: number } {
  const [, calls = "0", micros = "0"] = /^calls=(\d+),usec=(\d+)/.exec(info.get(`cmdstat_${name}`) ?? "") ?? [];
  return { calls: Number(calls), micros: Number(micros) };
}

/** CPU that the server's process has used, in user and system mode. */
export async function cpuSeconds(server: Server): Promise<number> {
  const info = await server.info("cpu");
  return figure(info, "used_cpu_user") + figure(info, "used_cpu_sys");
}

/**
 * Bytes in use without what the server keeps for those who look: other connections are waited out, its statistics of commands
 * reset, and what the bench's own connection takes is subtracted.
 */
export async function usedMemory(server: Server): Promise<number> {
  await server.client.call("CONFIG", "RESETSTAT");
  while (figure(await server.info("clients"), "connected_clients") > 1) await sleep(1);
  // In one write, so that nothing comes between; the short reply first, because a reply that waits is memory.
  const [own, memory] = await server.client.send([encode(["CLIENT", "INFO"]), encode(["INFO", "memory"])]);
  const [, used = ""] = /\bused_memory:(\d+)/.exec(String(memory)) ?? [];
  const [, ours = ""] = /\btot-mem=(\d+)/.exec(String(own)) ?? [];
  if (used === "" || ours === "") throw new Error("Redis does not tell its memory and that of a connection");
  return Number(used) - Number(ours);
}
