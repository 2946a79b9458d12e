import { SUMMED, type Summed, WINDOWS, type Window } from "../boards.ts";
import type { Recount } from "../recount.ts";
import type { Aftermath, Judged, Seen, Violation } from "./evidence.ts";
import { judgePages } from "./pages.ts";
import { judgeProducts } from "./products.ts";
import { judgeCap, judgeSums } from "./sums.ts";
import { judgeTrends } from "./trending.ts";

/** One verdict. */
export interface Finding {
  readonly id: "G9" | "API";
  readonly title: string;
  readonly holds: boolean;
  readonly violations: readonly Violation[];
  /** What was looked at, in figures. */
  readonly note: string;
}

const SUMS = (window: Summed) => `${window}: every sum equals the recount` as const;
const PAGES = (window: Window) => `${window}: pages in the recount's order` as const;
const TRENDS = "trending: sums within the stated error";
const PRODUCTS = "one product: sums, score, rank, shares";
const BOTS = "bots: no view over the cap counts";
const OTHERS = "others: no view is taken for one too many";

/** All verdicts on one checkpoint, by their titles. Nothing but the arguments decides. */
export function judgeCheckpoint(seen: Seen, recount: Recount, ofBots: ReadonlySet<string>): Map<string, Judged> {
  const cap = judgeCap(seen, recount, ofBots);
  return new Map<string, Judged>([
    ...SUMMED.map((window) => [SUMS(window), judgeSums(window, seen, recount)] as const),
    [TRENDS, judgeTrends(seen, recount)],
    ...WINDOWS.map((window) => [PAGES(window), judgePages(window, seen, recount)] as const),
    [PRODUCTS, judgeProducts(seen, recount)],
    [BOTS, cap.bots],
    [OTHERS, cap.others],
  ]);
}

const UNITS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(SUMMED.map((window) => [SUMS(window), "products"])),
  ...Object.fromEntries(WINDOWS.map((window) => [PAGES(window), "places"])),
  [TRENDS]: "sums",
  [PRODUCTS]: "answers",
  [BOTS]: "products",
  [OTHERS]: "products",
};

/** All checkpoints' verdicts together, and those on what came between. */
export function judge(checkpoints: readonly ReadonlyMap<string, Judged>[], aftermath: Aftermath): Finding[] {
  const titles = [...new Set(checkpoints.flatMap((judged) => [...judged.keys()]))];
  const windows = titles.map((title): Finding => {
    const each = checkpoints.map((judged) => judged.get(title));
    const violations = each.flatMap((judged, index) =>
      (judged?.violations ?? []).map(({ what, ...rest }) => ({ ...rest, what: `checkpoint ${index + 1}: ${what}` })),
    );
    const compared = each.reduce((sum, judged) => sum + (judged?.compared ?? 0), 0);
    const errors = each.flatMap((judged) => (judged?.worst === undefined ? [] : [judged.worst]));
    const worst = errors.length > 0 ? `; worst error ${Math.max(...errors).toExponential(1)}` : "";
    return finding("G9", title, violations, `${compared.toLocaleString("en-US")} ${UNITS[title]} compared${worst}`);
  });
  const { flaws, restless, rebuilds } = aftermath;
  const unequal = rebuilds.filter(({ comparedShards, equalShards }) => equalShards < comparedShards);
  const none = checkpoints.length === 0 ? [{ what: "there was no checkpoint" }] : [];
  return [
    ...windows,
    finding(
      "G9",
      "a rebuild comes to the same",
      unequal.map(({ edition, comparedShards, equalShards }) => ({
        what: `edition ${edition}: ${comparedShards - equalShards} of ${comparedShards} shards had other sums`,
      })),
      rebuilds.length === 0
        ? "there was none"
        : rebuilds
            .map(
              ({ rows, comparedShards, equalShards }) =>
                `${rows.toLocaleString("en-US")} rows, ${equalShards} of ${comparedShards} compared shards equal`,
            )
            .join("; "),
    ),
    finding(
      "G9",
      "it comes to rest",
      [...none, ...restless.map((what) => ({ what }))],
      `${checkpoints.length} checkpoints`,
    ),
    finding(
      "API",
      "each batch is answered, and alike",
      flaws.map((what) => ({ what })),
      flaws.length === 0 ? "as the contract says" : "",
    ),
  ];
}

const finding = (id: Finding["id"], title: string, violations: readonly Violation[], note: string): Finding => ({
  id,
  title,
  holds: violations.length === 0,
  violations,
  note,
});
