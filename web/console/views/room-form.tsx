import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { putRoom } from "../../../functions/contract/rooms.ts";
import { Problem } from "../api.ts";
import { isUntouched, withChanges } from "../parts/changes.ts";
import { Check, Choice, Field, Form, numberIn, timeField, timeIn, type Wrong } from "../parts/form.tsx";
import { findListed } from "../parts/listed.ts";
import { Panel } from "../parts/panel.tsx";
import { findRoom, putRules, type RoomDetails, type RoomRules } from "../parts/room-values.ts";
import { Trouble } from "../parts/trouble.tsx";
import { go, to } from "../route.ts";
import { t } from "../texts/rooms.ts";
import { t as shell } from "../texts/shell.ts";

/** What the form of a new room begins with. */
const START: RoomRules = {
  capacity: 100,
  admitPerSecond: 10,
  passSeconds: 300,
  heartbeatSeconds: 30,
  open: true,
  renewable: false,
  singleUse: false,
  order: "arrival",
};

/** Creates a waiting room, or replaces one's rules. */
export function RoomForm({ roomId }: { roomId: string | undefined }) {
  return roomId === undefined ? <New /> : <Change key={roomId} roomId={roomId} />;
}

function New() {
  return (
    <>
      <h1>{t("create")}</h1>
      <Panel title={t("create")} name="room-form">
        <Fields before={START} roomId={undefined} />
      </Panel>
    </>
  );
}

function Change({ roomId }: { roomId: string }) {
  const before = useSignal<RoomRules | undefined>(undefined);
  const trouble = useSignal<unknown>(undefined);
  useEffect(() => {
    findRoom(roomId).then(
      ({ rules }) => {
        before.value = rules;
      },
      (error) => {
        trouble.value = error;
      },
    );
  }, []);
  const title = t("change", { id: roomId });
  return (
    <>
      <h1>{title}</h1>
      <Panel title={title} name="room-form">
        {before.value && <Fields before={before.value} roomId={roomId} />}
        {trouble.value !== undefined && <Trouble of={trouble.value} />}
        {!before.value && trouble.value === undefined && <p class="quiet">{shell("loading")}</p>}
      </Panel>
    </>
  );
}

/** A number as a field takes it; nothing where there is none. */
const textOf = (value: number | undefined) => (value === undefined ? "" : String(value));
const fieldOf = (at: string | undefined) => (at === undefined ? "" : timeField(at));

/** A time that was not touched stays as it is to the millisecond, which a field of time does not show. */
const timeOf = (text: string, before: string | undefined) => (text === fieldOf(before) ? before : timeIn(text));

