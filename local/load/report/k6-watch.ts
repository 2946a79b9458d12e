import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../../child.ts";
import type { Window } from "./evidence.ts";

const EVERY_MS = 100;
/** k6's number (`ExecutionStatusRunning`) for the time between what it prepares and what it looks back at. */
const RUNNING = 7;

export interface K6Watch {
  /** Where k6 is to answer. */
  readonly address: string;
  /** Ends the watch. @returns from when to when people came, or undefined when that was never seen */
  end(): Promise<Window | undefined>;
}

/** Asks k6 itself in which seconds it sends people: its summary has no times. */
export async function watchK6(): Promise<K6Watch> {
  const address = `127.0.0.1:${await freePort()}`;
  const ending = new AbortController();
  let window: Window | undefined;
  const loop = (async () => {
    while (!ending.signal.aborted) {
      const at = Date.now();
      if ((await statusAt(address)) === RUNNING) window = { from: window?.from ?? at, to: at };
      await sleep(EVERY_MS, undefined, { signal: ending.signal }).catch(() => undefined);
    }
  })();
  return {
    address,
    async end() {
      ending.abort();
      await loop;
      return window;
    },
  };
}

/** Undefined while k6 is not there yet, or no more. */
async function statusAt(address: string): Promise<number | undefined> {
  try {
    const answer = await fetch(`http://${address}/v1/status`, { signal: AbortSignal.timeout(1_000) });
    const { data } = (await answer.json()) as { data?: { attributes?: { status?: number } } };
    return data?.attributes?.status;
  } catch {
    return undefined;
  }
}
