import { below, type Finding, finding, from, percent, seconds, two, unasked, type Way, way } from "./conditions.ts";
import type { Backlog, Evidence } from "./evidence.ts";
import { SLOW_MS } from "./redis-watch.ts";
import type { Spent } from "./spent.ts";

/** What can bound a run, as it is named. */
export const NAMES = {
  "redis-engine": "Redis engine",
  "handler-cpu": "handler CPU",
  ledger: "ledger",
  queue: "queue",
  consumer: "consumer",
  "redis-client": "Redis network or client",
  unknown: "none of the parts that can be seen from here",
  nothing: "nothing",
} as const;
export type Part = keyof typeof NAMES;

export interface Verdict {
  readonly part: Part;
  readonly sentence: string;
  /** Every rule, in the order in which they are asked; the first that holds names the part. */
  readonly findings: readonly Finding<Part>[];
}

/**
 * Where a part is taken to be what bounds. The engine's share and the age of messages are where AWS's alarms for ElastiCache and common
 * practice begin to warn; half of the handlers' time is more than all else together.
 */
export const thresholds = {
  /** Share of the time in which Redis's engine was busy. One thread runs all commands: no second core helps. */
  engineBusy: 0.8,
  /** Share of the time in which an event loop had something to do. Above it whatever comes waits, at every door and at none. */
  loopBusy: 0.9,
  /** Share of the handlers' time at one door. */
  doorShare: 0.5,
  /** Time that a queue's consumer needs for what waits, in seconds. */
  behindSeconds: 5,
  /** Share of the batches that could be worked on at once, below which consumers are idle. */
  idleShare: 0.5,
  /** Share of a queue's messages that fail, from which they wait because of that, and not for a consumer. */
  failedMessages: 0.5,
  /** Share of a call's time in which the server had the command: the rest it was on its way, or in line. */
  serverShare: 0.5,
  /** A run is strained when k6 had to drop arrivals, when more than this share of requests failed, … */
  failedShare: 0.01,
  /** … or when the 95th percentile of answers took so many milliseconds. */
  answerMs: 1_000,
} as const;

const shareOf = (part: number, whole: number) => (whole > 0 ? part / whole : 0);

/** Why a run counts as strained. Undefined when it kept its rate, and answers came. */
export function strainOf({ load }: Evidence): string | undefined {
  if (!load) return "k6 ended without a summary";
  const { dropped, failedShare, p95Ms = 0 } = load;
  if (dropped > 0) return `${dropped} arrivals dropped (more than 0)`;
  if (failedShare > thresholds.failedShare) {
    return `${percent(failedShare)} of requests failed (more than ${percent(thresholds.failedShare)})`;
  }
  if (p95Ms < thresholds.answerMs) return undefined;
  return `95 % of answers within ${Math.round(p95Ms)} ms (from ${thresholds.answerMs} ms)`;
}

function strained(evidence: Evidence) {
  const strain = strainOf(evidence);
  return { holds: strain !== undefined, nearness: strain ? 1 : 0, text: strain ?? "the run kept its rate" };
}

function behind({ queue, behindSeconds }: Backlog) {
  return from(`${queue} behind by`, behindSeconds, thresholds.behindSeconds, seconds);
}

/** What its consumer was handed, and could not do. */
function failures({ consumer: { messages, failed } }: Backlog): string[] {
  return failed > 0 ? [`${percent(shareOf(failed, messages))} of its messages failed and come again`] : [];
}

/** Functions that answer spend their time at a door, and the run suffers. */
function answeringAt(door: "queue" | "ledger", evidence: Evidence): Way[] {
  const { front } = evidence;
  if (!front) return [];
  const share = shareOf(front[`${door}Ms`], front.handlerMs);
  const place = `the ${door}`;
  return [
    way(
      [strained(evidence), from(`share of the time of answering at ${place}`, share, thresholds.doorShare, percent)],
      ...perCall(front, door),
    ),
  ];
}

function perCall(spent: Spent, door: "redis" | "queue" | "ledger"): string[] {
  const calls = spent[`${door}Calls`];
  return calls > 0 ? [`${(spent[`${door}CallMs`] / calls).toFixed(1)} ms a call`] : [];
}

/** A command that held the engine for less is not worth a word. */
const SHOWN_SHARE = 0.01;

function engine({ engine: it }: Evidence): Finding<Part> {
  if (!it) return unasked("redis-engine", "Redis's own figures are missing");
  const { busy, cpu, held, commands, slow = [] } = it;
  const top = commands.filter(({ share }) => share >= SHOWN_SHARE).slice(0, 2);
  const [longest] = [...slow].sort((a, b) => b.ms - a.ms);
  const asides = [
    `${two(cpu)} of a core, commands held it ${percent(held)} of the time`,
    ...top.map(({ name, share }) => `${name} ${percent(share)} of the time`),
    ...(longest
      ? [`slow log: ${slow.length} over ${SLOW_MS} ms, the longest ${longest.command} ${Math.round(longest.ms)} ms`]
      : []),
  ];
  return finding("redis-engine", [way([from("busy", busy, thresholds.engineBusy, two)], ...asides)]);
}

