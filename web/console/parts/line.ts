import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { leave, type Place, type Stored, type Turn, waitForTurn } from "../../waiting-room.ts";
import { shopper } from "./shopper.ts";

/** Somebody in a waiting room's line. The waiting itself is what shops use: web/waiting-room.ts. */

export type Line =
  /** Not in line; `joining` until the first place is known. */
  | { readonly step: "out" | "joining" | "leaving" | "over" }
  | { readonly step: "waiting"; readonly place: Place }
  | { readonly step: "inside"; readonly pass: string; readonly expiresAt: string }
  | { readonly step: "ended"; readonly turn: Exclude<Turn, { outcome: "admitted" }> };

export interface Lining {
  readonly state: Signal<Line>;
  readonly join: () => void;
  readonly leave: () => void;
  /** The pass has ended, or is not taken any more: whoever wants in again joins anew. */
  readonly lose: () => void;
}

/** How long leaving is tried, in milliseconds: after that the heartbeat runs out by itself. */
const LEAVING_MS = 10_000;

/** Waits in a room as the shopper of now; whoever has waited there before in this tab goes on from where they stood. */
export function useLine(roomId: string): Lining {
  const state = useSignal<Line>({ step: "out" });
  const waiting = useRef<AbortController | undefined>(undefined);
  const stored = useRef(storedOf(roomId, shopper.value?.name ?? ""));
  const visit = {
    api: location.origin,
    roomId,
    token: () => shopper.value?.token ?? "",
    stored: stored.current,
  };

  const join = async () => {
    waiting.current?.abort();
    const controller = new AbortController();
    waiting.current = controller;
    state.value = { step: "joining" };
    const { signal } = controller;
    try {
      const turn = await waitForTurn({
        ...visit,
        signal,
        onPlace: (place) => {
          if (!signal.aborted) state.value = { step: "waiting", place };
        },
      });
      state.value =
        turn.outcome === "admitted"
          ? { step: "inside", pass: turn.pass, expiresAt: turn.expiresAt }
          : { step: "ended", turn };
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  };
  const forget = (step: "out" | "over") => {
    waiting.current?.abort();
    stored.current.set("ticket", "");
    stored.current.set("pass", "");
    state.value = { step };
  };
  const leaveNow = async () => {
    waiting.current?.abort();
    state.value = { step: "leaving" };
    const signal = AbortSignal.timeout(LEAVING_MS);
    try {
      await leave({ ...visit, signal });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    forget("out");
  };
  useEffect(() => {
    if (stored.current.get("ticket") || stored.current.get("pass")) join();
    return () => waiting.current?.abort();
  }, []);
  return { state, join, leave: leaveNow, lose: () => forget("over") };
}

/** Ticket and pass outlive a reload of the page; a browser that keeps nothing keeps them as long as the page. */
function storedOf(roomId: string, name: string): Stored {
  const kept = new Map<string, string>();
  const nameOf = (key: string) => `firstcome.line.${roomId}.${name}.${key}`;
  return {
    get: (key) => {
      try {
        return sessionStorage.getItem(nameOf(key)) ?? kept.get(key);
      } catch {
        return kept.get(key);
      }
    },
    set: (key, value) => {
      kept.set(key, value);
      try {
        sessionStorage.setItem(nameOf(key), value);
      } catch {
        // It is kept until the page is closed.
      }
    },
  };
}
