import { useSignal } from "@preact/signals";
import { ask } from "../api.ts";
import type { Answers, Campaign, Coupon, Verification, Watched } from "../documents.ts";
import { clock, duration, moment, number } from "../format.ts";
import { Action } from "../parts/action.tsx";
import { Chart } from "../parts/chart.tsx";
import { Figure } from "../parts/figure.tsx";
import { useNewest } from "../parts/newest.ts";
import { Panel } from "../parts/panel.tsx";
import { ratesOf, useHistory } from "../parts/series.ts";
import { State } from "../parts/state.tsx";
import { type Reading, refresh, usePoll } from "../poll.ts";
import { to } from "../route.ts";
import { askAsOperator, config } from "../session.ts";
import { t } from "../texts/campaigns.ts";
import { t as shell } from "../texts/shell.ts";

/** How often the live documents are asked for, in milliseconds. */
const EVERY_MS = 1_000;
/** Metrics cost money a question, and come late anyway. */
const ANSWERS_EVERY_MS = 5_000;
const ANSWERS_SECONDS = 120;

/** The style sheet's chart colours. */
const COLORS = 8;
const pathOf = (campaignId: string) => `/campaigns/${encodeURIComponent(campaignId)}`;

/** While a campaign is recovered from the ledger nobody knows how much was issued: the zeros that Redis has say nothing. */
const toldOf = <T extends Pick<Campaign, "state">>(it: T): T | undefined =>
  it.state === "recovering" ? undefined : it;

/** One campaign, live. */
export function CampaignView({ campaignId }: { campaignId: string }) {
  const path = pathOf(campaignId);
  const campaign = usePoll(path, EVERY_MS, () => ask<Campaign>("GET", path));
  const watched = usePoll(`/ops${path}`, EVERY_MS, () => askAsOperator<Watched>("GET", `/ops${path}`));
  return (
    <>
      <p class="crumbs">
        <a href={to("campaigns")}>{t("campaigns")}</a>
      </p>
      <h1>{campaign.value?.name ?? campaignId}</h1>
      <Now campaign={campaign} campaignId={campaignId} />
      <Ledger watched={watched} />
      <AnswersPanel campaignId={campaignId} />
      <Checks campaignId={campaignId} />
    </>
  );
}

function Now({ campaign, campaignId }: { campaign: Reading<Campaign>; campaignId: string }) {
  const newest = useNewest(campaign);
  const remaining = useHistory(newest, (it) => toldOf(it)?.remaining, { everyMs: EVERY_MS });
  const issued = useHistory(newest, (it) => toldOf(it)?.issued, { everyMs: EVERY_MS });
  const rate = ratesOf(issued);
  const it = newest.value;
  const path = pathOf(campaignId);
  const change = (body: object) => async () => {
    await askAsOperator("PATCH", path, { body });
    await refresh(path);
  };
  return (
    <Panel
      title={t("campaign")}
      name="campaign"
      reading={campaign}
      actions={
        <>
          {it?.state === "paused" ? (
            <Action act={change({ paused: false })}>{t("resume")}</Action>
          ) : (
            <Action act={change({ paused: true })} confirm={t("confirm-pause", { id: campaignId })}>
              {t("pause")}
            </Action>
          )}
          <a class="button" href={to("campaigns", campaignId, "edit")}>
            {shell("edit")}
          </a>
          <a class="button" href={`${to("shop")}?campaign=${encodeURIComponent(campaignId)}`}>
            {t("try-as-shopper")}
          </a>
        </>
      }
    >
      {it && (
        <>
          <dl class="figures">
            <Figure name="state" label={t("state")} value={it.state}>
              <State of={it.state}>{t(it.state)}</State>
            </Figure>
            <Figure name="remaining" label={t("remaining")} value={toldOf(it)?.remaining}>
              {number(it.remaining)}
            </Figure>
            <Figure name="issued" label={t("issued")} value={toldOf(it)?.issued}>
              {number(it.issued)}
            </Figure>
            <Figure name="stock" label={t("stock")} value={it.stock}>
              {number(it.stock)}
            </Figure>
            <Figure name="per-user" label={t("per-user")} value={it.perUser}>
              {number(it.perUser)}
            </Figure>
            <Figure name="opens" label={t("opens")} value={it.opensAt}>
              {moment(it.opensAt)}
            </Figure>
            <Figure name="closes" label={t("closes")} value={it.closesAt}>
              {moment(it.closesAt)}
            </Figure>
            {it.discount !== undefined && (
              <Figure name="discount" label={t("discount")} value={discountText(it.discount)}>
                {discountText(it.discount)}
              </Figure>
            )}
            {it.roomId !== undefined && (
              <Figure name="room" label={t("room")} value={it.roomId}>
                <a href={to("rooms", it.roomId)}>{it.roomId}</a>
              </Figure>
            )}
          </dl>
          {it.recovery && (
            <div class="trouble" role="status">
              <strong>{t("recovery")}</strong>{" "}
              {t("recovery-step", { step: it.recovery.step, tickets: number(it.recovery.ticketsRead) })}{" "}
              {it.recovery.waitingFor !== undefined && t("recovery-waits", { what: it.recovery.waitingFor })}{" "}
              {it.recovery.reason}
            </div>
          )}
          <div class="charts">
            <Chart
              title={t("stock_over_time")}
              at={remaining.at}
              lines={[{ label: t("remaining"), values: remaining.values, color: 1 }]}
              filled
            />
            <Chart
              title={t("issued-a-second")}
              at={rate.at}
              lines={[{ label: t("issued-a-second"), values: rate.values, color: 2 }]}
              filled
            />
          </div>
        </>
      )}
    </Panel>
  );
}

