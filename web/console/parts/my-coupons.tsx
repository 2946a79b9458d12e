import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";
import { Problem } from "../api.ts";
import type { Coupon, MyCoupons } from "../documents.ts";
import { duration, moment } from "../format.ts";
import { refresh, usePoll } from "../poll.ts";
import { kindly, t } from "../texts/shop.ts";
import { Action } from "./action.tsx";
import { sentenceOf, whyOf } from "./kindly.ts";
import { Panel } from "./panel.tsx";
import { askAsShopper, type Shopper } from "./shopper.ts";
import { State } from "./state.tsx";

/** How often the coupons are asked for, in milliseconds. */
const EVERY_MS = 5_000;
/** And while one of them is not certain yet: whoever has just got it looks at nothing else. */
const PENDING_EVERY_MS = 1_000;

const everyMs = (mine: MyCoupons | undefined): number =>
  mine?.items.some(({ state }) => state === "pending") === true ? PENDING_EVERY_MS : EVERY_MS;

/** The shopper's coupons of a campaign, from pending to used. */
export function OwnCoupons({ campaignId, shopper }: { campaignId: string; shopper: Shopper }) {
  const path = `/campaigns/${encodeURIComponent(campaignId)}/coupons/me`;
  const mine = usePoll(`${path}?as=${shopper.name}`, everyMs, async () => {
    try {
      return await askAsShopper<MyCoupons>("GET", path);
    } catch (error) {
      // So does the API say that somebody has none; of a campaign that is not there its own document tells.
      if (error instanceof Problem && error.code === "unknown") return { items: [] };
      throw error;
    }
  });
  // Told in words for people, below, in place of the API's own.
  const reading = { ...mine, trouble: undefined };
  return (
    <Panel title={t("my-coupons")} name="my-coupons" {...(mine.value ? { reading } : {})}>
      {mine.trouble && (
        <p role="status">
          {mine.trouble instanceof Problem && mine.trouble.code === "unauthorized"
            ? kindly("unauthorized")
            : t("not-heard")}
        </p>
      )}
      {mine.value?.items.length === 0 && <p class="quiet">{t("none-yet")}</p>}
      <ul class="coupons">
        {mine.value?.items.map((it) => (
          <Card key={it.couponId} it={it} />
        ))}
      </ul>
    </Panel>
  );
}

function Card({ it }: { it: Coupon }) {
  const { couponId, campaignId, ticket, state, issuedAt, expiresAt, etaMs, reason, orderId } = it;
  const said = useSignal("");
  const isLive = state === "pending" || state === "confirmed";

  /** Does something to the coupon, and says for people how it went. */
  const act = (verb: string, done: string, body?: object) => async () => {
    said.value = "";
    try {
      await askAsShopper("POST", `/coupons/${encodeURIComponent(couponId)}/${verb}`, body ? { body } : {});
      said.value = done;
    } catch (error) {
      said.value = whyOf(error) === "conflict" ? t("already-otherwise") : sentenceOf(error);
    }
    await refresh(`/campaigns/${campaignId}`, `/campaigns/${campaignId}/coupons/me`);
  };
  return (
    <li class="coupon" data-coupon={couponId} data-ticket={ticket} data-state={state}>
      <h3 class="ticket">{t("ticket", { ticket })}</h3>
      <p role="status">
        <State of={state}>{t(state)}</State> {state === "revoked" && t("revoked-sorry")} {reason}
      </p>
      {state === "pending" && etaMs !== undefined && <p>{t("pending-eta", { eta: duration(etaMs) })}</p>}
      {orderId !== undefined && <p>{t("used-for", { order: orderId })}</p>}
      <p class="quiet">
        {t("issued-at", { time: moment(issuedAt) })}{" "}
        {expiresAt !== undefined && t("expires-at", { time: moment(expiresAt) })}
      </p>
      <p>
        {t("code")} <code>{couponId}</code>
      </p>
      {isLive && (
        <>
          <Use use={(order) => act("use", t("used-done"), { orderId: order })()} complain={said} />
          <Action act={act("cancel", t("cancelled-done"))} confirm={t("confirm-cancel", { ticket })} kind="danger">
            {t("cancel")}
          </Action>
        </>
      )}
      <p role="status" class="said">
        {said.value}
      </p>
    </li>
  );
}

/** As the API takes an order's id. */
const ORDER_ID = /^[\x21-\x7e]{1,128}$/;

function Use({ use, complain }: { use: (order: string) => Promise<void>; complain: { value: string } }) {
  const order = useSignal("");
  const isBusy = useSignal(false);
  const id = useId();
  const onSubmit = async (event: Event) => {
    event.preventDefault();
    const given = order.value.trim();
    if (!ORDER_ID.test(given)) {
      complain.value = t("order-needed");
      return;
    }
    isBusy.value = true;
    await use(given);
    isBusy.value = false;
  };
  return (
    <form class="row" onSubmit={onSubmit}>
      <label for={id}>
        {t("order-id")}
        <input
          id={id}
          name="orderId"
          value={order.value}
          onInput={({ currentTarget }) => {
            order.value = currentTarget.value;
          }}
        />
      </label>
      <button type="submit" disabled={isBusy.value} aria-busy={isBusy.value}>
        {t("use")}
      </button>
    </form>
  );
}
