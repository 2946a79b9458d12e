// One user asks many times at once, from several connections: with nothing that tells the asks apart, and with keys that do.
import { check } from "k6";
import exec from "k6/execution";
import { askAtOnce, createCampaign, mintTokens, readCoupons } from "../lib/api.js";
import { couponsOf } from "../lib/campaigns.js";
import { doubt, insistOnAll } from "../lib/doubts.js";
import { counterOf, metricOf, rule } from "../lib/measures.js";
import { arrivals, newName } from "../lib/settings.js";
import { tallyOf } from "../lib/words.js";

/** Asks of one arrival, all at once. With keys, two of each. */
const AT_ONCE = 10;
/** Arrivals of one user in a row, from different VUs; then it is the next user's turn. */
const ARRIVALS_EACH = 3;
/** Users of each kind; after the last one the first comes again. */
const USERS_MOST = 100;

/** @param perUser coupons that a user with keys may have, up to half of what one arrival asks for */
export function oneUser({ rate, seconds, startSeconds, perUser }) {
  const part = "one-user";
  // Two kinds of users, each with half of the rate and a campaign of its own.
  const arrivalRate = rate / AT_ONCE / 2;
  const users = Math.min(USERS_MOST, Math.max(1, Math.floor((arrivalRate * seconds) / ARRIVALS_EACH)));
  const kinds = { plain: 1, keyed: perUser };
  const stockOf = (kind) => users * kinds[kind] + 10;
  const coupons = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, couponsOf(part, kind)]));
  const tally = tallyOf(part, [
    "issued",
    "accepted",
    "replayed",
    "limit-reached",
    "throttled",
    "paused",
    "recovering",
    "unavailable",
  ]);
  const unequal = counterOf(part, "replays_unequal");
  const limited = counterOf(part, "limited_too_early");
  const without = counterOf(part, "users_without");
  const lookedUp = counterOf(part, "looked_up");

  /** Asks, and counts what is told of coupons. @returns the answers in the order of the asks */
  function askAll(kind, { campaignId }, asks) {
    const { told } = coupons[kind];
    const answers = askAtOnce(campaignId, asks).map(tally.count);
    for (const { word, isFinal } of answers) {
      const isNew = word === "issued" || word === "accepted";
      if (isNew || !isFinal) told.mayBe();
      if (isNew) told.is();
    }
    // A user's first arrival: whoever was answered in full has coupons now.
    const isFirst =
      exec.scenario.iterationInTest < users * ARRIVALS_EACH && exec.scenario.iterationInTest % ARRIVALS_EACH === 0;
    if (isFirst && answers.every(({ isFinal }) => isFinal)) without.add(1);
    return answers;
  }

  const userOf = ({ tokens }) => tokens[Math.floor(exec.scenario.iterationInTest / ARRIVALS_EACH) % tokens.length];

  function askAgain({ plain }) {
    const token = userOf(plain);
    const answers = askAll(
      "plain",
      plain,
      Array.from({ length: AT_ONCE }, () => ({ token })),
    );
    const [first, ...others] = answers.flatMap(({ coupon }) => coupon ?? []);
    for (const coupon of others) if (!isSame(coupon, first)) unequal.add(1);
    // A repeat is a replay: one coupon each means that nobody is ever at the limit.
    for (const { word } of answers) if (word === "limit-reached") limited.add(1);
  }

  function askWithKeys({ keyed }) {
    const token = userOf(keyed);
    const keys = Array.from({ length: AT_ONCE / 2 }, (_, index) => `${exec.scenario.iterationInTest}-${index}`);
    const answers = askAll(
      "keyed",
      keyed,
      [...keys, ...keys].map((key) => ({ token, key })),
    );
    for (const index of keys.keys()) {
      const [one, other] = [answers[index], answers[index + keys.length]];
      if (one.word && other.word && !isSame(one.coupon, other.coupon) && one.isFinal && other.isFinal) unequal.add(1);
    }
  }

  return {
    ...{ name: part, verbs: { askAgain, askWithKeys } },
    heading: `one-user: ${rate} asks/s for ${seconds} s, ${AT_ONCE} at once, of ${users} users without keys and ${users} with, who may have ${perUser}`,
    settings: { perUser, users },
    scenarios: Object.fromEntries(
      [
        ["one_user", "askAgain"],
        ["one_user_with_keys", "askWithKeys"],
      ].map(([name, verb]) => [
        name,
        { exec: verb, ...arrivals({ rate: arrivalRate, seconds, startSeconds, patientSeconds: 0.5 }) },
      ]),
    ),
    requests: ["ask"],
    answers: tally.words,
    figures: Object.keys(kinds).flatMap((kind) =>
      coupons[kind].figures.map(([name, ...where]) => [`${kind}: ${name}`, ...where]),
    ),
    rules: [
      ...tally.rules,
      rule(metricOf(part, "replays_unequal"), "count==0", "answers to the same ask that differ"),
      rule(metricOf(part, "limited_too_early"), "count==0", "repeats that were refused in place of a replay"),
      rule(metricOf(part, "users_without"), "count<=0", "users who asked and have no coupon", "integrity", [
        [metricOf(part, "looked_up"), `count==${Object.keys(kinds).length}`],
      ]),
      ...Object.values(coupons).flatMap((its) => its.rules),
    ],
    setUp(operatorToken) {
      const campaignOf = (kind) => {
        const campaignId = newName(`${part}-${kind}`);
        const stock = stockOf(kind);
        createCampaign(operatorToken, { campaignId, stock, perUser: kinds[kind] });
        const tokens = mintTokens(Array.from({ length: users }, (_, index) => `${campaignId}.${index + 1}`));
        return { campaignId, stock, tokens };
      };
      return Object.fromEntries(Object.keys(kinds).map((kind) => [kind, campaignOf(kind)]));
    },
    judge(campaigns, operatorToken) {
      for (const [kind, most] of Object.entries(kinds)) {
        const { campaignId, tokens } = campaigns[kind];
        coupons[kind].judge(operatorToken, campaigns[kind]);
        const theirs = insistOnAll(tokens, (some) => readCoupons(campaignId, some));
        if (theirs.includes(undefined)) {
          doubt(part, `what ${kind} users have: it could not be read`);
          continue;
        }
        lookedUp.add(1);
        check(
          theirs,
          {
            [`${part}: ${kind} users have exactly ${most}, or never came`]: () =>
              theirs.every((its) => its?.length === 0 || its?.length === most),
          },
          { kind: "integrity" },
        );
        without.add(-theirs.filter((its) => its?.length > 0).length);
      }
    },
  };
}

/** Two answers about one coupon, or two that are none. */
function isSame(one, other) {
  return one?.couponId === other?.couponId && one?.ticket === other?.ticket;
}
