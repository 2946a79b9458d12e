import { readFileSync } from "node:fs";
import { describe, expect, inject, test } from "vitest";
import { freePort } from "../local/child.ts";
import { type Answer, readAnswer, type ToldCoupon } from "../local/rush/answer.ts";
import { gather } from "../local/rush/crowd.ts";
import { figuresOf, latencyOf } from "../local/rush/figures.ts";
import { parseOptions } from "../local/rush/options.ts";
import { type Random, seeded } from "../local/rush/random.ts";
import { holds, type Result, toJson, toText } from "../local/rush/report.ts";
import { Slots } from "../local/rush/slots.ts";
import { NoRush, obtainStack, stackOf } from "../local/rush/stack.ts";
import { type CouponRow, type Finding, judge, promisedCoupons, type TicketRow } from "../local/rush/verdict.ts";

const SEEDS = [1, 2, 3, 4, 5];
const OPENED = Date.parse("2026-01-01T00:00:00.000Z");

/** What a rush leaves behind, still open to tampering. */
interface Run {
  random: Random;
  campaign: { stock: number; perUser: number; remaining: number | undefined };
  ledger: { tickets: TicketRow[]; coupons: CouponRow[] };
  answers: Answer[];
}

function couponOf(userId: string, ticket: number, nth = 1): ToldCoupon {
  const issuedAt = new Date(OPENED + ticket).toISOString();
  return { couponId: `c.${ticket}.${userId}.${nth}`, userId, ticket, nth, state: "pending", issuedAt };
}

/** Enters a coupon as the persister does: the ticket, then the holder. */
function enter({ ledger }: Run, coupon: ToldCoupon): void {
  const { userId, ticket, nth, couponId } = coupon;
  ledger.tickets.push({ userId, ticket, nth, couponId, keyFits: true });
  ledger.coupons.push({
    userId,
    ticket,
    nth,
    couponId,
    keyFits: true,
    state: "confirmed",
    confirmedAt: OPENED + ticket,
  });
}

/** Removes all that the ledger has of a ticket. */
function erase({ ledger }: Run, ticket: number): void {
  ledger.tickets = ledger.tickets.filter((row) => row.ticket !== ticket);
  ledger.coupons = ledger.coupons.filter((row) => row.ticket !== ticket);
}

function told(run: Run, user: string, word: string, facts: { coupon?: ToldCoupon; key?: string } = {}): void {
  const statuses: Record<string, number> = { issued: 201, accepted: 202, replayed: 200, "transport-error": 0 };
  const sentAt = run.answers.length * 10;
  run.answers.push({ user, word, status: statuses[word] ?? 409, ...facts, sentAt, answeredAt: sentAt + 5 });
}

/** A rush as it should be. Some winners repeat, with and without a key; some first answers are lost or are a 202. */
function soundRun(seed: number, size: { users: number; stock: number; perUser?: number }): Run {
  const random = seeded(seed);
  const { users, stock, perUser = 1 } = size;
  const run: Run = {
    random,
    campaign: { stock, perUser, remaining: Math.max(0, stock - users) },
    ledger: { tickets: [], coupons: [] },
    answers: [],
  };
  for (let index = 1; index <= users; index++) {
    const user = `user-${index}`;
    const key = random.pick([{}, {}, { key: "order" }]);
    if (index > stock) {
      told(run, user, "sold-out", key);
      if (random.next() < 0.2) told(run, user, "sold-out", key);
      continue;
    }
    const coupon = couponOf(user, index);
    enter(run, coupon);
    const first = index <= 2 ? "issued" : random.pick(["issued", "issued", "accepted", "transport-error"]);
    told(run, user, first, first === "transport-error" ? key : { ...key, coupon });
    const repeats = first === "transport-error" ? 1 : random.below(3);
    for (let repeat = 0; repeat < repeats; repeat++) told(run, user, "replayed", { ...key, coupon: { ...coupon } });
    if ("key" in key && perUser === 1) told(run, user, "limit-reached", { key: "another" });
  }
  return run;
}

const scarce = (seed: number) => soundRun(seed, { users: 80, stock: 30 });
const plenty = (seed: number) => soundRun(seed, { users: 30, stock: 50 });

