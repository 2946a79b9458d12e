import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import {
  CreateQueueCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  type SendMessageCommandOutput,
  SQSClient,
} from "@aws-sdk/client-sqs";
import { afterEach, describe, expect, test } from "vitest";
import { openSocket } from "../local/bench/client.ts";
import { gather } from "../local/chaos/crowd.ts";
import { describe as describeAction, FAULT_NAMES, FAULTS } from "../local/chaos/faults.ts";
import { type CouponRow, type Evidence, judge, type TicketRow, type Violation } from "../local/chaos/judge.ts";
import { listFaults, parseOptions } from "../local/chaos/options.ts";
import { planRound, seedOfRound } from "../local/chaos/plan.ts";
import { startProxy, type TcpProxy } from "../local/chaos/proxy.ts";
import { replayOf, totalsOf } from "../local/chaos/report.ts";
import type { Round } from "../local/chaos/round.ts";
import { type Asked, readGivenBack, readSighting, type Testimony } from "../local/chaos/testimony.ts";
import { freePort, listens } from "../local/child.ts";
import { seeded } from "../local/rush/random.ts";
import { ROOT } from "../local/stack.ts";

const SEEDS = Array.from({ length: 200 }, (_, index) => seedOfRound(7, index + 1));
const all = () => true;

describe("options", () => {
  const parse = (...words: string[]) => parseOptions(words, () => 99);

  test("have defaults, and a new seed where none is given", () => {
    const options = { seed: 99, rounds: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], faults: FAULT_NAMES };
    expect(parse()).toEqual({ options });
  });

  test("choose one round of a seed, and the faults to draw from", () => {
    expect(parse("--seed", "5", "--round", "3", "--fault", "flush", "--fault", "kill-api", "--fault", "flush")).toEqual(
      {
        options: { seed: 5, rounds: [3], faults: ["flush", "kill-api"] },
      },
    );
  });

  test.each([
    [["--rounds", "0"], /--rounds takes a whole number from 1/],
    [["--seed", "x"], /--seed takes a whole number/],
    [["--seed", "4294967296"], /--seed takes a whole number/],
    [["--round", "1.5"], /--round takes a whole number/],
    [["--fault", "earthquake"], /no fault "earthquake"; --list/],
    [["--fault", "constructor"], /no fault "constructor"/],
    [["--stock", "5"], /--stock/],
    [["now"], /now/],
  ])("refuse %j and say why", (words, why) => {
    expect(parse(...words)).toEqual({ mistake: expect.stringMatching(why) });
  });

  test("ask for help or for the list of faults", () => {
    expect(parse("--help", "--rounds", "1")).toEqual({ help: true });
    expect(parse("--list")).toEqual({ list: true });
    for (const name of FAULT_NAMES) expect(listFaults()).toMatch(new RegExp(`^ {2}${name} +\\S`, "m"));
  });

  test("replay a round as the first of its own seed", () => {
    const seed = seedOfRound(5, 3);
    expect(replayOf(seed, FAULT_NAMES)).toBe(`npm run chaos -- --seed ${seed} --rounds 1`);
    const words = replayOf(seed, ["flush", "kill-api"]).split(" -- ")[1]?.split(" ") ?? [];
    const again = parse(...words);
    expect(again).toMatchObject({ options: { seed, rounds: [1], faults: ["flush", "kill-api"] } });
    expect(seedOfRound(seed, 1)).toBe(seed);
  });
});

