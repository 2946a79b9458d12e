import type { ComponentChildren } from "preact";

/** Which colour a state has; the word beside it says the same. */
const TONES: Readonly<Record<string, "good" | "bad" | "calm">> = {
  open: "good",
  live: "good",
  up: "good",
  confirmed: "good",
  admitted: "good",
  held: "good",
  used: "good",
  settled: "good",
  closed: "calm",
  scheduled: "calm",
  "sold-out": "calm",
  waiting: "calm",
  running: "calm",
  building: "calm",
  built: "good",
  pending: "calm",
  cancelled: "calm",
  redriven: "calm",
};

export interface StateProps {
  readonly of: string;
  /** Where the word's usual colour would tell something else. */
  readonly tone?: "good" | "bad" | "calm";
  readonly children: ComponentChildren;
}

/** A state as a word with a colour. */
export function State({ of, tone, children }: StateProps) {
  return (
    <span class="state" data-state={of} data-tone={tone ?? TONES[of] ?? "bad"}>
      {children}
    </span>
  );
}
