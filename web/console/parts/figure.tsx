import type { ComponentChildren } from "preact";

export interface FigureProps {
  readonly label: string;
  /** What is shown, formatted. */
  readonly children: ComponentChildren;
  /** The bare value, for scripts that read the page. */
  readonly name: string;
  readonly value: string | number | undefined;
  readonly tone?: "good" | "bad" | "calm" | undefined;
  readonly hint?: string | undefined;
}

/** One figure with its label. */
export function Figure({ label, children, name, value, tone, hint }: FigureProps) {
  return (
    <div class="figure" data-figure={name} data-value={value} data-tone={tone}>
      <dt>{label}</dt>
      <dd>
        {value === undefined ? "–" : children}
        {hint && <small>{hint}</small>}
      </dd>
    </div>
  );
}
