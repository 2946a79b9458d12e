import { number } from "../format.ts";
import { t } from "../texts/boards.ts";

/** How far a product has moved, as a sign for the eye and in words for the ear. */
export function Moved({ by }: { by: number | "new" }) {
  if (by === "new") {
    return (
      <span class="moved" data-way="new">
        {t("fresh")}
      </span>
    );
  }
  const [way, sign] = by > 0 ? (["up", "▲"] as const) : by < 0 ? (["down", "▼"] as const) : (["same", "="] as const);
  return (
    <span class="moved" data-way={way}>
      <span aria-hidden="true">
        {sign} {by !== 0 && number(Math.abs(by))}
      </span>
      <span class="unseen">{t(way, { count: number(Math.abs(by)) })}</span>
    </span>
  );
}
