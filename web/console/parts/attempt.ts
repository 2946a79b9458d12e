import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { RefusalWord } from "../../../core/words.ts";
import { Problem, Unreachable } from "../api.ts";
import type { Coupon } from "../documents.ts";
import { hearAsShopper } from "./shopper.ts";

/** Somebody's attempt to get a coupon, which goes on by itself as long as trying again makes sense. */

/** Why there was no coupon: the API's word, or that it did not answer. */
export type Why = RefusalWord | "unreachable";

export type Attempt =
  | { readonly step: "idle" | "asking" }
  /** To be asked again at `dueAt`, in milliseconds of `performance.now()`. */
  | { readonly step: "resting"; readonly why: Why; readonly dueAt: number }
  /** `accepted`: only Redis has it so far. `replayed`: the answer of before, because the first one was not heard. */
  | { readonly step: "told"; readonly word: "issued" | "accepted" | "replayed"; readonly coupon: Coupon }
  | { readonly step: "refused"; readonly why: Why };

/** What passes, by the API's contract or by the nature of networks. All else stays as it is, however often one asks. */
const PASSING: ReadonlySet<Why> = new Set([
  "not-open",
  "paused",
  "recovering",
  "unavailable",
  "throttled",
  "unreachable",
]);

/** Where no `Retry-After` came: doubled with each try, in milliseconds, and spread, so that a crowd does not come back as one. */
const FIRST_REST_MS = 500;
const MOST_REST_MS = 8_000;

/** How long one try waits for its answer, in milliseconds: the next one carries the same key. */
const PATIENCE_MS = 10_000;

const WORDS: Readonly<Record<number, "issued" | "accepted" | "replayed">> = {
  201: "issued",
  202: "accepted",
  200: "replayed",
};

export interface Attempting {
  readonly state: Signal<Attempt>;
  /** Asks, with the pass of the campaign's waiting room where there is one. */
  readonly begin: () => void;
  /** Stops trying. Whether the last try has got a coupon may be unclear: the next attempt then carries the same key. */
  readonly stop: () => void;
}

export function useAttempt(
  campaignId: string,
  pass: () => string | undefined,
  ended: (attempt: Attempt) => void,
): Attempting {
  const state = useSignal<Attempt>({ step: "idle" });
  const running = useRef<AbortController | undefined>(undefined);
  /**
   * One key until a coupon is told: a repeat of it is a replay, and gets the first answer. A refusal ends the attempt and not the key,
   * since a try before it may have got a coupon that was not heard of.
   */
  const key = useRef<string | undefined>(undefined);

  const run = async (signal: AbortSignal) => {
    key.current ??= crypto.randomUUID();
    for (let tries = 0; !signal.aborted; tries++) {
      state.value = { step: "asking" };
      const heard = await askOnce(campaignId, key.current, pass(), signal);
      if (signal.aborted) return;
      if ("why" in heard && PASSING.has(heard.why)) {
        const restMs = heard.restMs ?? Math.min(MOST_REST_MS, FIRST_REST_MS * 2 ** tries) * (0.5 + Math.random());
        state.value = { step: "resting", why: heard.why, dueAt: performance.now() + restMs };
        await rest(restMs, signal);
        continue;
      }
      if (!("why" in heard)) key.current = undefined;
      state.value = "why" in heard ? { step: "refused", why: heard.why } : { step: "told", ...heard };
      ended(state.value);
      return;
    }
  };
  const stop = () => {
    running.current?.abort();
    state.value = { step: "idle" };
  };
  const begin = () => {
    running.current?.abort();
    running.current = new AbortController();
    run(running.current.signal);
  };
  useEffect(() => () => running.current?.abort(), []);
  return { state, begin, stop };
}

type Heard =
  | { readonly word: "issued" | "accepted" | "replayed"; readonly coupon: Coupon }
  | { readonly why: Why; readonly restMs: number | undefined };

async function askOnce(campaignId: string, key: string, pass: string | undefined, signal: AbortSignal): Promise<Heard> {
  const headers = { "idempotency-key": key, ...(pass === undefined ? {} : { "waiting-room-pass": pass }) };
  try {
    const path = `/campaigns/${encodeURIComponent(campaignId)}/coupons`;
    const { status, body } = await hearAsShopper<Coupon>("POST", path, { headers, signal, patienceMs: PATIENCE_MS });
    return { word: WORDS[status] ?? "issued", coupon: body };
  } catch (error) {
    if (error instanceof Unreachable) return { why: "unreachable", restMs: undefined };
    if (!(error instanceof Problem)) throw error;
    const { code, retryAfterSeconds } = error;
    return { why: code, restMs: retryAfterSeconds === undefined ? undefined : retryAfterSeconds * 1_000 };
  }
}

/** A browser's timers take 25 days at most, and a campaign may open later. */
const TIMER_MOST_MS = 60_000;

/** Waits, or until the signal says that nobody waits any more. */
async function rest(ms: number, signal: AbortSignal): Promise<void> {
  const dueAt = performance.now() + ms;
  for (let left = ms; left > 0 && !signal.aborted; left = dueAt - performance.now()) {
    await new Promise<void>((resolve) => {
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", end);
        resolve();
      };
      const timer = setTimeout(end, Math.min(left, TIMER_MOST_MS));
      signal.addEventListener("abort", end);
    });
  }
}
