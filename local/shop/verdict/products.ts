import { type BoardRules, SUMMED, type Window } from "../boards.ts";
import { order, type Recount, type Sums, scoreBy } from "../recount.ts";
import type { Judged, Seen, SeenProduct, Violation } from "./evidence.ts";
import { NAMES, NOTHING } from "./sums.ts";
import { trendingScores } from "./trending.ts";

/** What the API tells of single products: sums, score, rank among how many, and that the shares make up the score. */
export function judgeProducts(seen: Seen, recount: Recount): Judged {
  const violations: Violation[] = [];
  const expected = expectations(seen, recount);
  for (const one of seen.products) {
    const isCopy = one.answer !== undefined && one.answer.source !== "live";
    const what = isCopy
      ? "its answer was not live"
      : one.window === "trending"
        ? trendingFault(one, recount)
        : summedFault(one, expected);
    if (what) violations.push({ product: one.productId, what: `${one.board.boardId} ${one.window}: ${what}` });
  }
  return { violations, compared: seen.products.length };
}

interface Expected {
  readonly sums: ReadonlyMap<string, Sums>;
  readonly ranks: ReadonlyMap<string, number>;
}

/** For each board and window, computed once. */
function expectations(seen: Seen, recount: Recount): (board: BoardRules, window: Window) => Expected {
  const known = new Map<string, Expected>();
  const categories = recount.categories(seen.from);
  return (board, window) => {
    const name = `${board.boardId} ${window}`;
    const before = known.get(name);
    if (before) return before;
    const summed = SUMMED.find((it) => it === window);
    const sums: ReadonlyMap<string, Sums> = summed ? recount.window(summed, seen.from) : new Map();
    const isListed = (productId: string) =>
      board.category === undefined || categories.get(productId) === board.category;
    const listed = new Map([...sums].filter(([productId]) => isListed(productId)));
    const ranks = new Map(order(listed, board.weights).map(({ productId }, index) => [productId, index + 1]));
    const made = { sums, ranks };
    known.set(name, made);
    return made;
  };
}

function summedFault(
  { board, window, productId, answer }: SeenProduct,
  expected: ReturnType<typeof expectations>,
): string | undefined {
  const { sums, ranks } = expected(board, window);
  const due = sums.get(productId);
  if (!answer) return due ? "nothing is known of it, the recount has events" : undefined;
  const wanted = due ?? NOTHING;
  const name = NAMES.find((metric) => answer.metrics[metric] !== wanted[metric]);
  if (name) return `${answer.metrics[name]} ${name}, the recount has ${wanted[name]}`;
  const score = scoreBy(wanted, board.weights);
  if (answer.score !== score) return `score ${answer.score}, the recount has ${score}`;
  const rank = ranks.get(productId) ?? null;
  if (answer.rank !== rank) return `rank ${answer.rank}, the recount has ${rank}`;
  if (answer.of !== ranks.size) return `${answer.of} are listed, the recount has ${ranks.size}`;
  const explained = answer.contributions.reduce((sum, contribution) => sum + contribution.score, 0);
  return explained === score ? undefined : `its shares make up ${explained} of ${score}`;
}

/** While the clock goes, what is decayed at one time lies between the values of two. */
function trendingFault({ board, productId, from, until, answer }: SeenProduct, recount: Recount): string | undefined {
  const [first, last] = [from, until].map((at) =>
    trendingScores(recount, at, board.halfLifeHours, board.weights).get(productId),
  );
  if (!answer) return first ? "nothing is known of it, the recount has events" : undefined;
  const bounds = [first, last].map((it) => it ?? { score: 0, error: 0 });
  const least = Math.min(...bounds.map(({ score, error }) => score - error));
  const most = Math.max(...bounds.map(({ score, error }) => score + error));
  if (answer.score >= least && answer.score <= most) return undefined;
  return `score ${answer.score}, the recount has ${bounds[0]?.score}`;
}