describe("a round's plan", () => {
  test("is the same for the same seed, and another for another", () => {
    for (const seed of SEEDS.slice(0, 20)) {
      expect(planRound(seed, FAULT_NAMES, all)).toEqual(planRound(seed, FAULT_NAMES, all));
    }
    expect(new Set(SEEDS).size).toBe(SEEDS.length);
    const plans = SEEDS.map((seed) => JSON.stringify(planRound(seed, FAULT_NAMES, all).faults));
    expect(new Set(plans).size).toBeGreaterThan(SEEDS.length * 0.9);
  });

  test("has one or two different faults, with load before the first and after the last", () => {
    for (const seed of SEEDS) {
      const { faults, crowd, stock, perUser } = planRound(seed, FAULT_NAMES, all);
      expect([1, 2]).toContain(faults.length);
      expect(new Set(faults.map(({ name }) => name)).size).toBe(faults.length);
      expect([1, 2]).toContain(perUser);
      expect(crowd.length).toBeGreaterThan(stock);
      const times = crowd.map(({ atMs }) => atMs);
      const firstMs = Math.min(...faults.map(({ atMs }) => atMs));
      expect(times.filter((atMs) => atMs < firstMs).length).toBeGreaterThan(20);
      const lastMs = Math.max(...faults.map(({ name, action, atMs }) => atMs + FAULTS[name].lasts(action)));
      expect(Math.max(...times)).toBeGreaterThan(Math.min(lastMs, 12_000));
      expect(Math.max(...times)).toBeLessThanOrEqual(15_000);
    }
  });

  test("keeps within a bounded number of requests", () => {
    for (const seed of SEEDS) {
      const { crowd } = planRound(seed, FAULT_NAMES, all);
      // Three asks each at most, or two and a cancellation.
      expect(crowd.length).toBeLessThanOrEqual(750);
    }
  });

  test("draws every fault in the long run, and only from the choice", () => {
    const drawn = SEEDS.flatMap((seed) => planRound(seed, FAULT_NAMES, all).faults.map(({ name }) => name));
    expect(new Set(drawn)).toEqual(new Set(FAULT_NAMES));
    for (const seed of SEEDS) {
      const names = planRound(seed, ["flush", "kill-api"], all).faults.map(({ name }) => name);
      expect(["flush", "kill-api"]).toEqual(expect.arrayContaining(names));
    }
  });

  test("changes only where a fault is missing that it would have had", () => {
    const isThere = (name: string) => name !== "failover-clock-back";
    for (const seed of SEEDS) {
      const plan = planRound(seed, FAULT_NAMES, all);
      const without = planRound(seed, FAULT_NAMES, isThere);
      expect(without.faults.every(({ name }) => isThere(name))).toBe(true);
      if (plan.faults.every(({ name }) => isThere(name))) expect(without).toEqual(plan);
    }
  });

  test("keeps every fault within what its line in the list says", () => {
    for (const name of FAULT_NAMES) {
      for (const seed of SEEDS.slice(0, 50)) {
        const action = FAULTS[name].draw(seeded(seed));
        expect(FAULTS[name].lasts(action)).toBeLessThanOrEqual(12_000);
        if (action.how === "pause") expect(action.forMs).toSatisfy((ms: number) => ms >= 1_000 && ms <= 4_000);
        if (action.how === "slow") expect(action.delayMs).toSatisfy((ms: number) => ms >= 50 && ms <= 400);
        if (action.how === "failover") expect(action.lagMs).toBeGreaterThanOrEqual(300);
      }
    }
    expect(describeAction({ how: "slow", store: "sqs", delayMs: 50, forMs: 2_000 })).toBe("delayMs 50, forMs 2000");
  });

  test("lets some of the crowd cancel and some come again", () => {
    const habits = new Set(gather(500, 8_000, seeded(3)).map(({ habit }) => habit));
    expect([...habits].sort()).toEqual(["again", "at-once", "cancels", "insists", "once", "returns", "two-keys"]);
  });
});

// ── The judge ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** What a round leaves behind, still open to tampering. */
interface Case {
  stock: number;
  perUser: number;
  testimony: Testimony;
  ledger: { tickets: TicketRow[]; coupons: CouponRow[] };
  remaining: number | undefined;
  faultsOverAt: number;
  unsettled: string | undefined;
}

const ISSUED_AT = "2026-01-01T00:00:00.000Z";
const idOf = (user: string, ticket: number) => `c.${ticket}.${user}`;

function asked(user: string, word: string, at: number, ticket?: number, key?: string): Asked {
  const statuses: Record<string, number> = { issued: 201, accepted: 202, replayed: 200, recovering: 503 };
  const status = statuses[word] ?? 409;
  const common = { user, word, status, sentAt: at, answeredAt: at + 5, ...(key === undefined ? {} : { key }) };
  if (ticket === undefined) return common;
  const coupon = {
    couponId: idOf(user, ticket),
    userId: user,
    ticket,
    nth: 1,
    state: "pending" as const,
    issuedAt: ISSUED_AT,
  };
  return { ...common, coupon };
}

function rowOf(user: string, ticket: number, state = "confirmed", nth = 1): CouponRow {
  return { couponId: idOf(user, ticket), userId: user, ticket, nth, state, isFormer: false };
}

const takenBy = (user: string, ticket: number): TicketRow => ({
  ticket,
  userId: user,
  couponId: idOf(user, ticket),
  isFree: false,
});

