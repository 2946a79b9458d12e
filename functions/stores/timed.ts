import type { Door } from "../spans/recorder.ts";
import { wait } from "../spans/spans.ts";

/** All that a door does is waited for, but closing it. */
type Waited<D> = {
  [call in keyof D]: call extends "close" ? () => void : (...args: never[]) => Promise<unknown>;
};
type Call = (...args: unknown[]) => Promise<unknown>;

/**
 * A door whose calls are recorded: how long an invocation waited for the store, connecting and retries included.
 *
 * @throws for anything but a plain object: of a class's instance the methods would be missing
 */
export function timed<D extends Waited<D> & { close(): void }>(name: Door, door: D): D {
  if (Object.getPrototypeOf(door) !== Object.prototype) throw new Error(`The door "${name}" is not a plain object.`);
  const calls = Object.entries(door as object as Record<string, Call>);
  const through = calls.map(
    ([call, run]) => [call, (...args: unknown[]) => wait(name, () => run.apply(door, args))] as const,
  );
  return { ...door, ...Object.fromEntries(through), close: () => door.close() };
}
