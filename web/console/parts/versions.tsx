import type { ComponentChildren } from "preact";
import type { Board } from "../documents.ts";
import { moment, number, percent } from "../format.ts";
import { type Reading, refresh } from "../poll.ts";
import { to } from "../route.ts";
import { askAsOperator } from "../session.ts";
import { t } from "../texts/boards.ts";
import { Action } from "./action.tsx";
import { DataTable } from "./data-table.tsx";
import { Panel } from "./panel.tsx";
import { State } from "./state.tsx";
import { Weights } from "./weights.tsx";

/** A board's versions: the one that everybody sees, the one that is built beside it, and the one before. */
export function VersionsPanel({ board, boardId }: { board: Reading<Board>; boardId: string }) {
  const it = board.value;
  const path = `/boards/${encodeURIComponent(boardId)}`;
  const switchTo = (version: number) => async () => {
    await askAsOperator("POST", `${path}/switch`, { body: { version } });
    await refresh(path);
  };
  const isOfNext = it?.next !== undefined && it.displacement?.version === it.next.version;
  return (
    <Panel
      title={t("versions")}
      name="versions"
      reading={board}
      actions={
        it && (
          <a class="button" href={to("boards", boardId, "edit")}>
            {t("change-weights")}
          </a>
        )
      }
    >
      {it && (
        <>
          <div class="versions">
            {it.state === "live" && (
              <Version name="current" title={t("current-version", { version: it.version })} of={it}>
                <State of="live">{t("live")}</State>
              </Version>
            )}
            {it.next && (
              <Version name="next" title={t("next-version", { version: it.next.version })} of={it.next}>
                <State of={it.next.state}>{t(it.next.state)}</State>
                <p class="quiet" role="status">
                  {it.next.state === "building" && t("next-building", { version: it.version })}{" "}
                  {it.next.takesOver ? t("next-takes-over") : it.next.state === "built" && t("next-built")}
                </p>
                {it.next.state === "built" && (
                  <Action
                    act={switchTo(it.next.version)}
                    kind="primary"
                    confirm={t("confirm-switch", { version: it.next.version, id: boardId })}
                  >
                    {t("switch", { version: it.next.version })}
                  </Action>
                )}
              </Version>
            )}
            {it.previous && (
              <Version name="previous" title={t("previous-version", { version: it.previous.version })} of={it.previous}>
                <Action
                  act={switchTo(it.previous.version)}
                  confirm={t("confirm-switch", { version: it.previous.version, id: boardId })}
                >
                  {t("back-to", { version: it.previous.version })}
                </Action>
              </Version>
            )}
          </div>
          {it.displacement && it.displacement.windows.length > 0 && (
            <Displacement
              it={it.displacement}
              title={t(isOfNext ? "displacement" : "displaced", { version: it.displacement.version })}
            />
          )}
        </>
      )}
    </Panel>
  );
}

interface VersionProps {
  readonly name: string;
  readonly title: string;
  readonly of: Pick<Board, "weights" | "halfLifeHours" | "size" | "category"> & { readonly createdAt?: string };
  readonly children: ComponentChildren;
}

function Version({ name, title, of: it, children }: VersionProps) {
  return (
    <section data-version={name}>
      <h3>{title}</h3>
      <Weights of={it.weights} />
      <p class="quiet">
        {t("half-life")} {t("hours", { count: number(it.halfLifeHours, 2) })} · {t("size")} {number(it.size)} ·{" "}
        {it.category ?? t("whole-shop")}
        {it.createdAt && ` · ${t("created-at", { time: moment(it.createdAt) })}`}
      </p>
      {children}
    </section>
  );
}

/** How far the order of one version is from the other's, window by window. */
function Displacement({ it, title }: { it: NonNullable<Board["displacement"]>; title: string }) {
  const columns = [
    { label: t("window") },
    { label: t("compared"), isNumber: true },
    { label: t("overlap"), isNumber: true },
    { label: t("mean-move"), isNumber: true },
    { label: t("most-move"), isNumber: true },
  ];
  return (
    <div data-displacement={it.version}>
      <h3>{title}</h3>
      <DataTable caption={title} columns={columns}>
        {it.windows.map(({ window, compared, overlap, meanMove, mostMove }) => (
          <tr key={window} data-window={window}>
            <th scope="row">{t(window)}</th>
            <td class="number">{number(compared)}</td>
            <td class="number">{percent(overlap)}</td>
            <td class="number">{t("places", { count: number(meanMove, 1) })}</td>
            <td class="number">{t("places", { count: number(mostMove) })}</td>
          </tr>
        ))}
      </DataTable>
      <p class="quiet">{t("displacement-hint")}</p>
    </div>
  );
}