/** Ten tickets: eight told, one of them given back; one accepted and lost. */
function soundCase(): Case {
  const users = Array.from({ length: 8 }, (_, index) => `user-${index + 1}`);
  const sound: Case = {
    stock: 10,
    perUser: 1,
    testimony: {
      asked: users.flatMap((user, index) => [
        asked(user, "issued", 100 + index * 10, index + 1),
        asked(user, "replayed", 300 + index * 10, index + 1),
      ]),
      givenBack: [
        { user: "user-8", couponId: idOf("user-8", 8), word: "cancelled", status: 200, sentAt: 500, answeredAt: 505 },
      ],
      sightings: [{ state: "open", status: 200, remaining: 3, sentAt: 600, answeredAt: 605 }],
    },
    ledger: {
      tickets: users.map((user, index) => takenBy(user, index + 1)),
      coupons: users.map((user, index) => rowOf(user, index + 1)),
    },
    remaining: 3,
    faultsOverAt: 400,
    unsettled: undefined,
  };
  sound.testimony.asked.push(asked("user-9", "accepted", 200, 9));
  sound.ledger.tickets[7] = { ...takenBy("user-8", 8), isFree: true };
  sound.ledger.coupons[7] = rowOf("user-8", 8, "cancelled");
  return sound;
}

const violationsOf = (it: Evidence): Violation[] => [...judge(it).violations];

