import { type BoardRules, SUMMED, type Summed, type Window } from "../boards.ts";
import { order, type Recount, type Sums } from "../recount.ts";
import type { Judged, Seen, SeenPages, Violation } from "./evidence.ts";
import { trendingScores } from "./trending.ts";

const isSummed = (window: Window): window is Summed => (SUMMED as readonly string[]).includes(window);

/** All pages of every board in a window: one generation, in the recount's order, with its scores and its number of products. */
export function judgePages(window: Window, seen: Seen, recount: Recount): Judged {
  const violations: Violation[] = [];
  let compared = 0;
  const own = seen.pages.filter((pages) => pages.window === window);
  if (own.length === 0) violations.push({ what: "no board was read" });
  for (const pages of own) {
    compared += pages.items.length;
    const { board, generations, sources, items } = pages;
    const say = (what: string, product?: string) =>
      violations.push({ what: `${board.boardId}: ${what}`, ...(product === undefined ? {} : { product }) });
    if (new Set(generations).size !== 1) say(`its pages are of ${new Set(generations).size} generations`);
    if (sources.some((source) => source !== "live")) say("a page was not live");
    const misplaced = items.find(({ rank }, index) => rank !== index + 1);
    if (misplaced) say(`stands at rank ${misplaced.rank}, which is not its place`, misplaced.productId);
    const seenTwice = items.find(
      ({ productId }, index) => items.findIndex((it) => it.productId === productId) !== index,
    );
    if (seenTwice) say("stands on the board twice", seenTwice.productId);
    for (const { what, product } of isSummed(window)
      ? summedFaults(pages, window, seen, recount)
      : trendingFaults(pages, recount)) {
      say(what, product);
    }
  }
  return { violations, compared };
}

/** Those of the board's category. */
function listed<T>(of: ReadonlyMap<string, T>, board: BoardRules, recount: Recount, now: number): Map<string, T> {
  if (board.category === undefined) return new Map(of);
  const categories = recount.categories(now);
  return new Map([...of].filter(([productId]) => categories.get(productId) === board.category));
}

function summedFaults(pages: SeenPages, window: Summed, seen: Seen, recount: Recount): Violation[] {
  const { board, items, of } = pages;
  const sums: Map<string, Sums> = listed(recount.window(window, seen.from), board, recount, seen.from);
  const ordered = order(sums, board.weights);
  const wanted = ordered.slice(0, board.size);
  const faults: Violation[] = [];
  for (let place = 0; place < Math.max(wanted.length, items.length); place++) {
    const [found, due] = [items[place], wanted[place]];
    if (found && due && found.productId === due.productId && found.score === due.score) continue;
    const what =
      `at rank ${place + 1} stands ${found ? `${found.productId} with ${found.score}` : "nothing"}, ` +
      `the recount has ${due ? `${due.productId} with ${due.score}` : "nothing"}`;
    faults.push({ what });
  }
  if (of !== ordered.length) faults.push({ what: `${of} products are listed, the recount has ${ordered.length}` });
  return faults;
}

/** Scores within their error, none smaller before a greater, and nobody left out who is clearly greater than the last. */
function trendingFaults(pages: SeenPages, recount: Recount): Violation[] {
  const { board, items, of, publishedAt } = pages;
  const scores = listed(
    trendingScores(recount, publishedAt, board.halfLifeHours, board.weights),
    board,
    recount,
    publishedAt,
  );
  const faults: Violation[] = [];
  const shown = new Set<string>();
  let last = Number.POSITIVE_INFINITY;
  for (const { productId, score } of items) {
    shown.add(productId);
    const due = scores.get(productId);
    if (!due || Math.abs(score - due.score) > due.error) {
      faults.push({ product: productId, what: `has ${score}, the recount has ${due?.score ?? "nothing"}` });
    }
    if (score > last) faults.push({ product: productId, what: `stands behind a smaller score` });
    last = score;
  }
  if (items.length < board.size) last = 0;
  for (const [product, { score, error }] of scores) {
    if (!shown.has(product) && score - error > last) faults.push({ product, what: `is left out with ${score}` });
  }
  const least = [...scores.values()].filter(({ score, error }) => score - error > 0).length;
  const most = [...scores.values()].filter(({ score, error }) => score + error > 0).length;
  if (of < least || of > most) {
    faults.push({
      what: `${of} products are listed, the recount has ${least === most ? least : `${least} to ${most}`}`,
    });
  }
  return faults;
}
