import { useEffect, useRef } from "preact/hooks";
import { duration, number } from "../format.ts";
import { t } from "../texts/shop.ts";
import { Action } from "./action.tsx";
import type { Line, Lining } from "./line.ts";
import { Panel } from "./panel.tsx";
import { Countdown, type ServerClock } from "./server-clock.tsx";

export interface LinePanelProps {
  readonly line: Lining;
  readonly clock: ServerClock;
}

/** The waiting room as the person who waits sees it. */
export function LinePanel({ line, clock }: LinePanelProps) {
  const { state, join, leave, lose } = line;
  const it = state.value;
  const leftMs = () => {
    const now = clock();
    return it.step === "inside" && now !== undefined ? Date.parse(it.expiresAt) - now : undefined;
  };
  // The button that was pressed goes, and with it the focus: whoever has it is taken to what is said instead.
  const said = useRef<HTMLDivElement>(null);
  const hasPressed = useRef(false);
  const press = (act: () => void) => () => {
    hasPressed.current = true;
    act();
  };
  useEffect(() => {
    if (hasPressed.current && document.activeElement === document.body) said.current?.focus();
  }, [it.step]);
  useEffect(() => {
    const left = leftMs();
    if (left === undefined) return undefined;
    // A browser's timers take 25 days; a pass that is good for longer is not watched.
    const timer = left < 2 ** 31 ? setTimeout(lose, Math.max(0, left)) : undefined;
    return () => clearTimeout(timer);
  }, [it]);
  return (
    <Panel title={t("line")} name="line">
      <p class="quiet">{t("line-hint")}</p>
      <div ref={said} role="status" tabIndex={-1} data-line={it.step}>
        <Said it={it} />
      </div>
      {it.step === "waiting" && <Where it={it} />}
      {it.step === "inside" && (
        <p>
          {t("pass-good-for")} <Countdown leftMs={leftMs} label={t("pass-good-for")} />
        </p>
      )}
      <div class="buttons">
        {it.step === "out" && (
          <button type="button" class="primary" onClick={press(join)}>
            {t("join")}
          </button>
        )}
        {(it.step === "over" || it.step === "ended") && (
          <button type="button" class="primary" onClick={press(join)}>
            {t("join-again")}
          </button>
        )}
        {(it.step === "joining" || it.step === "waiting") && (
          <Action act={async () => press(leave)()} confirm={t("confirm-leave")}>
            {t("leave")}
          </Action>
        )}
        {it.step === "inside" && (
          <button type="button" onClick={press(leave)}>
            {t("give-pass-back")}
          </button>
        )}
      </div>
    </Panel>
  );
}

/** What is announced: what changes seldom. The place, which changes all the time, stands below. */
function Said({ it }: { it: Line }) {
  switch (it.step) {
    case "out":
      return null;
    case "joining":
      return <p>{t("joining")}</p>;
    case "leaving":
      return <p>{t("leaving")}</p>;
    case "over":
      return <p>{t("over")}</p>;
    case "inside":
      return (
        <p>
          <strong>{t("inside")}</strong>
        </p>
      );
    case "waiting":
      return (
        <>
          <p>{it.place.position === 1 ? t("you-are-next") : t("you-wait")}</p>
          {it.place.reason !== undefined && <p>{reasonOf(it.place.reason)}</p>}
        </>
      );
    case "ended": {
      const { turn } = it;
      if (turn.outcome !== "refused") return <p>{t(`ended-${turn.outcome}`)}</p>;
      return <p>{turn.code === "room-full" ? t("ended-full") : t("ended-refused", { code: turn.code })}</p>;
    }
  }
}

const REASONS = ["closed", "opens-later", "rebuilding", "rebuilt"] as const;

function reasonOf(reason: string): string {
  const known = REASONS.find((it) => it === reason);
  return known === undefined ? reason : t(`wait-${known}`);
}

function Where({ it }: { it: Line & { step: "waiting" } }) {
  const { number: arrival, position, etaSeconds } = it.place;
  if (position === null) return <p>{t("place-unknown", { number: number(arrival) })}</p>;
  const [low, high] = [etaSeconds.low, etaSeconds.high].map((seconds) => duration(seconds * 1_000));
  return (
    <dl>
      <dt>{t("your-place")}</dt>
      <dd class="place" data-position={position}>
        {number(position)}
      </dd>
      <dd class="eta">{t("eta", { low: low ?? "", high: high ?? "" })}</dd>
    </dl>
  );
}
