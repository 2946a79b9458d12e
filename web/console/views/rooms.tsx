import type { RoomPage } from "../documents.ts";
import { number } from "../format.ts";
import { DataTable } from "../parts/data-table.tsx";
import { Bar } from "../parts/meter.tsx";
import { Pager, usePages } from "../parts/pages.tsx";
import { Panel } from "../parts/panel.tsx";
import { State } from "../parts/state.tsx";
import { usePoll } from "../poll.ts";
import { to } from "../route.ts";
import { askAsOperator } from "../session.ts";
import { t } from "../texts/rooms.ts";
import { t as shell } from "../texts/shell.ts";

/** How often the list is asked for, in milliseconds. Each question reads every room on the page from Redis. */
const EVERY_MS = 2_000;
const PAGE = 25;

/** All waiting rooms, a page at a time. */
export function Rooms() {
  const pages = usePages();
  const path = `/rooms?limit=${PAGE}${pages.query}`;
  const page = usePoll(path, EVERY_MS, () => askAsOperator<RoomPage>("GET", path));
  return (
    <>
      <h1>{t("rooms")}</h1>
      <Panel
        title={t("rooms")}
        name="rooms"
        reading={page}
        actions={
          <a class="button primary" href={to("rooms", "new")}>
            {t("new")}
          </a>
        }
      >
        {page.value?.items.length === 0 && <p class="quiet">{shell("none")}</p>}
        {page.value && page.value.items.length > 0 && <Table items={page.value.items} />}
      </Panel>
      <Pager pages={pages} next={page.value?.cursor} />
    </>
  );
}

function Table({ items }: { items: RoomPage["items"] }) {
  const columns = [
    { label: t("room") },
    { label: t("state") },
    { label: t("waiting"), isNumber: true },
    { label: t("active") },
    { label: t("admitted-a-second"), isNumber: true },
    { label: t("rate"), isNumber: true },
  ];
  return (
    <DataTable caption={t("rooms")} columns={columns}>
      {items.map((it) => (
        <tr key={it.roomId} data-room={it.roomId}>
          <th scope="row">
            <a href={to("rooms", it.roomId)}>{it.roomId}</a>
          </th>
          <td>
            <State of={it.state}>{t(it.state)}</State>
          </td>
          <td class="number">{number(it.waiting)}</td>
          <td>
            {t("active-of", { active: number(it.active), capacity: number(it.capacity) })}
            <Bar share={it.active / it.capacity} tone={it.active > it.capacity ? "bad" : undefined} />
          </td>
          <td class="number">{average(it)}</td>
          <td class="number">{number(it.admitPerSecond, 2)}</td>
        </tr>
      ))}
    </DataTable>
  );
}

/** The room's own average; it stays what it was when the line has come to its end, and says nothing then. */
const average = ({ waiting, inflow: { perSecond } }: RoomPage["items"][number]) =>
  perSecond === null || waiting === 0 ? "–" : number(perSecond, 1);
