import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Letters, Redriven } from "../documents.ts";
import { moment, number } from "../format.ts";
import { Action } from "../parts/action.tsx";
import { DataTable } from "../parts/data-table.tsx";
import { Figure } from "../parts/figure.tsx";
import { Pager, usePages } from "../parts/pages.tsx";
import { Panel } from "../parts/panel.tsx";
import { State } from "../parts/state.tsx";
import { refresh, usePoll } from "../poll.ts";
import { to } from "../route.ts";
import { askAsOperator } from "../session.ts";
import { t } from "../texts/letters.ts";

/** How often the page is asked for, in milliseconds: the ledger is asked for each letter on it that is not settled. */
const EVERY_MS = 5_000;
const PAGE = 50;

type Letter = Letters["items"][number];

/** What can be sent again: kept for the operator, and a coupon. A stray message is neither sent nor in anybody's way. */
const canRedrive = ({ decision, couponId }: Letter) => decision === "kept" && couponId !== undefined;

/** Confirmations that could not be recorded: why, what was decided, and the way to send them again. */
export function LettersView() {
  const pages = usePages();
  const chosen = useSignal<ReadonlySet<string>>(new Set());
  const result = useSignal<Redriven | undefined>(undefined);
  const path = `/ops/dead-letters?limit=${PAGE}${pages.query}`;
  const page = usePoll(path, EVERY_MS, () => askAsOperator<Letters>("GET", path));
  const it = page.value;
  const able = it?.items.filter(canRedrive).map(({ letterId }) => letterId) ?? [];
  // Decided otherwise meanwhile, or on another page: what is not seen is not sent.
  const picked = able.filter((id) => chosen.value.has(id));

  useEffect(() => {
    chosen.value = new Set();
  }, [pages.query]);
  const redrive = (letterIds: readonly string[] | undefined) => async () => {
    result.value = undefined;
    const body = letterIds === undefined ? {} : { letterIds };
    result.value = await askAsOperator<Redriven>("POST", "/ops/dead-letters/redrive", { body });
    chosen.value = new Set();
    await refresh("/ops/dead-letters");
  };
  return (
    <>
      <h1>{t("letters")}</h1>
      <Panel title={t("letters")} name="letters" reading={page}>
        <p class="quiet">{t("hint")}</p>
        {it && (
          <>
            <dl class="figures">
              <Figure
                name="undecided"
                label={t("queue")}
                value={it.queue.waiting + it.queue.inFlight}
                hint={t("waiting", { waiting: number(it.queue.waiting), inFlight: number(it.queue.inFlight) })}
              >
                {number(it.queue.waiting + it.queue.inFlight)}
              </Figure>
            </dl>
            <div class="buttons">
              <Action act={redrive(picked)} disabled={picked.length === 0} kind="primary">
                {t("redrive-some", { count: number(picked.length) })}
              </Action>
              <Action act={redrive(undefined)} confirm={t("confirm-all")}>
                {t("redrive-all")}
              </Action>
            </div>
            <p role="status" data-redriven={result.value?.redriven.length}>
              {result.value && said(result.value)}
            </p>
            {it.items.length === 0 && <p class="quiet">{t("none")}</p>}
            {it.items.length > 0 && (
              <Table
                items={it.items}
                picked={new Set(picked)}
                able={able}
                choose={(ids) => {
                  chosen.value = new Set(ids);
                }}
              />
            )}
          </>
        )}
      </Panel>
      <Pager pages={pages} next={it?.cursor} />
    </>
  );
}

function said({ redriven, skipped, more }: Redriven) {
  const facts = { redriven: number(redriven.length), skipped: number(skipped.length) };
  return (
    <>
      {t(more ? "result-more" : "result", facts)} {skipped.length > 0 && <small>{t("skipped-hint")}</small>}
    </>
  );
}

interface TableProps {
  readonly items: readonly Letter[];
  readonly picked: ReadonlySet<string>;
  /** Ids of those that can be sent again. */
  readonly able: readonly string[];
  readonly choose: (ids: readonly string[]) => void;
}

function Table({ items, picked, able, choose }: TableProps) {
  const toggle = (id: string) => choose(picked.has(id) ? [...picked].filter((it) => it !== id) : [...picked, id]);
  const isAll = able.length > 0 && picked.size === able.length;
  return (
    <>
      <label class="check">
        <input
          type="checkbox"
          checked={isAll}
          indeterminate={picked.size > 0 && !isAll}
          disabled={able.length === 0}
          onChange={() => choose(isAll ? [] : able)}
        />
        {t("choose-all")} ({number(able.length)})
      </label>
      <DataTable
        caption={t("letters")}
        columns={[
          { label: t("choose") },
          { label: t("coupon") },
          { label: t("reason") },
          { label: t("decision") },
          { label: t("redrives"), isNumber: true },
          { label: t("campaign") },
          { label: t("ticket"), isNumber: true },
          { label: t("holder") },
          { label: t("first") },
          { label: t("decided") },
        ]}
      >
        {items.map((it) => (
          <Row key={it.letterId} it={it} isPicked={picked.has(it.letterId)} toggle={() => toggle(it.letterId)} />
        ))}
      </DataTable>
    </>
  );
}

const REASONS = [
  "receives-spent",
  "attempts-spent",
  "not-a-confirmation",
  "unknown-campaign",
  "ticket-taken",
  "user-taken",
  "overtaken",
  "beyond-stock",
] as const;

/** A letter's reason in words; whatever else somebody has put there, as it stands. */
function reasonOf(reason: string): string {
  const known = REASONS.find((it) => it === reason);
  return known === undefined ? reason : t(known);
}

function Row({ it, isPicked, toggle }: { it: Letter; isPicked: boolean; toggle: () => void }) {
  const { letterId, reason, decision, redrives, campaignId, ticket, couponId, userId, firstAt, decidedAt } = it;
  const isStray = decision === "kept" && couponId === undefined;
  return (
    <tr data-letter={letterId} data-decision={decision}>
      <td>
        {canRedrive(it) && (
          <input
            type="checkbox"
            class="choose"
            aria-label={t("choose-letter", { name: couponId ?? letterId })}
            checked={isPicked}
            onChange={toggle}
          />
        )}
      </td>
      <th scope="row">{couponId === undefined ? <span class="quiet">{t("stray")}</span> : <code>{couponId}</code>}</th>
      <td>
        {reasonOf(reason)}
        <small class="under">{reason}</small>
      </td>
      <td>
        <State of={isStray ? "closed" : decision}>{t(decision)}</State>
        <small class="under">{t(isStray ? "stray-hint" : `${decision}-hint`)}</small>
      </td>
      <td class="number">{number(redrives)}</td>
      <td>{campaignId === undefined ? "–" : <a href={to("campaigns", campaignId)}>{campaignId}</a>}</td>
      <td class="number">{ticket === undefined ? "–" : number(ticket)}</td>
      <td>{userId ?? "–"}</td>
      <td>{moment(firstAt)}</td>
      <td>{moment(decidedAt)}</td>
    </tr>
  );
}