function handler({ front, machine }: Evidence): Finding<Part> {
  if (!front) return unasked("handler-cpu", "no spans of functions that answer");
  const loop = from("event loop busy", front.loop, thresholds.loopBusy, two);
  const own = percent(shareOf(front.ownMs, front.handlerMs));
  return finding("handler-cpu", [
    way(
      [loop],
      // A loop that is late for an answer makes every door look slow, so spans are not asked first.
      loop.holds ? `doors' spans are inflated by it, ${own} of the time at no door` : `${own} of the time at no door`,
      `the machine's processors ${percent(machine)} busy`,
    ),
  ]);
}

function ledger(evidence: Evidence): Finding<Part> {
  const { backlog } = evidence;
  const ways = answeringAt("ledger", evidence);
  if (backlog) {
    const { consumer: spent } = backlog;
    const share = shareOf(spent.ledgerMs, spent.handlerMs);
    ways.unshift(
      way(
        [
          behind(backlog),
          from("share of its consumer's time at the ledger", share, thresholds.doorShare, percent),
          below("its event loop busy", spent.loop, thresholds.loopBusy, two),
        ],
        ...perCall(spent, "ledger"),
        ...failures(backlog),
      ),
    );
  }
  return ways.length > 0 ? finding("ledger", ways) : unasked("ledger", "no spans and no queues");
}

function busyConsumers({ backlog, concurrency }: Evidence): number {
  return backlog ? shareOf(backlog.consumer.handlerMs, backlog.seconds * 1_000 * concurrency) : 0;
}

/** Why messages wait while consumers are idle. */
function whyIdle(backlog: Backlog): string[] {
  const { n, messages, failed } = backlog.consumer;
  if (n === 0) return ["nothing takes them"];
  return shareOf(failed, messages) >= thresholds.failedMessages
    ? failures(backlog)
    : ["too few groups, or too few consumers", ...failures(backlog)];
}

/** Messages wait while nobody works, or sending takes long. */
function queue(evidence: Evidence): Finding<Part> {
  const { backlog } = evidence;
  const ways = answeringAt("queue", evidence);
  if (backlog) {
    const idle = below("consumers busy", busyConsumers(evidence), thresholds.idleShare, percent);
    const waits = behind(backlog);
    ways.unshift(way([waits, idle], ...(waits.holds && idle.holds ? whyIdle(backlog) : [])));
  }
  return ways.length > 0 ? finding("queue", ways) : unasked("queue", "no spans and no queues");
}

/** Messages wait and consumers work, but not at the ledger: that was asked before. */
function consumer(evidence: Evidence): Finding<Part> {
  const { backlog } = evidence;
  if (!backlog) return unasked("consumer", "no queues");
  const { ownMs, handlerMs, loop } = backlog.consumer;
  return finding("consumer", [
    way(
      [behind(backlog), from("consumers busy", busyConsumers(evidence), thresholds.idleShare, percent)],
      `${percent(shareOf(ownMs, handlerMs))} of their time at no door`,
      `event loop busy ${two(loop)}`,
      ...failures(backlog),
    ),
  ]);
}

function client(evidence: Evidence): Finding<Part> {
  const { front, engine: it } = evidence;
  if (!front || !it) return unasked("redis-client", "it takes spans and Redis's own figures");
  // What others asked of the server is in it too, so the share is the most that it can be.
  const served = Math.min(1, shareOf(it.held * it.ms, front.redisCallMs));
  return finding("redis-client", [
    way(
      [
        strained(evidence),
        from(
          "share of the time of answering at Redis",
          shareOf(front.redisMs, front.handlerMs),
          thresholds.doorShare,
          percent,
        ),
        below("share of a call that the server needed", served, thresholds.serverShare, percent),
        below("its engine busy", it.busy, thresholds.engineBusy, two),
      ],
      ...perCall(front, "redis"),
      `${it.connections} new connections`,
    ),
  ]);
}

/**
 * In the order in which they are asked. Redis's own figures come first, because they hold whatever the functions see. Then the event
 * loop: a loop that is busy is late for every answer, and makes every span long. Only then are spans believed.
 */
const RULES = [engine, handler, ledger, queue, consumer, client];

/** Says what bounds a run. */
export function judge(evidence: Evidence): Verdict {
  const findings = RULES.map((rule) => rule(evidence));
  const found = findings.find(({ holds }) => holds);
  if (found) return { part: found.part, sentence: `${NAMES[found.part]} (${found.because})`, findings };
  const strain = strainOf(evidence);
  const part = strain === undefined ? "nothing" : "unknown";
  const [nearest] = [...findings].sort((a, b) => b.nearness - a.nearness);
  const near =
    nearest && nearest.nearness > 0
      ? `the nearest is ${NAMES[nearest.part]} (${nearest.because})`
      : "of no part anything is known";
  const machine = `the machine's processors ${percent(evidence.machine)} busy`;
  return {
    part,
    sentence: `${NAMES[part]}: ${[strain ?? "the run kept its rate", machine, near].join("; ")}`,
    findings,
  };
}
