import type { Door } from "../spans/recorder.ts";
import { wait } from "../spans/spans.ts";

type Call = (...args: unknown[]) => Promise<unknown>;

/** A door whose calls are recorded: how long an invocation waited for the store, connecting and retries included. */
export function timed<D extends { close(): void }>(name: Door, door: D): D {
  const calls = Object.entries(door as object as Record<string, Call>);
  const through = calls.map(([call, run]) => [call, (...args: unknown[]) => wait(name, () => run(...args))] as const);
  return { ...door, ...Object.fromEntries(through), close: door.close };
}
