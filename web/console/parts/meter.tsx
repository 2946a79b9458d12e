/** A share (0…1) as a bar. What it says stands in words beside it, so it is for the eye only. */
export function Bar({ share, tone }: { share: number; tone?: "bad" | undefined }) {
  const percent = 100 * Math.min(1, Math.max(0, share));
  return (
    <span class="bar" data-tone={tone} aria-hidden="true">
      <span style={{ inlineSize: `${percent}%` }} />
    </span>
  );
}

export interface MeterProps {
  readonly label: string;
  readonly value: number;
  readonly most: number;
  /** The same in words, such as "35 of 40". */
  readonly text: string;
}

/** How full something is. */
export function Meter({ label, value, most, text }: MeterProps) {
  return (
    <div class="meter">
      <span>
        {label} <b>{text}</b>
      </span>
      <meter class="unseen" aria-label={label} min={0} max={Math.max(1, most)} value={value} aria-valuetext={text}>
        {text}
      </meter>
      <Bar share={most === 0 ? 0 : value / most} tone={value > most ? "bad" : undefined} />
    </div>
  );
}
