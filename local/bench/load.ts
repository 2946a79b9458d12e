import type { Socket } from "node:net";
import { openSocket, replySplitter } from "./client.ts";
import { commandStat, cpuSeconds, type Server } from "./server.ts";

/**
 * A load that was encoded before it is timed, so that the server and not its caller is what is measured. (What the server
 * spends on each command is read from the server itself, and holds even where the caller is the slower one.)
 */
export interface Load {
  /** Commands sent in one write. */
  readonly batches: readonly { readonly bytes: Buffer; readonly count: number }[];
  readonly count: number;
  /** How every reply must begin. */
  readonly expected: Buffer;
  /** The command that it sends, as `commandstats` names it. */
  readonly command: string;
}

export interface Shape {
  readonly sockets: number;
  /** Commands that a socket sends before it waits for their replies. */
  readonly pipeline: number;
}

/**
 * Packs encoded commands for {@link measure}.
 * @param command their name, as `commandstats` has it
 * @param expected how every reply must begin
 */
export function packLoad({ pipeline }: Shape, commands: readonly string[], command: string, expected: string): Load {
  const batches = [];
  for (let from = 0; from < commands.length; from += pipeline) {
    const batch = commands.slice(from, from + pipeline);
    batches.push({ bytes: Buffer.from(batch.join(""), "latin1"), count: batch.length });
  }
  return { batches, count: commands.length, expected: Buffer.from(expected, "latin1"), command };
}

/** Sends the batches over the sockets, each its next one when all replies to the one before have come. */
async function drive(sockets: readonly Socket[], { batches, expected }: Load): Promise<void> {
  let next = 0;
  await Promise.all(
    sockets.map(
      (socket) =>
        new Promise<void>((resolve, reject) => {
          let open = 0;
          const advance = () => {
            const batch = batches[next++];
            if (!batch) return resolve();
            open = batch.count;
            socket.write(batch.bytes);
          };
          const split = replySplitter((bytes, at, end) => {
            if (!startsWith(bytes, at, expected)) {
              throw new Error(
                `Redis replied ${JSON.stringify(bytes.toString("latin1", at, end))}, not ${JSON.stringify(expected.toString("latin1"))}…`,
              );
            }
            open--;
          });
          socket.on("data", (chunk) => {
            try {
              split(chunk);
            } catch (error) {
              return reject(error);
            }
            if (open === 0) advance();
          });
          socket.on("error", reject);
          socket.on("close", () => reject(new Error("Redis closed a connection")));
          advance();
        }),
    ),
  );
}

function startsWith(bytes: Buffer, at: number, expected: Buffer): boolean {
  for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected[i]) return false;
  return true;
}

export interface Measured {
  readonly perSecond: number;
  /** CPU microseconds that the server's process spent on each, with everything around the command. */
  readonly cpuMicros: number;
  /** Microseconds inside the command itself. */
  readonly commandMicros: number;
}

/** Runs a load once. Throws when a reply is not the expected one. */
export async function measure(server: Server, load: Load, shape: Shape): Promise<Measured> {
  const sockets = await Promise.all(Array.from({ length: shape.sockets }, () => openSocket(server.port)));
  try {
    await server.client.call("CONFIG", "RESETSTAT");
    const cpuBefore = await cpuSeconds(server);
    const startedAt = performance.now();
    await drive(sockets, load);
    const seconds = (performance.now() - startedAt) / 1_000;
    const cpu = (await cpuSeconds(server)) - cpuBefore;
    const { calls, micros } = commandStat(await server.info("commandstats"), load.command);
    if (calls !== load.count) throw new Error(`Redis counted ${calls} calls of ${load.command}, not ${load.count}`);
    return {
      perSecond: load.count / seconds,
      cpuMicros: (cpu * 1e6) / load.count,
      commandMicros: micros / load.count,
    };
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}
