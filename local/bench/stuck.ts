import { limits } from "../../core/limits.ts";
import { schedules } from "../../functions/routes.ts";
import { queues } from "../../infra/settings.ts";
import type { Bench, Section } from "./section.ts";
import { cpuSeconds } from "./server.ts";
import { type Drilled, EARLY_MS, ORDERED, PHASES, type Phase } from "./stuck-drill.ts";
import { beginOutbox, type OutboxDrilled, WAITS_MS } from "./stuck-outbox.ts";
import { type Look, measureLooks } from "./stuck-scan.ts";
import { drillSqs } from "./stuck-sqs.ts";
import { type Deleted, drillStreams, MIN_IDLE_MS } from "./stuck-streams.ts";
import { table, whole } from "./table.ts";

/** As many pending entries as one run of the sweep looks at. */
const LOOKED_AT = limits.sweepCallsMost * limits.sweepEntries;

interface Found {
  readonly entries: number;
  readonly ours: OutboxDrilled;
  readonly streams: Drilled & { readonly deleted: Deleted };
  readonly sqs: Drilled;
  readonly looks: readonly Look[];
  /** CPU seconds a second that Redis uses when nobody asks it anything. */
  readonly idleShare: number;
}

async function measureAll(bench: Bench): Promise<Found> {
  const { server, quick, progress } = bench;
  const entries = quick ? 300 : 2_000;
  await server.clear();
  const outbox = await progress.step("stuck: coupons, taken by a consumer that dies", () =>
    beginOutbox(bench, entries),
  );
  try {
    // While the outbox entries come of age.
    const streams = await progress.step("stuck: Streams worker", () => drillStreams(bench, entries));
    const looks = await progress.step("stuck: looking for what is due", () =>
      measureLooks(bench, quick ? LOOKED_AT / 5 : LOOKED_AT),
    );
    const [cpu, startedAt] = [await cpuSeconds(server), performance.now()];
    const sqs = await progress.step("stuck: SQS FIFO", () => drillSqs(entries));
    const idleShare = ((await cpuSeconds(server)) - cpu) / ((performance.now() - startedAt) / 1_000);
    const ours = await progress.step("stuck: outbox", () => outbox.finish());
    return { entries, ours, streams, sqs, looks, idleShare };
  } finally {
    await outbox.close();
  }
}

export const stuck: Section = {
  name: "stuck",
  summary: "confirmations that a dead consumer has taken: our outbox, a plain Streams worker, SQS FIFO",
  async run(bench) {
    const found = await measureAll(bench);
    const { ours, streams, sqs } = found;
    const lost = [ours, streams, sqs].map((drilled) => drilled.lost);
    const bars = [
      {
        name: "stuck entries lost: outbox, Streams worker, SQS",
        wanted: "0, 0, 0",
        measured: lost.map(whole).join(", "),
        meets: lost.every((count) => count === 0),
      },
    ];
    return { text: textOf(found), bars, figures: found };
  },
};

// ── The text ────────────────────────────────────────────────────────────────────────────────────────────────────────────

const NAMES: Readonly<Record<Phase, string>> = {
  first: "first delivery",
  again: "one more delivery",
  dead: "becoming a dead letter",
  back: "coming back, to the end",
};

const NONE = "–";

function duration(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  return seconds < 120 ? `${seconds} s` : `${Number((seconds / 60).toFixed(1))} min`;
}

function from(first: number, last: number): string {
  return first === last ? duration(first) : `${duration(first)} to ${duration(last)}`;
}

function drillTable({ entries, ours, streams, sqs, idleShare }: Found): string {
  const all = [ours, streams, sqs] as const;
  const each = (name: string, cell: (drilled: Drilled) => string) => [name, ...all.map(cell)];
  const phases = (cell: (cost: Drilled["costs"][Phase]) => string) =>
    PHASES.map((phase) => each(`  ${NAMES[phase]}`, ({ costs }) => cell(costs[phase])));
  const heading = (name: string) => [name, "", "", ""];
  return table([
    [`${whole(entries)} stuck entries`, "our outbox", "Streams worker", "SQS FIFO"],
    heading("seen while stuck"),
    [
      "  depth",
      `${whole(ours.depth)}: sweep`,
      `${whole(streams.held)}: XPENDING`,
      `${whole(sqs.held)} + ${whole(sqs.behind)}: attributes`,
    ],
    [
      "  age of the oldest",
      ...[ours, streams].map(({ oldestMs = 0 }, i) => `${duration(oldestMs)}: ${i === 0 ? "sweep" : "XPENDING"}`),
      "not told",
    ],
    [
      "  deliveries of an entry",
      `${ours.attempts}: XPENDING`,
      `${streams.attempts}: XPENDING`,
      `${sqs.attempts}: on receipt`,
    ],
    each("  at the dead consumer at once", ({ held }) => whole(held)),
    heading("Redis commands an entry (and by scripts)"),
    ...phases(({ redisCalls, insideCalls }) =>
      redisCalls === 0
        ? NONE
        : `${redisCalls.toFixed(2)}${insideCalls >= 0.005 ? ` (+${insideCalls.toFixed(2)})` : ""}`,
    ),
    heading("SQS calls an entry"),
    ...phases(({ sqsCalls }) => (sqsCalls === 0 ? NONE : sqsCalls.toFixed(2))),
    heading("Redis CPU µs an entry (inside commands)"),
    ...phases(({ redisCalls, cpuMicros, commandMicros, wallMicros }) =>
      redisCalls === 0 ? NONE : `${(cpuMicros - idleShare * wallMicros).toFixed(1)} (${commandMicros.toFixed(1)})`,
    ),
    each("bytes an entry in Redis", ({ bytes }) =>
      bytes ? `${bytes.entry.toFixed(0)} + ${bytes.pending.toFixed(0)} pending` : NONE,
    ),
    [
      "due again after (settings)",
      `${duration(limits.sweepAgeMs)}, then ${duration(limits.sweepIdleMs)} … ${duration(limits.sweepIdleMostMs)}`,
      duration(MIN_IDLE_MS),
      duration(queues.Confirmations.visibilitySeconds * 1_000),
    ],
    each(`handed out ${duration(EARLY_MS)} before`, ({ tooEarly }) => whole(tooEarly)),
    each("the next consumer gets by reading", ({ byReading }) => whole(byReading)),
    each("  calls to take over what it does not get", ({ byReading, costs }) =>
      whole(byReading > 0 ? 0 : costs.again.redisCalls * entries),
    ),
    each("dead letters after", ({ deadFirstMs, deadLastMs }) => from(deadFirstMs, deadLastMs)),
    each("handled late in their group", ({ order }) => `${order.late} of ${order.of}`),
    each("  as dead letters that came back", ({ backOrder }) => `${backOrder.late} of ${whole(backOrder.of)}`),
    each("job longer than the wait: runs, effects", ({ longJob }) => `${longJob.runs}, ${longJob.effects}`),
    each("  its late end is", ({ longJob }) => longJob.lateWord),
    ["gone with the consumer's name", NONE, `${streams.deleted.gone} of ${streams.deleted.held}`, NONE],
    each("handed out after they were done", ({ duplicates }) => whole(duplicates)),
    each("lost", ({ lost }) => whole(lost)),
  ]);
}

