import type { ComponentChildren } from "preact";
import { useEffect, useErrorBoundary, useRef } from "preact/hooks";
import { lostSince } from "./connection.ts";
import { clock } from "./format.ts";
import { choose, LANGUAGES, type Language, language } from "./language.ts";
import { lazy } from "./parts/lazy.tsx";
import { type Route, route, to } from "./route.ts";
import { config, configTrouble, hasEnded, open, signOut, token } from "./session.ts";
import { t } from "./texts/shell.ts";
import { choice, chooseTheme, THEMES, type Theme } from "./theme.ts";
import { Campaigns } from "./views/campaigns.tsx";

const view = {
  campaign: lazy(async () => (await import("./views/campaign.tsx")).CampaignView),
  campaignForm: lazy(async () => (await import("./views/campaign-form.tsx")).CampaignForm),
  rooms: lazy(async () => (await import("./views/rooms.tsx")).Rooms),
  room: lazy(async () => (await import("./views/room.tsx")).RoomView),
  roomForm: lazy(async () => (await import("./views/room-form.tsx")).RoomForm),
  boards: lazy(async () => (await import("./views/boards.tsx")).Boards),
  board: lazy(async () => (await import("./views/board.tsx")).BoardView),
  boardForm: lazy(async () => (await import("./views/board-form.tsx")).BoardForm),
  signals: lazy(async () => (await import("./views/signals.tsx")).SignalsView),
  letters: lazy(async () => (await import("./views/letters.tsx")).LettersView),
  shop: lazy(async () => (await import("./views/shop.tsx")).ShopView),
  demos: lazy(async () => (await import("./views/demos.tsx")).DemosView),
  signIn: lazy(async () => (await import("./views/sign-in.tsx")).SignIn),
};

/** Places that need no operator: whoever tries the shopper's page elsewhere than on the laptop brings a shopper's token. */
const OPEN = new Set(["shop"]);

/** As the API takes ids. Any other text in an address would lead to another document than the one that it seems to name. */
const ID = /^[a-z0-9-]{1,64}$/;

/** The view of an address. A thing whose id is `new` cannot be told from the form for a new one, and is reached through its form. */
function viewOf({ steps, query }: Route): ComponentChildren {
  const [place = "campaigns", id, act] = steps;
  if (id !== undefined && !ID.test(id)) return <p>{t("no-such-view")}</p>;
  switch (place) {
    case "campaigns":
      if (id === undefined) return <Campaigns />;
      if (id === "new" || act === "edit") return <view.campaignForm campaignId={act === "edit" ? id : undefined} />;
      return <view.campaign key={id} campaignId={id} />;
    case "rooms":
      if (id === undefined) return <view.rooms />;
      if (id === "new" || act === "edit") return <view.roomForm roomId={act === "edit" ? id : undefined} />;
      return <view.room key={id} roomId={id} />;
    case "boards":
      if (id === undefined) return <view.boards />;
      if (id === "new" || act === "edit") return <view.boardForm boardId={act === "edit" ? id : undefined} />;
      return <view.board key={id} boardId={id} />;
    case "signals":
      return <view.signals />;
    case "letters":
      return <view.letters />;
    case "shop":
      return <view.shop campaignId={query.get("campaign") ?? undefined} />;
    case "demos":
      return config.value?.local ? <view.demos /> : <p>{t("no-such-view")}</p>;
    default:
      return <p>{t("no-such-view")}</p>;
  }
}

/** Keeps the frame when a view fails: a document of a newer API, say, than this page was made for. Mended by going elsewhere. */
function Guarded({ children }: { children: ComponentChildren }) {
  const [fault] = useErrorBoundary((error) => reportError(error));
  if (fault === undefined) return <>{children}</>;
  return (
    <div role="alert" data-fault="view">
      <p>{t("view-failed")}</p>
      <button type="button" onClick={() => location.reload()}>
        {t("reload")}
      </button>
    </div>
  );
}

/** What the browser's tab and its history say. */
function titleOf([place = "campaigns", id]: readonly string[]): string {
  const known = placesOf().find((it) => it === place);
  if (known === undefined) return t("title");
  return [...(id !== undefined && ID.test(id) && id !== "new" ? [id] : []), t(known), t("title")].join(" · ");
}

const placesOf = () =>
  [
    ...(["campaigns", "rooms", "boards", "signals", "letters", "shop"] as const),
    ...(config.value?.local ? (["demos"] as const) : []),
  ] as const;

function Nav({ place }: { place: string }) {
  return (
    <nav aria-label={t("views")}>
      <ul>
        {placesOf().map((it) => (
          <li key={it}>
            <a href={to(it)} aria-current={it === place ? "page" : undefined}>
              {t(it)}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

function Choices() {
  return (
    <div class="choices">
      <label>
        <span class="unseen">{t("language")}</span>
        <select value={language.value} onChange={({ currentTarget }) => choose(currentTarget.value as Language)}>
          {Object.entries(LANGUAGES).map(([key, name]) => (
            <option key={key} value={key} lang={key}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span class="unseen">{t("theme")}</span>
        <select value={choice.value} onChange={({ currentTarget }) => chooseTheme(currentTarget.value as Theme)}>
          {THEMES.map((it) => (
            <option key={it} value={it}>
              {t(it)}
            </option>
          ))}
        </select>
      </label>
      {config.value?.local === false && token.value !== undefined && (
        <button type="button" onClick={signOut}>
          {t("sign-out")}
        </button>
      )}
    </div>
  );
}

/** Says that nothing comes any more, where everybody sees and hears it; and that it comes again. */
function Connection() {
  const since = lostSince.value;
  return (
    <div role="status" class="connection" data-connected={since === undefined}>
      {since === undefined ? <span class="unseen">{t("connected")}</span> : t("disconnected", { time: clock(since) })}
    </div>
  );
}

function Content() {
  const { steps } = route.value;
  if (configTrouble.value !== undefined) {
    return (
      <div role="alert">
        <p>{t("no-config")}</p>
        <button type="button" onClick={open}>
          {t("try-again")}
        </button>
      </div>
    );
  }
  if (!config.value) return <p class="quiet">{t("loading")}</p>;
  const isIn = token.value !== undefined || OPEN.has(steps[0] ?? "");
  // Whoever must sign in again finds the view as it was, with all that was typed into it.
  const isKept = isIn || hasEnded.value;
  return (
    <>
      {!isIn && <view.signIn />}
      {isKept && (
        <div hidden={!isIn}>
          <Guarded key={steps.join("/")}>{viewOf(route.value)}</Guarded>
        </div>
      )}
    </>
  );
}

/** The frame: where one is, whether it is live, and the view. */
export function App() {
  const { steps } = route.value;
  const place = steps[0] ?? "campaigns";
  const main = useRef<HTMLElement>(null);
  const isFirst = useRef(true);
  const address = steps.join("/");
  useEffect(() => {
    open();
  }, []);
  useEffect(() => {
    document.title = titleOf(steps);
  }, [language.value, address, config.value]);
  // Whoever reads the page by ear or keyboard is taken to the new view, as a page of its own would do it.
  useEffect(() => {
    if (!isFirst.current) main.current?.focus();
    isFirst.current = false;
  }, [address]);
  return (
    <>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        {t("skip")}
      </button>
      <header class="top">
        <a class="brand" href={to()}>
          firstcome
        </a>
        <Nav place={place} />
        <Choices />
      </header>
      <Connection />
      <main id="content" ref={main} tabIndex={-1}>
        <Content />
      </main>
    </>
  );
}
