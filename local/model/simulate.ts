import { bucketCount } from "../../core/coupons/member.ts";
import { limits } from "../../core/limits.ts";
import { costs } from "../../infra/quotas.ts";
import { AnswerTimes } from "./answer-times.ts";
import { Book } from "./book.ts";
import { Confirmations } from "./confirmations.ts";
import { Engine } from "./engine.ts";
import { comeBy, type Event } from "./event.ts";
import { Fleet, type Served } from "./fleet.ts";
import { throughGateway } from "./gateway.ts";
import { type Knobs, nodeOf } from "./knobs.ts";
import { Line, LOOK_SECONDS } from "./line.ts";
import { PARTS } from "./parts.ts";
import type { Plan } from "./plan.ts";
import { Retries } from "./retries.ts";
import type { Run } from "./run.ts";
import { SoldOutMemory } from "./sold-out-memory.ts";
import { workOf } from "./work.ts";

/**
 * An opening, tick by tick, as flows of people through the parts: edge, gateway, environments, Redis, SQS, persister. Amounts are
 * fractions and means; chance is only in the wait for Redis within a tick. The same arguments give the same run.
 */

/** Seconds. */
const TICK = 0.1;
/** An hour and a half. */
const TICKS_MOST = 54_000;
/** What is left of somebody when all are through. */
const CRUMB = 0.01;
const BITS = 8;
/** Of a script's reply, and what the network puts around it. */
const REPLY_BYTES = 100;
const COMMAND_SECONDS = limits.redisCommandMs / 1_000;

const sum = (amounts: readonly number[]) => amounts.reduce((all, amount) => all + amount, 0);

/** An amount of people, of whom as many have asked so often before as of these. */
function shaped(asks: readonly number[], amount: number): number[] {
  const all = sum(asks);
  return all > 0 ? asks.map((some) => (some * amount) / all) : [amount];
}

/** The parts between two ticks. */
class Opening {
  readonly #event: Event;
  readonly #plan: Plan;
  readonly #knobs: Knobs;
  readonly #work;
  readonly #node;
  readonly #issue: Fleet;
  readonly #take: Fleet;
  readonly #poll: Fleet;
  readonly #engine = new Engine(TICK);
  readonly #memory: SoldOutMemory;
  readonly #asking: Retries;
  readonly #arriving: Retries;
  readonly #line: Line | undefined;
  readonly #confirmations: Confirmations;
  readonly #times: AnswerTimes;
  readonly #book = new Book();
  #stock: number;
  /** Who came, or waited, in vain, and is about to read so. */
  #reading = 0;
  /** Seconds that an issuing environment is busy with a request, and that SQS let a winner wait: of the tick before. */
  #busyMean: number;
  #sendWait = 0;

