import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import { clock } from "../format.ts";
import type { Reading } from "../poll.ts";
import { t } from "../texts/shell.ts";
import { Trouble } from "./trouble.tsx";

export interface PanelProps {
  readonly title: string;
  /** The document that the panel shows: when it is old, all in the panel looks old and says of when it is. */
  readonly reading?: Reading<unknown>;
  readonly name?: string;
  /** Buttons beside the title. */
  readonly actions?: ComponentChildren;
  readonly children: ComponentChildren;
}

/** A part of the page under a title. */
export function Panel({ title, reading, name, actions, children }: PanelProps) {
  const id = useId();
  const isOld = reading?.isStale === true && reading.value !== undefined;
  return (
    <section class="panel" aria-labelledby={id} data-panel={name} data-stale={isOld} data-at={reading?.at}>
      <header>
        <h2 id={id}>{title}</h2>
        {isOld && reading.at !== undefined && <span class="as-of">{t("as-of", { time: clock(reading.at) })}</span>}
        {actions && <div class="actions">{actions}</div>}
      </header>
      {reading?.trouble && <Trouble of={reading.trouble} />}
      {reading && reading.value === undefined ? reading.trouble ? null : <p class="quiet">{t("loading")}</p> : children}
    </section>
  );
}