function Fields({ before, roomId }: { before: RoomRules; roomId: string | undefined }) {
  const id = useSignal("");
  const capacity = useSignal(textOf(before.capacity));
  const admitPerSecond = useSignal(textOf(before.admitPerSecond));
  const passSeconds = useSignal(textOf(before.passSeconds));
  const heartbeatSeconds = useSignal(textOf(before.heartbeatSeconds));
  const maxWaiting = useSignal(textOf(before.maxWaiting));
  const isOpen = useSignal(before.open);
  const renewable = useSignal(before.renewable);
  const singleUse = useSignal(before.singleUse);
  const opensAt = useSignal(fieldOf(before.opensAt));
  const order = useSignal<string>(before.order);
  const override = useOverride(before.override);
  const body = () => ({
    capacity: numberIn(capacity.value),
    admitPerSecond: numberIn(admitPerSecond.value),
    passSeconds: numberIn(passSeconds.value),
    heartbeatSeconds: numberIn(heartbeatSeconds.value),
    maxWaiting: numberIn(maxWaiting.value),
    open: isOpen.value,
    renewable: renewable.value,
    singleUse: singleUse.value,
    opensAt: timeOf(opensAt.value, before.opensAt),
    order: order.value,
    override: override.body(),
  });
  /** What the fields said at first: only what differs from it was changed here. */
  const was = useRef(body()).current;
  const name = () => roomId ?? id.value.trim();
  const send = async (rules: unknown) => {
    if (roomId === undefined) await refuseExisting(name());
    // All rules are replaced at once. Those that were not touched are read anew: somebody may have closed the room meanwhile.
    await putRules(name(), roomId === undefined ? rules : withChanges((await findRoom(roomId)).rules, was, body()));
    go(to("rooms", name()));
  };
  return (
    <Form
      schema={putRoom.body}
      params={{ schema: putRoom.params, of: () => ({ roomId: name() }) }}
      body={body}
      isUnchanged={() => roomId !== undefined && isUntouched(was, body())}
      send={send}
      submit={t(roomId === undefined ? "create-it" : "change-it")}
    >
      {(wrong) => (
        <>
          {roomId === undefined && <Field name="roomId" label={t("id")} value={id} wrong={wrong} hint={t("id-hint")} />}
          <Field
            name="capacity"
            label={t("capacity")}
            value={capacity}
            wrong={wrong}
            type="number"
            hint={t("capacity-hint")}
          />
          <Field
            name="admitPerSecond"
            label={t("rate")}
            value={admitPerSecond}
            wrong={wrong}
            type="number"
            hint={t("admit-hint")}
          />
          <Field
            name="passSeconds"
            label={t("pass-field")}
            value={passSeconds}
            wrong={wrong}
            type="number"
            hint={t("pass-hint")}
          />
          <Field
            name="heartbeatSeconds"
            label={t("heartbeat-field")}
            value={heartbeatSeconds}
            wrong={wrong}
            type="number"
            hint={t("heartbeat-hint")}
          />
          <Field
            name="maxWaiting"
            label={t("max-waiting")}
            value={maxWaiting}
            wrong={wrong}
            type="number"
            hint={t("max-hint")}
          />
          <Field
            name="opensAt"
            label={t("opens")}
            value={opensAt}
            wrong={wrong}
            type="datetime-local"
            hint={`${t("opens-hint")}. ${t("time-hint")}`}
          />
          <Choice
            name="order"
            label={t("order")}
            value={order}
            options={[
              ["arrival", t("order-arrival")],
              ["shuffle", t("order-shuffle")],
            ]}
            hint={t("order-hint")}
          />
          <div class="checks">
            <Check name="open" label={t("check-open")} value={isOpen} />
            <Check name="renewable" label={t("check-renewable")} value={renewable} />
            <Check name="singleUse" label={t("check-single")} value={singleUse} />
            <Check name="override" label={t("check-override")} value={override.isWanted} />
          </div>
          {override.isWanted.value && <Override of={override} wrong={wrong} />}
        </>
      )}
    </Form>
  );
}

/** A new room must not replace one that is there, which the API would do. */
async function refuseExisting(roomId: string): Promise<void> {
  if (!(await findListed<RoomDetails>("/rooms", (it) => it.roomId === roomId))) return;
  const detail = t("exists", { id: roomId });
  throw new Problem(409, { code: "exists", detail, issues: [{ in: "path", path: "roomId", message: detail }] }, null);
}

type OverrideRules = NonNullable<RoomRules["override"]>;

/** The fields of other values for a time. */
function useOverride(before: OverrideRules | undefined) {
  const isWanted = useSignal(before !== undefined);
  const from = useSignal(fieldOf(before?.from));
  const until = useSignal(fieldOf(before?.until));
  const capacity = useSignal(textOf(before?.capacity));
  const admitPerSecond = useSignal(textOf(before?.admitPerSecond));
  const isOpen = useSignal(before?.open === undefined ? "" : String(before.open));
  const body = () =>
    isWanted.value
      ? {
          from: timeOf(from.value, before?.from),
          until: timeOf(until.value, before?.until),
          capacity: numberIn(capacity.value),
          admitPerSecond: numberIn(admitPerSecond.value),
          open: isOpen.value === "" ? undefined : isOpen.value === "true",
        }
      : undefined;
  return { isWanted, from, until, capacity, admitPerSecond, isOpen, body };
}

function Override({ of: it, wrong }: { of: ReturnType<typeof useOverride>; wrong: Wrong }) {
  return (
    <fieldset class="group">
      <legend>{t("override")}</legend>
      <div class="fields">
        <Field
          name="override.from"
          label={t("from")}
          value={it.from}
          wrong={wrong}
          type="datetime-local"
          hint={t("from-hint")}
        />
        <Field
          name="override.until"
          label={t("until")}
          value={it.until}
          wrong={wrong}
          type="datetime-local"
          hint={t("time-hint")}
        />
        <Field
          name="override.capacity"
          label={t("capacity")}
          value={it.capacity}
          wrong={wrong}
          type="number"
          hint={t("override-hint")}
        />
        <Field
          name="override.admitPerSecond"
          label={t("rate")}
          value={it.admitPerSecond}
          wrong={wrong}
          type="number"
          hint={t("override-hint")}
        />
        <Choice
          name="override.open"
          label={t("override-open")}
          value={it.isOpen}
          options={[
            ["", t("as-it-is")],
            ["true", shell("yes")],
            ["false", shell("no")],
          ]}
        />
      </div>
    </fieldset>
  );
}