/** The first answer of a kind, and where it stands. */
function find(run: Run, word: string): { answer: Answer; coupon: ToldCoupon; index: number } {
  const index = run.answers.findIndex((answer) => answer.word === word);
  const answer = run.answers[index];
  if (!answer?.coupon) throw new Error(`this run has no "${word}"`);
  return { answer, coupon: answer.coupon, index };
}

/** Tells somebody something else than they were told. */
function retell(run: Run, word: string, change: Partial<ToldCoupon>): void {
  const { answer, coupon, index } = find(run, word);
  run.answers[index] = { ...answer, coupon: { ...coupon, ...change } };
}

/** Has the campaign document say how many coupons are left. */
function claimLeft({ campaign }: Run, remaining: number | undefined): void {
  campaign.remaining = remaining;
}

const violated = (findings: readonly Finding[]) => findings.filter((finding) => !finding.holds).map(({ id }) => id);

describe("the verdict on a sound run", () => {
  test.each(SEEDS)("holds, whether the stock was gone or not (seed %i)", (seed) => {
    expect(violated(judge(scarce(seed)))).toEqual([]);
    expect(violated(judge(plenty(seed)))).toEqual([]);
  });

  test("does not depend on the order of rows and answers", () => {
    const run = scarce(1);
    const { tickets, coupons } = run.ledger;
    run.ledger = { tickets: tickets.toReversed(), coupons: coupons.toReversed() };
    run.answers.reverse();
    expect(violated(judge(run))).toEqual([]);
  });

  test("lets a cancelled coupon's ticket go to the next", () => {
    const run = scarce(1);
    const before = run.ledger.coupons[4];
    if (!before) throw new Error("this run has no fifth holder");
    run.ledger.coupons[4] = { ...before, state: "cancelled" };
    run.ledger.tickets = run.ledger.tickets.filter(({ ticket }) => ticket !== before.ticket);
    enter(run, couponOf("user-80", before.ticket));
    expect(violated(judge(run))).toEqual([]);
  });

  test("holds for two coupons each, where the campaign allows two", () => {
    const run = soundRun(1, { users: 5, stock: 20, perUser: 2 });
    const second = couponOf("user-1", 6, 2);
    enter(run, second);
    told(run, "user-1", "issued", { key: "second", coupon: second });
    run.campaign.remaining = 14;
    expect(violated(judge(run))).toEqual([]);
  });
});

