// A campaign after the run: what the verifier, the public document and the users say of it, held against what users were told.
import { check, sleep } from "k6";
import { readCampaign, readCoupons, verifyCampaign } from "./api.js";
import { boundsOf, gaugeOf, metricOf } from "./measures.js";

/** What SQS did not take is sent again by a schedule of once a minute. */
const SETTLE_SECONDS = 150;
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
  const deadline = Date.now() + CACHE_SECONDS * 1_000;
  let campaign = readCampaign(campaignId);
  while (campaign?.issued !== holders && Date.now() < deadline) {
    sleep(0.3);
    campaign = readCampaign(campaignId) ?? campaign;
  }
  return campaign;
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
    rules: told.rules,
    figures: [
      ["stock", metricOf(part, `${name}_stock`), "value"],
      ["issued", metricOf(part, `${name}_issued`), "value"],
      ["remaining", metricOf(part, `${name}_remaining`), "value"],
    ],

    /**
     * Holds a campaign against what its users were told. For teardown.
     *
     * @param more Further conditions on the campaign, by their names.
     */
    judge(operatorToken, { campaignId, stock }, more = {}) {
      const verified = settle(operatorToken, campaignId);
      if (verified && !verified.consistent) console.error(`${campaignId}: ${JSON.stringify(verified)}`);
      const campaign = agreedCampaign(campaignId, verified?.holders);
      const named = (conditions) =>
        Object.fromEntries(Object.entries(conditions).map(([what, holds]) => [`${part}: ${what}`, holds]));
      check(
        { verified, campaign },
        named({
          "the verifier finds ledger, Redis and outbox consistent": () => verified?.consistent === true,
          "nothing is still on its way into the ledger": () => verified?.pending === 0,
          "ledger and Redis have as many coupons": () => verified?.coupons === verified?.holders,
          "the campaign can be read": () => campaign !== undefined,
          "the campaign shows as many as the verifier": () => campaign?.issued === verified?.holders,
          "somebody got a coupon": () => campaign?.issued > 0,
          "issued is at most the stock": () => campaign?.issued <= stock && campaign?.stock === stock,
          "issued and remaining make up the stock": () => campaign?.issued + campaign?.remaining === stock,
          ...more,
        }),
        { kind: "integrity" },
      );
      if (verified) told.found(verified.holders);
      if (!campaign) return;
      stockGauge.add(campaign.stock);
      issued.add(campaign.issued);
      remaining.add(campaign.remaining);
    },
  };
}

/**
 * Holds what some users see as theirs against what a campaign can be. For teardown.
 *
 * @returns how many coupons those users have
 */
export function judgeSample(part, { campaignId, stock }, tokens) {
  const coupons = confirmedSample(campaignId, tokens);
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
  return coupons.length;
}

/** Coupons of users, read until all of them are confirmed or time is up. */
function confirmedSample(campaignId, tokens) {
  const deadline = Date.now() + SETTLE_SECONDS * 1_000;
  while (true) {
    const coupons = readCoupons(campaignId, tokens).flatMap((theirs) => theirs ?? []);
    if (coupons.every(({ state }) => state === "confirmed") || Date.now() > deadline) return coupons;
    sleep(0.3);
  }
}
