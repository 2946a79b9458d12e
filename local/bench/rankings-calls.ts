import type { RedisDoor } from "../../core/doors/redis.ts";
import { commandStat, cpuSeconds, figure, type Server } from "./server.ts";

/** What calls cost: together, and each one timed by the server itself. */

export interface Call {
  /** The script or command. */
  readonly name: string;
  /** Inside the command, by the server's clock. */
  readonly serverMicros: number;
  /** CPU that the server's own thread spent on it, by which a machine that paused it can be told from work. */
  readonly cpuMicros: number;
  /** Until the caller had the reply. */
  readonly latencyMicros: number;
}

const threadMicros = (info: ReadonlyMap<string, string>) =>
  1e6 * (figure(info, "used_cpu_user_main_thread") + figure(info, "used_cpu_sys_main_thread"));

async function timed<R>(server: Server, name: string, command: string, calls: Call[], work: () => Promise<R>) {
  const before = await server.info("commandstats", "cpu");
  const startedAt = performance.now();
  const result = await work();
  const latencyMicros = (performance.now() - startedAt) * 1_000;
  const after = await server.info("cpu", "commandstats");
  const [first, last] = [commandStat(before, command), commandStat(after, command)];
  if (last.calls !== first.calls + 1) throw new Error(`Redis counted ${last.calls - first.calls} calls of ${name}`);
  const cpuMicros = threadMicros(after) - threadMicros(before);
  calls.push({ name, serverMicros: last.micros - first.micros, cpuMicros, latencyMicros });
  return result;
}

/** A door that notes each script and command into a list. For callers that make one call at a time. */
export function timedDoor(server: Server, door: RedisDoor, calls: Call[]): RedisDoor {
  return {
    run: (script, keys, args) =>
      timed(server, `${script.name}.lua`, "evalsha", calls, () => door.run(script, keys, args)),
    command: (name, ...args) => timed(server, name, name.toLowerCase(), calls, () => door.command(name, ...args)),
    commands: (batch) => door.commands(batch),
    close: () => door.close(),
  };
}

/** One command over the bench's own connection. */
export async function timedCommand(server: Server, ...args: readonly (string | number)[]): Promise<Call> {
  const calls: Call[] = [];
  const name = String(args[0]);
  await timed(server, name, name.toLowerCase(), calls, () => server.client.call(...args));
  const [call] = calls;
  if (!call) throw new Error(`${name} was not called`);
  return call;
}

/** What some work took: of wall time, of the server's CPU, and by command. */
export interface Cost {
  readonly seconds: number;
  readonly cpu: number;
  readonly stats: ReadonlyMap<string, string>;
}

export async function costOf(server: Server, work: () => Promise<unknown>): Promise<Cost> {
  await server.client.call("CONFIG", "RESETSTAT");
  const cpuBefore = await cpuSeconds(server);
  const startedAt = performance.now();
  await work();
  const seconds = (performance.now() - startedAt) / 1_000;
  const cpu = (await cpuSeconds(server)) - cpuBefore;
  return { seconds, cpu, stats: await server.info("commandstats") };
}
