// The opening: nearly everybody comes in the same seconds, and each asks once; a few ask again.
import exec from "k6/execution";
import { askForCoupon, createCampaign, mintTokens } from "../lib/api.js";
import { sampleOf, wholeCouponsOf } from "../lib/campaigns.js";
import { counterOf, metricOf, rule } from "../lib/measures.js";
import { newName, spreadOf, vusFor } from "../lib/settings.js";
import { crowdOf, nextToken, signInSeconds, subjectOf, userName } from "../lib/tokens.js";
import { tallyOf } from "../lib/words.js";

const RAMP_SECONDS = 1;
/** So many first users of so many VUs at most are looked up afterwards. */
const [SAMPLE_EACH, SAMPLE_MOST] = [3, 300];

/**
 * @param repeats share of the users who ask twice
 * @param stock coupons; a tenth of the users if absent
 */
export function burst({
  rate,
  seconds,
  startSeconds,
  repeats,
  stock = Math.max(1, Math.floor((rate * seconds) / 10)),
}) {
  const part = "burst";
  const users = Math.ceil(rate * (seconds + RAMP_SECONDS / 2));
  /** Users who take half a second. More are added while the burst runs, slowly: users are dropped meanwhile. */
  const vus = vusFor({ rate, patientSeconds: 0.5 });
  const opensAfter = startSeconds ?? signInSeconds(users);
  const crowd = crowdOf({ verb: "signInForBurst", users, vus, seconds: opensAfter });
  const coupons = wholeCouponsOf(part);
  const { told } = coupons;
  const tally = tallyOf(part, [
    "issued",
    "accepted",
    "replayed",
    "sold-out",
    "throttled",
    "paused",
    "recovering",
    "unavailable",
  ]);
  const replaysUnequal = counterOf(part, "replays_unequal");
  const sample = sampleOf(part, (user) => {
    const [nth, vu] = user.split(".").reverse().map(Number);
    return vu <= SAMPLE_MOST && nth <= SAMPLE_EACH;
  });
  const unanswered = counterOf(part, "users_unanswered");

  const signInForBurst = ({ campaignId }) => crowd.arrive(campaignId);

  function ask({ campaignId }) {
    const token = nextToken(campaignId);
    const times = spreadOf(exec.scenario.iterationInTest) < repeats ? 2 : 1;
    let coupon;
    let isUnanswered = false;
    const user = subjectOf(token);
    told.mayBe();
    sample.mayBe(user);
    for (let turn = 0; turn < times; turn++) {
      const answer = tally.count(askForCoupon(campaignId, token));
      if (!answer.isFinal) isUnanswered = true;
      else if (coupon && !isReplay(answer, coupon)) replaysUnequal.add(1);
      coupon = coupon ?? answer.coupon;
    }
    if (coupon) {
      told.is(coupon);
      sample.is(user, coupon);
    } else if (isUnanswered) {
      unanswered.add(1);
    } else {
      told.isNot();
      sample.isNot(user);
    }
  }

  return {
    ...{ name: part, verbs: { signInForBurst, ask } },
    heading: `burst: ${rate} users/s for ${seconds} s, stock ${stock}, ${Math.round(repeats * 100)} % ask twice`,
    settings: { stock, repeats },
    scenarios: {
      sign_in_burst: crowd.scenario,
      burst: {
        ...{ executor: "ramping-arrival-rate", exec: "ask", startTime: `${opensAfter}s` },
        ...{ preAllocatedVUs: vus, maxVUs: vus * 4, timeUnit: "10s" },
        stages: [
          { duration: `${RAMP_SECONDS}s`, target: Math.ceil(rate * 10) },
          { duration: `${Math.ceil(seconds * 1_000)}ms`, target: Math.ceil(rate * 10) },
        ],
        gracefulStop: "30s",
      },
    },
    requests: ["ask"],
    answers: tally.words,
    figures: [
      ...coupons.figures,
      ["looked up by their users afterwards", metricOf(part, "sampled"), "value"],
      ["users without a final answer", metricOf(part, "users_unanswered"), "count"],
    ],
    rules: [
      ...tally.rules,
      rule(metricOf(part, "replays_unequal"), "count==0", "second answers that differ from the first"),
      ...coupons.rules,
      ...sample.rules,
    ],
    setUp(operatorToken) {
      const campaignId = newName(part);
      createCampaign(operatorToken, { campaignId, stock });
      return { campaignId, stock };
    },
    judge(campaign, operatorToken, vusMost) {
      coupons.judge(operatorToken, campaign);
      // Of users who came early, whose names are known; nobody knows which VUs have had some of this part.
      const vusKnown = Math.min(vusMost, SAMPLE_MOST);
      const names = Array.from({ length: vusKnown * SAMPLE_EACH }, (_, at) =>
        userName(campaign.campaignId, 1 + Math.floor(at / SAMPLE_EACH), 1 + (at % SAMPLE_EACH)),
      );
      sample.judge(campaign, names, mintTokens(names));
    },
  };
}

function isReplay({ word, coupon }, first) {
  return word === "replayed" && coupon.couponId === first.couponId && coupon.ticket === first.ticket;
}
