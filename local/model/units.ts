/**
 * What one piece of work costs, as it was measured here, with where and by what. CPU microseconds are of the server's process, or of
 * the function's; those "inside" are what Redis's `commandstats` counts. `npm run model -- --measure` measures them again and prints
 * both side by side.
 */

export const measured = {
  on: "2026-11-24",
  machine: "2 cores of an Intel Xeon, Node 24.21.0, Redis 7.0.15",
  command: "npm run model -- --measure",
} as const;

export interface Unit {
  readonly value: number;
  readonly unit: string;
  readonly what: string;
}

const micros = (value: number, what: string): Unit => ({ value, unit: "µs", what });

export const units = {
  issuedMicros: micros(8.15, "Redis, a winner: CPU, pipelined"),
  issuedInsideMicros: micros(7.12, "Redis, a winner: inside the script"),
  soldOutMicros: micros(4.08, "Redis, a loser who reaches it: CPU, pipelined"),
  soldOutInsideMicros: micros(2.97, "Redis, a loser: inside the script"),
  replayedMicros: micros(3.54, "Redis, a replay: CPU, pipelined"),
  replayedInsideMicros: micros(2.88, "Redis, a replay: inside the script"),
  aloneMicros: micros(3.35, "Redis, a call that is not pipelined: CPU beside the above, without TLS"),
  settledMicros: micros(35.2, "Redis, ten confirmations out of the outbox: CPU"),
  bucketMicros: micros(3.45, "Redis, one bucket of holders read into the sold-out filter: CPU"),
  bucketBytes: { value: 963, unit: "bytes", what: "Redis, that bucket's reply, with 9-digit ids" },
  joinMicros: micros(19.6, "Redis, a room's ticket: inside the script"),
  pollMicros: micros(14.9, "Redis, a room's poll, 20,000 in line: inside the script"),
  handlerIssuedMicros: micros(1216, "issuing function, a winner with its SQS message: CPU"),
  handlerReplayedMicros: micros(106, "issuing function, one call to Redis: CPU"),
  handlerSoldOutMicros: micros(9.3, "issuing function, sold out from memory: CPU"),
} as const satisfies Record<string, Unit>;

export type UnitName = keyof typeof units;
