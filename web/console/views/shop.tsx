import { useSignal } from "@preact/signals";
import { useEffect, useId, useRef } from "preact/hooks";
import { ask, Problem } from "../api.ts";
import type { Campaign, CampaignPage } from "../documents.ts";
import { moment, number } from "../format.ts";
import { type Attempt, useAttempt } from "../parts/attempt.ts";
import { useLine } from "../parts/line.ts";
import { LinePanel } from "../parts/line-panel.tsx";
import { OwnCoupons } from "../parts/my-coupons.tsx";
import { Panel } from "../parts/panel.tsx";
import { Countdown, type ServerClock, useServerClock } from "../parts/server-clock.tsx";
import { becomeBearer, becomeNamed, NAME, type Shopper, shopper } from "../parts/shopper.ts";
import { State } from "../parts/state.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { type Reading, refresh, usePoll } from "../poll.ts";
import { remembered } from "../remembered.ts";
import { go, to } from "../route.ts";
import { askAsOperator, config, token } from "../session.ts";
import { t as campaigns } from "../texts/campaigns.ts";
import { kindly, t } from "../texts/shop.ts";

/** How often the campaign is looked at, in milliseconds: its document is cacheable for one second. */
const EVERY_MS = 1_000;
const LIST_EVERY_MS = 10_000;
const LIST = "/campaigns?limit=100";

/** What a person sees who wants a coupon: to try things as a person. */
export function ShopView({ campaignId }: { campaignId: string | undefined }) {
  const who = shopper.value;
  return (
    <div class="shop">
      <h1>{t("shop")}</h1>
      <p class="quiet">{t("intro")}</p>
      <Panel title={t("who")} name="who">
        <Who />
        {token.value === undefined ? <TypeCampaign now={campaignId} /> : <ChooseCampaign now={campaignId} />}
      </Panel>
      {campaignId !== undefined && <Offer key={campaignId} campaignId={campaignId} who={who} />}
    </div>
  );
}

// ── Who, and which campaign ─────────────────────────────────────────────────────────────────────────────────────────────

function Who() {
  const isLocal = config.value?.local === true;
  const given = useSignal(isLocal ? (shopper.value?.name ?? remembered(NAME) ?? "") : "");
  const trouble = useSignal<unknown>(undefined);
  const id = useId();

  const become = async () => {
    trouble.value = undefined;
    const it = given.value.trim();
    if (it === "") return;
    if (!isLocal) {
      becomeBearer(it);
      given.value = "";
      return;
    }
    try {
      await becomeNamed(it);
    } catch (error) {
      trouble.value = error;
    }
  };
  // Whoever was here before is let in at once; where tokens are pasted there is nothing to go by.
  useEffect(() => {
    if (isLocal && shopper.value === undefined) become();
  }, []);
  const operator = token.value;
  const common = {
    id,
    name: "shopper",
    autoComplete: "off",
    spellcheck: false,
    value: given.value,
    "aria-describedby": `${id}-hint`,
    onInput: ({ currentTarget }: { currentTarget: HTMLInputElement }) => {
      given.value = currentTarget.value;
    },
  } as const;
  return (
    <>
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault();
          become();
        }}
      >
        <label for={id}>
          {t(isLocal ? "name" : "token-of")}
          {isLocal ? <input maxLength={255} {...common} /> : <input type="password" {...common} />}
        </label>
        <button type="submit">{t("be-this")}</button>
        {!isLocal && operator !== undefined && (
          <button type="button" onClick={() => becomeBearer(operator)}>
            {t("as-signed-in")}
          </button>
        )}
      </form>
      <small id={`${id}-hint`} class="hint">
        {t(isLocal ? "name-hint" : "token-hint")}
      </small>
      <p role="status" data-shopper={shopper.value?.name}>
        {shopper.value && t("you-are", { name: shopper.value.name })}
      </p>
      {trouble.value !== undefined && <Trouble of={trouble.value} />}
    </>
  );
}

