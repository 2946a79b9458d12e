// A board under way: shops send batches of product events, some of them twice, while visitors read its first page, its deep pages
// by cursor, and the rank of single products.
import { check, sleep } from "k6";
import exec from "k6/execution";
import * as api from "../lib/api.js";
import { doubt, insist, insistOnAll } from "../lib/doubts.js";
import { boundsOf, counterOf, gaugeOf, metricOf, rule } from "../lib/measures.js";
import { arrivals, newName, SETTLE_SECONDS, spreadOf } from "../lib/settings.js";
import { tallyOf } from "../lib/words.js";

const WINDOW = "24h";
const PAGE = 100;
/** One batch for so many reads; what is in it differs as much as shops do. The last is as large as a batch may be. */
const READS_PER_BATCH = 10;
const BATCH_SIZES = [1, 20, 100, 500];
const WEIGHTS = { view: 1, like: 3, cart: 5, sale: 20, revenue: 0 };
const METRICS = ["views", "likes", "carts", "units", "amount"];
/** Of a thousand events; the others are views. */
const PER_MILLE = { like: 100, cart: 80, sale: 60, refund: 10 };
/** Only these are refunded: they are sold so often that nothing is left below zero. */
const REFUNDED = 5;
/** Who gets no answer sends again, so often and after so long, always with the same key. */
const [TRIES, AGAIN_SECONDS] = [60, 0.5];
/** A generation is published every three seconds; one older than the second is not of now any more. */
const STALE_MS = 30_000;

/**
 * @param products products on the board, more than a page
 * @param repeats share of the batches that are sent again after they were answered
 */