describe("the judge", () => {
  test("finds nothing in a round as it should be, and counts it", () => {
    const judgement = judge(soundCase());
    expect(judgement.violations).toEqual([]);
    expect(judgement).toMatchObject({ told: 8, accepted: 1, kept: 8, revoked: 0, cancelled: 1 });
    expect(judgement).toMatchObject({ oversold: 0, duplicates: 0, lostStock: 0 });
  });

  test("keeps a promise for a coupon that was cancelled and whose place another has taken", () => {
    const round = soundCase();
    round.ledger.coupons[7] = { ...rowOf("user-8", 8, "cancelled"), isFormer: true };
    round.ledger.coupons.push(rowOf("user-8", 9));
    round.ledger.tickets.push(takenBy("user-8", 9));
    round.testimony.asked.push(asked("user-8", "issued", 600, 9));
    round.remaining = 2;
    expect(judge(round)).toMatchObject({ told: 9, kept: 9, cancelled: 1, violations: [] });
  });

  test("counts what was revoked with a reason, and does not blame anybody for it", () => {
    const round = soundCase();
    round.ledger.coupons[0] = { ...rowOf("user-1", 1, "revoked"), isFormer: true, reason: "ticket-taken" };
    round.ledger.tickets[0] = { ...takenBy("user-1", 1), isFree: true };
    round.testimony.asked.push(asked("user-1", "sold-out", 600));
    round.remaining = 4;
    expect(judge(round)).toMatchObject({ told: 8, kept: 7, revoked: 1, violations: [] });
  });

  const faults: [what: string, spoil: (round: Case) => void, phase: string, says: RegExp, counts: object][] = [
    [
      "a ticket that two hold",
      ({ ledger }) => ledger.coupons.push({ ...rowOf("user-x", 1), couponId: "x" }),
      "recovery",
      /also held by user-1/,
      { oversold: 1 },
    ],
    [
      "a ticket beyond the stock",
      ({ ledger }) => {
        ledger.coupons.push(rowOf("user-x", 11));
        ledger.tickets.push(takenBy("user-x", 11));
      },
      "recovery",
      /not of 1…10/,
      { oversold: 1 },
    ],
    [
      "a ticket that is free while somebody holds it",
      ({ ledger }) => ledger.tickets.splice(0, 1, { ...takenBy("user-1", 1), isFree: true }),
      "recovery",
      /not taken in the holder's name/,
      { oversold: 1 },
    ],
    [
      "a user with two coupons",
      (round) => {
        round.ledger.coupons.push(rowOf("user-1", 9, "used", 2));
        round.ledger.tickets.push(takenBy("user-1", 9));
        round.remaining = 2;
      },
      "recovery",
      /holds 2 coupons: 1, 9/,
      { duplicates: 1 },
    ],
    [
      "a 201 that the ledger does not have",
      ({ ledger }) => ledger.coupons.splice(0, 1),
      "recovery",
      /the ledger does not have it; the ticket is user-1's/,
      { kept: 7 },
    ],
    [
      "a 201 that is another's in the ledger",
      ({ ledger }) => ledger.coupons.splice(0, 1, { ...rowOf("user-1", 1), userId: "user-x" }),
      "recovery",
      /ticket 1 of user-x/,
      { kept: 7 },
    ],
    [
      "a 201 in another's name",
      ({ testimony }) => testimony.asked.splice(0, 1, { ...asked("user-1", "issued", 100, 1), user: "user-x" }),
      "recovery",
      /in the name of user-1/,
      {},
    ],
    [
      "a coupon that was cancelled by nobody",
      (round) => {
        round.ledger.coupons[0] = rowOf("user-1", 1, "cancelled");
        round.ledger.tickets[0] = { ...takenBy("user-1", 1), isFree: true };
        round.remaining = 4;
      },
      "recovery",
      /has it cancelled/,
      { kept: 7, cancelled: 2 },
    ],
    [
      "a coupon that was revoked without a reason",
      (round) => {
        round.ledger.coupons[0] = { ...rowOf("user-1", 1, "revoked"), isFormer: true };
        round.ledger.tickets[0] = { ...takenBy("user-1", 1), isFree: true };
        round.remaining = 4;
      },
      "recovery",
      /has it revoked/,
      { kept: 7, revoked: 0 },
    ],
    [
      "a cancellation that did not last",
      (round) => {
        round.ledger.coupons[7] = rowOf("user-8", 8);
        round.ledger.tickets[7] = takenBy("user-8", 8);
        round.remaining = 2;
      },
      "recovery",
      /told "cancelled", and the coupon is confirmed/,
      {},
    ],
    [
      "a coupon that the API does not know after it was told",
      ({ testimony }) =>
        testimony.givenBack.unshift({
          user: "user-8",
          couponId: idOf("user-8", 8),
          word: "unknown",
          status: 404,
          sentAt: 450,
          answeredAt: 455,
        }),
      "recovery",
      /told "unknown"/,
      {},
    ],
    ["stock that is gone", (round) => Object.assign(round, { remaining: 1 }), "recovery", /1 remain/, { lostStock: 2 }],
    ["stock from nowhere", (round) => Object.assign(round, { remaining: 5 }), "recovery", /5 remain/, { lostStock: 2 }],
    [
      "a campaign that cannot be read",
      (round) => Object.assign(round, { remaining: undefined }),
      "recovery",
      /could not be read/,
      { lostStock: 0 },
    ],
    [
      "a ticket that is taken and that nobody holds",
      ({ ledger }) => ledger.tickets.push(takenBy("user-x", 10)),
      "recovery",
      /who does not hold it/,
      { lostStock: 1 },
    ],
    [
      "a replay with another coupon",
      ({ testimony }) => testimony.asked.push(asked("user-1", "replayed", 700, 10)),
      "recovery",
      /told "replayed" with ticket 10/,
      {},
    ],
    [
      "a refusal after the coupon",
      ({ testimony }) => testimony.asked.push(asked("user-1", "sold-out", 700)),
      "recovery",
      /told "sold-out" after "issued"/,
      {},
    ],
    [
      "an answer that is not documented, during the fault",
      ({ testimony }) => testimony.asked.push({ ...asked("user-x", "internal", 200), flaw: "no answer to this" }),
      "entry",
      /no answer to this/,
      {},
    ],
    [
      "an answer that is not documented, after it",
      ({ testimony }) =>
        testimony.sightings.push({ state: undefined, status: 500, sentAt: 700, answeredAt: 705, flaw: "a 500" }),
      "recovery",
      /a 500/,
      {},
    ],
    [
      "a coupon that is issued while the campaign is fenced",
      ({ testimony }) =>
        testimony.sightings.unshift(
          { state: "recovering", status: 200, sentAt: 90, answeredAt: 95 },
          { state: "recovering", status: 200, sentAt: 106, answeredAt: 108 },
        ),
      "hold",
      /told "issued" while the campaign was fenced/,
      {},
    ],
    [
      "things that do not settle",
      (round) => Object.assign(round, { unsettled: "after 60 s: 3 in the outbox" }),
      "recovery",
      /3 in the outbox/,
      {},
    ],
  ];
  test.each(faults)("finds %s", (_, spoil, phase, says, counts) => {
    const round = soundCase();
    spoil(round);
    const judgement = judge(round);
    expect(judgement.violations).toContainEqual(expect.objectContaining({ phase, what: expect.stringMatching(says) }));
    expect(judgement).toMatchObject(counts);
  });

  const innocent: [what: string, alter: (round: Case) => void][] = [
    [
      "another coupon under another key",
      (round) => {
        round.perUser = 2;
        round.testimony.asked.push(asked("user-1", "issued", 700, 9, "second"));
        round.ledger.coupons.push(rowOf("user-1", 9, "confirmed", 2));
        round.ledger.tickets.push(takenBy("user-1", 9));
        round.remaining = 2;
      },
    ],
    [
      "another coupon than the one of a 202",
      ({ testimony }) => testimony.asked.push(asked("user-9", "replayed", 700, 10)),
    ],
    [
      "a refusal that crossed the coupon on its way",
      ({ testimony }) => testimony.asked.push(asked("user-1", "sold-out", 102)),
    ],
    [
      "a refusal after the coupon was given back",
      ({ testimony }) => testimony.asked.push(asked("user-8", "sold-out", 700)),
    ],
    [
      "a coupon that is issued between two fences",
      ({ testimony }) =>
        testimony.sightings.unshift(
          { state: "recovering", status: 200, sentAt: 90, answeredAt: 95 },
          { state: "open", status: 200, sentAt: 96, answeredAt: 98 },
          { state: "recovering", status: 200, sentAt: 109, answeredAt: 109 },
        ),
    ],
  ];
  test.each(innocent)("lets pass %s", (_, alter) => {
    const round = soundCase();
    alter(round);
    expect(violationsOf(round)).toEqual([]);
  });
});

