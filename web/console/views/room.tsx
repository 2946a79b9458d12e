import { ask } from "../api.ts";
import type { Room } from "../documents.ts";
import { duration, moment, number, percent } from "../format.ts";
import { Action } from "../parts/action.tsx";
import { Chart } from "../parts/chart.tsx";
import { Figure } from "../parts/figure.tsx";
import { Meter } from "../parts/meter.tsx";
import { useNewest } from "../parts/newest.ts";
import { Panel } from "../parts/panel.tsx";
import { lastOf, steadyRatesOf } from "../parts/rates.ts";
import { RoomRulesPanel } from "../parts/room-rules.tsx";
import { changeValues } from "../parts/room-values.ts";
import { type Series, useHistory } from "../parts/series.ts";
import { State } from "../parts/state.tsx";
import { waitOf } from "../parts/wait.ts";
import { type Reading, usePoll } from "../poll.ts";
import { to } from "../route.ts";
import { config } from "../session.ts";
import { t } from "../texts/rooms.ts";
import { t as shell } from "../texts/shell.ts";

/** How often the public document is asked for, in milliseconds: it comes from memory for as long. */
const EVERY_MS = 1_000;
/** How far back the charts go. */
const SECONDS = 300;
/** The rate that is shown is of so long; it moves with the room, and does not jump with every person. */
const RATE_SECONDS = 5;
/** A steadier one beside it, for the estimated wait. */
const SLOW_RATE_SECONDS = 20;

/** One waiting room, live. */
export function RoomView({ roomId }: { roomId: string }) {
  const path = `/rooms/${encodeURIComponent(roomId)}`;
  const reading = usePoll(path, EVERY_MS, () => ask<Room>("GET", path));
  return (
    <>
      <p class="crumbs">
        <a href={to("rooms")}>{t("rooms")}</a>
      </p>
      <h1>{roomId}</h1>
      <Now reading={reading} roomId={roomId} />
      <RoomRulesPanel roomId={roomId} />
      {config.value?.local && (
        <p>
          <a href={to("demos")}>{shell("demos")}</a>
        </p>
      )}
    </>
  );
}

function Now({ reading, roomId }: { reading: Reading<Room>; roomId: string }) {
  const room = useNewest(reading);
  const kept = { seconds: SECONDS, everyMs: EVERY_MS };
  const waiting = useHistory(room, (it) => it.waiting, kept);
  const active = useHistory(room, (it) => it.active, kept);
  const admitted = useHistory(room, (it) => it.admitted, kept);
  const allowed = useHistory(room, (it) => it.admitPerSecond, kept);
  const rate = steadyRatesOf(admitted, RATE_SECONDS);
  const it = room.value;
  return (
    <Panel
      title={t("room")}
      name="room"
      reading={reading}
      actions={
        it && (
          <>
            {it.state === "closed" ? (
              <Action act={() => changeValues(roomId, { open: true })} kind="primary">
                {t("let-in")}
              </Action>
            ) : (
              <Action act={() => changeValues(roomId, { open: false })} confirm={t("confirm-close", { id: roomId })}>
                {t("close")}
              </Action>
            )}
            <a class="button" href={to("rooms", roomId, "edit")}>
              {shell("edit")}
            </a>
          </>
        )
      }
    >
      {it && (
        <>
          <Figures it={it} admitted={admitted} rate={lastOf(rate)} />
          <Meter
            label={t("active")}
            value={it.active}
            most={it.capacity}
            text={t("active-of", { active: number(it.active), capacity: number(it.capacity) })}
          />
          <div class="charts">
            <Chart
              title={t("line-over-time")}
              at={waiting.at}
              lines={[
                { label: t("waiting"), values: waiting.values, color: 1 },
                { label: t("active"), values: active.values, color: 2 },
              ]}
            />
            <Chart
              title={t("rate-over-time")}
              at={rate.at}
              lines={[
                { label: t("measured"), values: rate.values, color: 2 },
                { label: t("allowed"), values: allowed.values, color: 3 },
              ]}
            />
          </div>
        </>
      )}
    </Panel>
  );
}

function Figures({ it, admitted, rate }: { it: Room; admitted: Series; rate: number | undefined }) {
  const { perSecond, pace, reason } = it.inflow;
  // It stays what it was when the line has come to its end, and says nothing then.
  const average = perSecond === null || it.waiting === 0 ? undefined : perSecond;
  return (
    <dl class="figures">
      <Figure name="state" label={t("state")} value={it.state}>
        <State of={it.state}>{t(it.state)}</State>
      </Figure>
      <Figure name="waiting" label={t("waiting")} value={it.waiting}>
        {number(it.waiting)}
      </Figure>
      <Figure name="active" label={t("active")} value={it.active}>
        {number(it.active)}
      </Figure>
      <Figure
        name="admitted-a-second"
        label={t("admitted-a-second")}
        value={rate}
        hint={t("admitted-hint", { seconds: RATE_SECONDS, rate: number(it.admitPerSecond, 2) })}
      >
        {number(rate ?? 0, 1)}
      </Figure>
      <Figure name="own-average" label={t("own-average")} value={average} hint={t("own-average-hint")}>
        {number(average ?? 0, 1)}
      </Figure>
      <Figure
        name="pace"
        label={t("pace")}
        value={pace}
        tone={pace < 1 ? "bad" : undefined}
        hint={pace === 1 ? t("pace-full") : t(reason ?? "slowed")}
      >
        {percent(pace)}
      </Figure>
      <WaitFigure it={it} rates={[average, rate, lastOf(steadyRatesOf(admitted, SLOW_RATE_SECONDS))]} />
      <Figure name="admitted" label={t("admitted")} value={it.admitted}>
        {number(it.admitted)}
      </Figure>
      <Figure name="serving" label={t("serving")} value={it.serving} hint={t("serving-hint")}>
        {number(it.serving)}
      </Figure>
      <Figure name="order" label={t("order")} value={it.order}>
        {t(it.order)}
      </Figure>
      {it.opensAt !== undefined && (
        <Figure name="opens" label={t("opens")} value={it.opensAt}>
          {moment(it.opensAt)}
        </Figure>
      )}
      {it.draw && (
        <Figure
          name="draw"
          label={t(it.draw.seed ? "draw-seed" : "draw-hash")}
          value={it.draw.seed ?? it.draw.seedHash}
        >
          <code>{it.draw.seed ?? it.draw.seedHash}</code>
        </Figure>
      )}
    </dl>
  );
}

function WaitFigure({ it, rates }: { it: Room; rates: readonly (number | undefined)[] }) {
  const wait = waitOf(
    it,
    rates.filter((rate) => rate !== undefined),
  );
  const hint = wait ? t(it.waiting === 0 ? "wait-none" : "wait-hint") : t("wait-closed");
  return (
    <Figure name="wait" label={t("wait")} value={wait ? Math.round(wait.highMs ?? wait.lowMs) : undefined} hint={hint}>
      {wait && it.waiting > 0 ? waitText(wait.lowMs, wait.highMs) : "–"}
    </Figure>
  );
}

function waitText(lowMs: number, highMs: number | undefined): string {
  const low = duration(Math.max(1_000, lowMs));
  if (highMs === undefined) return t("at-least", { low });
  const high = duration(Math.max(1_000, highMs));
  return low === high ? low : t("range", { low, high });
}