const show = (campaignId: string) => go(`${to("shop")}?campaign=${encodeURIComponent(campaignId)}`);

/** An operator has a list to choose from. */
function ChooseCampaign({ now }: { now: string | undefined }) {
  const list = usePoll(LIST, LIST_EVERY_MS, () => askAsOperator<CampaignPage>("GET", LIST));
  const id = useId();
  const items = list.value?.items ?? [];
  const isListed = now === undefined || items.some(({ campaignId }) => campaignId === now);
  return (
    <div class="field">
      <label for={id}>{t("campaign")}</label>
      <select
        id={id}
        name="campaign"
        value={now ?? ""}
        onChange={({ currentTarget }) => {
          if (currentTarget.value !== "") show(currentTarget.value);
        }}
      >
        <option value="">{t("choose")}</option>
        {!isListed && <option value={now}>{now}</option>}
        {items.map(({ campaignId, name, state }) => (
          <option key={campaignId} value={campaignId}>
            {name} ({campaigns(state)})
          </option>
        ))}
      </select>
    </div>
  );
}

/** Everybody else has the campaign's id from somewhere. */
function TypeCampaign({ now }: { now: string | undefined }) {
  const given = useSignal(now ?? "");
  const id = useId();
  return (
    <form
      class="row"
      onSubmit={(event) => {
        event.preventDefault();
        if (given.value.trim() !== "") show(given.value.trim());
      }}
    >
      <label for={id}>
        {t("campaign")}
        <input
          id={id}
          name="campaign"
          value={given.value}
          onInput={({ currentTarget }) => {
            given.value = currentTarget.value;
          }}
        />
      </label>
      <button type="submit">{t("show")}</button>
    </form>
  );
}

// ── The campaign ────────────────────────────────────────────────────────────────────────────────────────────────────────

function Offer({ campaignId, who }: { campaignId: string; who: Shopper | undefined }) {
  const path = `/campaigns/${encodeURIComponent(campaignId)}`;
  const campaign = usePoll(path, EVERY_MS, () => ask<Campaign>("GET", path));
  const clock = useServerClock(campaign);
  const it = campaign.value;
  if (!it) return <NoOffer reading={campaign} />;
  // Another person, or another room, is another visit.
  const visit = `${it.roomId ?? ""} ${who?.name ?? ""}`;
  return (
    <>
      {/* Its trouble is told in words for people. */}
      <Panel title={it.name} name="offer" reading={{ ...campaign, trouble: undefined }}>
        {campaign.trouble && <p>{t("offer-not-heard")}</p>}
        <Now it={it} clock={clock} />
      </Panel>
      {!who && <p role="status">{t("say-who")}</p>}
      {who && it.roomId !== undefined && <BehindRoom key={visit} it={it} roomId={it.roomId} clock={clock} />}
      {who && it.roomId === undefined && <Get key={visit} it={it} />}
      {who && <OwnCoupons key={who.name} campaignId={campaignId} shopper={who} />}
    </>
  );
}

function NoOffer({ reading }: { reading: Reading<Campaign> }) {
  const { trouble } = reading;
  if (!trouble) return null;
  const why = trouble instanceof Problem ? trouble.code : "unreachable";
  return (
    <p role="alert" class="trouble" data-code={why}>
      {t(why === "unknown" || why === "invalid" ? "no-campaign" : "offer-not-heard")}
    </p>
  );
}

