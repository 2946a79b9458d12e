// A waiting room before a campaign: people take a ticket, poll as they are told, come in, ask for a coupon with their pass and
// leave again; some close the page while they wait, and are never heard of again. Somebody watches the room's public document.
import { check, sleep } from "k6";
import exec from "k6/execution";
import * as api from "../lib/api.js";
import { wholeCouponsOf } from "../lib/campaigns.js";
import { doubt, insist } from "../lib/doubts.js";
import { counterOf, gaugeOf, metricOf, rule } from "../lib/measures.js";
import { arrivals, newName, spreadOf, vusFor } from "../lib/settings.js";
import { crowdOf, nextToken, signInSeconds } from "../lib/tokens.js";
import { readAnswer, tallyOf } from "../lib/words.js";

const HEARTBEAT_SECONDS = 6;
/** Who has not polled for so many heartbeats may lose the place. */
const KEPT_FOR = 1.5;
const PASS_SECONDS = 10;
/** Inside: between the coupon and leaving. */
const INSIDE_SECONDS = 0.5;
/** Who gets no answer asks again, so often and after so long. */
const [TRIES, AGAIN_SECONDS] = [30, 0.5];
const WATCH_SECONDS = 0.25;
/** The last of the line have so long after the arrivals are over. */
const PATIENCE_SECONDS = 60;

/**
 * @param abandons share of the people who stop polling while they wait
 * @param admit people admitted a second; two thirds of those who come if absent, so that a line forms
 * @param capacity people inside at once; what is admitted in two seconds if absent
 * @param stock coupons; for half of the people if absent
 */
