import { useRef } from "preact/hooks";
import type { Reading } from "../poll.ts";

/** A clock that goes back by more than this was set, and is believed: answers from memory are a second old. */
const OLDER_MS = 5_000;

/**
 * Of a document that several containers (or the edge) may answer from memory, each up to a second old, the newest by the API's own
 * clock: a figure that rises is not shown to fall. Its time is the API's too, so that what is counted between two answers can be
 * divided by the time between two looks at Redis instead of the time between two answers.
 */
export function useNewest<T extends { readonly serverTime: string }>(reading: Reading<T>): Reading<T> {
  const newest = useRef<{ readonly value: T; readonly at: number } | undefined>(undefined);
  if (reading.value) {
    const at = Date.parse(reading.value.serverTime);
    const behindMs = (newest.current?.at ?? 0) - at;
    if (behindMs < 0 || behindMs > OLDER_MS) newest.current = { value: reading.value, at };
  }
  return { ...reading, value: newest.current?.value, at: newest.current?.at };
}