function Now({ it, clock }: { it: Campaign; clock: ServerClock }) {
  const { state, stock, remaining, perUser, opensAt, closesAt, discount } = it;
  const untilOpeningMs = () => {
    const now = clock();
    return now === undefined ? undefined : Date.parse(opensAt) - now;
  };
  return (
    <div data-state={state} data-remaining={remaining}>
      <p>
        <State of={state}>{campaigns(state)}</State>{" "}
        {state === "scheduled" && t("scheduled", { time: moment(opensAt) })}
        {state === "open" && t("open", { remaining: number(remaining), stock: number(stock) })}
        {state === "sold-out" && t("sold-out-now", { stock: number(stock) })}
        {state === "closed" && t("closed-now", { time: moment(closesAt) })}
        {state === "paused" && t("paused-now")}
        {state === "recovering" && t("recovering-now")}
      </p>
      {state === "scheduled" && (
        <p>
          {t("opens-in")} <Countdown leftMs={untilOpeningMs} label={t("opens-in")} isLarge />
        </p>
      )}
      {discount !== undefined && (
        <p>
          {t("worth")}: <strong>{worthOf(discount)}</strong>
        </p>
      )}
      <p class="quiet">
        {t("per-user", { count: number(perUser) })} {state !== "closed" && t("open-until", { time: moment(closesAt) })}
      </p>
    </div>
  );
}

/** The shop's own words and figures of what a coupon is worth, as they are. */
function worthOf(discount: NonNullable<Campaign["discount"]>): string {
  if (typeof discount !== "object") return String(discount);
  return Object.entries(discount)
    .map(([name, value]) => `${name}: ${value}`)
    .join(", ");
}

// ── Getting one ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function BehindRoom({ it, roomId, clock }: { it: Campaign; roomId: string; clock: ServerClock }) {
  const line = useLine(roomId);
  return (
    <>
      <LinePanel line={line} clock={clock} />
      <Get
        it={it}
        pass={() => (line.state.value.step === "inside" ? line.state.value.pass : undefined)}
        ended={(attempt) => {
          const isRefusedPass = attempt.step === "refused" && attempt.why === "pass-required";
          if (isRefusedPass && line.state.value.step === "inside") line.lose();
        }}
      />
    </>
  );
}

interface GetProps {
  readonly it: Campaign;
  readonly pass?: () => string | undefined;
  readonly ended?: (attempt: Attempt) => void;
}

function Get({ it, pass = () => undefined, ended = () => {} }: GetProps) {
  const { state, begin, stop } = useAttempt(it.campaignId, pass, (attempt) => {
    ended(attempt);
    refresh(`/campaigns/${it.campaignId}`);
  });
  const button = useRef<HTMLButtonElement>(null);
  const now = state.value;
  const isTrying = now.step === "asking" || now.step === "resting";
  const isAtOpening = now.step === "resting" && now.why === "not-open";
  return (
    <Panel title={t("coupon")} name="get">
      <div class="buttons">
        {/* Not `disabled`, which would take the focus from whoever has just pressed it. */}
        <button
          ref={button}
          type="button"
          class="primary"
          aria-disabled={isTrying}
          aria-busy={isTrying}
          onClick={() => {
            if (!isTrying) begin();
          }}
        >
          {t(now.step === "told" && it.perUser > 1 ? "get-another" : "get")}
        </button>
        {isTrying && (
          <button
            type="button"
            onClick={() => {
              stop();
              button.current?.focus();
            }}
          >
            {t("stop")}
          </button>
        )}
      </div>
      <p role="status" class="said" data-step={now.step} data-word={wordOf(now)}>
        {sayingOf(now)}
      </p>
      {now.step === "resting" && (
        <p>
          {t(isAtOpening ? "tries-at-opening" : "tries-again")}{" "}
          <Countdown leftMs={() => now.dueAt - performance.now()} label={t("tries-again")} />
        </p>
      )}
    </Panel>
  );
}

/** The API's word, for scripts that read the page. */
function wordOf(it: Attempt): string | undefined {
  if (it.step === "told") return it.word;
  return it.step === "refused" || it.step === "resting" ? it.why : undefined;
}

function sayingOf(it: Attempt): string {
  switch (it.step) {
    case "idle":
      return "";
    case "asking":
      return t("asking");
    case "told":
      return t(it.word, { ticket: number(it.coupon.ticket) });
    case "refused":
    case "resting":
      return kindly(it.why);
  }
}
