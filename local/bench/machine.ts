import { cpus } from "node:os";
import type { Server } from "./server.ts";

export interface Machine {
  readonly date: string;
  readonly cores: number;
  readonly cpu: string;
  readonly node: string;
  readonly redis: string;
}

export async function thisMachine(server: Server): Promise<Machine> {
  const info = await server.info("server");
  const valkey = info.get("valkey_version");
  const cores = cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    cores: cores.length,
    cpu: cores[0]?.model.trim() ?? "unknown",
    node: process.versions.node,
    redis: valkey === undefined ? `Redis ${info.get("redis_version") ?? "?"}` : `Valkey ${valkey}`,
  };
}

export function machineLine({ date, cores, cpu, node, redis }: Machine): string {
  return `${date}: ${cores} cores of ${cpu}, Node ${node}, ${redis}, bench and server on the same machine`;
}
