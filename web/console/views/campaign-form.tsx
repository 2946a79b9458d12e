import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { changeCampaign, createCampaign } from "../../../functions/contract/campaigns.ts";
import { ask } from "../api.ts";
import type { Campaign } from "../documents.ts";
import { Field, Form, numberIn, textIn, timeField, timeIn } from "../parts/form.tsx";
import { Panel } from "../parts/panel.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { refresh } from "../poll.ts";
import { go, to } from "../route.ts";
import { askAsOperator } from "../session.ts";
import { t } from "../texts/campaigns.ts";
import { t as shell } from "../texts/shell.ts";

const DAY_MS = 86_400_000;

const pathOf = (campaignId: string) => `/campaigns/${encodeURIComponent(campaignId)}`;

/** Creates a campaign, or changes one. */
export function CampaignForm({ campaignId }: { campaignId: string | undefined }) {
  return campaignId === undefined ? <New /> : <Change key={campaignId} campaignId={campaignId} />;
}

function New() {
  const id = useSignal("");
  const name = useSignal("");
  const stock = useSignal("100");
  const perUser = useSignal("1");
  const opensAt = useSignal(timeField(Date.now()));
  const closesAt = useSignal(timeField(Date.now() + DAY_MS));
  const roomId = useSignal("");
  const validDays = useSignal("");
  const discount = useSignal("");
  const body = () => ({
    campaignId: id.value.trim(),
    name: name.value.trim(),
    stock: numberIn(stock.value),
    perUser: numberIn(perUser.value),
    opensAt: timeIn(opensAt.value),
    closesAt: timeIn(closesAt.value),
    roomId: textIn(roomId.value),
    validDays: numberIn(validDays.value),
    discount: textIn(discount.value),
  });
  const send = async (it: unknown) => {
    const made = await askAsOperator<Campaign>("POST", "/campaigns", { body: it });
    go(to("campaigns", made.campaignId));
  };
  return (
    <>
      <h1>{t("create")}</h1>
      <Panel title={t("create")} name="campaign-form">
        <Form schema={createCampaign.body} body={body} send={send} submit={t("create-it")}>
          {(wrong) => (
            <>
              <Field name="campaignId" label={t("id")} value={id} wrong={wrong} hint={t("id-hint")} />
              <Field name="name" label={t("name")} value={name} wrong={wrong} />
              <Field name="stock" label={t("stock")} value={stock} wrong={wrong} type="number" hint={t("stock-hint")} />
              <Field name="perUser" label={t("per-user")} value={perUser} wrong={wrong} type="number" />
              <Times opensAt={opensAt} closesAt={closesAt} wrong={wrong} />
              <Field name="discount" label={t("discount")} value={discount} wrong={wrong} hint={t("discount-hint")} />
              <Field name="roomId" label={t("room")} value={roomId} wrong={wrong} hint={t("room-hint")} />
              <Field
                name="validDays"
                label={t("valid-days")}
                value={validDays}
                wrong={wrong}
                type="number"
                hint={t("days-hint")}
              />
            </>
          )}
        </Form>
      </Panel>
    </>
  );
}

function Times({ opensAt, closesAt, wrong }: Record<"opensAt" | "closesAt", FieldSignal> & { wrong: FieldWrong }) {
  const hint = t("time-hint");
  return (
    <>
      <Field name="opensAt" label={t("opens")} value={opensAt} wrong={wrong} type="datetime-local" hint={hint} />
      <Field name="closesAt" label={t("closes")} value={closesAt} wrong={wrong} type="datetime-local" hint={hint} />
    </>
  );
}

type FieldSignal = Parameters<typeof Field>[0]["value"];
type FieldWrong = Parameters<typeof Field>[0]["wrong"];

function Change({ campaignId }: { campaignId: string }) {
  const before = useSignal<Campaign | undefined>(undefined);
  const trouble = useSignal<unknown>(undefined);
  useEffect(() => {
    ask<Campaign>("GET", pathOf(campaignId)).then(
      (it) => {
        before.value = it;
      },
      (error) => {
        trouble.value = error;
      },
    );
  }, []);
  return (
    <>
      <h1>{t("change", { id: campaignId })}</h1>
      <Panel title={t("change", { id: campaignId })} name="campaign-form">
        {before.value ? <Fields before={before.value} /> : <p class="quiet">{shell("loading")}</p>}
        {trouble.value !== undefined && <Trouble of={trouble.value} />}
      </Panel>
    </>
  );
}

function Fields({ before }: { before: Campaign }) {
  const { campaignId } = before;
  const name = useSignal(before.name);
  const stock = useSignal(String(before.stock));
  const opensAt = useSignal(timeField(before.opensAt));
  const closesAt = useSignal(timeField(before.closesAt));
  /** Only what was changed: a time's field has no milliseconds, and would move an opening by a fraction of a second. */
  const body = () => ({
    ...(name.value === before.name ? {} : { name: name.value.trim() }),
    ...(stock.value === String(before.stock) ? {} : { stock: numberIn(stock.value) }),
    ...(opensAt.value === timeField(before.opensAt) ? {} : { opensAt: timeIn(opensAt.value) }),
    ...(closesAt.value === timeField(before.closesAt) ? {} : { closesAt: timeIn(closesAt.value) }),
  });
  const leave = () => go(to("campaigns", campaignId));
  const send = async (it: unknown) => {
    await askAsOperator("PATCH", pathOf(campaignId), { body: it });
    await refresh(pathOf(campaignId));
    leave();
  };
  return (
    <Form
      schema={changeCampaign.body}
      body={body}
      isUnchanged={() => Object.keys(body()).length === 0}
      send={send}
      submit={t("change-it")}
      cancel={leave}
    >
      {(wrong) => (
        <>
          <Field name="name" label={t("name")} value={name} wrong={wrong} />
          <Field name="stock" label={t("stock")} value={stock} wrong={wrong} type="number" hint={t("stock-hint")} />
          <Times opensAt={opensAt} closesAt={closesAt} wrong={wrong} />
        </>
      )}
    </Form>
  );
}
