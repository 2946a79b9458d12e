// The burst at opening: users arrive at a rate, whether or not the ones before them have been served (an open model), and
// each asks once for a coupon; a few ask again. Afterwards the answers are held against the campaign.
//
// Environment: API, RATE (users/s), DURATION (of the peak), STOCK, REPEATS (share who ask twice), SUMMARY (file),
//              ALLOW_REMOTE=1 (only for a target that you may put load on)
import { check, sleep } from "k6";
import exec from "k6/execution";
import { Counter, Gauge } from "k6/metrics";
import { API, askForCoupon, createCampaign, mintTokens, readCampaign, readCoupons, requireTarget } from "./lib/api.js";
import { readEnd, table } from "./lib/summary.js";
import { nextToken, signIn, userName } from "./lib/tokens.js";
import { readAnswer, WORDS } from "./lib/words.js";

const RATE = Number(__ENV.RATE || 200);
const DURATION = __ENV.DURATION || "10s";
const SECONDS = secondsOf(DURATION);
const STOCK = Number(__ENV.STOCK || Math.max(1, Math.floor((RATE * SECONDS) / 10)));
const REPEATS = Number(__ENV.REPEATS || 0.1);
const SUMMARY = __ENV.SUMMARY || ".local/k6-burst.json";

const RAMP_SECONDS = 1;
const USERS = Math.ceil(RATE * (SECONDS + RAMP_SECONDS / 2));
/** Enough for users who take half a second. More are added while the burst runs, slowly: users are dropped meanwhile. */
const VUS = Math.max(20, Math.ceil(RATE / 2));
/** Before the opening. A VU that is not done by then signs its users in one small batch at a time. */
const SIGN_IN_SECONDS = 2 + Math.ceil(USERS / 2_000);

const SAMPLE = 50;
const CONFIRM_SECONDS = 30;

const answers = Object.fromEntries(WORDS.map((word) => [word, new Counter(metricOf(word))]));
const unexpectedAnswers = new Counter("unexpected_answers");
const replaysUnequal = new Counter("replays_unequal");
// VUs share nothing, but a counter adds up what all of them say: users count up, and teardown() subtracts what the campaign
// says. A user who got no final answer may or may not have a coupon, so the two differences are bounds, not one equation.
const answersWithoutCoupon = new Counter("answers_without_coupon");
const couponsWithoutAnswer = new Counter("coupons_without_answer");
const usersUnanswered = new Counter("users_unanswered");
const campaignStock = new Gauge("campaign_stock");
const campaignIssued = new Gauge("campaign_issued");
const campaignRemaining = new Gauge("campaign_remaining");

/** What must not happen: the counter, the condition that it must meet, and what it would mean. */
const RULES = [
  ["unexpected_answers", "count==0", "answers outside the contract (5xx other than a 503 with Retry-After, …)"],
  ["replays_unequal", "count==0", "second answers that differ from the first"],
  ["answers_without_coupon", "count<=0", "users told of a coupon that the campaign did not issue"],
  ["coupons_without_answer", "count<=0", "coupons issued that no user was told of"],
  ["dropped_iterations", "count==0", "users who could not even ask: too few VUs, or a target too slow for the rate"],
];

export const options = {
  scenarios: {
    // The same VUs run both: the first ends, grace included, before the second begins.
    sign_in: {
      executor: "per-vu-iterations",
      exec: "arrive",
      vus: VUS,
      iterations: 1,
      maxDuration: `${SIGN_IN_SECONDS}s`,
      gracefulStop: "0s",
    },
    burst: {
      executor: "ramping-arrival-rate",
      exec: "ask",
      startTime: `${SIGN_IN_SECONDS}s`,
      preAllocatedVUs: VUS,
      maxVUs: VUS * 4,
      stages: [
        { duration: `${RAMP_SECONDS}s`, target: RATE },
        { duration: DURATION, target: RATE },
      ],
      gracefulStop: "30s",
    },
  },
  thresholds: {
    ...Object.fromEntries(RULES.map(([metric, condition]) => [metric, [condition]])),
    "checks{kind:integrity}": ["rate==1"],
    // A 503 is a documented answer; one for more than a user in a hundred is an outage.
    "http_req_failed{name:ask}": ["rate<0.01"],
    // Always met: it makes k6 report this request by itself. Machines are noisy, so time is for people to judge.
    "http_req_duration{name:ask}": ["p(95)>=0"],
  },
  summaryTrendStats: ["med", "p(95)", "p(99)", "max"],
  setupTimeout: "60s",
  teardownTimeout: "120s",
};

export function setup() {
  requireTarget();
  const [operatorToken] = mintTokens(["operator"], "operator");
  const campaignId = `burst-${Date.now().toString(36)}`;
  createCampaign(operatorToken, campaignId, STOCK);
  return { campaignId };
}

export function arrive({ campaignId }) {
  signIn(campaignId, Math.ceil((USERS / VUS) * 1.2));
}

export function ask({ campaignId }) {
  const token = nextToken(campaignId);
  const times = isRepeater(exec.scenario.iterationInTest) ? 2 : 1;
  let coupon;
  let isUnanswered = false;
  for (let turn = 0; turn < times; turn++) {
    const answer = count(askForCoupon(campaignId, token));
    if (!answer.isFinal) isUnanswered = true;
    else if (coupon && !isReplay(answer, coupon)) replaysUnequal.add(1);
    coupon = coupon ?? answer.coupon;
  }
  if (coupon) {
    answersWithoutCoupon.add(1);
    couponsWithoutAnswer.add(-1);
  } else if (isUnanswered) {
    usersUnanswered.add(1);
    couponsWithoutAnswer.add(-1);
  }
}

