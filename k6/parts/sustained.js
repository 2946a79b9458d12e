// A usual day: shoppers come at a steady rate while there is plenty of stock. Each asks, looks the coupon up until it is
// confirmed, and then some give it back, some use it, and the others keep it.
import { sleep } from "k6";
import exec from "k6/execution";
import { askForCoupon, cancelCoupon, createCampaign, documentOf, lookUp, useCoupon } from "../lib/api.js";
import { couponsOf } from "../lib/campaigns.js";
import { counterOf, metricOf, rule } from "../lib/measures.js";
import { arrivals, newName, spreadOf, vusFor } from "../lib/settings.js";
import { crowdOf, nextToken, signInSeconds } from "../lib/tokens.js";
import { tallyOf } from "../lib/words.js";

/** Who has no confirmed coupon by then goes home with a pending one. Whether it gets into the ledger is seen in the end. */
const PATIENCE_SECONDS = 30;
/** How long a shopper usually takes: VUs are there for that from the start. */
const PATIENT_SECONDS = 2;
/** The answer says when to look again; not more often than this, and not more seldom. */
const [LOOK_LEAST_SECONDS, LOOK_MOST_SECONDS] = [0.2, 2];

/**
 * @param stock coupons; twice as many as shoppers if absent
 * @param cancels share of the shoppers who give the coupon back
 * @param uses share of those who use it
 */
export function sustained({ rate, seconds, startSeconds, cancels, uses, stock = Math.ceil(rate * seconds * 2) + 10 }) {
  const part = "sustained";
  const users = Math.ceil(rate * seconds);
  const opensAfter = startSeconds ?? signInSeconds(users);
  const flow = { rate, seconds, startSeconds: opensAfter, patientSeconds: PATIENT_SECONDS, gracefulSeconds: 90 };
  const crowd = crowdOf({ verb: "signInForShop", users, vus: vusFor(flow), seconds: opensAfter });
  const coupons = couponsOf(part);
  const { told } = coupons;
  const tally = tallyOf(part, ["issued", "accepted", "throttled", "paused", "recovering", "unavailable"]);
  const count = Object.fromEntries(
    ["confirmed", "impatient", "cancelled", "used", "untold"].map((name) => [name, counterOf(part, name)]),
  );

  const signInForShop = ({ campaignId }) => crowd.arrive(campaignId);

  function shop({ campaignId }) {
    const token = nextToken(campaignId);
    told.mayBe();
    const { coupon, isFinal } = tally.count(askForCoupon(campaignId, token));
    if (!coupon) {
      if (isFinal) told.isNot();
      return;
    }
    told.is();
    if (!untilConfirmed(campaignId, token, coupon)) return;
    const fate = spreadOf(exec.scenario.iterationInTest);
    if (fate < cancels) giveBack(coupon, token);
    else if (fate < cancels + uses) use(coupon, token);
  }

  /** @returns whether it was confirmed while its shopper waited */
  function untilConfirmed(campaignId, token, coupon) {
    const deadline = Date.now() + PATIENCE_SECONDS * 1_000;
    let etaMs = coupon.etaMs;
    while (Date.now() < deadline) {
      sleep(Math.min(LOOK_MOST_SECONDS, Math.max(LOOK_LEAST_SECONDS, (etaMs ?? 0) / 1_000)));
      const response = lookUp(campaignId, token);
      const mine = documentOf(response)?.items.find(({ couponId }) => couponId === coupon.couponId);
      if (mine?.state === "confirmed") {
        count.confirmed.add(1);
        return true;
      }
      // Told is kept: neither unknown, nor another one, nor taken away again.
      const isKept = mine?.state === "pending" && mine.ticket === coupon.ticket;
      if (!isKept && tally.expect(response)) {
        count.untold.add(1);
        return false;
      }
      etaMs = mine?.etaMs;
    }
    count.impatient.add(1);
    return false;
  }

  function giveBack(coupon, token) {
    told.mayBe(-1);
    const cancelled = tally.expect(cancelCoupon(coupon.couponId, token));
    if (!cancelled) return;
    told.is(-1);
    count.cancelled.add(1);
    if (cancelled.state !== "cancelled") count.untold.add(1);
  }

  function use(coupon, token) {
    const orderId = `order-${coupon.ticket}`;
    const used = tally.expect(useCoupon(coupon.couponId, token, orderId));
    if (!used) return;
    count.used.add(1);
    if (used.state !== "used" || used.orderId !== orderId) count.untold.add(1);
  }

  return {
    ...{ name: part, verbs: { signInForShop, shop } },
    heading: `sustained: ${rate} shoppers/s for ${seconds} s, stock ${stock}, ${Math.round(cancels * 100)} % give back, ${Math.round(uses * 100)} % use`,
    settings: { stock, cancels, uses },
    scenarios: { sign_in_sustained: crowd.scenario, sustained: { exec: "shop", ...arrivals(flow) } },
    requests: ["ask", "look-up", "cancel", "use"],
    answers: tally.words,
    figures: [
      ...coupons.figures,
      ["seen confirmed", metricOf(part, "confirmed"), "count"],
      [`not confirmed in ${PATIENCE_SECONDS} s`, metricOf(part, "impatient"), "count"],
      ["given back", metricOf(part, "cancelled"), "count"],
      ["used", metricOf(part, "used"), "count"],
    ],
    rules: [
      ...tally.rules,
      rule(metricOf(part, "untold"), "count==0", "coupons that were not what their users had been told"),
      rule(metricOf(part, "confirmed"), "count>0", "shoppers who saw their coupon confirmed", "load"),
      ...coupons.rules,
    ],
    setUp(operatorToken) {
      const campaignId = newName(part);
      createCampaign(operatorToken, { campaignId, stock });
      return { campaignId, stock };
    },
    judge: (campaign, operatorToken) => coupons.judge(operatorToken, campaign),
  };
}