export function rankings({ rate, seconds, startSeconds, products, repeats }) {
  const part = "rankings";
  const tally = tallyOf(part, []);
  const sums = Object.fromEntries(
    METRICS.map((metric) => [
      metric,
      boundsOf(part, metric, {
        lost: `${metric} that were sent and are not counted`,
        stray: `${metric} that were counted more than once, or never sent`,
      }),
    ]),
  );
  // Each product's number times what it has: equal sums under the wrong names do not pass.
  const placed = boundsOf(part, "placed", {
    lost: "events that are counted for another product than they were sent for",
    stray: "events that are counted for another product than they were sent for",
  });
  const count = Object.fromEntries(
    [
      "batches",
      "events",
      "repeated",
      "unanswered",
      "batches_unequal",
      "reads",
      "reads_failed",
      "pages_torn",
      "snapshots",
    ].map((name) => [name, counterOf(part, name)]),
  );
  const age = gaugeOf(part, "age_ms");

  const productOf = (boardId, number) => `${boardId}.${number}`;

  /** The nth batch: the same in every run. Few products are popular, most are not. */
  function batchOf(boardId, nth) {
    const size = BATCH_SIZES[nth % BATCH_SIZES.length];
    return Array.from({ length: size }, (_, index) => {
      const at = nth * 500 + index;
      const popularity = ((at * 0.754_877_666) % 1) ** 3;
      const type = typeOf(1_000 * ((at * 0.569_840_296) % 1));
      const number = 1 + Math.floor(popularity * (type === "refund" ? REFUNDED : products));
      const quantity = 1 + (at % 3);
      const amount = type === "sale" || type === "refund" ? { amount: quantity * (1_000 + number) } : {};
      return { type, productId: productOf(boardId, number), category: boardId, quantity, ...amount };
    });
  }

  /** What a batch adds to each metric, and to the products' places. */
  function addedBy(events) {
    const added = { views: 0, likes: 0, carts: 0, units: 0, amount: 0 };
    let place = 0;
    for (const { type, productId, quantity, amount = 0 } of events) {
      const [metric, sign] = {
        view: ["views", 1],
        like: ["likes", 1],
        cart: ["carts", 1],
        sale: ["units", 1],
        refund: ["units", -1],
      }[type];
      added[metric] += sign * quantity;
      added.amount += sign * amount;
      place += numberOf(productId) * sign * quantity;
    }
    return { ...added, place };
  }

  const numberOf = (productId) => Number(productId.split(".").pop());

  /** Tells all sums of what a batch adds: before it is sent that it may be there, and then that it is. */
  function tell(added, how) {
    for (const metric of METRICS) sums[metric][how](added[metric]);
    placed[how](added.place);
  }

  /** Sends until it is answered. */
  function sendUntilAnswered(token, key, events) {
    for (let tries = 0; tries < TRIES; tries++) {
      if (tries > 0) sleep(AGAIN_SECONDS);
      const accepted = tally.expect(api.sendEvents(token, key, events), [202]);
      if (accepted) return accepted;
    }
    count.unanswered.add(1);
    return undefined;
  }

  function send({ boardId, token }) {
    const nth = exec.scenario.iterationInTest;
    const events = batchOf(boardId, nth);
    const added = addedBy(events);
    const key = `${boardId}-${nth}`;
    tell(added, "mayBe");
    const first = sendUntilAnswered(token, key, events);
    if (!first) return;
    tell(added, "is");
    count.batches.add(1);
    count.events.add(events.length);
    if (first.accepted !== events.length || first.late !== 0) count.batches_unequal.add(1);
    if (spreadOf(nth) >= repeats) return;
    const again = sendUntilAnswered(token, key, events);
    count.repeated.add(1);
    if (again && again.batchId !== first.batchId) count.batches_unequal.add(1);
  }

  function look({ boardId }) {
    const nth = exec.scenario.iterationInTest;
    const way = spreadOf(nth);
    if (way < 0.5) return void read(api.readTop(boardId, { window: WINDOW, limit: PAGE / 10 }));
    if (way < 0.75) return leaf(boardId);
    const number = 1 + (nth % products);
    const product = read(api.readProduct(boardId, productOf(boardId, number), WINDOW));
    const explained = product?.contributions.reduce((sum, { score }) => sum + score, 0);
    if (product && explained !== product.score) count.pages_torn.add(1);
  }

  function read(response) {
    count.reads.add(1);
    const page = api.documentOf(response);
    if (!page) {
      count.reads_failed.add(1);
      tally.expect(response);
    }
    if (page?.source === "snapshot") count.snapshots.add(1);
    return page;
  }

  /** Reads a board from its first page to its last: pages of one generation fit together, whatever is published meanwhile. */
  function leaf(boardId) {
    const seen = new Set();
    let page = read(api.readTop(boardId, { window: WINDOW, limit: PAGE }));
    const generation = page?.generation;
    let least = Number.POSITIVE_INFINITY;
    while (page) {
      for (const { rank, productId, score } of page.items) {
        const fits = rank === seen.size + 1 && !seen.has(productId) && score <= least && page.generation === generation;
        if (!fits) count.pages_torn.add(1);
        seen.add(productId);
        least = score;
      }
      if (!page.cursor) {
        if (seen.size !== Math.min(page.of, 1_000)) count.pages_torn.add(1);
        return;
      }
      page = read(api.readTop(boardId, { window: WINDOW, limit: PAGE, cursor: page.cursor, name: "deep" }));
    }
  }

  /** Waits until everything that was accepted is counted. @returns whether it is */
  function settle(operatorToken) {
    const deadline = Date.now() + SETTLE_SECONDS * 1_000;
    let idle = 0;
    while (idle < 2 && Date.now() < deadline) {
      const queue = api.readRankings(operatorToken)?.queue;
      idle = queue?.waiting === 0 && queue.inFlight === 0 ? idle + 1 : 0;
      if (idle < 2) sleep(0.3);
    }
    return idle === 2;
  }

  const isLive = ({ source }) => source === "live";

  /** The first page of a live generation that shows what the products have, or the last one that was read. */
  const freshTop = (boardId, due) =>
    insist(
      () => api.documentOf(api.readTop(boardId, { window: WINDOW, limit: PAGE })),
      (top) => isLive(top) && isFresh(top, due),
    );

  const must = (name, condition, meaning, about) => rule(metricOf(part, name), condition, meaning, about);
  return {
    ...{ name: part, verbs: { send, look } },
    heading: `rankings: ${rate} reads/s and ${rate / READS_PER_BATCH} batches/s for ${seconds} s, ${products} products, ${Math.round(repeats * 100)} % sent again`,
    settings: { products, repeats },
    scenarios: {
      ranking_writes: {
        exec: "send",
        ...arrivals({ rate: rate / READS_PER_BATCH, seconds, startSeconds, patientSeconds: 1 }),
      },
      ranking_reads: { exec: "look", ...arrivals({ rate, seconds, startSeconds, patientSeconds: 0.3 }) },
    },
    requests: ["top", "deep", "product", "send"],
    answers: tally.words,
    figures: [
      ...["batches", "events", "repeated", "reads", "reads_failed", "snapshots"].map((name) => [
        name,
        metricOf(part, name),
        "count",
      ]),
      ["age of the last generation in ms", metricOf(part, "age_ms"), "value"],
    ],
    rules: [
      ...tally.rules,
      must("unanswered", "count==0", "batches that were never answered", "load"),
      must(
        "batches_unequal",
        "count==0",
        "batches that were not accepted as they were sent, or differently the second time",
      ),
      must("reads", "count>0", "reads", "load"),
      must("age_ms", `value<${STALE_MS}`, "ms that the last generation is old", "load"),
      must("pages_torn", "count==0", "places or scores that do not fit the others of their generation"),
      ...METRICS.flatMap((metric) => sums[metric].rules),
      ...placed.rules,
    ],

    setUp(operatorToken) {
      const boardId = newName(part);
      const [token] = api.mintTokens([`${part}-shop`], "events");
      api.putBoard(operatorToken, boardId, { weights: WEIGHTS, halfLifeHours: 6, category: boardId });
      // Everything is viewed once, so that there are deep pages from the beginning.
      const seed = Array.from({ length: products }, (_, index) => ({
        ...{ type: "view", productId: productOf(boardId, index + 1), category: boardId, quantity: 1 },
      }));
      for (let from = 0; from < products; from += 500) {
        const events = seed.slice(from, from + 500);
        if (!sendUntilAnswered(token, `${boardId}-seed-${from}`, events))
          exec.test.abort("the first events were not accepted");
        const added = addedBy(events);
        tell(added, "mayBe");
        tell(added, "is");
      }
      const deadline = Date.now() + SETTLE_SECONDS * 1_000;
      for (;;) {
        const top = api.parse(api.readTop(boardId, { window: WINDOW, limit: 1 }).body);
        if (top?.of === products) return { boardId, token };
        if (Date.now() > deadline)
          exec.test.abort(`the board does not list its ${products} products: ${JSON.stringify(top)}`);
        sleep(0.3);
      }
    },

    judge({ boardId }, operatorToken) {
      if (!settle(operatorToken)) return doubt(part, "what was counted: events are still waiting");
      const ids = Array.from({ length: products }, (_, index) => productOf(boardId, index + 1));
      const found = insistOnAll(ids, (some) => api.readProducts(boardId, some, WINDOW), isLive);
      if (!found.every((product) => product && isLive(product)))
        return doubt(part, "what was counted: not every product could be read, live");
      const total = (figureOf) => found.reduce((sum, product, index) => sum + figureOf(product.metrics, index + 1), 0);
      for (const metric of METRICS) sums[metric].found(total((metrics) => metrics[metric]));
      placed.found(total(({ views, likes, carts, units }, number) => number * (views + likes + carts + units)));
      const due = found
        .filter((product) => product?.score > 0)
        .map(({ productId, score }) => ({ productId, score }))
        .sort((one, other) => other.score - one.score);
      const top = freshTop(boardId, due);
      if (!top || !isLive(top)) return doubt(part, "the last generation: there was none that is live");
      check(
        top,
        { [`${part}: the last generation shows what the products have`]: () => isFresh(top, due) },
        { kind: "integrity" },
      );
      age.add(top.ageMs);
    },
  };
}

function typeOf(mille) {
  let bound = 0;
  for (const [type, share] of Object.entries(PER_MILLE)) {
    bound += share;
    if (mille < bound) return type;
  }
  return "view";
}

/** Whether the first places have the scores that are due, each its own. */
function isFresh({ of, items }, due) {
  const scores = new Map(due.map(({ productId, score }) => [productId, score]));
  return (
    of === due.length &&
    items.length === Math.min(PAGE, due.length) &&
    items.every(({ productId, score }, index) => score === due[index].score && score === scores.get(productId))
  );
}
