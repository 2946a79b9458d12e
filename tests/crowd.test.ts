import { describe, expect, test } from "vitest";
import { type Call, readSaid, type Shown, type Verb } from "../local/crowd/calls.ts";
import { holdCrowd } from "../local/crowd/crowd.ts";
import { figuresOf } from "../local/crowd/figures.ts";
import type { Ending, ShownPlace } from "../local/crowd/ground.ts";
import { type Options, parseOptions } from "../local/crowd/options.ts";
import { gather, HABITS, TRICKS } from "../local/crowd/people.ts";
import { holds, type Result, toJson, toText } from "../local/crowd/report.ts";
import type { Loss, Sample, Silence } from "../local/crowd/sampler.ts";
import { foresightOf, foretold } from "../local/crowd/verdict/eta.ts";
import type { Evidence } from "../local/crowd/verdict/evidence.ts";
import { type Finding, judge } from "../local/crowd/verdict/judge.ts";
import { type Random, seeded } from "../local/rush/random.ts";
import { sharedStack } from "./setup/client.ts";

const SEEDS = [1, 2, 3, 4, 5];
const PEOPLE = 60;
const HEARTBEAT_MS = 10_000;
const PASS_MS = 60_000;
/** People come a tenth of a second apart, and are let in three tenths apart: four fit into a second. */
const COMES_MS = 100;
const OPENED_MS = 1_000;
const LET_IN_MS = 300;
const POLL_MS = 2_000;
const ANSWER_MS = 10;
/** Numbers begin above a hundred, so that a forger finds smaller ones. */
const numberOf = (place: number) => 101 + place;
/** Some whom the crowd needs. */
const [PAGES, TRICKY, AWAY, SILENT, LAST] = ["user-12", "user-14", "user-15", "user-20", "user-59"] as const;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What a crowd leaves behind, still open to tampering. */
interface Scene {
  readonly random: Random;
  rules: Mutable<Evidence["rules"]>;
  samples: Mutable<Sample>[];
  losses: Loss[];
  calls: Call[];
  places: ShownPlace[];
  silences: Mutable<Silence>[];
  endings: Mutable<Ending>[];
  holders: { userId: string; ticket: number }[];
  schedules: { runs: number; failures: string[] };
}

const waitingAs = (number: number, position: number, etaSeconds = { low: 0, high: 60 }) => ({
  ...{ number, position, etaSeconds, pollAfterMs: POLL_MS },
  state: "waiting" as const,
});
const insideAs = (number: number) => ({ ...waitingAs(number, 0), state: "admitted" as const });
const couponOf = (userId: string, ticket: number) => ({
  ...{ couponId: `c.${ticket}`, userId, ticket, nth: 1, state: "pending" as const },
  issuedAt: "2026-01-01T00:00:00.000Z",
});
const CREATED = { word: "created", status: 201 };
const LEFT = { word: "left", status: 204 };
const REFUSED = { word: "pass-required", status: 403 };

function call(scene: Scene, user: string, verb: Verb, sentAt: number, said: Partial<Call> = {}): Call {
  const made = { user, verb, word: "found", status: 200, sentAt, answeredAt: sentAt + ANSWER_MS, ...said };
  scene.calls.push(made);
  return made;
}

const letInAt = (place: number) => OPENED_MS + place * LET_IN_MS;
const letInBy = (ms: number) => Math.max(0, Math.ceil((ms - OPENED_MS) / LET_IN_MS));

/** Polls until let in. @returns when it was told so */
function wait(scene: Scene, user: string, place: number, page = 1): number {
  const number = numberOf(place);
  const polls = [place * COMES_MS];
  while (at(polls, -1) < letInAt(place)) polls.push(at(polls, -1) + POLL_MS * (0.8 + 0.4 * scene.random.next()));
  const toldAt = at(polls, -1) + ANSWER_MS;
  for (const [turn, sentAt] of polls.entries()) {
    const made = turn === 0 ? CREATED : {};
    const position = place + 1 - letInBy(sentAt);
    const left = (toldAt - sentAt - ANSWER_MS) / 1_000;
    const eta = { low: Math.floor(0.8 * left), high: Math.ceil(1.2 * left) };
    const ticket = position > 0 ? waitingAs(number, position, eta) : insideAs(number);
    const { answeredAt } = call(scene, user, turn === 0 ? "take" : "poll", sentAt, { ...made, ticket });
    if (position > 0) scene.places.push({ user, page, number, position, at: answeredAt });
  }
  return toldAt;
}