/** What the shop is given as the coupon's worth: text or a number as it is, fields as JSON. */
const discountText = (discount: NonNullable<Campaign["discount"]>): string =>
  typeof discount === "object" ? JSON.stringify(discount) : String(discount);

function Ledger({ watched }: { watched: Reading<Watched> }) {
  const pending = useHistory(watched, (it) => toldOf(it)?.pending, { everyMs: EVERY_MS });
  const oldest = useHistory(watched, (it) => toldOf(it)?.oldestPendingMs, { everyMs: EVERY_MS });
  const it = watched.value;
  return (
    <Panel
      title={t("ledger")}
      name="ledger"
      reading={watched}
      actions={
        <a class="button" href={to("letters")}>
          {shell("letters")}
        </a>
      }
    >
      {it && (
        <>
          <dl class="figures">
            <Figure name="confirmed" label={t("confirmed")} value={toldOf(it)?.confirmed}>
              {number(it.confirmed)}
            </Figure>
            <Figure name="pending" label={t("pending")} value={toldOf(it)?.pending}>
              {number(it.pending)}
            </Figure>
            <Figure name="oldest-pending" label={t("oldest-pending")} value={toldOf(it)?.oldestPendingMs}>
              {it.pending === 0 ? "–" : duration(it.oldestPendingMs)}
            </Figure>
            <Figure name="expected" label={t("expected")} value={toldOf(it)?.expectedMs}>
              {it.pending === 0 ? "–" : duration(it.expectedMs)}
            </Figure>
          </dl>
          {it.refusedAt !== undefined && <p class="quiet">{t("ledger-refused", { time: moment(it.refusedAt) })}</p>}
          <div class="charts">
            <Chart
              title={t("ledger-over-time")}
              at={pending.at}
              lines={[{ label: t("pending"), values: pending.values, color: 3 }]}
              filled
            />
            <Chart
              title={`${t("oldest-pending")} (ms)`}
              at={oldest.at}
              lines={[{ label: t("oldest-pending"), values: oldest.values, color: 4 }]}
              filled
            />
          </div>
        </>
      )}
    </Panel>
  );
}