describe("what is read of answers", () => {
  const about = { user: "ann", couponId: "c1" };
  const problem = (code: string, status: number) => JSON.stringify({ code, status, title: "t", type: "about:blank" });

  test("takes a cancellation for done only when the coupon says so", () => {
    const text = (state: string, couponId = "c1") => JSON.stringify({ couponId, state });
    expect(readGivenBack(200, {}, text("cancelled"), about)).toEqual({ ...about, status: 200, word: "cancelled" });
    expect(readGivenBack(200, {}, text("confirmed"), about)).toHaveProperty("flaw");
    expect(readGivenBack(200, {}, text("cancelled", "c2"), about)).toHaveProperty("flaw");
    expect(readGivenBack(200, {}, "", about)).toHaveProperty("flaw");
  });

  test.each([
    ["conflict", 409, {}, undefined],
    ["unavailable", 503, { "retry-after": "2" }, undefined],
    ["unavailable", 503, {}, /without Retry-After/],
    ["internal", 500, {}, /"internal" with status 500/],
    ["forbidden", 403, {}, /"forbidden" with status 403/],
    ["conflict", 400, {}, /"conflict" with status 400/],
  ])("holds %s with %i against the contract", (code, status, headers, flaw) => {
    const read = readGivenBack(status, headers, problem(code, status), about);
    expect(read.word).toBe(code);
    if (flaw) expect(read.flaw).toMatch(flaw);
    else expect(read).not.toHaveProperty("flaw");
  });

  test("sees a campaign's state, or that it cannot be seen", () => {
    const document = JSON.stringify({ state: "recovering", remaining: 3, stock: 5 });
    expect(readSighting(200, {}, document)).toEqual({ status: 200, state: "recovering", remaining: 3 });
    expect(readSighting(200, {}, "{}")).toMatchObject({ state: undefined, flaw: expect.any(String) });
    expect(readSighting(503, { "retry-after": "1" }, problem("unavailable", 503))).not.toHaveProperty("flaw");
    expect(readSighting(500, {}, problem("internal", 500))).toHaveProperty("flaw");
    expect(readSighting(502, {}, "Bad gateway")).toHaveProperty("flaw");
  });
});

describe("totals", () => {
  const round = (secondsToNormal: number | undefined, violations: Violation[] = []): Round => ({
    plan: planRound(1, FAULT_NAMES, all),
    campaignId: "c",
    struck: [],
    requests: 10,
    unanswered: 0,
    words: {},
    secondsToNormal,
    seconds: 1,
    judgement: { ...judge(soundCase()), violations },
  });

  test("hold only when every round does, and tell the median and the worst time", () => {
    const sound = totalsOf([round(3), round(1), round(2)]);
    expect(sound).toMatchObject({ holds: true, rounds: 3, violated: 0, told: 24, requests: 30 });
    expect(sound.secondsToNormal).toEqual({ median: 2, worst: 3 });
    const never = totalsOf([round(3), round(undefined, [{ phase: "recovery", what: "x" }]), round(1)]);
    expect(never).toMatchObject({ holds: false, violated: 1, secondsToNormal: { median: 3, worst: undefined } });
  });
});

