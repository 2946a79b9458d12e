import { beginRebuild } from "../core/rankings/edition.ts";
import { editions, liveOf } from "../core/rankings/edition-records.ts";
import { expire } from "../core/rankings/expire.ts";
import { resendBatches } from "../core/rankings/ingest.ts";
import { closeSlots } from "../core/rankings/rebuild.ts";
import { rankingsStatus } from "../core/rankings/status.ts";
import { metrics } from "./log.ts";
import { base } from "./stores/base.ts";
import { events } from "./stores/events.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

/** Sending again, and closing, end after this and go on in the next minute; a function has 90 s. */
const PART_MS = 25_000;

const ctx = { ...base, redis, table, events };

/**
 * Lets events leave their windows, sends batches again that may not be in the queue, and closes slots of arrival that have ended. Each
 * of the three goes on where another one fails, and so does the report.
 */
export async function handler() {
  const state = await editions.get(ctx);
  const expiring = Promise.all(state.editions.map(({ id }) => expire(ctx, id)));
  const sending = resendBatches(ctx, liveOf(state)?.cut, base.now() + PART_MS);
  const closing = closeSlots(ctx, base.now() + PART_MS);
  const reporting = report();
  await Promise.allSettled([expiring, sending, closing, reporting]);
  const { resent, stranded } = await sending;
  metrics({}, { EventBatchesResent: resent, EventBatchesStranded: stranded });
  if (stranded > 0) await beginRebuild(ctx, `${stranded} batches are in the ledger only`);
  await reporting;
  return { resent, stranded, closedSlots: await closing, expired: await expiring };
}

async function report(): Promise<void> {
  const { queue, boards, breaker, editions: now } = await rankingsStatus(ctx);
  metrics(
    {},
    {
      EventQueueDepth: queue.waiting + queue.inFlight,
      GenerationAgeMs: Math.max(0, ...boards.map(({ ageMs }) => ageMs)),
      BreakerOpen: breaker.state === "open" ? 1 : 0,
      RankingsRebuilding: now.filter(({ state }) => state === "building").length,
    },
  );
}