/** A crowd as it should be. One abandons, one leaves and comes back, one has two pages, one tries without a pass. */
function soundScene(seed: number): Scene {
  const scene: Scene = {
    random: seeded(seed),
    rules: { capacity: 0, rate: 4, heartbeatMs: HEARTBEAT_MS, passMs: PASS_MS, stock: 40 },
    ...{ samples: [], losses: [], calls: [], places: [], silences: [], endings: [], holders: [] },
    schedules: { runs: 7, failures: [] },
  };
  const stays: [from: number, until: number][] = [];
  for (let index = 0; index < PEOPLE; index++) {
    const user = `user-${index}`;
    const comesAt = index * COMES_MS;
    if (user === SILENT) {
      const { answeredAt } = call(scene, user, "take", comesAt, { ...CREATED, ticket: waitingAs(numberOf(index), 15) });
      scene.silences.push({ user, since: answeredAt, seenAt: comesAt + 15_000, goneAt: comesAt + 15_200 });
      scene.endings.push({ user, habit: "abandons", outcome: "abandoned" });
      continue;
    }
    if (user === AWAY) {
      call(scene, user, "take", comesAt, { ...CREATED, ticket: waitingAs(numberOf(index), 9) });
      call(scene, user, "leave", comesAt + 700, LEFT);
    }
    // Who comes back stands behind the last.
    const place = user === AWAY ? PEOPLE : index;
    const toldAt = Math.max(wait(scene, user, place), user === PAGES ? wait(scene, user, place, 2) : 0);
    if (user === TRICKY) call(scene, user, "coupon", comesAt + 300, { ...REFUSED, shown: "no-pass" });
    scene.endings.push({ user, habit: user === AWAY ? "returns" : "patient", outcome: "admitted" });

    const ticket = scene.holders.length + 1;
    const isLeft = ticket <= scene.rules.stock;
    const issued = { word: "issued", status: 201, coupon: couponOf(user, ticket) };
    const said = isLeft ? issued : { word: "sold-out", status: 409 };
    call(scene, user, "coupon", toldAt + 500, { ...said, shown: "pass" });
    if (isLeft) scene.holders.push({ userId: user, ticket });
    call(scene, user, "leave", toldAt + 1_000, LEFT);
    stays.push([letInAt(place), toldAt + 1_000 + ANSWER_MS / 2]);
  }
  for (let now = 0; now < letInAt(PEOPLE) + 10_000; now += 25) {
    const active = stays.filter(([from, until]) => from <= now && now < until).length;
    const admitted = stays.filter(([from]) => from <= now).length;
    scene.samples.push({ now, waiting: PEOPLE - admitted, active, admitted, dropped: 0, pace: 1 });
  }
  scene.rules.capacity = Math.max(...scene.samples.map(({ active }) => active));
  return scene;
}

/** What stands there: a forger who finds nothing has forged nothing. */
function at<T>(list: readonly T[], index: number): T {
  const found = list.at(index);
  if (found === undefined) throw new Error(`nothing stands at ${index}`);
  return found;
}

/** Where the calls of a user stand, of one kind. */
function callsOf({ calls }: Scene, user: string, isMeant: (call: Call) => boolean): number[] {
  return calls.flatMap((it, index) => (it.user === user && isMeant(it) ? [index] : []));
}

/** Has a user told something else than they were told, in one call. */
function retell(scene: Scene, index: number, change: (call: Call) => Partial<Call>): void {
  scene.calls[index] = { ...at(scene.calls, index), ...change(at(scene.calls, index)) };
}

/** Has the tickets of a user say something else, from the one at `from` on. */
function retellTickets(scene: Scene, user: string, from: number, change: Partial<NonNullable<Call["ticket"]>>): void {
  for (const index of callsOf(scene, user, ({ ticket }) => ticket !== undefined).slice(from)) {
    retell(scene, index, ({ ticket }) => (ticket ? { ticket: { ...ticket, ...change } } : {}));
  }
}

