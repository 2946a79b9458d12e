import { type Signal, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
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
  /** Why there was no answer the last time. */
  readonly trouble: Problem | Unreachable | undefined;
}

const NOTHING: Reading<never> = { value: undefined, at: undefined, isStale: true, trouble: undefined };

interface Poller {
  readonly reading: Signal<Reading<unknown>>;
  readonly everyMs: number;
  readonly ask: () => Promise<unknown>;
  viewers: number;
  timer: ReturnType<typeof setTimeout> | undefined;
  /** Which question is the last that was asked: an answer to an earlier one that comes late is dropped. */
  turn: number;
}

const pollers = new Map<string, Poller>();

/** Since when nothing comes from the API, in milliseconds since 1970; undefined while something does. */
export const lostSince = signal<number | undefined>(undefined);

async function look(poller: Poller): Promise<void> {
  clearTimeout(poller.timer);
  const turn = ++poller.turn;
  const askedAt = performance.now();
  let next: Partial<Reading<unknown>>;
  try {
    const value = await poller.ask();
    next = { value, at: Date.now(), isStale: false, trouble: undefined };
    lostSince.value = undefined;
  } catch (error) {
    if (!(error instanceof Problem || error instanceof Unreachable)) throw error;
    next = { isStale: true, trouble: error };
    if (error instanceof Unreachable) lostSince.value ??= Date.now();
    else lostSince.value = undefined;
  }
  if (turn !== poller.turn) return;
  poller.reading.value = { ...poller.reading.value, ...next };
  if (poller.viewers === 0 || document.hidden) return;
  const restMs = Math.max(poller.everyMs / 4, poller.everyMs - (performance.now() - askedAt));
  poller.timer = setTimeout(() => look(poller), restMs);
}

function stop(poller: Poller): void {
  clearTimeout(poller.timer);
  poller.turn++;
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
addEventListener("offline", () => {
  lostSince.value ??= Date.now();
});

/**
 * Reads a document while the part that calls this is shown.
 *
 * @param key names the document: the same key must mean the same question
 * @param everyMs how often it is asked for
 * @param ask asks; undefined as long as it cannot be asked, such as without a token
 */
export function usePoll<T>(key: string, everyMs: number, ask: (() => Promise<T>) | undefined): Reading<T> {
  const isAskable = ask !== undefined;
  const poller = isAskable ? pollerOf(key, everyMs, ask) : undefined;
  useEffect(() => {
    if (!poller) return undefined;
    poller.viewers++;
    if (poller.viewers === 1 && !document.hidden) look(poller);
    return () => {
      poller.viewers--;
      if (poller.viewers > 0) return;
      stop(poller);
      pollers.delete(key);
    };
  }, [key, poller]);
  return (poller?.reading.value ?? NOTHING) as Reading<T>;
}

function pollerOf(key: string, everyMs: number, ask: () => Promise<unknown>): Poller {
  const known = pollers.get(key);
  if (known) return known;
  const poller = { reading: signal<Reading<unknown>>(NOTHING), everyMs, ask, viewers: 0, timer: undefined, turn: 0 };
  pollers.set(key, poller);
  return poller;
}

/** Asks for a document now, because something was done to it. Does nothing where nobody sees it. */
export async function refresh(...keys: readonly string[]): Promise<void> {
  await Promise.all(
    [...pollers]
      .filter(([key]) => keys.some((it) => key === it || key.startsWith(`${it}/`) || key.startsWith(`${it}?`)))
      .map(([, poller]) => look(poller)),
  );
}
