import type { CampaignPage } from "../documents.ts";
import { moment, number } from "../format.ts";
import { DataTable } from "../parts/data-table.tsx";
import { Pager, usePages } from "../parts/pages.tsx";
import { Panel } from "../parts/panel.tsx";
import { State } from "../parts/state.tsx";
import { usePoll } from "../poll.ts";
import { to } from "../route.ts";
import { askAsOperator } from "../session.ts";
import { t } from "../texts/campaigns.ts";
import { t as shell } from "../texts/shell.ts";

/** How often the list is asked for, in milliseconds. Each question reads every campaign on the page from Redis. */
const EVERY_MS = 2_000;
const PAGE = 25;

/** All campaigns, a page at a time. */
export function Campaigns() {
  const pages = usePages();
  const path = `/campaigns?limit=${PAGE}${pages.query}`;
  const page = usePoll(path, EVERY_MS, () => askAsOperator<CampaignPage>("GET", path));
  return (
    <>
      <h1>{t("campaigns")}</h1>
      <Panel
        title={t("campaigns")}
        name="campaigns"
        reading={page}
        actions={
          <a class="button primary" href={to("campaigns", "new")}>
            {t("new")}
          </a>
        }
      >
        {page.value?.items.length === 0 && <p class="quiet">{shell("none")}</p>}
        {page.value && page.value.items.length > 0 && (
          <DataTable
            caption={t("campaigns")}
            columns={[
              { label: t("campaign") },
              { label: t("state") },
              { label: t("remaining"), isNumber: true },
              { label: t("issued"), isNumber: true },
              { label: t("stock"), isNumber: true },
              { label: t("opens") },
              { label: t("closes") },
            ]}
          >
            {page.value.items.map((it) => (
              <tr key={it.campaignId} data-campaign={it.campaignId}>
                <th scope="row">
                  <a href={to("campaigns", it.campaignId)}>{it.name}</a> <code>{it.campaignId}</code>
                </th>
                <td>
                  <State of={it.state}>{t(it.state)}</State>
                </td>
                <td class="number">{told(it, it.remaining)}</td>
                <td class="number">{told(it, it.issued)}</td>
                <td class="number">{number(it.stock)}</td>
                <td>{moment(it.opensAt)}</td>
                <td>{moment(it.closesAt)}</td>
              </tr>
            ))}
          </DataTable>
        )}
      </Panel>
      <Pager pages={pages} next={page.value?.cursor} />
    </>
  );
}

/** While a campaign is recovered from the ledger nobody knows how much was issued: the zeros that Redis has say nothing. */
const told = ({ state }: CampaignPage["items"][number], count: number) =>
  state === "recovering" ? "–" : number(count);