const isWaiting = ({ ticket }: Call) => ticket?.state === "waiting";
const violated = (findings: readonly Finding[]) => findings.filter((it) => !it.holds).map(({ title }) => title);

describe("the verdict on a sound crowd", () => {
  test.each(SEEDS)("holds (seed %i)", (seed) => {
    expect(violated(judge(soundScene(seed)))).toEqual([]);
  });

  test("does not depend on the order in which things were written down", () => {
    const scene = soundScene(1);
    for (const list of [scene.calls, scene.places, scene.silences, scene.endings, scene.holders]) list.reverse();
    expect(violated(judge(scene))).toEqual([]);
  });

  test("lets a place get worse with a reason, and counts from there", () => {
    const scene = soundScene(1);
    const [, second = 0, third = 0] = callsOf(scene, LAST, isWaiting);
    const worse = (position: number, reason?: string) => (it: Call) => ({
      ...(it.ticket ? { ticket: { ...it.ticket, position, ...(reason === undefined ? {} : { reason }) } } : {}),
    });
    scene.places = scene.places.filter(({ user }) => user !== LAST);
    retell(scene, second, worse(90, "rebuilding"));
    retell(scene, third, worse(80));
    expect(violated(judge(scene))).toEqual([]);
    retell(scene, third, worse(91));
    expect(violated(judge(scene))).toEqual(["a place never gets worse"]);
  });

  test("takes answers that crossed each other as they may have been", () => {
    const scene = soundScene(1);
    const [first = 0] = callsOf(scene, LAST, isWaiting);
    const { sentAt } = at(scene.calls, first);
    // Asked before the first answer was there, and served before it.
    call(scene, LAST, "poll", sentAt + 5, { ticket: waitingAs(numberOf(PEOPLE - 1), 99) });
    expect(violated(judge(scene))).toEqual([]);
  });

  test("lets somebody be overtaken who was silent for one and a half heartbeats", () => {
    const scene = soundScene(1);
    const polls = callsOf(scene, LAST, ({ ticket }) => ticket !== undefined);
    const late = letInAt(PEOPLE) + 4_000;
    // One poll, and the next one a long time after the others are in.
    scene.calls = scene.calls.filter((_, index) => !polls.slice(1).includes(index));
    const number = numberOf(PEOPLE - 1);
    call(scene, LAST, "poll", late, { ticket: waitingAs(number, 1) });
    call(scene, LAST, "poll", late + 1_000, { ticket: insideAs(number) });
    const first = findingOf(judge(scene), "first come, first in");
    expect([first.holds, first.note]).toEqual([true, expect.stringContaining("1 were silent too long")]);
    scene.rules.heartbeatMs = 100_000;
    expect(findingOf(judge(scene), "first come, first in").holds).toBe(false);
  });

  test("lets a pass be refused that was given before the room was lost", () => {
    const scene = soundScene(1);
    const [index = 0] = callsOf(scene, LAST, ({ shown }) => shown === "pass");
    const { sentAt } = at(scene.calls, index);
    retell(scene, index, () => REFUSED);
    scene.losses = [{ from: sentAt - 200, to: sentAt - 100 }];
    expect(findingOf(judge(scene), "no coupon without a pass").holds).toBe(true);
    scene.losses = [{ from: sentAt + 1_000, to: sentAt + 2_000 }];
    expect(findingOf(judge(scene), "no coupon without a pass").holds).toBe(false);
  });

  test("lets somebody have another number who was dropped", () => {
    const scene = soundScene(1);
    const ticket = waitingAs(numberOf(PEOPLE - 1), 60);
    scene.calls = scene.calls.filter(({ user }) => user !== LAST);
    call(scene, LAST, "take", 100, { ...CREATED, ticket });
    call(scene, LAST, "take", 30_000, { ...CREATED, ticket: insideAs(500) });
    expect(findingOf(judge(scene), "one user, one number").holds).toBe(true);
    const [, second = 0] = callsOf(scene, LAST, ({ verb }) => verb === "take");
    retell(scene, second, () => ({ sentAt: 9_000, answeredAt: 9_010 }));
    expect(findingOf(judge(scene), "one user, one number").holds).toBe(false);
  });
});

