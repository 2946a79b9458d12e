import { effect, signal } from "@preact/signals";

/**
 * Whether the API is reached at all. Every question that is asked of it tells here how it went, whichever part of the page asks; one
 * route that is slow while others answer is no lost connection.
 */

/** Since when nothing comes from the API, in milliseconds since 1970; undefined while something does. */
export const lostSince = signal<number | undefined>(undefined);

/** While nothing comes, how often the API is tried, in milliseconds: a view without live figures asks nothing by itself. */
const TRY_EVERY_MS = 3_000;
const PATIENCE_MS = 10_000;

/** When the last answer came, in milliseconds of `performance.now()`. */
let heardAt = Number.NEGATIVE_INFINITY;
let isTrying = false;

/** An answer came, whatever it says. */
export function heard(): void {
  heardAt = performance.now();
  lostSince.value = undefined;
}

/**
 * A question got no answer. Only when another one that is asked at once gets none either is the API out of reach.
 *
 * @param askedAt when it was asked, in milliseconds of `performance.now()`: what was answered since shows that the API is there
 */
export function unheard(askedAt: number): void {
  if (heardAt <= askedAt && lostSince.value === undefined) attempt();
}

async function attempt(): Promise<void> {
  if (isTrying) return;
  isTrying = true;
  const [askedAt, since] = [performance.now(), Date.now()];
  try {
    await fetch("/health", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
    heard();
  } catch {
    if (heardAt <= askedAt) lostSince.value ??= since;
  } finally {
    isTrying = false;
  }
}

effect(() => {
  if (lostSince.value === undefined) return undefined;
  const timer = setInterval(() => {
    if (!document.hidden) attempt();
  }, TRY_EVERY_MS);
  return () => clearInterval(timer);
});
addEventListener("online", attempt);
addEventListener("offline", () => {
  lostSince.value ??= Date.now();
});
