// A campaign after the run: what the verifier, the public document and the users say of it, held against what users were told.
import { check, sleep } from "k6";
import { readCampaign, readCoupons, verifyCampaign } from "./api.js";
import { doubt, insist, insistOnAll } from "./doubts.js";
import { boundsOf, gaugeOf, markOf, marksOf, metricOf, rule } from "./measures.js";
import { SETTLE_SECONDS } from "./settings.js";

/** The public document may come from a cache of one second. */
const CACHE_SECONDS = 3;
/** Looks of the verifier after which a difference stays one. Each is several looks by itself. */
const LOOKS = 3;

/**
 * Asks the verifier until nothing is on its way into the ledger any more, and it is content or stays discontent.
 *
 * @returns its document, or undefined when it had nothing to say
 */
export function settle(operatorToken, campaignId) {
  const deadline = Date.now() + SETTLE_SECONDS * 1_000;
  let said;
  let complaints = 0;
  do {
    said = verifyCampaign(operatorToken, campaignId) ?? said;
    if (said?.pending === 0 && (said.consistent || ++complaints === LOOKS)) break;
    sleep(said?.pending === 0 ? 1 : 0.3);
  } while (Date.now() < deadline);
  return said;
}

/** The public document, once it says what the verifier says. */
function agreedCampaign(campaignId, holders) {
  const first = insist(() => readCampaign(campaignId));
  const deadline = Date.now() + CACHE_SECONDS * 1_000;
  let campaign = first;
  while (campaign && campaign.issued !== holders && Date.now() < deadline) {
    sleep(0.3);
    campaign = readCampaign(campaignId) ?? campaign;
  }
  return campaign;
}

/** Tickets from 1 on, as marks. */
function marksUpTo(last) {
  let sum = 0;
  for (let ticket = 1; ticket <= last; ticket++) sum += markOf(ticket);
  return sum;
}

/** Coupons of a campaign to which nothing is given back: tickets from 1 on, each told to one user. */
export function wholeCouponsOf(part) {
  const coupons = couponsOf(part);
  const { told } = coupons;
  const tickets = marksOf(part, "tickets", "users told of other tickets than the campaign has given");
  return {
    ...coupons,
    rules: [...coupons.rules, ...tickets.rules],
    told: {
      mayBe() {
        told.mayBe();
        tickets.mayBe();
      },
      is({ ticket }) {
        told.is();
        tickets.is(markOf(ticket));
      },
      isNot() {
        told.isNot();
        tickets.isNot();
      },
    },
    judge(operatorToken, campaign) {
      const verified = coupons.judge(operatorToken, campaign);
      if (!verified) return;
      const isWhole = verified.free === 0 && verified.issued === verified.holders;
      if (isWhole) tickets.found(marksUpTo(verified.holders));
      else doubt(part, "which tickets were given: some of them came back");
    },
  };
}

/**
 * Coupons of a campaign that a part of the load asks for.
 *
 * @param name Where a part has several campaigns, which of them.
 */
export function couponsOf(part, name = "coupons") {
  const told = boundsOf(part, name, {
    lost: "users told of a coupon that the campaign does not have",
    stray: "coupons that no user was told of",
  });
  const [stockGauge, issued, remaining] = ["stock", "issued", "remaining"].map((it) => gaugeOf(part, `${name}_${it}`));

  return {
    told,
    rules: [
      ...told.rules,
      rule(
        metricOf(part, `${name}_issued`),
        "value>0",
        `a campaign (${name}) of which somebody got a coupon`,
        "judged",
      ),
    ],
    figures: [
      ["stock", metricOf(part, `${name}_stock`), "value"],
      ["issued", metricOf(part, `${name}_issued`), "value"],
      ["remaining", metricOf(part, `${name}_remaining`), "value"],
    ],

    /**
     * Holds a campaign against what its users were told. For teardown.
     *
     * @param more Further conditions on the campaign, by their names.
     * @returns what the verifier said, or undefined where nothing could be judged
     */
    judge(operatorToken, { campaignId, stock }, more = {}) {
      const verified = settle(operatorToken, campaignId);
      if (!verified) return doubt(part, `${name}: the verifier did not answer`);
      if (verified.pending !== 0) return doubt(part, `${name}: ${verified.pending} still on their way into the ledger`);
      if (!verified.consistent) console.error(`${campaignId}: ${JSON.stringify(verified)}`);
      const campaign = agreedCampaign(campaignId, verified.holders);
      if (!campaign) return doubt(part, `${name}: the campaign could not be read`);
      const named = (conditions) =>
        Object.fromEntries(Object.entries(conditions).map(([what, holds]) => [`${part}: ${what}`, holds]));
      check(
        { verified, campaign },
        named({
          "the verifier finds ledger, Redis and outbox consistent": () => verified.consistent === true,
          "ledger and Redis have as many coupons": () => verified.coupons === verified.holders,
          "the campaign shows as many as the verifier": () => campaign.issued === verified.holders,
          "issued is at most the stock": () => campaign.issued <= stock && campaign.stock === stock,
          "issued and remaining make up the stock": () => campaign.issued + campaign.remaining === stock,
          ...more,
        }),
        { kind: "integrity" },
      );
      told.found(verified.holders);
      stockGauge.add(campaign.stock);
      issued.add(campaign.issued);
      remaining.add(campaign.remaining);
      return verified;
    },
  };
}

/**
 * Some users, whose coupons are looked up afterwards: each one's mark of what the user was told against what the user has.
 *
 * @param isSampled whether a user is one of them, by name
 */
export function sampleOf(part, isSampled) {
  const marks = marksOf(part, "sampled_coupons", "users whose coupon is another than they were told of, or none");
  const users = gaugeOf(part, "sampled");
  const markOfTheirs = (user, { couponId, ticket }) => markOf(user, couponId, ticket);
  return {
    rules: [
      ...marks.rules,
      rule(metricOf(part, "sampled"), "value>0", "users who were looked up and have a coupon", "judged"),
    ],
    mayBe: (user) => isSampled(user) && marks.mayBe(),
    isNot: (user) => isSampled(user) && marks.isNot(),
    is: (user, coupon) => isSampled(user) && marks.is(markOfTheirs(user, coupon)),

    /** For teardown. @param names all of the sampled users */
    judge({ campaignId, stock }, names, tokens) {
      const isSettled = (theirs) => theirs.every(({ state }) => state !== "pending");
      const found = insistOnAll(tokens, (some) => readCoupons(campaignId, some), isSettled);
      if (found.includes(undefined)) return doubt(part, "what some users have: it could not be read");
      const coupons = found.flat();
      if (!isSettled(coupons)) return doubt(part, "what some users have: it is still on its way into the ledger");
      const tickets = new Set(coupons.map(({ ticket }) => ticket));
      check(
        coupons,
        {
          [`${part}: sampled coupons are confirmed`]: () => coupons.every(({ state }) => state === "confirmed"),
          [`${part}: sampled tickets are all different and within the stock`]: () =>
            tickets.size === coupons.length && [...tickets].every((ticket) => ticket >= 1 && ticket <= stock),
        },
        { kind: "integrity" },
      );
      const theirs = found.flatMap((its, index) => its.map((coupon) => markOfTheirs(names[index], coupon)));
      marks.found(theirs.reduce((sum, mark) => sum + mark, 0));
      users.add(coupons.length);
    },
  };
}
