import { type Signal, signal } from "@preact/signals";
import { useLayoutEffect } from "preact/hooks";
import { Problem, Unreachable } from "./api.ts";

/**
 * Documents that are asked for again and again, while somebody sees them: a document that no part of the page shows is not asked
 * for, and a page that is hidden asks for nothing. Two parts that show the same document share its questions.
 */

/** What is known of a document. */
export interface Reading<T> {
  /** The last answer, which may be old: see `isStale`. */
  readonly value: T | undefined;
  /** When it came, in milliseconds since 1970 by the browser. */
  readonly at: number | undefined;
  /** Whether the value is not of now: nothing came since, or it is not known what came. Must never look like a new number. */
  readonly isStale: boolean;
  /** Why there was no answer the last time: a `Problem`, `Unreachable`, or a fault of the page itself. */
  readonly trouble: Error | undefined;
}

/** Milliseconds; as a function, it depends on what was answered last. */
export type Every<T> = number | ((value: T | undefined) => number);

const NOTHING: Reading<never> = { value: undefined, at: undefined, isStale: true, trouble: undefined };

interface Poller {
  readonly key: string;
  readonly reading: Signal<Reading<unknown>>;
  readonly every: Every<unknown>;
  readonly ask: () => Promise<unknown>;
  viewers: number;
  timer: ReturnType<typeof setTimeout> | undefined;
  /** How many questions were asked. */
  asked: number;
  /** The number of the question whose answer is shown. An answer to one before it comes too late, and is dropped. */
  shown: number;
}

const pollers = new Map<string, Poller>();

async function look(poller: Poller): Promise<void> {
  clearTimeout(poller.timer);
  const question = ++poller.asked;
  const askedAt = performance.now();
  let next: Partial<Reading<unknown>>;
  try {
    const value = await poller.ask();
    next = { value, at: Date.now(), isStale: false, trouble: undefined };
  } catch (error) {
    // A fault of the page is told like any other trouble: whatever it is, the numbers are old, and are asked for again.
    if (!(error instanceof Problem || error instanceof Unreachable)) reportError(error);
    next = { isStale: true, trouble: error instanceof Error ? error : new Error(String(error)) };
  }
  if (question <= poller.shown) return;
  poller.shown = question;
  poller.reading.value = { ...poller.reading.value, ...next };
  // The answer to a later question, which is under way, goes on from there.
  if (question < poller.asked || poller.viewers === 0 || document.hidden) return;
  const everyMs = typeof poller.every === "number" ? poller.every : poller.every(poller.reading.value.value);
  const restMs = Math.max(everyMs / 4, everyMs - (performance.now() - askedAt));
  poller.timer = setTimeout(() => look(poller), restMs);
}

/** What is still under way counts no more. */
function stop(poller: Poller): void {
  clearTimeout(poller.timer);
  poller.shown = poller.asked;
}

document.addEventListener("visibilitychange", () => {
  for (const poller of pollers.values()) {
    if (document.hidden) stop(poller);
    else if (poller.viewers > 0) {
      // What was shown when the page was left is old until an answer says otherwise.
      poller.reading.value = { ...poller.reading.value, isStale: true };
      look(poller);
    }
  }
});

/**
 * Reads a document while the part that calls this is shown.
 *
 * @param key names the document: the same key must mean the same question
 * @param every how often it is asked for
 * @param ask asks; undefined as long as it cannot be asked, such as without a token
 */
export function usePoll<T>(key: string, every: Every<T>, ask: (() => Promise<T>) | undefined): Reading<T> {
  const poller = ask && pollerOf(key, every as Every<unknown>, ask);
  // With the commit and not after it: between the two, nobody else may find a poller that seems to have no viewers.
  useLayoutEffect(() => {
    if (!poller) return undefined;
    enter(poller);
    return () => leave(poller);
  }, [poller]);
  return (poller?.reading.value ?? NOTHING) as Reading<T>;
}

function pollerOf(key: string, every: Every<unknown>, ask: () => Promise<unknown>): Poller {
  const known = pollers.get(key);
  if (known) return known;
  const reading = signal<Reading<unknown>>(NOTHING);
  const poller = { key, reading, every, ask, viewers: 0, timer: undefined, asked: 0, shown: 0 };
  pollers.set(key, poller);
  return poller;
}

function enter(poller: Poller): void {
  pollers.set(poller.key, poller);
  poller.viewers++;
  if (poller.viewers === 1 && !document.hidden) look(poller);
}

function leave(poller: Poller): void {
  poller.viewers--;
  // When a document goes over from one part to another, the one leaves before the other enters, in the same commit.
  queueMicrotask(() => {
    if (poller.viewers > 0) return;
    stop(poller);
    if (pollers.get(poller.key) === poller) pollers.delete(poller.key);
  });
}

/** Asks for all that is shown, because it is somebody else who asks. */
export function refreshAll(): void {
  for (const poller of pollers.values()) look(poller);
}

/** Asks for a document now, because something was done to it. Does nothing where nobody sees it. */
export async function refresh(...keys: readonly string[]): Promise<void> {
  await Promise.all(
    [...pollers]
      .filter(([key]) => keys.some((it) => key === it || key.startsWith(`${it}/`) || key.startsWith(`${it}?`)))
      .map(([, poller]) => look(poller)),
  );
}
