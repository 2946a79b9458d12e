import { setTimeout as sleep } from "node:timers/promises";
import { openRedis } from "../../core/doors/redis.ts";
import type { Progress } from "../chaos/progress.ts";
import { redisAddress } from "../redis-address.ts";
import { openLedger } from "../rush/ledger.ts";
import { seeded } from "../rush/random.ts";
import { stackOf } from "../rush/stack.ts";
import { holdersOf } from "../rush/verdict.ts";
import type { StackFile } from "../stack-file.ts";
import { watchLine } from "../watch-line.ts";
import { type Connections, openConnections } from "./connections.ts";
import { openDesk } from "./desk.ts";
import { figuresOf } from "./figures.ts";
import type { Ending, ShownPlace } from "./ground.ts";
import type { Options } from "./options.ts";
import { gather } from "./people.ts";
import type { Result } from "./report.ts";
import { openSampler, type Sampler } from "./sampler.ts";
import { openSchedulers } from "./schedulers.ts";
import { foresightOf } from "./verdict/eta.ts";
import { type Evidence, isThroughLoss } from "./verdict/evidence.ts";
import { judge } from "./verdict/judge.ts";
import { letIn } from "./visitors.ts";

/** People who come in a second: faster than they are let in, and not all in one instant. */
const ARRIVALS_PER_SECOND = 400;
const ARRIVING_LEAST_MS = 3_000;
const SHOW_EVERY_MS = 250;
const LOOK_EVERY_MS = 100;
/** How many heartbeats after the last poll people who are silent are still looked for. */
const LOOKED_FOR = 2.2;

/** Lets one crowd into a room of a stack and judges it. */
export async function holdCrowd(options: Options, stack: StackFile, progress: Progress): Promise<Result> {
  const { people: count, capacity, rate, stock, seed } = options;
  const random = seeded(seed);
  const arrivingMs = Math.max(ARRIVING_LEAST_MS, (1_000 * count) / ARRIVALS_PER_SECOND);
  const people = gather(count, arrivingMs, options.abandon, random.fork());
  const heartbeatMs = 1_000 * options.heartbeat;
  const passMs = 1_000 * options.passSeconds;
  // The seed names the crowd; the time keeps a second one on the same stack apart from the first.
  const roomId = `crowd-${seed.toString(36)}-${Date.now().toString(36)}`;
  const campaignId = roomId;
  const { api } = stack;
  const desk = openDesk(api);
  const ledger = openLedger(stackOf(stack));
  const redis = openRedis(redisAddress(stack.redis));
  const connections = openConnections(api, campaignId);
  const over = new AbortController();
  try {
    const tokens = await desk.mintTokens(people.map(({ user }) => user));
    await desk.open(roomId, campaignId, options);
    progress.print(watchLine(api, "room", roomId));

    const startedAt = performance.now();
    const limit = setTimeout(() => over.abort(), 1_000 * options.limit);
    const sampler = openSampler(redis, roomId);
    const schedulers = openSchedulers(api, options.schedulers, random.fork());
    const places: ShownPlace[] = [];
    const endings: Ending[] = [];
    const showing = setInterval(
      () => progress.show(progressOf({ startedAt, count, endings, sampler, connections })),
      SHOW_EVERY_MS,
    );
    try {
      await letIn(people, {
        ...{ api, roomId, tokens, connections, startedAt, passMs, places, passes: [] },
        over: over.signal,
        onSilence: sampler.lookFor,
        onEnding: (ending) => endings.push(ending),
      });
      await seenGone(sampler, LOOKED_FOR * heartbeatMs, over.signal);
    } finally {
      clearInterval(showing);
      clearTimeout(limit);
      progress.clear();
      await Promise.all([sampler.stop(), schedulers.stop()]);
      await desk.shut(campaignId);
    }
    const seconds = (performance.now() - startedAt) / 1_000;
    const { samples, silences, losses } = sampler;
    const { runs, failures } = schedulers.done;
    const { calls } = connections;
    const evidence: Evidence = {
      rules: { capacity, rate, heartbeatMs, passMs, stock },
      ...{ samples, silences, losses, calls, places, endings },
      schedules: {
        runs,
        failures: failures
          .filter(({ sentAt, answeredAt }) => !isThroughLoss(losses, sentAt, answeredAt))
          .map(({ what }) => what),
      },
      holders: holdersOf(await ledger.read(campaignId, stock)),
    };
    return {
      ...{ options, api, roomId, seconds, isCutShort: over.signal.aborted },
      figures: figuresOf(evidence, connections.looks(), sampler.missed()),
      foresight: foresightOf(evidence),
      findings: judge(evidence),
    };
  } finally {
    over.abort();
    redis.close();
    ledger.close();
    await Promise.all([connections.close(), desk.close()]);
  }
}

/** Waits until all who stopped polling are gone from the line, or should have been for long. */
async function seenGone({ silences }: Sampler, withinMs: number, over: AbortSignal): Promise<void> {
  const isLookedFor = () => {
    const now = performance.now();
    return silences.some(({ since, goneAt }) => goneAt === undefined && now - since < withinMs);
  };
  while (isLookedFor() && !over.aborted) await sleep(LOOK_EVERY_MS);
}

interface Going {
  readonly startedAt: number;
  readonly count: number;
  readonly endings: readonly Ending[];
  readonly sampler: Sampler;
  readonly connections: Connections;
}

function progressOf({ startedAt, count, endings, sampler, connections }: Going): string {
  const { waiting = 0, active = 0, admitted = 0 } = sampler.samples.at(-1) ?? {};
  const missing = sampler.silences.filter(({ goneAt }) => goneAt === undefined).length;
  return [
    `${((performance.now() - startedAt) / 1_000).toFixed(0)} s`,
    `${waiting} waiting`,
    `${active} inside`,
    `${admitted} admitted`,
    `${endings.length} of ${count} through`,
    `${missing} silent in line`,
    `${connections.calls.length} answers`,
  ].join(", ");
}