function findingOf(findings: readonly Finding[], title: Finding["title"]): Finding {
  const found = findings.find((it) => it.title === title);
  return found ?? expect.unreachable(`there is no verdict "${title}"`);
}

/** Each makes one verdict fail and no other. */
const TAMPERINGS: [title: Finding["title"], what: string, tamper: (scene: Scene) => void][] = [
  [
    "never more inside than capacity",
    "one too many at one sample",
    ({ samples, rules }) => {
      at(samples, 200).active = rules.capacity + 1;
    },
  ],
  [
    "never more inside than capacity",
    "passes that clients held for longer than the room counted them",
    (scene) => {
      const stay = new Set(scene.calls.flatMap(({ user }) => (user === AWAY ? [] : [user])));
      scene.calls = scene.calls.filter(({ user, verb }) => verb !== "leave" || !stay.has(user));
    },
  ],
  [
    "never more a second than the rate",
    "one too many between two samples",
    ({ samples }) => {
      for (const sample of samples.slice(200)) sample.admitted += 2;
    },
  ],
  [
    "never more a second than the rate",
    "one too many within exactly a second",
    (scene) => {
      scene.samples = [0, 1_000].map((ms) => ({ ...at(scene.samples, 0), now: ms, admitted: (ms / 1_000) * 5 }));
    },
  ],
  [
    "a number is given once",
    "a stranger with somebody's number",
    (scene) => void call(scene, "stranger", "take", 500, { ...CREATED, ticket: waitingAs(numberOf(30), 30) }),
  ],
  [
    "one user, one number",
    "another number from one poll to the next",
    (scene) => {
      const from = callsOf(scene, AWAY, isWaiting).length - 1;
      retellTickets(scene, AWAY, from, { number: 900 });
      scene.places = scene.places.filter(({ user }) => user !== AWAY);
    },
  ],
  [
    "one user, one number",
    "another number in the other page",
    (scene) => {
      const take = callsOf(scene, AWAY, ({ verb }) => verb === "take").at(-1) ?? 0;
      const { sentAt } = at(scene.calls, take);
      call(scene, AWAY, "take", sentAt + 500, { ticket: waitingAs(901, 30) });
    },
  ],
  [
    "one user, one number",
    "the number of before, after they had left it",
    (scene) => {
      const [first = 0] = callsOf(scene, AWAY, ({ verb }) => verb === "take");
      const { ticket } = at(scene.calls, first);
      const late = callsOf(scene, AWAY, isWaiting).at(-1) ?? 0;
      retell(scene, late, () => (ticket ? { ticket: { ...ticket, state: "expired" } } : {}));
    },
  ],
  ["a place never gets worse", "a ticket that says so", (scene) => retellTickets(scene, LAST, 3, { position: 61 })],
  [
    "a place never gets worse",
    "a ticket behind the place that the public document gave",
    (scene) => {
      // Not so late that the next ticket says the first place as well.
      const theirs = scene.places.filter(({ user }) => user === LAST);
      const before = at(theirs, -3);
      scene.places = scene.places.filter((it) => it.user !== LAST);
      scene.places.push({ ...before, position: 1, at: before.at + 1 });
    },
  ],
  [
    "a place never gets worse",
    "a page that shows it",
    (scene) => {
      const index = scene.places.findLastIndex(({ user }) => user === LAST);
      scene.places[index] = { ...at(scene.places, index), position: 60 };
    },
  ],
  [
    "first come, first in",
    "somebody who was let in as they came, before all who waited",
    (scene) => {
      const [take = 0, ...polls] = callsOf(scene, LAST, ({ ticket }) => ticket !== undefined);
      retell(scene, take, () => ({ ticket: insideAs(numberOf(PEOPLE - 1)) }));
      const leaves = at(scene.calls, take).answeredAt + 1;
      for (const index of callsOf(scene, LAST, ({ verb }) => verb === "leave" || verb === "coupon")) {
        retell(scene, index, () => ({ sentAt: leaves, answeredAt: leaves + 1 }));
      }
      scene.calls = scene.calls.filter((_, index) => !polls.includes(index));
      scene.places = scene.places.filter(({ user }) => user !== LAST);
    },
  ],
  [
    "who stops polling is gone",
    "somebody in line for more than two heartbeats",
    ({ silences }) => {
      const silence = at(silences, 0);
      silence.seenAt = silence.since + 2 * HEARTBEAT_MS + 1;
    },
  ],
  [
    "who stops polling is gone",
    "somebody who was always there",
    ({ silences }) => {
      at(silences, 0).goneAt = undefined;
    },
  ],
  ...(["unfinished", "expired", "gone", "refused"] as const).map((outcome): (typeof TAMPERINGS)[number] => [
    "who stays is let in",
    `somebody whose wait ended as ${outcome}`,
    ({ endings }) => {
      at(endings, 5).outcome = outcome;
    },
  ]),
  [
    "who stays is let in",
    "a crowd in which nobody stayed",
    (scene) => {
      scene.endings = scene.endings.filter(({ outcome }) => outcome === "abandoned");
    },
  ],
  ...(["no-pass", "expired-pass", "strangers-pass", "damaged-pass", "ticket-as-pass"] as const).map(
    (shown: Shown): (typeof TAMPERINGS)[number] => [
      "no coupon without a pass",
      `somebody who is told "sold-out" on ${shown}`,
      (scene) => void call(scene, LAST, "coupon", 500, { word: "sold-out", status: 409, shown }),
    ],
  ),
  [
    "no coupon without a pass",
    "somebody who is refused with a valid pass",
    (scene) => {
      const [index = 0] = callsOf(scene, LAST, ({ shown }) => shown === "pass");
      retell(scene, index, () => REFUSED);
    },
  ],
  [
    "no coupon without a pass",
    "a holder who was never inside",
    ({ holders }) => void holders.splice(-1, 1, { userId: SILENT, ticket: 40 }),
  ],
  [
    "never oversold",
    "a ticket above the stock",
    (scene) => void call(scene, LAST, "coupon", 40_000, { shown: "pass", coupon: couponOf(LAST, 41), status: 201 }),
  ],
  [
    "never oversold",
    "a ticket that two are told of",
    (scene) => void call(scene, LAST, "coupon", 40_000, { shown: "pass", coupon: couponOf(LAST, 3), status: 201 }),
  ],
  ["never oversold", "one coupon more in the ledger", ({ holders }) => void holders.push({ userId: LAST, ticket: 41 })],
  [
    "a wait is foretold",
    "a third of the people who are told half of it",
    (scene) => {
      for (const [index, { user, ticket }] of scene.calls.entries()) {
        if (Number(user.slice(5)) % 3 !== 0 || ticket?.state !== "waiting") continue;
        retell(scene, index, () => ({ ticket: { ...ticket, etaSeconds: { low: 0, high: 1 } } }));
      }
    },
  ],
  [
    "a wait is foretold",
    "nobody who waited for long",
    (scene) => {
      scene.calls = scene.calls.map((it) => ({
        ...it,
        sentAt: it.sentAt / 10,
        answeredAt: it.answeredAt / 10,
      }));
      scene.places = [];
    },
  ],
  [
    "no answer but documented ones",
    "an answer that is not documented",
    (scene) => retell(scene, 7, () => ({ flaw: "the answer carries no x-request-id" })),
  ],
  [
    "no answer but documented ones",
    "a run of the schedule that failed",
    ({ schedules }) => void schedules.failures.push("a run of the schedule was answered with 500"),
  ],
];