// ── What is broken with ─────────────────────────────────────────────────────────────────────────────────────────────────

describe("the proxy", () => {
  const open: { close(): unknown }[] = [];
  afterEach(async () => {
    for (const it of open.splice(0).reverse()) await it.close();
  });

  /** A server that says its name, and then whatever it hears. */
  async function echo(name: string): Promise<number> {
    const port = await freePort();
    const server: Server = createServer((socket) => {
      socket.on("error", () => {});
      socket.write(`${name}:`);
      socket.pipe(socket);
    });
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    open.push(server);
    return port;
  }

  async function proxyTo(port: number): Promise<TcpProxy> {
    const proxy = await startProxy(port);
    open.push({ close: proxy.stop });
    return proxy;
  }

  async function talk(
    proxy: TcpProxy,
  ): Promise<{ socket: Socket; heard: () => string; hear(text: string): Promise<void> }> {
    const socket = await openSocket(proxy.port);
    socket.on("error", () => {});
    let heard = "";
    socket.on("data", (chunk) => {
      heard += chunk;
    });
    const hear = async (text: string) => {
      while (heard !== text) await once(socket, "data");
    };
    return { socket, heard: () => heard, hear };
  }

  test("carries both ways, and sends new connections elsewhere when it is told to", async () => {
    const proxy = await proxyTo(await echo("a"));
    const first = await talk(proxy);
    first.socket.write("hello");
    await first.hear("a:hello");
    proxy.retarget(await echo("b"));
    first.socket.write("!");
    await first.hear("a:hello!");
    await (await talk(proxy)).hear("b:");
  });

  test("cuts every connection, and takes none while it is parted", async () => {
    const proxy = await proxyTo(await echo("a"));
    const first = await talk(proxy);
    await first.hear("a:");
    proxy.part();
    await once(first.socket, "close");
    const second = await talk(proxy);
    await once(second.socket, "close");
    expect(second.heard()).toBe("");
    proxy.join();
    await (await talk(proxy)).hear("a:");
  });

  test("holds back what the server says, keeps its order, and lets it flow again", async () => {
    const proxy = await proxyTo(await echo("a"));
    const { socket, hear } = await talk(proxy);
    await hear("a:");
    proxy.delay(1_000);
    const startedAt = performance.now();
    socket.write("1");
    await new Promise((resolve) => setTimeout(resolve, 30));
    proxy.delay(0);
    // Said later and not held back: it must not overtake.
    socket.write("2");
    await hear("a:12");
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(995);
    const againAt = performance.now();
    socket.write("3");
    await hear("a:123");
    expect(performance.now() - againAt).toBeLessThan(1_000);
  });
});

describe("the clock of SQS", () => {
  const children: ChildProcess[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill();
  });

  test("can be moved forward: what is in flight comes again to who waits, and deduplication ids are forgotten", async () => {
    const port = await freePort();
    const child = fork(join(ROOT, "local/sqs/main.ts"), ["--port", `${port}`], {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    children.push(child);
    await listens(port)(child);
    const credentials = { accessKeyId: "local", secretAccessKey: "local" };
    const sqs = new SQSClient({ endpoint: `http://127.0.0.1:${port}`, region: "us-east-1", credentials });
    const Attributes = { FifoQueue: "true", VisibilityTimeout: "120" };
    const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: "q.fifo", Attributes }));
    const send = (): Promise<SendMessageCommandOutput> =>
      sqs.send(
        new SendMessageCommand({ QueueUrl, MessageBody: "m", MessageGroupId: "g", MessageDeduplicationId: "d" }),
      );
    const receive = (WaitTimeSeconds: number) => sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds }));

    const { SequenceNumber } = await send();
    expect((await receive(0)).Messages).toHaveLength(1);
    expect((await send()).SequenceNumber).toBe(SequenceNumber);
    expect((await receive(0)).Messages).toBeUndefined();

    const waiting = receive(20);
    await new Promise((resolve) => setTimeout(resolve, 200));
    child.send({ advanceMs: 6 * 60_000 });
    expect((await waiting).Messages).toHaveLength(1);
    expect((await send()).SequenceNumber).not.toBe(SequenceNumber);
    sqs.destroy();
  });
});
