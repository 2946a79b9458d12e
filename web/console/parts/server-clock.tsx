import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Reading } from "../poll.ts";
import { t } from "../texts/shop.ts";

/** Gives the server's time now, in milliseconds since 1970; undefined before anything was heard of it. */
export type ServerClock = () => number | undefined;

/**
 * The server's clock, from a document that says `serverTime`: a browser's own clock is often minutes off, and an opening is not. A
 * document may be some time on its way, or a second in a cache, and then says too little: the one that says the most is believed.
 */
export function useServerClock(reading: Reading<{ readonly serverTime: string }>): ServerClock {
  const heard = useRef<{ at: number | undefined; aheadMs: number | undefined }>({ at: undefined, aheadMs: undefined });
  if (reading.value && reading.at !== heard.current.at) {
    const aheadMs = Date.parse(reading.value.serverTime) - performance.now();
    heard.current = { at: reading.at, aheadMs: Math.max(aheadMs, heard.current.aheadMs ?? aheadMs) };
  }
  return () => (heard.current.aheadMs === undefined ? undefined : heard.current.aheadMs + performance.now());
}

export interface CountdownProps {
  /** Milliseconds until it is over. */
  readonly leftMs: () => number | undefined;
  /** What is counted, for those who hear the page. */
  readonly label: string;
  readonly isLarge?: boolean;
}

const TICK_MS = 250;

/** Time that runs out, in hours, minutes and seconds. Nobody's screen reader reads every second of it aloud. */
export function Countdown({ leftMs, label, isLarge }: CountdownProps) {
  const tick = useSignal(0);
  useEffect(() => {
    const timer = setInterval(() => {
      tick.value++;
    }, TICK_MS);
    return () => clearInterval(timer);
  }, []);
  // Read, so that each tick shows anew.
  tick.value;
  return (
    <span role="timer" aria-label={label} class={isLarge ? "countdown" : undefined}>
      {timeOf(leftMs() ?? 0)}
    </span>
  );
}

function timeOf(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1_000));
  const two = (value: number) => String(Math.floor(value)).padStart(2, "0");
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor((seconds % 86_400) / 3_600);
  const rest = `${two((seconds % 3_600) / 60)}:${two(seconds % 60)}`;
  const time = days > 0 || hours > 0 ? `${two(hours)}:${rest}` : rest;
  return days > 0 ? `${t("days", { count: days })} ${time}` : time;
}