export function waitingRoom({ rate, seconds, startSeconds, abandons, ...wishes }) {
  const part = "waiting-room";
  const people = Math.ceil(rate * seconds);
  const admit = wishes.admit ?? Math.max(1, Math.floor((rate * 2) / 3));
  const capacity = wishes.capacity ?? 2 * admit;
  const stock = wishes.stock ?? Math.ceil(people / 2);
  const lineSeconds = 3 + Math.max(0, people / admit - seconds);
  const opensAfter = startSeconds ?? signInSeconds(people);
  const gracefulSeconds = Math.ceil(lineSeconds) + PATIENCE_SECONDS;
  const flow = { rate, seconds, startSeconds: opensAfter, patientSeconds: lineSeconds, gracefulSeconds };
  const crowd = crowdOf({ verb: "signInForRoom", users: people, vus: vusFor(flow), seconds: opensAfter });
  const coupons = wholeCouponsOf(part);
  const { told } = coupons;
  const tally = tallyOf(part, ["issued", "accepted", "sold-out", "throttled", "paused", "recovering", "unavailable"]);
  const count = Object.fromEntries(
    [
      ...["tickets", "admitted", "abandoned", "asleep", "without_ticket", "unserved"],
      ...[
        "numbers",
        "numbers_found",
        "numbers_unnoted",
        "numbers_sum",
        "numbers_squares",
        "numbers_changed",
        "places_worse",
        "places_lost",
        "passes_missing",
      ],
      ...["too_many_inside", "admitted_too_fast"],
    ].map((name) => [name, counterOf(part, name)]),
  );
  const activeMost = gaugeOf(part, "active");

  const signInForRoom = ({ roomId }) => crowd.arrive(roomId);

  function visit(ground) {
    const { roomId } = ground;
    const token = nextToken(roomId);
    const line = openLine(roomId, token);
    let ticket = line.take();
    const isAbandoner = spreadOf(exec.scenario.iterationInTest) < abandons;
    const deadline = Date.now() + (lineSeconds + PATIENCE_SECONDS) * 1_000;
    while (ticket?.state === "waiting" && Date.now() < deadline) {
      sleep(ticket.pollAfterMs / 1_000);
      if (isAbandoner) {
        count.abandoned.add(1);
        return;
      }
      ticket = line.poll();
    }
    if (ticket?.state === "waiting") count.unserved.add(1);
    if (ticket?.state === "admitted") shop(ground, token, ticket);
  }

  /** Somebody's place in line, held against all that they were told of it before. */
  function openLine(roomId, token) {
    let number;
    let best = Number.POSITIVE_INFINITY;
    let proof;
    let sentAt;

    const note = (ticket) => {
      if (number === undefined) {
        number = ticket.number;
        // Who has which number is known to each VU alone. Numbers that are 1, 2, 3, … have this sum and this sum of squares.
        count.tickets.add(1);
        count.numbers_unnoted.add(-1);
        count.numbers.add(1);
        count.numbers_sum.add(number);
        count.numbers_squares.add(number * number);
      }
      if (ticket.number !== number) count.numbers_changed.add(1);
      proof = ticket.token ?? proof;
      if (ticket.position === null || ticket.state !== "waiting") return;
      if (ticket.position > best && ticket.reason === undefined) count.places_worse.add(1);
      best = ticket.reason === undefined ? Math.min(best, ticket.position) : ticket.position;
    };

    /** Asks until it is answered: everything here may be asked again. */
    const untilAnswered = (ask, statuses) => {
      for (let tries = 0; tries < TRIES; tries++) {
        if (tries > 0) sleep(AGAIN_SECONDS);
        const askedAt = Date.now();
        const response = ask(roomId, token, proof);
        if (response.status === 404 && number !== undefined) return { response, askedAt };
        const ticket = tally.expect(response, statuses);
        if (ticket) return { response, ticket, askedAt };
      }
      return {};
    };

    return {
      take() {
        // Before it is asked for: who is cut off may have a number that nobody heard of.
        count.numbers_unnoted.add(1);
        const { ticket, askedAt } = untilAnswered(api.takeTicket, [200, 201]);
        if (!ticket) {
          count.without_ticket.add(1);
          return undefined;
        }
        sentAt = askedAt;
        note(ticket);
        return ticket;
      },
      poll() {
        const { response, ticket, askedAt } = untilAnswered(api.pollTicket, [200]);
        if (ticket && ticket.state !== "expired") {
          sentAt = askedAt;
          note(ticket);
          return ticket;
        }
        // Who was asleep for too long may lose the place; who has polled may not.
        if (response) {
          const isAsleep = Date.now() - sentAt > KEPT_FOR * HEARTBEAT_SECONDS * 1_000;
          (isAsleep ? count.asleep : count.places_lost).add(1);
        }
        return undefined;
      },
    };
  }

  function shop({ campaignId, roomId }, token, { pass }) {
    count.admitted.add(1);
    if (!pass) count.passes_missing.add(1);
    told.mayBe();
    const { coupon, isFinal } = tally.count(api.askForCoupon(campaignId, token, { pass }));
    if (coupon) told.is(coupon);
    else if (isFinal) told.isNot();
    sleep(INSIDE_SECONDS);
    tally.expect(api.leaveRoom(roomId, token), [204]);
  }

  /** Looks at the room until the last visitor is gone. Each document is of one moment, by Redis's own clock. */
  function watch({ roomId }) {
    const seen = [];
    const overAt = Date.now() + seconds * 1_000;
    while (Date.now() < overAt || exec.instance.vusActive > 1) {
      const room = api.readRoom(roomId);
      const at = Date.parse(room?.serverTime);
      if (room && at !== seen[seen.length - 1]?.at) {
        if (room.active > capacity) count.too_many_inside.add(1);
        activeMost.add(room.active);
        // A time that touches n seconds' worth of windows has at most n times the rate in it.
        const isTooFast = (since) =>
          room.admitted - since.admitted > admit * Math.max(1, Math.ceil((at - since.at) / 1_000));
        if (seen.some(isTooFast)) count.admitted_too_fast.add(1);
        seen.push({ at, admitted: room.admitted });
      }
      sleep(WATCH_SECONDS);
    }
  }

  const must = (name, condition, meaning, about, needs) => rule(metricOf(part, name), condition, meaning, about, needs);
  const mustOfNumbers = (name, meaning) =>
    must(name, "count==0", meaning, "integrity", [
      [metricOf(part, "numbers_found"), "count>0"],
      [metricOf(part, "numbers_unnoted"), "count==0"],
    ]);
  return {
    ...{ name: part, verbs: { signInForRoom, visit, watch } },
    heading: `waiting-room: ${rate} people/s for ${seconds} s, ${admit}/s admitted, ${capacity} inside, stock ${stock}, ${Math.round(abandons * 100)} % abandon`,
    settings: { admit, capacity, stock, abandons },
    scenarios: {
      sign_in_room: crowd.scenario,
      waiting_room: { exec: "visit", ...arrivals(flow) },
      room_watch: {
        ...{ executor: "per-vu-iterations", exec: "watch", vus: 1, iterations: 1 },
        startTime: `${opensAfter}s`,
        maxDuration: `${Math.ceil(seconds + lineSeconds) + PATIENCE_SECONDS}s`,
      },
    },
    requests: ["take", "poll", "ask", "leave", "room"],
    answers: tally.words,
    figures: [
      ...coupons.figures,
      ["tickets", metricOf(part, "tickets"), "count"],
      ["admitted", metricOf(part, "admitted"), "count"],
      ["abandoned", metricOf(part, "abandoned"), "count"],
      ["asleep too long", metricOf(part, "asleep"), "count"],
      ["inside at most", metricOf(part, "active"), "max"],
    ],
    rules: [
      ...tally.rules,
      must("without_ticket", "count==0", "people who got no ticket", "load"),
      must("unserved", "count==0", "people who were not let in while they waited", "load"),
      must("admitted", "count>0", "people who were admitted", "load"),
      must("numbers_unnoted", "count==0", "people who may have a number that they never heard of", "judged"),
      mustOfNumbers("numbers", "tickets more or fewer than numbers were given"),
      mustOfNumbers("numbers_sum", "numbers that were given twice or never: their sum is off"),
      mustOfNumbers("numbers_squares", "numbers that were given twice or never: the sum of their squares is off"),
      must("numbers_changed", "count==0", "people whose number changed"),
      must("places_worse", "count==0", "places that got worse without a reason"),
      must("places_lost", "count==0", "people who polled in time and lost their place"),
      must("passes_missing", "count==0", "people admitted without a pass"),
      must("too_many_inside", "count==0", "moments with more people inside than the room takes"),
      must("admitted_too_fast", "count==0", "times in which more were admitted than the rate"),
      ...coupons.rules,
    ],
    setUp(operatorToken) {
      const roomId = newName(part);
      const rules = { capacity, admitPerSecond: admit, passSeconds: PASS_SECONDS, heartbeatSeconds: HEARTBEAT_SECONDS };
      api.putRoom(operatorToken, roomId, rules);
      api.createCampaign(operatorToken, { campaignId: roomId, stock, roomId });
      return { roomId, campaignId: roomId, stock };
    },
    judge(campaign, operatorToken) {
      const { roomId, campaignId } = campaign;
      // The last to come: all numbers before this one were given to somebody.
      const [token] = api.mintTokens([`${roomId}.last`]);
      const last = insist(() => {
        const answer = api.takeTicket(roomId, token);
        return [200, 201].includes(answer.status) ? api.parse(answer.body) : undefined;
      });
      if (last) {
        const given = last.number - 1;
        count.numbers.add(-given);
        count.numbers_sum.add((-given * (given + 1)) / 2);
        count.numbers_squares.add((-given * (given + 1) * (2 * given + 1)) / 6);
        count.numbers_found.add(1);
      } else {
        doubt(part, "how many numbers were given: the room did not answer");
      }
      const refused = insist(() => {
        const answer = api.askForCoupon(campaignId, token);
        return readAnswer(answer).isFinal ? answer : undefined;
      });
      if (refused)
        check(
          refused,
          {
            [`${part}: nobody gets a coupon without a pass`]: () =>
              refused.status === 403 && refused.json("code") === "pass-required",
          },
          { kind: "integrity" },
        );
      else doubt(part, "whether somebody gets a coupon without a pass: there was no answer");
      api.leaveRoom(roomId, token);
      coupons.judge(operatorToken, campaign);
    },
  };
}
