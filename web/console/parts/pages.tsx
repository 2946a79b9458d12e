import { useSignal } from "@preact/signals";
import { t } from "../texts/shell.ts";

/** Where one is in a list that comes a page at a time. A cursor leads forward only, so the way that was gone is kept. */
export interface Pages {
  /** The cursor as a query's last part; empty on the first page. */
  readonly query: string;
  readonly isFirst: boolean;
  forward(cursor: string): void;
  back(): void;
  reset(): void;
}

export function usePages(): Pages {
  const trail = useSignal<readonly string[]>([]);
  const cursor = trail.value.at(-1);
  return {
    query: cursor === undefined ? "" : `&cursor=${cursor}`,
    isFirst: cursor === undefined,
    forward: (next) => {
      trail.value = [...trail.value, next];
    },
    back: () => {
      trail.value = trail.value.slice(0, -1);
    },
    reset: () => {
      trail.value = [];
    },
  };
}

/** Leads through the pages; nothing where there is only one. @param next the cursor of the page behind this one */
export function Pager({ pages, next }: { pages: Pages; next: string | undefined }) {
  if (pages.isFirst && next === undefined) return null;
  return (
    <div class="buttons">
      <button type="button" disabled={pages.isFirst} onClick={pages.reset}>
        {t("first-page")}
      </button>
      <button type="button" disabled={pages.isFirst} onClick={pages.back}>
        {t("page-before")}
      </button>
      <button type="button" disabled={next === undefined} onClick={() => next !== undefined && pages.forward(next)}>
        {t("more")}
      </button>
    </div>
  );
}
