import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
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
    query: cursor === undefined ? "" : `&cursor=${encodeURIComponent(cursor)}`,
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

/**
 * Leads through the pages; nothing where there has never been more than one. It stands beside the panel of the list, which is empty
 * until the next page has come: whoever has pressed a button here keeps the place.
 *
 * @param next the cursor of the page behind this one
 */
export function Pager({ pages, next }: { pages: Pages; next: string | undefined }) {
  const wereMore = useRef(false);
  if (!pages.isFirst || next !== undefined) wereMore.current = true;
  if (!wereMore.current) return null;
  const unlessFirst = (act: () => void) => () => {
    if (!pages.isFirst) act();
  };
  return (
    <div class="buttons">
      <button type="button" aria-disabled={pages.isFirst} onClick={unlessFirst(pages.reset)}>
        {t("first-page")}
      </button>
      <button type="button" aria-disabled={pages.isFirst} onClick={unlessFirst(pages.back)}>
        {t("page-before")}
      </button>
      <button
        type="button"
        aria-disabled={next === undefined}
        onClick={() => next !== undefined && pages.forward(next)}
      >
        {t("more")}
      </button>
    </div>
  );
}
