import type { Board } from "../documents.ts";
import { number } from "../format.ts";
import { t } from "../texts/boards.ts";

export const WEIGHTED = ["view", "like", "cart", "sale", "revenue"] as const;

/** What counts on a board, and how much; what does not count is left out. */
export function Weights({ of: weights }: { of: Board["weights"] }) {
  return (
    <ul class="weights">
      {WEIGHTED.filter((it) => weights[it] !== 0).map((it) => (
        <li key={it}>
          {t(it)} <b>× {number(weights[it])}</b>
        </li>
      ))}
    </ul>
  );
}