/** Each makes one guarantee fail and no other. */
const TAMPERINGS: [id: Finding["id"], what: string, run: (seed: number) => Run, tamper: (run: Run) => void][] = [
  ["G1", "a coupon more than the stock", scarce, (run) => enter(run, couponOf("stranger", 31))],
  [
    "G1",
    "a ticket above the stock in place of one of the stock",
    plenty,
    (run) => {
      erase(run, 1);
      enter(run, { ...couponOf("user-1", 1), ticket: 51 });
      run.answers = run.answers.map((answer) =>
        answer.coupon?.ticket === 1 ? { ...answer, coupon: { ...answer.coupon, ticket: 51 } } : answer,
      );
      run.campaign.remaining = 21;
    },
  ],
  ["G1", "a ticket 0", scarce, (run) => enter(run, couponOf("stranger", 0))],
  ["G1", "a ticket that is no whole number", scarce, (run) => enter(run, { ...couponOf("stranger", 31), ticket: 1.5 })],
  [
    "G1",
    "a ticket twice",
    scarce,
    ({ ledger, random }) => {
      const { ticket, couponId, nth, userId } = couponOf("stranger", 1 + random.below(30));
      ledger.coupons.push({ ticket, couponId, nth, userId, keyFits: true, state: "confirmed", confirmedAt: OPENED });
    },
  ],
  ["G1", "a holder whose ticket was never taken", scarce, ({ ledger }) => void ledger.tickets.splice(3, 1)],
  [
    "G1",
    "a ticket item under the key of another",
    scarce,
    ({ ledger }) => {
      ledger.tickets = ledger.tickets.map((row, index) => (index === 3 ? { ...row, keyFits: false } : row));
    },
  ],
  [
    "G2",
    "a user with a coupon more than allowed",
    plenty,
    (run) => {
      const second = couponOf("user-1", 31, 2);
      enter(run, second);
      told(run, "user-1", "issued", { key: "second", coupon: second });
      run.campaign.remaining = 19;
    },
  ],
  [
    "G2",
    "a user whose first coupon is there twice",
    (seed) => soundRun(seed, { users: 5, stock: 20, perUser: 2 }),
    (run) => {
      enter(run, couponOf("user-1", 6));
      run.campaign.remaining = 14;
    },
  ],
  [
    "G2",
    "a user with an nth above what is allowed",
    plenty,
    (run) => {
      enter(run, couponOf("stranger", 31, 2));
      run.campaign.remaining = 19;
    },
  ],
  [
    "G2",
    "a coupon item under the key of another",
    scarce,
    ({ ledger }) => {
      ledger.coupons = ledger.coupons.map((row, index) => (index === 3 ? { ...row, keyFits: false } : row));
    },
  ],
  ...["issued", "accepted"].map((word): (typeof TAMPERINGS)[number] => [
    "G3",
    `a coupon told with "${word}" that the ledger does not have`,
    plenty,
    (run) => {
      erase(run, find(run, word).coupon.ticket);
      run.campaign.remaining = 21;
    },
  ]),
  [
    "G3",
    "a replay, of a first answer that was lost, that the ledger does not have",
    plenty,
    (run) => {
      const coupon = couponOf("unlucky", 31);
      told(run, "unlucky", "transport-error");
      told(run, "unlucky", "replayed", { coupon });
    },
  ],
  [
    "G3",
    "a 201 whose ticket the ledger has as another user's",
    scarce,
    (run) => {
      const { ticket } = find(run, "issued").coupon;
      erase(run, ticket);
      enter(run, couponOf("stranger", ticket));
    },
  ],
  [
    "G3",
    "two users' coupons with their tickets swapped",
    scarce,
    (run) => {
      erase(run, 1);
      erase(run, 2);
      enter(run, { ...couponOf("user-1", 1), ticket: 2 });
      enter(run, { ...couponOf("user-2", 2), ticket: 1 });
    },
  ],
  [
    "G3",
    "a coupon in another user's name",
    scarce,
    (run) => {
      const { user } = find(run, "issued").answer;
      run.answers = run.answers.map((answer) =>
        answer.user === user && answer.coupon ? { ...answer, coupon: { ...answer.coupon, userId: "other" } } : answer,
      );
    },
  ],
  ["G4", "a remaining that is too high", scarce, (run) => claimLeft(run, 1)],
  ["G4", "a remaining that is too low", plenty, (run) => claimLeft(run, 19)],
  ["G4", "a remaining that nobody can read", plenty, (run) => claimLeft(run, undefined)],
  [
    "G4",
    "a ticket left over, although more were wanted",
    scarce,
    (run) => {
      run.answers = run.answers.filter(({ user }) => user !== "user-7");
      erase(run, 7);
      run.campaign.remaining = 1;
    },
  ],
  ["G4", "a user sent away, although stock was left", plenty, (run) => told(run, "unlucky", "sold-out")],
  [
    "G4",
    "a ticket that is taken and that nobody holds",
    plenty,
    ({ ledger }) => void ledger.tickets.push({ ...couponOf("stranger", 31), keyFits: true }),
  ],
  ["G5", "a replay of another coupon", scarce, (run) => retell(run, "replayed", { couponId: "c.other" })],
  ["G5", "a replay with another ticket", scarce, (run) => retell(run, "replayed", { ticket: 30 })],
  ["G5", "a replay with another nth", scarce, (run) => retell(run, "replayed", { nth: 2 })],
  [
    "G5",
    "a replay with another time",
    scarce,
    (run) => retell(run, "replayed", { issuedAt: new Date(OPENED).toISOString() }),
  ],
  [
    "G5",
    "a coupon that is told as new twice",
    scarce,
    (run) => {
      const { answer, coupon } = find(run, "issued");
      told(run, answer.user, "issued", { ...(answer.key === undefined ? {} : { key: answer.key }), coupon });
    },
  ],
  [
    "G5",
    "a replay without a first, although no answer was lost",
    scarce,
    (run) => {
      const { user, key, coupon } = find(run, "issued").answer;
      const others = run.answers.filter((answer) => answer.user !== user || answer.key !== key);
      run.answers = others;
      told(run, user, "replayed", { ...(key === undefined ? {} : { key }), ...(coupon ? { coupon } : {}) });
    },
  ],
  [
    "G5",
    "a refusal of someone who was told of a coupon before",
    scarce,
    (run) => {
      const { user, key } = find(run, "issued").answer;
      told(run, user, "sold-out", key === undefined ? {} : { key });
    },
  ],
  [
    "API",
    "an answer that is not documented",
    scarce,
    (run) => {
      const { answer, index } = find(run, "issued");
      run.answers[index] = { ...answer, flaw: "the answer carries no x-request-id" };
    },
  ],
];