  constructor(event: Event, plan: Plan, knobs: Knobs) {
    const { sizes, warm, admitPerSecond } = plan;
    this.#event = event;
    this.#plan = plan;
    this.#knobs = knobs;
    this.#work = workOf(knobs, event.stock, sizes.memoryMb.api);
    this.#node = nodeOf(sizes.redis.instance);
    const coldTicks = Math.max(1, Math.round(knobs.coldSeconds / TICK));
    this.#issue = new Fleet(warm.issue, knobs.lambdaRamp, coldTicks);
    this.#take = new Fleet(warm.take, knobs.lambdaRamp, coldTicks);
    this.#poll = new Fleet(warm.poll, knobs.lambdaRamp, coldTicks);
    this.#asking = new Retries(knobs.tries, knobs.pauseSeconds, TICK);
    this.#arriving = new Retries(knobs.tries, knobs.pauseSeconds, TICK);
    this.#line = admitPerSecond === undefined ? undefined : new Line(admitPerSecond);
    this.#confirmations = new Confirmations(
      {
        sendsPerSecond: plan.sqsSendsPerSecond,
        consumersAtOnce: sizes.consumersAtOnce,
        batchSeconds: knobs.batchSeconds,
        writesPerSecond: knobs.ledgerWritesPerSecond,
      },
      TICK,
    );
    this.#memory = new SoldOutMemory(TICK, bucketCount(event.stock));
    this.#times = new AnswerTimes(this.#work, knobs);
    this.#stock = event.stock;
    this.#busyMean = knobs.issueSeconds;
  }

  /** @returns whether everyone has an answer and every coupon is in the ledger */
  tick(at: number): boolean {
    const book = this.#book;
    const come = comeBy(this.#event, at + TICK) - comeBy(this.#event, at);
    const { asks, tickets, polls, looks } = this.#whoAsks(come);
    const asked = { issue: sum(asks), take: sum(tickets), poll: polls, looks };
    const through = throughGateway(asked, this.#plan, this.#knobs, TICK);
    for (const [limit, amount] of Object.entries(through.refusedBy)) {
      book.strain(PARTS[limit as keyof typeof through.refusedBy], amount, at);
    }
    book.used.edgeRequests += through.edgeRequests;
    book.used.requests += through.requests;
    book.used.refusedRequests += through.refusedRequests;
    const read = this.#reading * through.byEdge;
    this.#reading -= read;
    book.answer(0, read, at + TICK);

    const { atIssue, atTake, atPoll, ticketSeconds } = this.#environments(through.reached, at);
    const decided = this.#decide(atIssue, atTake, atPoll, at);
    this.#line?.step(atTake.warm + atTake.started - decided.lateTickets, 0);

    // Refused people ask again.
    const refused = asked.issue - atIssue.warm - atIssue.begun;
    const refusedTickets = asked.take - atTake.warm - atTake.begun;
    const late = decided.late + decided.lateTickets;
    const gaveUp =
      this.#asking.refuse(shaped(asks, refused + decided.late)) +
      this.#arriving.refuse(shaped(tickets, refusedTickets + decided.lateTickets));
    const lostShare = late > 0 ? late / (late + refused + refusedTickets) : 0;
    book.fates.lost += gaveUp * lostShare;
    book.fates.throttled += gaveUp * (1 - lostShare);
    book.refusals += late + refused + refusedTickets;

    const ticketCalls = atTake.warm + atTake.started + atPoll.warm + atPoll.started;
    book.used.busySeconds += ticketCalls * ticketSeconds;
    const { now } = book;
    now.come += come;
    now.asked += asked.issue + asked.take;
    now.refusedByGateway += asked.issue + asked.take - through.passed.issue - through.passed.take;
    now.refusedByLambda +=
      through.passed.issue + through.passed.take - atIssue.warm - atIssue.begun - atTake.warm - atTake.begun;
    now.timedOut += late;
    now.waiting = this.#line?.waiting ?? 0;
    now.queued = this.#confirmations.open;
    now.confirmed = this.#confirmations.confirmed;
    const isOver =
      comeBy(this.#event, at + TICK) >= this.#event.users &&
      this.#event.users - book.decided < CRUMB &&
      this.#confirmations.open < CRUMB;
    if (isOver || Math.round((at + TICK) / TICK) % Math.round(1 / TICK) === 0) book.endSecond();
    return isOver;
  }

  /** With a room people ask for a ticket; who comes when nothing is left reads so in the campaign's public document. */
  #whoAsks(come: number): { asks: number[]; tickets: number[]; polls: number; looks: number } {
    const line = this.#line;
    const looks = (this.#event.watchers / this.#knobs.watcherSeconds) * TICK;
    if (!line) return { asks: this.#asking.next(come), tickets: [], polls: 0, looks };
    const isSoldOut = this.#stock <= 0;
    const arrivals = this.#arriving.next(isSoldOut ? 0 : come);
    if (isSoldOut) this.#reading += come + sum(arrivals) + line.leave(TICK, LOOK_SECONDS);
    return {
      asks: this.#asking.next(isSoldOut ? 0 : line.step(0, TICK)),
      tickets: isSoldOut ? [] : arrivals,
      polls: isSoldOut ? 0 : line.pollsPerSecond * TICK,
      looks: looks + line.looksPerSecond * TICK + this.#reading,
    };
  }

  #environments(reached: Readonly<Record<"issue" | "take" | "poll", number>>, at: number) {
    const [knobs, book] = [this.#knobs, this.#book];
    const fleets = [this.#issue, this.#take, this.#poll];
    const most = (of: Fleet) =>
      this.#plan.lambdaAtOnce -
      this.#plan.sizes.consumersAtOnce -
      sum(fleets.map((fleet) => (fleet === of ? 0 : fleet.counted)));
    const ticketSeconds = this.#work.handler.call + knobs.tripSeconds + Math.min(this.#engine.backlog, COMMAND_SECONDS);
    const atIssue = this.#issue.step(reached.issue, this.#busyMean, TICK, most(this.#issue));
    const atTake = this.#take.step(reached.take, ticketSeconds, TICK, most(this.#take));
    const atPoll = this.#poll.step(reached.poll, ticketSeconds, TICK, most(this.#poll));
    // Environments that are all busy are short of what they wait for, where that takes longer than their work.
    const waitsForQueue = this.#sendWait > knobs.issueSeconds;
    const waitsForRedis = this.#engine.meanWait > knobs.issueSeconds;
    const isFull = waitsForQueue ? PARTS.sqs : waitsForRedis ? this.#slowerInRedis : PARTS.atOnce;
    for (const { refusedByRamp, refusedByAccount, warm, started, begun } of [atIssue, atTake, atPoll]) {
      book.strain(waitsForQueue ? PARTS.sqs : PARTS.ramp, refusedByRamp, at);
      book.strain(isFull, refusedByAccount, at);
      book.used.coldSeconds += begun * knobs.coldSeconds;
      book.used.invocations += warm + started;
      book.spoken.invocations += warm + started;
    }
    const all = sum(fleets.map(({ size }) => size));
    book.most.environments = Math.max(book.most.environments, all);
    book.now.environments = Math.max(book.now.environments, all);
    return { atIssue, atTake, atPoll, ticketSeconds };
  }

  /** What a wait for Redis is for, mostly. */
  get #slowerInRedis() {
    return 2 * this.#engine.networkWait > this.#engine.meanWait ? PARTS.network : PARTS.redis;
  }

  /** Memory, Redis and SQS. Allotments, of a room as of a campaign, share a primary's calls evenly. */
  #decide(atIssue: Served, atTake: Served, atPoll: Served, at: number): { late: number; lateTickets: number } {
    const [engine, book, { redis, filterTrips, filterBytes, hasFilter }] = [this.#engine, this.#book, this.#work];
    const served = atIssue.warm + atIssue.started;
    const tickets = atTake.warm + atTake.started;
    const polls = atPoll.warm + atPoll.started;
    const knows = this.#stock <= 0 && hasFilter;
    const { fromMemory, learning } = knows
      ? this.#memory.tell(served, this.#issue.size)
      : { fromMemory: 0, learning: 0 };
    const toRedis = served - fromMemory;
    const winning = Math.min(this.#stock, toRedis);

    const confirmations = this.#confirmations;
    const settled = Math.min(confirmations.queued, confirmations.drainPerSecond * TICK) / costs.batchSize.value;
    const ticks = this.#line ? (1_000 * TICK) / limits.tickEveryMs : 0;
    const calls = toRedis + learning * filterTrips + settled + tickets + polls + ticks;
    const seconds =
      winning * redis.winner +
      (toRedis - winning) * redis.loser +
      learning * redis.filter +
      settled * redis.settle +
      tickets * redis.join +
      (polls + ticks) * redis.poll +
      (atIssue.started + atTake.started + atPoll.started) * redis.connect;
    const { shards } = this.#plan.sizes.redis;
    const gigabits = (BITS * (calls * REPLY_BYTES + learning * filterBytes)) / shards / 1e9;
    const { burstGbit } = this.#node;
    engine.step(seconds / shards, calls / shards, gigabits / burstGbit);

    // Who waits longer than a command may take is told 503. Redis does the work all the same; what it decided is not followed up here.
    const isLate = engine.meanWait > COMMAND_SECONDS;
    const winners = isLate ? 0 : winning;
    const losers = isLate ? 0 : toRedis - winning;
    const late = isLate ? toRedis : 0;
    const lateTickets = isLate ? tickets : 0;
    book.strain(this.#slowerInRedis, late + lateTickets, at);
    if (!isLate) this.#memory.learn(learning);
    this.#stock -= winners;
    if (this.#stock < 1e-6) this.#stock = 0;
    if (this.#stock === 0) book.soldOutAt ??= at + TICK;

    const sent = confirmations.step(winners);
    this.#sendWait = sent.waitSeconds;
    book.strain(PARTS.sqs, sent.accepted, at);
    book.answer(winners, fromMemory + losers, at + TICK);
    book.spoken.won += winners;
    book.spoken.soldOut += fromMemory + losers;
    book.spoken.late += late;
    book.lines.requestLines += winners + tickets - lateTickets;
    book.told.issued += sent.issued;
    book.told.accepted += sent.accepted;
    book.told.memory += fromMemory;
    book.told.byRedis += losers;

    const busy = this.#times.add({
      ...{ winners, fromMemory, losers, late, learners: Math.min(losers, learning) },
      startShare: served > 0 ? atIssue.started / served : 0,
      wait: Math.min(engine.meanWait, COMMAND_SECONDS),
      tailWait: Math.min(engine.tailWait, COMMAND_SECONDS),
      ...{ commandSeconds: COMMAND_SECONDS, sendWait: sent.waitSeconds },
    });
    if (served > 0) this.#busyMean = Math.max(1e-6, busy / served);
    book.used.busySeconds += busy;
    const { most, now } = book;
    most.redisGbit = Math.max(most.redisGbit, engine.sent * burstGbit);
    most.redisWaitMs = Math.max(most.redisWaitMs, engine.meanWait * 1_000);
    most.queued = Math.max(most.queued, confirmations.queued);
    now.redisBusy += engine.busy * TICK;
    now.redisWaitMs = Math.max(now.redisWaitMs, engine.meanWait * 1_000);
    return { late, lateTickets };
  }

  end(): Run {
    const [book, confirmations] = [this.#book, this.#confirmations];
    const { told, most, seconds } = book;
    const [p50 = 0, p99 = 0, latest = 0] = confirmations.delays([0.5, 0.99, 1]);
    const { drainPerSecond } = confirmations;
    if (most.queued / drainPerSecond > costs.confirmedWithinSeconds.value) {
      book.strain(confirmations.isLedgerSlower ? PARTS.ledger : PARTS.persister, most.queued, 0);
    }
    const soldOut = told.memory + told.byRedis;
    return {
      fates: book.fates,
      ...{ issued: told.issued, accepted: told.accepted, refusals: book.refusals },
      ...{ soldOutAt: book.soldOutAt, lastAnswerAt: book.lastAnswerAt, lastConfirmedAt: confirmations.lastAt },
      confirmDelay: { p50, p99, most: latest },
      ...{ winnerMs: this.#times.winnerMs, loserMs: this.#times.loserMs },
      redisBusyMost: Math.max(0, ...seconds.map(({ redisBusy }) => redisBusy)),
      ...{ redisWaitMostMs: most.redisWaitMs, redisGbitMost: most.redisGbit },
      fromMemory: soldOut > 0 ? told.memory / soldOut : 0,
      ...{ environmentsMost: most.environments, queuedMost: most.queued, strains: book.strains, seconds },
      quantities: {
        ...book.used,
        ...book.lines,
        // Each confirmation is sent once; ten are received and deleted by a call each.
        queueCalls: confirmations.confirmed + 2 * confirmations.batches,
        ledgerWrites: confirmations.confirmed * costs.writesPerCoupon.value,
      },
    };
  }
}

/** @throws Where the event does not end within an hour and a half. */
export function simulate(event: Event, plan: Plan, knobs: Knobs): Run {
  const opening = new Opening(event, plan, knobs);
  for (let tick = 0; tick < TICKS_MOST; tick++) if (opening.tick(tick * TICK)) return opening.end();
  throw new Error(`the event does not end within ${(TICKS_MOST * TICK) / 3_600} hours`);
}