describe("the verdict finds", () => {
  test.each(TAMPERINGS)("%s violated, and nothing else, by %s", (title, _, tamper) => {
    for (const seed of SEEDS) {
      const scene = soundScene(seed);
      tamper(scene);
      expect({ seed, violated: violated(judge(scene)) }).toEqual({ seed, violated: [title] });
    }
  });

  test("each of its titles violated by something", () => {
    const titles = judge(soundScene(1)).map(({ title }) => title);
    expect(new Set(TAMPERINGS.map(([title]) => title))).toEqual(new Set(titles));
  });

  test("a room that nobody has sampled", () => {
    expect(violated(judge({ ...soundScene(1), samples: [] }))).toEqual([
      "never more inside than capacity",
      "never more a second than the rate",
    ]);
  });

  test("a number that counts backwards, and who is overtaken by it", () => {
    const scene = soundScene(1);
    retellTickets(scene, AWAY, 1, { number: 50 });
    expect(violated(judge(scene))).toEqual(["one user, one number", "first come, first in"]);
  });

  test("who it was, and under which number", () => {
    const scene = soundScene(1);
    retellTickets(scene, LAST, 3, { position: 61 });
    const [first] = findingOf(judge(scene), "a place never gets worse").violations;
    expect(first).toMatchObject({ user: LAST, number: numberOf(PEOPLE - 1) });
  });
});

