// After the rush: everything is given out, and a flood still asks, ten times as many as in the other scripts. In its midst a few
// give their coupon back; the flood must get those, and nothing else.
import { sleep } from "k6";
import exec from "k6/execution";
import { askAtOnce, askForCoupon, cancelCoupon, createCampaign, mintTokens, readCoupons } from "../lib/api.js";
import { couponsOf, settle } from "../lib/campaigns.js";
import { doubt, insistOnAll } from "../lib/doubts.js";
import { counterOf, metricOf, rule } from "../lib/measures.js";
import { arrivals, newName } from "../lib/settings.js";
import { nextOfPool } from "../lib/tokens.js";
import { tallyOf } from "../lib/words.js";

const FLOOD = 10;
/** People of one VU, who ask again and again: the crowd that reloads the page. */
const CROWD = 20;
/** Coupons that are given back in the midst of it. */
const GIVERS_MOST = 5;
/** So long "sold out" may be told from memory. */
const SOLD_OUT_SECONDS = 1;

/**
 * @param rate of the other scripts; the flood asks at ten times of it
 * @param stock coupons, all given out before
 */
export function soldOut({ rate, seconds, startSeconds = 0, stock }) {
  const part = "sold-out";
  const askRate = rate * FLOOD;
  // A small flood gets few.
  const givers = Math.max(1, Math.min(GIVERS_MOST, stock, Math.floor((askRate * seconds) / 20)));
  const coupons = couponsOf(part);
  const { told } = coupons;
  const tally = tallyOf(part, [
    "sold-out",
    "issued",
    "accepted",
    "replayed",
    "throttled",
    "paused",
    "recovering",
    "unavailable",
  ]);
  const givenBack = counterOf(part, "given_back");
  const late = counterOf(part, "late");
  const replaysUnequal = counterOf(part, "replays_unequal");

  function flood({ campaignId }) {
    const { token, memory } = nextOfPool(campaignId, CROWD);
    const { word, coupon, isFinal } = tally.count(askForCoupon(campaignId, token));
    // Counted only where there may be something: the flood is told "sold-out" by the thousand.
    if (coupon && !memory.coupon) {
      told.mayBe();
      told.is();
      if (word === "replayed" && !memory.isUnanswered) replaysUnequal.add(1);
      // What an earlier ask without an answer has got was counted as possible there.
      if (memory.isUnanswered) told.isNot();
      memory.coupon = coupon;
    } else if (coupon) {
      if (word !== "replayed" || coupon.couponId !== memory.coupon.couponId) replaysUnequal.add(1);
    } else if (!isFinal && !memory.coupon && !memory.isUnanswered) {
      told.mayBe();
      memory.isUnanswered = true;
    } else if (isFinal && memory.coupon) {
      replaysUnequal.add(1);
    }
  }

  function giveSomeBack({ held }) {
    for (const { couponId, token } of held) {
      told.mayBe(-1);
      if (tally.expect(cancelCoupon(couponId, token))?.state !== "cancelled") continue;
      told.is(-1);
      givenBack.add(1);
    }
  }

  /** A flood that was held up may have gone without what came back: it must be there for whoever asks now. @returns whether all were answered */
  function askForTheRest({ campaignId, givers: count }) {
    const tokens = mintTokens(Array.from({ length: count }, (_, index) => `${campaignId}.late.${index + 1}`));
    sleep(SOLD_OUT_SECONDS);
    for (const _ of tokens) told.mayBe();
    const asks = tokens.map((token) => ({ token }));
    const answers = insistOnAll(
      asks,
      (some) => askAtOnce(campaignId, some).map(tally.count),
      ({ isFinal }) => isFinal,
    );
    for (const { coupon, isFinal } of answers) {
      if (coupon) late.add(1);
      if (coupon) told.is();
      else if (isFinal) told.isNot();
    }
    return answers.every(({ isFinal }) => isFinal);
  }

  return {
    ...{ name: part, verbs: { flood, giveSomeBack } },
    heading: `sold-out: ${askRate} asks/s for ${seconds} s, stock ${stock}, ${givers} given back in between`,
    settings: { stock, givers },
    scenarios: {
      flood: {
        exec: "flood",
        ...arrivals({ rate: askRate, seconds, startSeconds, patientSeconds: 0.5, gracefulSeconds: 30 }),
      },
      give_back: {
        ...{ executor: "per-vu-iterations", exec: "giveSomeBack", vus: 1, iterations: 1, maxDuration: "60s" },
        // Early enough that the flood goes on for longer than "sold out" is told from memory.
        startTime: `${Math.round((startSeconds + seconds / 3) * 1_000)}ms`,
      },
    },
    requests: ["ask", "cancel"],
    answers: tally.words,
    figures: [
      ...coupons.figures,
      ["given back", metricOf(part, "given_back"), "count"],
      ["of them issued after the flood", metricOf(part, "late"), "count"],
    ],
    rules: [
      ...tally.rules,
      rule(metricOf(part, "given_back"), `count==${givers}`, "coupons that were to be given back, and were", "load"),
      rule(metricOf(part, "answers_sold-out"), "count>0", "asks that were told that it is sold out", "load"),
      rule(metricOf(part, "replays_unequal"), "count==0", "answers to a holder that are not the first one's coupon"),
      ...coupons.rules,
    ],
    setUp(operatorToken) {
      const campaignId = newName(part);
      createCampaign(operatorToken, { campaignId, stock });
      const tokens = mintTokens(Array.from({ length: stock }, (_, index) => `${campaignId}.holder.${index + 1}`));
      askAtOnce(
        campaignId,
        tokens.map((token) => ({ token })),
      );
      settle(operatorToken, campaignId);
      const held = readCoupons(campaignId, tokens).map((theirs, index) => ({ ...theirs?.[0], token: tokens[index] }));
      const issued = held.filter(({ couponId }) => couponId).length;
      if (issued !== stock) exec.test.abort(`the campaign did not sell out: ${issued} of ${stock} coupons were issued`);
      told.mayBe(stock);
      told.is(stock);
      const kept = held.slice(0, givers).map(({ couponId, token }) => ({ couponId, token }));
      return { campaignId, stock, held: kept, givers };
    },
    judge(campaign, operatorToken) {
      const isAnswered = askForTheRest(campaign);
      if (!isAnswered) doubt(part, "whether what was given back was issued again: not all were answered");
      coupons.judge(operatorToken, campaign, {
        "what was given back was issued again": (it) => !isAnswered || it.campaign.remaining === 0,
      });
    },
  };
}
