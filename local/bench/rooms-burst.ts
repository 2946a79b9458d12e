import { setTimeout as sleep } from "node:timers/promises";
import { discard, fill } from "./rooms-bytes.ts";
import { INSIDE, OURS, type Structure, structures } from "./rooms-structures.ts";
import type { Server } from "./server.ts";

/** What a rush of admissions leaves to those who poll after it. */

/** People admitted one by one, as polls do it: all within the second in which the rate is kept. */
export const BURST = 500;
const WAITING = 2_000;
const POLLS = 500;
/** What was admitted is forgotten after a second and a sixteenth. */
const SECOND_MS = 1_100;

/** Server microseconds of a poll inside the command. */
export interface Burst {
  /** After one was admitted, and nobody in the second before. */
  readonly quiet: number;
  readonly after: number;
}

export async function pollAfterBurst(server: Server, rounds: number): Promise<Burst[]> {
  const ours = structures.find(({ name }) => name === OURS) as Structure;
  const { line } = await fill(server, ours, { roomId: "bench-burst", kind: "numeric", people: WAITING });
  const pollAfter = async (admitted: number) => {
    await sleep(SECOND_MS);
    await line.join(admitted);
    await line.room.setCapacity(INSIDE + admitted);
    const { ids } = await line.admit(admitted);
    const micros = await line.poll(POLLS);
    await line.giveBack(ids);
    await line.room.setCapacity(INSIDE);
    await line.check(server.client);
    return micros;
  };
  const bursts: Burst[] = [];
  for (let round = 0; round < rounds; round++)
    bursts.push({ quiet: await pollAfter(1), after: await pollAfter(BURST) });
  await discard(server.client, line.room);
  return bursts;
}