describe("the verdict finds", () => {
  test.each(TAMPERINGS)("%s violated, and nothing else, by %s", (id, _, make, tamper) => {
    for (const seed of SEEDS) {
      const run = make(seed);
      tamper(run);
      expect({ seed, violated: violated(judge(run)) }).toEqual({ seed, violated: [id] });
    }
  });

  test("who it was, and which ticket", () => {
    const run = scarce(1);
    enter(run, couponOf("stranger", 31));
    const [first] = judge(run).find(({ id }) => id === "G1")?.violations ?? [];
    expect(first).toMatchObject({ user: "stranger", ticket: 31 });
  });
});

describe("a promise", () => {
  test("is every coupon told with 201 or 202, and a replay only where the first answer was lost", () => {
    const run = soundRun(1, { users: 0, stock: 9 });
    told(run, "first", "issued", { coupon: couponOf("first", 1) });
    told(run, "first", "replayed", { coupon: couponOf("first", 1) });
    told(run, "second", "accepted", { coupon: couponOf("second", 2) });
    told(run, "third", "transport-error");
    told(run, "third", "replayed", { coupon: couponOf("third", 3) });
    expect(promisedCoupons(run.answers).map(({ user, word }) => [user, word])).toEqual([
      ["first", "issued"],
      ["second", "accepted"],
      ["third", "replayed"],
    ]);
  });
});

describe("an answer", () => {
  const headers = { "x-request-id": "1", "content-type": "application/problem+json" };
  const coupon = JSON.stringify({ ...couponOf("user-1", 1), campaignId: "rush", etaMs: 250 });
  const problem = (code: string, status: number) =>
    JSON.stringify({ type: "about:blank", title: code, code, status, detail: "" });

  test.each([
    ["issued", 201],
    ["accepted", 202],
    ["replayed", 200],
  ])("%s is known by its status", (word, status) => {
    expect(readAnswer(status, headers, coupon)).toEqual({ word, status, coupon: couponOf("user-1", 1) });
  });

  test("that refuses is known by its code", () => {
    expect(readAnswer(409, headers, problem("sold-out", 409))).toEqual({ word: "sold-out", status: 409 });
  });

  test("that puts off says for how long", () => {
    const said = readAnswer(503, { ...headers, "retry-after": "2" }, problem("unavailable", 503));
    expect(said).toEqual({ word: "unavailable", status: 503, retryAfterMs: 2_000 });
  });

  test.each<[what: string, status: number, headers: Record<string, string>, text: string]>([
    ["an internal error", 500, headers, problem("internal", 500)],
    ["a gateway's error", 502, { ...headers, "content-type": "text/html" }, "<h1>Bad gateway</h1>"],
    ["a word with another's status", 400, headers, problem("sold-out", 400)],
    ["a status unlike its body's", 409, headers, problem("sold-out", 410)],
    ["a word that is not in the contract", 409, headers, problem("gone", 409)],
    ["a refusal that this crowd has not earned", 401, headers, problem("unauthorized", 401)],
    [
      "a refusal that is no problem document",
      409,
      { ...headers, "content-type": "application/json" },
      problem("sold-out", 409),
    ],
    ["a 503 without Retry-After", 503, headers, problem("unavailable", 503)],
    ["a success that is none of the three", 204, headers, ""],
    ["a success without a coupon", 201, headers, "{}"],
    ["an answer without x-request-id", 201, {}, coupon],
  ])("is found flawed: %s", (_, status, sent, text) => {
    expect(readAnswer(status, sent, text).flaw).toEqual(expect.any(String));
  });
});