describe("what was foretold", () => {
  const scene = { ...soundScene(1), calls: [] as Call[] };
  const tell = (user: string, sentAt: number, ticket: NonNullable<Call["ticket"]>) =>
    call(scene, user, "poll", sentAt, { answeredAt: sentAt, ticket });
  tell("a", 0, waitingAs(1, 9, { low: 1, high: 2 }));
  tell("a", 5_000, waitingAs(1, 5, { low: 4, high: 6 }));
  tell("a", 5_001, waitingAs(1, 4, { low: 0, high: 1 }));
  tell("a", 10_000, insideAs(1));
  tell("a", 11_000, insideAs(1));
  tell("b", 0, waitingAs(2, 1, { low: 0, high: 9 }));
  tell("b", 3_999, insideAs(2));
  tell("c", 0, waitingAs(3, 1, { low: 0, high: 9 }));

  test("is the last ticket at or before half of the wait, against when they knew that they were in", () => {
    expect(foretold(scene)).toEqual({
      judged: [{ user: "a", number: 1, wait: 10, low: 4, high: 6, real: 5 }],
      ...{ leftOut: 1, lost: 0 },
    });
  });

  test("is not judged where the room was lost meanwhile", () => {
    const losses = [{ from: 6_000, to: 7_000 }];
    expect(foretold({ ...scene, losses })).toEqual({ judged: [], leftOut: 1, lost: 1 });
    expect(foretold({ ...scene, losses: [{ from: 3_000, to: 4_999 }] }).judged).toHaveLength(1);
  });

  test("is told as shares, width and ratio", () => {
    expect(foresightOf(scene)).toMatchObject({
      ...{ judged: 1, leftOut: 1, share: 1, early: 0, late: 0 },
      ...{ medianWidth: 2, ratio: [1, 1, 1] },
    });
  });
});

describe("an answer", () => {
  const headers = { "x-request-id": "1", "content-type": "application/json" };
  const problems = { ...headers, "content-type": "application/problem+json" };
  const ticket = (more: object = {}) => JSON.stringify({ ...waitingAs(1, 9), token: "t", turn: 10, ...more });
  const problem = (code: string, status: number) =>
    JSON.stringify({ type: "about:blank", title: code, code, status, detail: "" });

  test.each<[Verb, number, string]>([
    ["take", 201, "created"],
    ["take", 200, "found"],
    ["poll", 200, "found"],
  ])("to %s is known by its status %i", (verb, status, word) => {
    expect(readSaid(verb, status, headers, ticket())).toEqual({ word, status, ticket: { ...waitingAs(1, 9) } });
  });

  test.each<[Verb, number, string]>([
    ["take", 409, "room-full"],
    ["poll", 404, "unknown"],
    ["coupon", 403, "pass-required"],
    ["coupon", 409, "sold-out"],
  ])("to %s that refuses with %i is known by its code", (verb, status, word) => {
    expect(readSaid(verb, status, problems, problem(word, status))).toEqual({ word, status });
  });

  test("to somebody who left says nothing", () => {
    expect(readSaid("leave", 204, headers, "")).toEqual({ word: "left", status: 204 });
  });

  test.each<[what: string, verb: Verb, status: number, headers: Record<string, string>, text: string]>([
    ["a new ticket for a poll", "poll", 201, headers, ticket()],
    ["no ticket", "poll", 200, headers, "{}"],
    ["a ticket without its token", "poll", 200, headers, JSON.stringify(waitingAs(1, 9))],
    ["somebody inside without a pass", "poll", 200, headers, JSON.stringify(insideAs(1))],
    ["a body where there is none", "leave", 204, headers, "{}"],
    ["a document that is none of a room", "look", 200, headers, ticket()],
    ["an unknown ticket for one who takes one", "take", 404, problems, problem("unknown", 404)],
    ["a full room for one who is in line", "poll", 409, problems, problem("room-full", 409)],
    ["an internal error", "poll", 500, problems, problem("internal", 500)],
    ["another refusal of a pass", "coupon", 403, problems, problem("forbidden", 403)],
    ["a 503 without Retry-After", "poll", 503, problems, problem("unavailable", 503)],
    ["a refusal that is no problem document", "poll", 404, headers, problem("unknown", 404)],
    ["no request id", "poll", 200, {}, ticket()],
  ])("is found flawed: %s", (_, verb, status, sent, text) => {
    expect(readSaid(verb, status, sent, text).flaw).toEqual(expect.any(String));
  });
});

