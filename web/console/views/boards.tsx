import type { BoardPage, Rankings } from "../documents.ts";
import { duration, number } from "../format.ts";
import { DataTable } from "../parts/data-table.tsx";
import { isOldList } from "../parts/list-age.ts";
import { Pager, usePages } from "../parts/pages.tsx";
import { Panel } from "../parts/panel.tsx";
import { RANKINGS, RANKINGS_EVERY_MS, RankingsPanel } from "../parts/rankings.tsx";
import { State } from "../parts/state.tsx";
import { Weights } from "../parts/weights.tsx";
import { usePoll } from "../poll.ts";
import { to } from "../route.ts";
import { askAsOperator } from "../session.ts";
import { t } from "../texts/boards.ts";
import { t as shell } from "../texts/shell.ts";

/** How often the list is asked for, in milliseconds. */
const EVERY_MS = 3_000;
const PAGE = 25;

/** All boards, a page at a time, and how the rankings are. */
export function Boards() {
  const pages = usePages();
  const path = `/boards?limit=${PAGE}${pages.query}`;
  const page = usePoll(path, EVERY_MS, () => askAsOperator<BoardPage>("GET", path));
  const rankings = usePoll(RANKINGS, RANKINGS_EVERY_MS, () => askAsOperator<Rankings>("GET", RANKINGS));
  return (
    <>
      <h1>{t("rankings")}</h1>
      <Panel
        title={t("boards")}
        name="boards"
        reading={page}
        actions={
          <a class="button primary" href={to("boards", "new")}>
            {t("new")}
          </a>
        }
      >
        {page.value?.items.length === 0 && <p class="quiet">{shell("none")}</p>}
        {page.value && page.value.items.length > 0 && (
          <Table items={page.value.items} lists={rankings.isStale ? [] : (rankings.value?.boards ?? [])} />
        )}
      </Panel>
      <Pager pages={pages} next={page.value?.cursor} />
      <RankingsPanel rankings={rankings} />
    </>
  );
}

function Table({ items, lists }: { items: BoardPage["items"]; lists: Rankings["boards"] }) {
  const columns = [
    { label: t("board") },
    { label: t("state") },
    { label: t("age"), isNumber: true },
    { label: t("version"), isNumber: true },
    { label: t("weights") },
    { label: t("half-life"), isNumber: true },
    { label: t("size"), isNumber: true },
    { label: t("category") },
  ];
  return (
    <DataTable caption={t("boards")} columns={columns}>
      {items.map((it) => (
        <tr key={it.boardId} data-board={it.boardId}>
          <th scope="row">
            <a href={to("boards", it.boardId)}>{it.boardId}</a>
          </th>
          <td>
            <State of={it.state}>{t(it.state)}</State>
          </td>
          <td class="number">
            <Age ages={lists.filter(({ boardId }) => boardId === it.boardId).map(({ ageMs }) => ageMs)} />
          </td>
          <td class="number">
            {number(it.version)}
            {it.next && (
              <small>
                {" "}
                → {number(it.next.version)} {t(it.next.state)}
              </small>
            )}
          </td>
          <td>
            <Weights of={it.weights} />
          </td>
          <td class="number">{t("hours", { count: number(it.halfLifeHours, 2) })}</td>
          <td class="number">{number(it.size)}</td>
          <td>{it.category ?? <span class="quiet">{t("whole-shop")}</span>}</td>
        </tr>
      ))}
    </DataTable>
  );
}

/** The age of a board's oldest list: each window has one. */
function Age({ ages }: { ages: readonly number[] }) {
  if (ages.length === 0) return "–";
  const oldest = Math.max(...ages);
  if (!isOldList(oldest)) return duration(oldest);
  return (
    <State of="old" tone="bad">
      {duration(oldest)}
    </State>
  );
}