describe("the options", () => {
  const parse = (...argv: string[]) => parseOptions(argv, () => 7);

  test("have defaults, and a new seed each time", () => {
    expect(parse()).toEqual({
      options: { users: 2000, stock: 100, concurrency: 64, duplicates: 0.2, seed: 7, wait: 120 },
    });
  });

  test("are read", () => {
    const argv =
      "--users 5 --stock=3 --concurrency 2 --duplicates 1 --seed 0 --wait 0.5 --json out.json --stack s.json";
    expect(parse(...argv.split(" "), "--api", "http://127.0.0.1:3000/")).toEqual({
      options: {
        users: 5,
        stock: 3,
        concurrency: 2,
        duplicates: 1,
        seed: 0,
        wait: 0.5,
        json: "out.json",
        api: "http://127.0.0.1:3000",
        stack: "s.json",
      },
    });
  });

  test.each([[["--json"]], [["--json", "-"]], [["--json", "--users", "2000"]]])(
    "send the JSON to standard output: %j",
    (argv) => {
      expect(parse(...argv)).toMatchObject({ options: { json: "-", users: 2000 } });
    },
  );

  test("ask for help", () => {
    expect(parse("--help")).toEqual({ help: true });
  });

  test.each([
    ["an unknown option", ["--user", "5"]],
    ["a word that belongs to nothing", ["5"]],
    ["a missing value", ["--users"]],
    ["no users", ["--users", "0"]],
    ["half a user", ["--users", "1.5"]],
    ["no number", ["--stock", "many"]],
    ["an empty number", ["--stock", ""]],
    ["a share above 1", ["--duplicates", "20"]],
    ["a negative wait", ["--wait=-1"]],
    ["an address elsewhere", ["--api", "http://example.com"]],
    ["an address that only begins like this machine", ["--api", "http://localhost.example.com"]],
    ["no address", ["--api", "3000"]],
  ])("are refused: %s", (_, argv) => {
    expect(parse(...argv)).toEqual({ mistake: expect.any(String) });
  });
});

describe("the stack", () => {
  const stackFile = inject("stackFile");
  const obtain = (named: { api?: string; stack?: string }) =>
    obtainStack(named, { say: expect.unreachable, interrupted: new AbortController().signal });

  test("is the one whose file is named, under the address that is named", async () => {
    const file = JSON.parse(readFileSync(stackFile, "utf8"));
    const { stack } = await obtain({ stack: stackFile });
    expect(stackOf(stack)).toEqual({ api: file.api, dynamodb: file.dynamodb, table: file.tables.Ledger });
    const api = file.api.replace("127.0.0.1", "localhost");
    expect((await obtain({ stack: stackFile, api })).stack).toEqual({ ...file, api });
  });

  test("that is named and cannot be had is not replaced by another", async () => {
    await expect(obtain({ stack: `${stackFile}.none` })).rejects.toThrow("stack.json.none describes no running stack.");
    const api = `http://127.0.0.1:${await freePort()}`;
    await expect(obtain({ stack: stackFile, api })).rejects.toThrow(`${api} does not answer.`);
  });

  test("without a ledger is none to hold a rush on", async () => {
    const { stack } = await obtain({ stack: stackFile });
    expect(() => stackOf({ ...stack, tables: {} })).toThrow(NoRush);
  });
});

describe("the crowd", () => {
  test("is the same for the same seed, and another for another", () => {
    expect(gather(200, 0.5, seeded(3))).toEqual(gather(200, 0.5, seeded(3)));
    expect(gather(200, 0.5, seeded(3))).not.toEqual(gather(200, 0.5, seeded(4)));
  });

  test("has every user once, each asking at least once", () => {
    const { users, steps } = gather(500, 0.3, seeded(1));
    expect(new Set(users).size).toBe(500);
    expect(new Set(steps.map(({ asks }) => asks[0].user))).toEqual(new Set(users));
  });

  test("repeats itself as often as it is told", () => {
    const repeating = (share: number) => {
      const { steps } = gather(1_000, share, seeded(1));
      const asks = Map.groupBy(
        steps.flatMap((step) => step.asks),
        ({ user }) => user,
      );
      return [...asks.values()].filter(({ length }) => length > 1).length / 1_000;
    };
    expect(repeating(0)).toBe(0);
    expect(repeating(0.2)).toBeCloseTo(0.2, 1);
    expect(repeating(1)).toBe(1);
  });

  test("repeats later and at the same instant, with one key and with another", () => {
    const { steps } = gather(1_000, 1, seeded(1));
    const keysOf = (asks: readonly { key?: string }[]) => new Set(asks.map(({ key }) => key)).size;
    expect(steps.some(({ asks, patient }) => patient && asks[0].key === undefined)).toBe(true);
    expect(steps.some(({ asks, patient }) => patient && asks[0].key !== undefined)).toBe(true);
    expect(steps.some(({ asks }) => asks.length > 1 && asks[0].key === undefined)).toBe(true);
    expect(steps.some(({ asks }) => asks.length > 1 && asks[0].key !== undefined && keysOf(asks) === 1)).toBe(true);
    expect(steps.some(({ asks }) => asks.length > 1 && keysOf(asks) > 1)).toBe(true);
  });
});