describe("the crowd", () => {
  test("is the same for the same seed, and another for another", () => {
    expect(gather(200, 5_000, 0.1, seeded(3))).toEqual(gather(200, 5_000, 0.1, seeded(3)));
    expect(gather(200, 5_000, 0.1, seeded(3))).not.toEqual(gather(200, 5_000, 0.1, seeded(4)));
  });

  test("comes one by one, each a user of their own", () => {
    const people = gather(500, 5_000, 0.1, seeded(1));
    expect(new Set(people.map(({ user }) => user)).size).toBe(500);
    expect(people.map(({ atMs }) => atMs)).toEqual(people.map(({ atMs }) => atMs).toSorted((a, b) => a - b));
    expect(at(people, -1).atMs).toBeLessThanOrEqual(5_000);
  });

  test("has each habit and each trick, also when it is small", () => {
    const people = gather(40, 3_000, 0.1, seeded(1));
    expect(new Set(people.map(({ habit }) => habit))).toEqual(new Set(HABITS));
    expect(new Set(people.flatMap(({ trick }) => trick ?? []))).toEqual(new Set(TRICKS));
  });

  test.each([0, 0.1, 0.5, 1])("abandons as often as it is told: %d", (share) => {
    const people = gather(1_000, 3_000, share, seeded(1));
    expect(people.filter(({ habit }) => habit === "abandons")).toHaveLength(1_000 * share);
  });
});

describe("the options", () => {
  const parse = (...argv: string[]) => parseOptions(argv, () => 7);

  test("have defaults in proportion to the people, and a new seed each time", () => {
    const rest = { passSeconds: 10, schedulers: 20, abandon: 0.1, seed: 7, limit: 300 };
    expect(parse()).toEqual({
      options: { people: 2_000, capacity: 100, rate: 40, heartbeat: 10, stock: 1_000, ...rest },
    });
    expect(parse("--people", "5000")).toEqual({
      options: { people: 5_000, capacity: 250, rate: 100, heartbeat: 25, stock: 2_500, ...rest },
    });
    expect(parse("--people", "1")).toMatchObject({ options: { capacity: 1, rate: 1, heartbeat: 10, stock: 1 } });
  });

  test("are read", () => {
    const argv =
      "--people 5 --capacity=3 --rate 2 --heartbeat 4 --pass-seconds 6 --stock 7 --schedulers 0 --abandon 0 --seed 0 --limit 0.5e2 --json out.json --stack s.json";
    expect(parse(...argv.split(" "), "--api", "http://127.0.0.1:3000/")).toEqual({
      options: {
        ...{ people: 5, capacity: 3, rate: 2, heartbeat: 4, passSeconds: 6, stock: 7 },
        ...{ schedulers: 0, abandon: 0, seed: 0, limit: 50 },
        ...{ json: "out.json", api: "http://127.0.0.1:3000", stack: "s.json" },
      },
    });
  });

  test.each([[["--json"]], [["--json", "-"]], [["--json", "--people", "2000"]]])(
    "send the JSON to standard output: %j",
    (argv) => {
      expect(parse(...argv)).toMatchObject({ options: { json: "-", people: 2_000 } });
    },
  );

  test("ask for help", () => {
    expect(parse("--help")).toEqual({ help: true });
  });

  test.each([
    ["an unknown option", ["--persons", "5"]],
    ["a word that belongs to nothing", ["5"]],
    ["a missing value", ["--people"]],
    ["nobody", ["--people", "0"]],
    ["half a person", ["--people", "1.5"]],
    ["no number", ["--rate", "fast"]],
    ["an empty number", ["--capacity", ""]],
    ["a heartbeat above the room's most", ["--heartbeat", "301"]],
    ["a pass that lasts no time", ["--pass-seconds", "0"]],
    ["a share above 1", ["--abandon", "20"]],
    ["no time at all", ["--limit", "0"]],
    ["an address elsewhere", ["--api", "http://example.com"]],
  ])("are refused: %s", (_, argv) => {
    expect(parse(...argv)).toEqual({ mistake: expect.any(String) });
  });
});