function lookTable(looks: readonly Look[]): string {
  return table([
    ["one look for what is due", "pending", "due", "calls", "µs a call", "µs a look", "µs a pending entry"],
    ...looks.map(({ name, pending, due, calls, callMicros, lookMicros }) => [
      name,
      whole(pending),
      whole(due),
      whole(calls),
      whole(callMicros),
      whole(lookMicros),
      (lookMicros / pending).toFixed(2),
    ]),
  ]);
}

function textOf(found: Found): string {
  const { entries, ours, looks } = found;
  const { receivesMost, visibilitySeconds } = queues.Confirmations;
  const deliveries = 1 + limits.sweepAttemptsMost;
  const waits = [...new Set(WAITS_MS.map(duration))].join(", ");
  const { redriven, kept } = ours.decisions;
  return `The same for all three: ${deliveries} deliveries to consumers that die, then a dead letter, then back and done. Only the first ${duration(limits.sweepAgeMs)} are
waited: the queues' clock is moved, and pending entries are made to look as long untouched (XCLAIM … IDLE).

${drillTable(found)}

${lookTable(looks)}

our outbox: written by issue.lua, handed out by SQS FIFO. The sweep (rate: ${schedules.sweep.rate}) sends again what has waited, since it was
  last sent, for ${waits}. Nobody lent a hand: triage decided ${whole(redriven)} dead letters as
  redriven and ${whole(kept)} as kept, and ${whole(ours.left)} entries are left in the outbox. SQS knows a copy for five minutes only, so each
  message came ${ours.copies.toFixed(0)} times in the end; the ledger (here a table in memory) took it once, in ${ours.ledgerCalls.toFixed(0)} calls for all of them.
Streams worker: one XADD each, XREADGROUP in tens; XAUTOCLAIM of ${limits.sweepEntries} with a min-idle of ${duration(MIN_IDLE_MS)}, which Redis leaves to you
  (here: the queue's visibility timeout); XPENDING, as XAUTOCLAIM does not tell the count; XADD to a second stream, XACK, XDEL.
SQS FIFO: visibility timeout ${visibilitySeconds} s, a redrive policy, one StartMessageMoveTask. Dead after ${deliveries} receives like the others; as it
  is configured after ${receivesMost}, that is ${duration(receivesMost * visibilitySeconds * 1_000)} for the first of a group. The emulator stands in for it.

depth, at the dead consumer at once: of a FIFO group (${limits.groupsPerCampaign} a campaign, ${whole(entries / limits.groupsPerCampaign)} entries each) ten can be out, and the rest
  waits behind them. So the order holds, and the dead letters come in tens.
age: by Redis' clock, which is not moved. SQS tells CloudWatch, and no caller. deliveries: SQS tells whoever receives it.
first delivery: written and sent one by one, taken in tens. coming back: all until it is done, with its copies.
CPU: without what an idle server uses (${(found.idleShare * 1e3).toFixed(1)} ms a second); calls that come one by one cost more around the command than inside.
bytes: the entry, and Redis' note of who has it; the less the ids have in common, the more that takes.
the next consumer gets by reading: once they are due. A Streams consumer must claim; whoever joins or leaves SQS calls nothing.
handled late: after a later one of their group, where one consumer dies with ${ORDERED.taken} of ${ORDERED.entries} entries and another goes on.
job longer than the wait: it runs twice everywhere, and only a ledger keeps it to one effect. its late end: "taken" means that
  XACK of the slow one ends the entry for both, also if the other fails now; SQS refuses the slow one's receipt.
gone with the consumer's name: pending entries that XGROUP DELCONSUMER drops. They stay in the stream and nobody gets them.
one look: while none, the newest hundredth, or all of the pending are due; µs inside the command, while Redis serves nobody else.
  XAUTOCLAIM finds each entry in the stream before it asks for its idle time, at most ten times COUNT entries a call. XPENDING
  IDLE asks first, and does not stop before it has found enough. A sweep's run makes at most ${limits.sweepCallsMost} calls a campaign. SQS has
  nothing to look through: a receive that finds nothing is one call.`;
}
