import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { putRoom } from "../../../functions/contract/rooms.ts";
import { t } from "../texts/rooms.ts";
import { Field, Form, numberIn } from "./form.tsx";
import { changeValues, type RoomDetails, type RoomValues } from "./room-values.ts";

/** Changes how many people a room lets in, and nothing else, while people wait. */
export function RateForm({ room: now, done }: { room: RoomDetails; done: () => void }) {
  // As it was when the form was opened. What another operator changes meanwhile is nothing that was touched here.
  const room = useRef(now).current;
  const admitPerSecond = useSignal(String(room.admitPerSecond));
  const capacity = useSignal(String(room.capacity));
  // What is in force stands in the fields; what was not touched is left as it is.
  const values = () => ({
    ...(admitPerSecond.value === String(room.admitPerSecond) ? {} : { admitPerSecond: numberIn(admitPerSecond.value) }),
    ...(capacity.value === String(room.capacity) ? {} : { capacity: numberIn(capacity.value) }),
  });
  const typed = () => ({ admitPerSecond: numberIn(admitPerSecond.value), capacity: numberIn(capacity.value) });
  const send = async () => {
    await changeValues(room.roomId, values() as RoomValues);
    done();
  };
  return (
    <Form
      schema={putRoom.body}
      body={() => ({ ...room.rules, ...typed() })}
      isUnchanged={() => Object.keys(values()).length === 0}
      send={send}
      submit={t("change-it")}
      cancel={done}
    >
      {(wrong) => (
        <>
          <Field
            name="admitPerSecond"
            label={t("rate")}
            value={admitPerSecond}
            wrong={wrong}
            type="number"
            hint={t("admit-hint")}
          />
          <Field
            name="capacity"
            label={t("capacity")}
            value={capacity}
            wrong={wrong}
            type="number"
            hint={t("quick-hint")}
          />
        </>
      )}
    </Form>
  );
}