/** Every nth user, so that the share is exact and every run has the same repeaters. */
function isRepeater(nth) {
  return Math.floor((nth + 1) * REPEATS) > Math.floor(nth * REPEATS);
}

function isReplay({ word, coupon }, first) {
  return word === "replayed" && coupon.couponId === first.couponId && coupon.ticket === first.ticket;
}

let hasComplained = false;
/** Reads an answer and counts its word. A VU complains once: a broken target breaks every answer. */
function count(response) {
  const answer = readAnswer(response);
  if (answer.word) {
    answers[answer.word].add(1);
    return answer;
  }
  unexpectedAnswers.add(1);
  if (!hasComplained) console.error(`unexpected: ${response.status} ${response.body || response.error}`);
  hasComplained = true;
  return answer;
}

export function teardown({ campaignId }) {
  const campaign = settledCampaign(campaignId);
  const coupons = confirmedSample(campaignId);
  const tickets = new Set(coupons.map(({ ticket }) => ticket));
  check(
    campaign,
    {
      "the campaign can be read": (it) => it !== undefined,
      "somebody got a coupon": (it) => it?.issued > 0 && coupons.length > 0,
      "issued is at most the stock": (it) => it?.issued <= it?.stock && it?.stock === STOCK,
      "issued and remaining make up the stock": (it) => it?.issued + it?.remaining === it?.stock,
      "sampled coupons are confirmed": () => coupons.every(({ state }) => state === "confirmed"),
      "sampled tickets are all different and within the stock": () =>
        tickets.size === coupons.length && [...tickets].every((ticket) => ticket >= 1 && ticket <= STOCK),
    },
    { kind: "integrity" },
  );
  if (!campaign) return;
  answersWithoutCoupon.add(-campaign.issued);
  couponsWithoutAnswer.add(campaign.issued);
  campaignStock.add(campaign.stock);
  campaignIssued.add(campaign.issued);
  campaignRemaining.add(campaign.remaining);
}

/** The campaign once it has stopped changing. It may come from a cache of one second. */
function settledCampaign(campaignId) {
  let before;
  for (let turn = 0; turn < 10; turn++) {
    const now = readCampaign(campaignId);
    if (now && now.issued === before?.issued && now.remaining === before?.remaining) return now;
    before = now;
    sleep(1.2);
  }
  return before;
}

/** Coupons of users who came early, read until all of them are confirmed or time is up. */
function confirmedSample(campaignId) {
  const early = Array.from({ length: Math.min(VUS, SAMPLE) }, (_, index) => userName(campaignId, index + 1, 1));
  const tokens = mintTokens(early);
  const deadline = Date.now() + CONFIRM_SECONDS * 1_000;
  while (true) {
    const coupons = readCoupons(campaignId, tokens).filter(Boolean);
    if (coupons.every(({ state }) => state === "confirmed") || Date.now() > deadline) return coupons;
    sleep(0.5);
  }
}

export function handleSummary(data) {
  const { read, failedChecks } = readEnd(data);
  // Aborted before the burst: k6 has said why.
  if (!read("iterations", "count")) return {};
  const time = (value) => read("http_req_duration{name:ask}", value);
  const rules = RULES.map(([metric, , meaning]) => ({ meaning, count: Math.max(0, read(metric, "count") ?? 0) }));
  const failedShare = read("http_req_failed{name:ask}", "rate") ?? 0;
  const report = {
    settings: { api: API, rate: RATE, duration: DURATION, stock: STOCK, repeats: REPEATS },
    answers: Object.fromEntries(WORDS.map((word) => [word, read(metricOf(word), "count") ?? 0])),
    latencyMs: { median: time("med"), p95: time("p(95)"), p99: time("p(99)"), max: time("max") },
    campaign: {
      stock: read("campaign_stock", "value"),
      issued: read("campaign_issued", "value"),
      remaining: read("campaign_remaining", "value"),
    },
    unansweredUsers: read("users_unanswered", "count") ?? 0,
    failedShare,
    violations: rules.filter(({ count: times }) => times > 0),
    failedChecks,
  };
  const heading = `${RATE} users/s for ${DURATION} at ${API}, stock ${STOCK}, ${REPEATS * 100} % ask twice`;
  const text = [
    heading,
    "",
    table("answers", Object.entries(report.answers)),
    table("latency in ms", Object.entries(report.latencyMs)),
    table("campaign", Object.entries(report.campaign)),
    table("must be 0", [
      ...rules.map(({ meaning, count: times }) => [meaning, times]),
      ["failed checks", failedChecks.length],
    ]),
    ...failedChecks.map((name) => `failed: ${name}\n`),
  ].join("\n");
  return { stdout: `\n${text}\n`, [SUMMARY]: `${JSON.stringify(report, null, 2)}\n` };
}

function metricOf(word) {
  return `answers_${word.replace(/-/g, "_")}`;
}

function secondsOf(duration) {
  const unit = { ms: 0.001, s: 1, m: 60, h: 3_600 };
  const parts = [...duration.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  if (parts.map(([part]) => part).join("") !== duration || !duration)
    throw new Error(`DURATION=${duration} is not like 10s`);
  return parts.reduce((sum, [, amount, name]) => sum + Number(amount) * unit[name], 0);
}
