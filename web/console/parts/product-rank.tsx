import { useId } from "preact/hooks";
import { ask } from "../api.ts";
import type { ProductRank, Top } from "../documents.ts";
import { clock, number, percent } from "../format.ts";
import { usePoll } from "../poll.ts";
import { t } from "../texts/boards.ts";
import { t as shell } from "../texts/shell.ts";
import { DataTable } from "./data-table.tsx";
import { Bar } from "./meter.tsx";
import { State } from "./state.tsx";
import { Trouble } from "./trouble.tsx";

/** How often a product that somebody looks at is asked for, in milliseconds; a list comes as often. */
const EVERY_MS = 3_000;

export type Window = Top["window"];

/** A score or a count as it is shown: what decays is no whole number, which shows in small ones only. */
export const shownScore = (window: Window, value: number): string =>
  number(value, window === "trending" && Math.abs(value) < 100 ? 2 : 0);

export interface ProductRankProps {
  readonly boardId: string;
  readonly window: Window;
  readonly productId: string;
  readonly onClose: () => void;
}

/** Why a product stands where it does: what was counted, what each count is worth, and how much of the score comes from it. */
export function ProductRankPart({ boardId, window, productId, onClose }: ProductRankProps) {
  const id = useId();
  const path = `/boards/${encodeURIComponent(boardId)}/products/${encodeURIComponent(productId)}?window=${window}`;
  const { value: it, at, trouble, isStale } = usePoll(path, EVERY_MS, () => ask<ProductRank>("GET", path));
  return (
    <section class="explained" aria-labelledby={id} data-product={productId} data-stale={isStale && it !== undefined}>
      <header>
        <h3 id={id}>
          {t("explain")}: {productId}
        </h3>
        {isStale && at !== undefined && <span class="as-of">{shell("as-of", { time: clock(at) })}</span>}
        <button type="button" onClick={onClose}>
          {t("hide")}
        </button>
      </header>
      {trouble && <Trouble of={trouble} />}
      {!it && !trouble && <p class="quiet">{shell("loading")}</p>}
      {it && (
        <>
          <p>
            <strong data-rank={it.rank ?? "none"}>
              {it.rank === null ? t("unlisted") : t("rank-of", { rank: number(it.rank), of: number(it.of) })}
            </strong>{" "}
            · {t(it.window)} · {t("of-version", { version: it.version })} ·{" "}
            <State of={it.source}>{t(`source-${it.source}`)}</State>
          </p>
          <Contributions it={it} />
        </>
      )}
    </section>
  );
}

function Contributions({ it }: { it: ProductRank }) {
  const metrics = Object.entries(it.metrics) as [keyof ProductRank["metrics"], number][];
  const columns = [
    { label: t("metric") },
    { label: t("value"), isNumber: true },
    { label: t("weight"), isNumber: true },
    { label: t("score"), isNumber: true },
    { label: t("share") },
  ];
  return (
    <>
      <DataTable caption={`${t("explain")}: ${it.productId}`} columns={columns}>
        {metrics.map(([metric, value]) => {
          const part = it.contributions.find((contribution) => contribution.metric === metric);
          return (
            <tr key={metric} data-metric={metric}>
              <th scope="row">{t(metric)}</th>
              <td class="number">{shownScore(it.window, value)}</td>
              <td class="number">× {number(part?.weight ?? 0)}</td>
              <td class="number">{part ? shownScore(it.window, part.score) : "–"}</td>
              <td>
                {part && (
                  <span class="shared">
                    <Bar share={part.share} tone={part.score < 0 ? "bad" : undefined} /> {percent(part.share)}
                  </span>
                )}
              </td>
            </tr>
          );
        })}
        <tr>
          <th scope="row" colSpan={3}>
            {t("total")}
          </th>
          <td class="number">
            <b>{shownScore(it.window, it.score)}</b>
          </td>
          <td />
        </tr>
      </DataTable>
      <p class="quiet">{t("share-hint")}</p>
    </>
  );
}
