import { arrivalSlot, batches, contentOf } from "../../core/rankings/batch-records.ts";
import { pack, toText } from "../../core/rankings/rows.ts";
import { seeded } from "../rush/random.ts";
import { costOf } from "./rankings-calls.ts";
import { eventSource } from "./rankings-events.ts";
import { BEGINNING_MS, HOUR_MS, Stage } from "./rankings-stage.ts";
import type { Bench } from "./section.ts";

/** Loading a day of raw batches into an empty edition, as a rebuild does it; the ledger is this process's memory. */

const HOURS = 24;
const BATCH_EVENTS = 500;

export interface Reload {
  readonly batches: number;
  readonly events: number;
  /** Of the raw batches as the ledger keeps them. */
  readonly bytes: number;
  readonly rows: number;
  readonly calls: number;
  /** Reading, unpacking and summing; applying. */
  readonly readSeconds: number;
  readonly applySeconds: number;
  /** CPU of the server's process while it applied. */
  readonly cpu: number;
}

async function writeRaw(stage: Stage, products: number, perHour: number): Promise<number> {
  const random = seeded(4);
  const next = eventSource("zipf", products, 5);
  let bytes = 0;
  for (let hour = 0; hour < HOURS; hour++) {
    for (let i = 0; i < perHour; i++) {
      const arrivedAt = BEGINNING_MS - (HOURS - hour) * HOUR_MS + Math.floor((i * HOUR_MS) / perHour);
      // Most happened in the second before, some in the minute before.
      const events = Array.from({ length: BATCH_EVENTS }, () =>
        next(arrivedAt - random.below(random.below(10) === 0 ? 60_000 : 1_000)),
      );
      const batchId = `${String.fromCharCode(65 + (i % 26))}${hour}-${i}`;
      const packed = pack(events);
      bytes += toText(packed).length;
      await batches.noteSlot(stage.ctx, arrivalSlot(arrivedAt));
      await batches.putRaw(stage.ctx, { batchId, arrivedAt, accepted: BATCH_EVENTS, late: 0, isSent: true }, packed);
    }
  }
  return bytes;
}

export async function reload({ server, progress }: Bench, products: number, perHour: number): Promise<Reload> {
  await server.clear();
  const stage = await Stage.open(server);
  try {
    const bytes = await progress.step("boards: a day of raw batches", () => writeRaw(stage, products, perHour));
    const sum = { rows: 0, calls: 0, readSeconds: 0, applySeconds: 0, cpu: 0 };
    await progress.step("boards: loading the day", async () => {
      for (const slot of await batches.slots(stage.ctx, arrivalSlot(BEGINNING_MS - HOURS * HOUR_MS))) {
        const startedAt = performance.now();
        const content = await contentOf(stage.ctx, slot, BEGINNING_MS);
        sum.readSeconds += (performance.now() - startedAt) / 1_000;
        const { seconds, cpu } = await costOf(server, () =>
          Promise.all(
            [...content].map(async ([shard, parts]) => {
              for (const part of parts) await stage.apply(shard, part);
              sum.calls += parts.length;
              sum.rows += parts.reduce((rows, part) => rows + part.rows.length, 0);
            }),
          ),
        );
        sum.applySeconds += seconds;
        sum.cpu += cpu;
      }
    });
    const count = HOURS * perHour;
    return { batches: count, events: count * BATCH_EVENTS, bytes, ...sum };
  } finally {
    stage.close();
  }
}
