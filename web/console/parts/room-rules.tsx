import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";
import { moment, number } from "../format.ts";
import { usePoll } from "../poll.ts";
import { askAsOperator } from "../session.ts";
import { t } from "../texts/rooms.ts";
import { t as shell } from "../texts/shell.ts";
import { Action } from "./action.tsx";
import { Figure } from "./figure.tsx";
import { lazy } from "./lazy.tsx";
import { Panel } from "./panel.tsx";
import { findRoom, type RoomDetails } from "./room-values.ts";

/** Rules change seldom, and to read them is to read the list. */
const EVERY_MS = 10_000;

const RateForm = lazy(async () => (await import("./rate-form.tsx")).RateForm);

/** A room's rules, those that are changed while people wait within reach. */
export function RoomRulesPanel({ roomId }: { roomId: string }) {
  const room = usePoll(`/rooms?of=${roomId}`, EVERY_MS, () => findRoom(roomId));
  const isChanging = useSignal(false);
  const id = useId();
  const toggle = () => {
    isChanging.value = !isChanging.value;
  };
  return (
    <Panel title={t("rules")} name="room-rules" reading={room}>
      {room.value && (
        <>
          <Rules it={room.value} />
          <div class="buttons">
            <button type="button" aria-expanded={isChanging.value} aria-controls={id} onClick={toggle}>
              {t("change-quickly")}
            </button>
            <Action
              act={() => askAsOperator("POST", `/ops/rooms/${encodeURIComponent(roomId)}/revoke`, { body: {} })}
              kind="danger"
              confirm={t("confirm-revoke", { id: roomId })}
              done={t("revoked")}
            >
              {t("revoke")}
            </Action>
          </div>
          <div id={id}>{isChanging.value && <RateForm room={room.value} done={toggle} />}</div>
        </>
      )}
    </Panel>
  );
}

function Rules({ it: { rules, serverTime } }: { it: RoomDetails }) {
  const { override } = rules;
  const yes = (is: boolean) => shell(is ? "yes" : "no");
  return (
    <dl class="figures">
      <Figure name="rule-capacity" label={t("capacity")} value={rules.capacity}>
        {number(rules.capacity)}
      </Figure>
      <Figure name="rule-rate" label={t("rate")} value={rules.admitPerSecond}>
        {number(rules.admitPerSecond, 2)}
      </Figure>
      <Figure name="rule-pass" label={t("pass-seconds")} value={rules.passSeconds}>
        {t("seconds", { count: number(rules.passSeconds) })}
      </Figure>
      <Figure name="rule-heartbeat" label={t("heartbeat-seconds")} value={rules.heartbeatSeconds}>
        {t("seconds", { count: number(1.5 * rules.heartbeatSeconds, 1) })}
      </Figure>
      <Figure name="rule-waiting" label={t("max-waiting")} value={rules.maxWaiting ?? "none"}>
        {rules.maxWaiting === undefined ? t("no-cap") : number(rules.maxWaiting)}
      </Figure>
      <Figure name="rule-renewable" label={t("renewable")} value={String(rules.renewable)}>
        {yes(rules.renewable)}
      </Figure>
      <Figure name="rule-single" label={t("single-use")} value={String(rules.singleUse)}>
        {yes(rules.singleUse)}
      </Figure>
      {override && (
        <Figure name="rule-override" label={t("override")} value={override.until} hint={spanOf(override, serverTime)}>
          {overrideText(override)}
        </Figure>
      )}
    </dl>
  );
}

type Override = NonNullable<RoomDetails["rules"]["override"]>;

function spanOf({ from, until }: Override, now: string): string {
  if (until <= now) return t("override-over");
  if (from === undefined) return t("override-to", { until: moment(until) });
  return t("override-from-to", { from: moment(from), until: moment(until) });
}

function overrideText({ capacity, admitPerSecond, open }: Override): string {
  return [
    capacity === undefined ? "" : `${t("capacity")} ${number(capacity)}`,
    admitPerSecond === undefined ? "" : `${t("rate")} ${number(admitPerSecond, 2)}`,
    open === undefined ? "" : t(open ? "open" : "closed"),
  ]
    .filter(Boolean)
    .join(", ");
}