describe("slots", () => {
  test("are given together to one who asks for several, in the order of asking", async () => {
    const slots = new Slots(2);
    const order: string[] = [];
    await slots.take(1);
    const pair = slots.take(2).then(() => order.push("pair"));
    const single = slots.take(1).then(() => order.push("single"));
    await Promise.resolve();
    expect(order).toEqual([]);
    slots.give(1);
    await pair;
    expect(order).toEqual(["pair"]);
    slots.give(2);
    await single;
    expect(order).toEqual(["pair", "single"]);
  });

  test("give one who asks for more than there are all there are", async () => {
    expect(await new Slots(1).take(3)).toBe(1);
  });
});

describe("the report", () => {
  const answers = (count: number): Answer[] =>
    Array.from({ length: count }, (_, index) => ({
      user: `user-${index}`,
      word: index === 0 ? "issued" : "sold-out",
      status: index === 0 ? 201 : 409,
      sentAt: 0,
      answeredAt: index + 1,
    }));

  function resultOf(run: Run, gaveUp = 0): Result {
    const findings = judge(run);
    const options = { users: 80, stock: 30, concurrency: 64, duplicates: 0.2, seed: 1, wait: 120 };
    const facts = { options, api: "http://127.0.0.1:3000", campaignId: "rush", state: "sold-out" };
    const counts = { asks: 80, gaveUp, promised: 30, confirmed: 30, untilConfirmedMs: 1_234 };
    return { ...facts, ...counts, figures: figuresOf(run.answers), findings };
  }

  test("takes percentiles by nearest rank", () => {
    expect(latencyOf(answers(100))).toEqual({ p50: 50, p95: 95, p99: 99, most: 100 });
    expect(latencyOf(answers(1))).toEqual({ p50: 1, p95: 1, p99: 1, most: 1 });
    expect(latencyOf([])).toBeUndefined();
  });

  test("counts answers by word, issued first", () => {
    const { words, seconds, perSecond, winners } = figuresOf(answers(100));
    expect(words).toEqual([
      { word: "issued", status: 201, count: 1 },
      { word: "sold-out", status: 409, count: 99 },
    ]);
    expect([seconds, perSecond, winners?.p99]).toEqual([0.1, 1_000, 1]);
  });

  test("says of each guarantee that it holds", () => {
    const result = resultOf(scarce(1));
    expect(holds(result)).toBe(true);
    expect(toText(result)).not.toContain("VIOLATED");
    for (const id of ["G1", "G2", "G3", "G4", "G5", "API"])
      expect(toText(result)).toMatch(new RegExp(`^${id} .* holds`, "m"));
  });

  test("shows three examples of a violation and counts the rest", () => {
    const run = scarce(1);
    for (let extra = 1; extra <= 5; extra++) enter(run, couponOf(`stranger-${extra}`, 30 + extra));
    const result = resultOf(run);
    expect(holds(result)).toBe(false);
    expect(toText(result)).toMatch(/^G1 .* VIOLATED .*\n(\s+user stranger-\d, ticket 3\d: .*\n){3}\s+and 8 more$/m);
    expect(JSON.parse(toJson(result))).toMatchObject({
      holds: false,
      verdict: [{ id: "G1", holds: false, violations: 11 }, {}, {}, {}, {}, {}],
    });
  });

  test("does not call it proved when nothing was decided", () => {
    const result = resultOf(scarce(1), 80);
    expect(holds(result)).toBe(false);
    expect(toText(result)).toContain("proved nothing");
  });
});