function AnswersPanel({ campaignId }: { campaignId: string }) {
  const path = `/ops${pathOf(campaignId)}/answers?seconds=${ANSWERS_SECONDS}`;
  const answers = usePoll(path, ANSWERS_EVERY_MS, () => askAsOperator<Answers>("GET", path));
  const it = answers.value;
  // By its place among all words, each keeps its colour whichever others were said.
  const colors = Object.keys(it?.words ?? {});
  const words = Object.entries(it?.words ?? {}).filter(([, counts]) => counts.some((count) => count > 0));
  const toldCount = 1 + Math.max(-1, ...words.map(([, counts]) => counts.findLastIndex((count) => count > 0)));
  const startMs = it ? Date.parse(it.from) : 0;
  const stepMs = it?.stepMs ?? 1_000;
  const at = (words[0]?.[1] ?? []).map((_, i) => (startMs + i * stepMs) / 1_000);
  return (
    <Panel title={t("answers")} name="answers" reading={answers}>
      {words.length === 0 ? (
        <p class="quiet">{t("no-answers")}</p>
      ) : (
        <Chart
          title={t("last-minutes")}
          at={at}
          // Figures come late: where no word has any yet, it is not known that nobody asked.
          lines={words.map(([word, counts]) => ({
            label: word,
            values: counts.map((count, i) => (i < toldCount ? (count * 1_000) / stepMs : null)),
            color: (colors.indexOf(word) % COLORS) + 1,
          }))}
          latest={false}
        />
      )}
      <p class="quiet">{t("answers-hint")}</p>
    </Panel>
  );
}

function Checks({ campaignId }: { campaignId: string }) {
  const found = useSignal<Verification | undefined>(undefined);
  const couponId = useSignal("");
  const cancelled = useSignal<Coupon | undefined>(undefined);
  const path = pathOf(campaignId);
  const verify = (query: string) => async () => {
    found.value = await askAsOperator<Verification>("POST", `/ops${path}/verify${query}`);
  };
  const cancel = async () => {
    cancelled.value = await askAsOperator<Coupon>(
      "POST",
      `/coupons/${encodeURIComponent(couponId.value.trim())}/cancel`,
    );
    await refresh(path, `/ops${path}`);
  };
  const recover = async () => {
    await askAsOperator("POST", `/ops${path}/recover`);
    await refresh(path);
  };
  return (
    <Panel title={t("checks")} name="checks">
      <p class="quiet">{t("verify-hint")}</p>
      <div class="buttons">
        <Action act={verify("")} kind="primary">
          {t("verify")}
        </Action>
        <Action act={verify("?repair=true")} confirm={t("confirm-repair", { id: campaignId })}>
          {t("repair")}
        </Action>
        <Action
          act={recover}
          kind="danger"
          confirm={t("confirm-recover", { id: campaignId })}
          done={t("recover-begun")}
        >
          {t("recover")}
        </Action>
      </div>
      {found.value && <Found it={found.value} />}
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault();
        }}
      >
        <label>
          {t("coupon-id")}
          <input
            value={couponId.value}
            onInput={({ currentTarget }) => {
              couponId.value = currentTarget.value;
            }}
          />
        </label>
        <Action
          act={cancel}
          isSubmit
          confirm={t("confirm-cancel", { coupon: couponId.value.trim() })}
          disabled={couponId.value.trim() === ""}
          done={cancelled.value && t("cancelled", { ticket: cancelled.value.ticket })}
        >
          {t("give-back")}
        </Action>
      </form>
      <p class="quiet">{t("cancel-hint")}</p>
      {config.value?.local && (
        <p>
          <a href={to("demos")}>{shell("demos")}</a>
        </p>
      )}
    </Panel>
  );
}

/** Not what was found, but how much there is. */
const SUMS = new Set(["coupons", "holders", "pending", "free", "issued", "repaired"]);

function Found({ it }: { it: Verification }) {
  const counts = Object.entries(it).filter(
    (entry): entry is [string, number] => typeof entry[1] === "number" && !SUMS.has(entry[0]) && entry[1] > 0,
  );
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  return (
    <div role="status" class="found" data-consistent={it.consistent}>
      <p>
        <State of={it.consistent ? "up" : "down"}>
          {it.consistent
            ? t("consistent", { coupons: number(it.coupons), pending: number(it.pending), free: number(it.free) })
            : t("findings", { count: number(total) })}
        </State>{" "}
        <small>{clock(it.verifiedAt)}</small>
      </p>
      {it.repaired > 0 && <p data-repaired={it.repaired}>{t("repaired", { count: number(it.repaired) })}</p>}
      {counts.length > 0 && (
        <table>
          <thead>
            <tr>
              <th scope="col">{t("finding")}</th>
              <th scope="col" class="number">
                {t("count")}
              </th>
            </tr>
          </thead>
          <tbody>
            {counts.map(([kind, count]) => (
              <tr key={kind}>
                <th scope="row">
                  <code>{kind}</code>
                </th>
                <td class="number">{number(count)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}