describe("the report", () => {
  const options: Options = {
    ...{ people: PEOPLE, capacity: 12, rate: 4, heartbeat: 10, passSeconds: 60, stock: 40 },
    ...{ schedulers: 20, abandon: 0.1, seed: 1, limit: 300 },
  };

  function resultOf(scene: Scene, isCutShort = false): Result {
    return {
      ...{ options, api: "http://127.0.0.1:3000", roomId: "crowd", seconds: 30, isCutShort },
      figures: figuresOf(scene, 10, 0),
      foresight: foresightOf(scene),
      findings: judge(scene),
    };
  }

  test("says of each verdict that it holds", () => {
    const result = resultOf(soundScene(1));
    expect(holds(result)).toBe(true);
    expect(toText(result)).not.toContain("VIOLATED");
    for (const { id, title } of result.findings)
      expect(toText(result)).toMatch(new RegExp(`^${id} +${title} +holds`, "m"));
  });

  test("shows three examples of a violation and counts the rest", () => {
    const scene = soundScene(1);
    for (const index of [2, 3, 4, 5, 6]) at(scene.endings, index).outcome = "expired";
    const result = resultOf(scene);
    expect(holds(result)).toBe(false);
    expect(toText(result)).toMatch(/^G8 +who stays is let in +VIOLATED .*\n(\s+user user-\d: .*\n){3}\s+and 2 more$/m);
    const verdict = JSON.parse(toJson(result)).verdict as { title: string; holds: boolean; violations: number }[];
    expect(verdict.filter((it) => !it.holds)).toEqual([
      expect.objectContaining({ title: "who stays is let in", violations: 5 }),
    ]);
  });

  test("does not call it held when the crowd was sent home", () => {
    const result = resultOf(soundScene(1), true);
    expect(holds(result)).toBe(false);
    expect(toText(result)).toContain("did not come to its end within 300 s");
  });
});

describe("a small crowd on a running stack", () => {
  const silent = { show: () => {}, print: () => {}, clear: () => {} };
  const options: Options = {
    ...{ people: 60, capacity: 8, rate: 6, heartbeat: 4, passSeconds: 6, stock: 30 },
    ...{ schedulers: 4, abandon: 0.1, seed: 1, limit: 90 },
  };

  test("is let in as it should be, and does all that a crowd does", async () => {
    const result = await holdCrowd(options, sharedStack(), silent);
    // How well a wait is foretold depends on what else the machine of a test does; that it is looked at does not.
    const findings = result.findings.filter(({ title }) => title !== "a wait is foretold");
    expect(findings.flatMap(({ title, violations }) => violations.map(({ what }) => `${title}: ${what}`))).toEqual([]);
    expect(result.foresight.judged).toBeGreaterThan(0);
    expect(result.isCutShort).toBe(false);
    expect(Object.keys(result.figures.habits).toSorted()).toEqual([...HABITS].toSorted());
    const counted = result.figures.answers.map(({ verb, word }) => `${verb}: ${word}`);
    expect(counted).toEqual(
      expect.arrayContaining([
        "take: created",
        "poll: found",
        "leave: left",
        "coupon: issued",
        "coupon: pass-required",
      ]),
    );
  });

  test("is sent home when its time is over, and not called let in", async () => {
    const result = await holdCrowd({ ...options, rate: 1, limit: 1 }, sharedStack(), silent);
    expect([result.isCutShort, holds(result)]).toEqual([true, false]);
    expect(findingOf(result.findings, "who stays is let in").holds).toBe(false);
  });
});
