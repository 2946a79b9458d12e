import type { RedisReading } from "./redis-watch.ts";

/** How busy Redis's one engine was between two readings. */
export interface Engine {
  readonly ms: number;
  /** Processor time of the engine's thread, by the clock: 1 is a core. */
  readonly cpu: number;
  /**
   * Share of the time in which a command held the engine. It also holds it while other processes have the processor, so on a crowded
   * machine it is above `cpu`. What commands inside a script take is counted twice by Redis, hence the larger of two sums: of
   * scripts, and of all else.
   */
  readonly held: number;
  /** The larger of the two: what is judged. */
  readonly busy: number;
  /** Commands by the share of the time in which they held the engine, the largest first. */
  readonly commands: readonly { readonly name: string; readonly share: number; readonly calls: number }[];
  readonly connections: number;
}

const SCRIPTS = /^(EVAL|EVALSHA|FCALL)(_RO)?$/;
/** What the watch itself asks. */
const OURS = /^(INFO|CONFIG|SLOWLOG|LATENCY)\b/;

/** @returns undefined when no time lies between the two, or Redis was started again in between */
export function engineBetween(first: RedisReading, last: RedisReading): Engine | undefined {
  const ms = last.at - first.at;
  if (ms <= 0 || last.engineMs < first.engineMs) return undefined;
  const commands = [...last.commands]
    .map(([name, { calls, micros }]) => {
      const before = first.commands.get(name) ?? { calls: 0, micros: 0 };
      return { name, share: (micros - before.micros) / 1_000 / ms, calls: calls - before.calls };
    })
    .filter(({ name, calls }) => calls > 0 && !OURS.test(name))
    .sort((a, b) => b.share - a.share);
  const sharesOf = (isIn: (name: string) => boolean) =>
    commands.filter(({ name }) => isIn(name)).reduce((sum, { share }) => sum + share, 0);
  const held = Math.max(
    sharesOf((name) => SCRIPTS.test(name)),
    sharesOf((name) => !SCRIPTS.test(name)),
  );
  const cpu = (last.engineMs - first.engineMs) / ms;
  const connections = last.connections - first.connections;
  return { ms, cpu, held: Math.min(1, held), busy: Math.min(1, Math.max(cpu, held)), commands, connections };
}
