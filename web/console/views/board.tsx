import { useSignal } from "@preact/signals";
import { Fragment } from "preact";
import { ask } from "../api.ts";
import type { Board, Top } from "../documents.ts";
import { clock, duration, number } from "../format.ts";
import { Figure } from "../parts/figure.tsx";
import { isOldList } from "../parts/list-age.ts";
import { Moved } from "../parts/moved.tsx";
import { Pager, type Pages, usePages } from "../parts/pages.tsx";
import { Panel } from "../parts/panel.tsx";
import { ProductRankPart, shownScore, type Window } from "../parts/product-rank.tsx";
import { State } from "../parts/state.tsx";
import { VersionsPanel } from "../parts/versions.tsx";
import { usePoll } from "../poll.ts";
import { route, to } from "../route.ts";
import { askAsOperator } from "../session.ts";
import { t } from "../texts/boards.ts";

/** How often the list is asked for, in milliseconds: as often as a new one is published. */
const TOP_EVERY_MS = 3_000;
/** A version that is built is waited for by somebody. */
const BOARD_EVERY_MS = 2_000;
const PAGE = 25;

const WINDOWS: readonly Window[] = ["1h", "24h", "7d", "trending"];

/** One board, live. */
export function BoardView({ boardId }: { boardId: string }) {
  const asked = route.value.query.get("window");
  const window = WINDOWS.find((it) => it === asked) ?? "24h";
  const path = `/boards/${encodeURIComponent(boardId)}`;
  const board = usePoll(path, BOARD_EVERY_MS, () => askAsOperator<Board>("GET", path));
  return (
    <>
      <p class="crumbs">
        <a href={to("boards")}>{t("rankings")}</a>
      </p>
      <h1>{boardId}</h1>
      <TopPanel key={window} boardId={boardId} window={window} />
      <VersionsPanel board={board} boardId={boardId} />
    </>
  );
}

function TopPanel({ boardId, window }: { boardId: string; window: Window }) {
  const pages = usePages();
  const selected = useSignal<string | undefined>(undefined);
  const path = `/boards/${encodeURIComponent(boardId)}/top?window=${window}&limit=${PAGE}${pages.query}`;
  const top = usePoll(path, TOP_EVERY_MS, () => ask<Top>("GET", path));
  const it = top.value;
  const productId = selected.value;
  const close = () => {
    selected.value = undefined;
  };
  const isListed = it?.items.some((item) => item.productId === productId) === true;
  return (
    <>
      <Windows boardId={boardId} window={window} />
      <Panel title={`${t("top")}: ${t(window)}`} name="top" reading={top}>
        {it && (
          <>
            <Facts it={it} pages={pages} />
            {it.items.length === 0 && <p class="quiet">{t("not-listed")}</p>}
            {it.items.length > 0 && (
              <Places
                it={it}
                selected={productId}
                select={(id) => {
                  selected.value = id === productId ? undefined : id;
                }}
              />
            )}
            <p class="quiet">{t("change-hint")}</p>
          </>
        )}
      </Panel>
      {/* Beside the panel: when the pages of a list are gone, this leads back to one that is there. */}
      <Pager pages={pages} next={it?.cursor} />
      <Panel title={t("look-up")} name="look-up">
        <LookUp
          look={(id) => {
            selected.value = id;
          }}
        />
        {productId !== undefined && !isListed && (
          <ProductRankPart boardId={boardId} window={window} productId={productId} onClose={close} />
        )}
      </Panel>
    </>
  );
}

function Windows({ boardId, window }: { boardId: string; window: Window }) {
  return (
    <nav class="windows" aria-label={t("window")}>
      <ul>
        {WINDOWS.map((it) => (
          <li key={it}>
            <a href={`${to("boards", boardId)}?window=${it}`} aria-current={it === window ? "true" : undefined}>
              {t(it)}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

function Facts({ it, pages }: { it: Top; pages: Pages }) {
  // A page further on belongs to the list in which somebody began to read: that it is not the newest is meant.
  const isOld = pages.isFirst && isOldList(it.ageMs);
  const hint = pages.isFirst ? (isOld ? t("age-old") : clock(it.publishedAt)) : t("earlier-list");
  return (
    <dl class="figures">
      <Figure name="age" label={t("published")} value={it.ageMs} tone={isOld ? "bad" : undefined} hint={hint}>
        {t("ago", { age: duration(it.ageMs) })}
      </Figure>
      <Figure
        name="source"
        label={t("source")}
        value={it.source}
        hint={t(it.source === "live" ? "live-hint" : "snapshot-hint")}
      >
        <State of={it.source}>{t(`source-${it.source}`)}</State>
      </Figure>
      <Figure name="of" label={t("of")} value={it.of}>
        {number(it.of)}
      </Figure>
      <Figure
        name="generation"
        label={t("generation")}
        value={it.generation}
        hint={t("of-version", { version: it.version })}
      >
        <code>{it.generation}</code>
      </Figure>
    </dl>
  );
}

interface PlacesProps {
  readonly it: Top;
  readonly selected: string | undefined;
  readonly select: (productId: string | undefined) => void;
}

function Places({ it, selected, select }: PlacesProps) {
  return (
    <table class="places">
      <thead>
        <tr>
          <th scope="col" class="number">
            {t("rank")}
          </th>
          <th scope="col">{t("change")}</th>
          <th scope="col">{t("product")}</th>
          <th scope="col" class="number">
            {t("score")}
          </th>
        </tr>
      </thead>
      <tbody>
        {it.items.map(({ rank, productId, score, change }) => {
          const isOpen = productId === selected;
          return (
            <Fragment key={productId}>
              <tr data-product={productId} data-rank={rank} data-score={score} data-change={change}>
                <td class="number">{number(rank)}</td>
                <td>
                  <Moved by={change} />
                </td>
                <th scope="row">
                  <button type="button" class="plain" aria-expanded={isOpen} onClick={() => select(productId)}>
                    {productId}
                  </button>
                </th>
                <td class="number">{shownScore(it.window, score)}</td>
              </tr>
              {isOpen && (
                <tr>
                  <td colSpan={4}>
                    <ProductRankPart
                      boardId={it.boardId}
                      window={it.window}
                      productId={productId}
                      onClose={() => select(undefined)}
                    />
                  </td>
                </tr>
              )}
            </Fragment>
          );
        })}
      </tbody>
    </table>
  );
}

function LookUp({ look }: { look: (productId: string) => void }) {
  const typed = useSignal("");
  return (
    <form
      class="row"
      onSubmit={(event) => {
        event.preventDefault();
        if (typed.value.trim() !== "") look(typed.value.trim());
      }}
    >
      <label>
        {t("product-id")}
        <input
          value={typed.value}
          onInput={({ currentTarget }) => {
            typed.value = currentTarget.value;
          }}
        />
      </label>
      <button type="submit">{t("show")}</button>
    </form>
  );
}
