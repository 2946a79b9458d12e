import { createHash } from "node:crypto";
import { type Ctx, StoreUnavailable } from "../context.ts";
import { keys } from "../keys.ts";
import { limits } from "../limits.ts";
import { defineScript, UnexpectedReply } from "../lua.ts";
import capViewsText from "./cap-views.lua";
import type { ProductEvent } from "./rows.ts";
import { shardOf } from "./shards.ts";

/**
 * Views of one product by one actor count at most `limits.viewsPerActorHour` times an hour. The counting is approximate and bounded:
 * a count-min sketch with conservative update, `limits.actorCounters` bytes an hour and shard, whatever the crowd. Its error goes
 * one way: whoever is over the cap is always found; somebody else's view is taken for one too many only where all of its
 * `limits.actorProbes` counters were raised by others. Actors are never stored: only places in the sketch, made of a digest.
 */

export const capViews = defineScript(
  "cap-views",
  capViewsText,
  ["actors", "capped"],
  ["cap", "untilSeconds", "memorySeconds", "rows"],
  (raw): number[] => {
    if (!Array.isArray(raw) || raw[0] !== "counted") throw new UnexpectedReply("cap-views", raw);
    return raw.slice(1).map(Number);
  },
);

/** An event whose sender says who caused it. */
export interface ActedEvent extends ProductEvent {
  readonly actorId?: string | undefined;
}

const HOUR_MS = 3_600_000;
/** A batch that was cut off comes again within this time. */
const CAPPED_SECONDS = 120;

/** Names rows: a batch that comes again later may have fewer, some of its events being too late by then. */
const digestOf = (rows: readonly (readonly number[])[]): string =>
  createHash("sha256").update(JSON.stringify(rows)).digest("base64url").slice(0, 11);

function placesOf(actorId: string, productId: string): number[] {
  const digest = createHash("sha256").update(`${actorId}\0${productId}`).digest();
  return Array.from({ length: limits.actorProbes }, (_, i) => digest.readUInt32BE(4 * i) % limits.actorCounters);
}

/**
 * Takes off what is over the cap. When Redis is out of reach nothing is: events are worth more than the cap.
 * @param batchId a batch that comes again within some minutes is told what it was told before
 * @returns the events that count, with the quantity that counts, and how many views do not
 */
export async function withinCap(
  ctx: Pick<Ctx, "redis" | "log" | "now">,
  batchId: string,
  events: readonly ActedEvent[],
): Promise<{ events: readonly ProductEvent[]; capped: number }> {
  const acted = events.filter((event) => event.type === "view" && event.actorId !== undefined);
  if (acted.length === 0) return { events, capped: 0 };
  // Views of one actor, product and hour together, so that one look decides on all of them.
  const eldest = Math.floor(ctx.now() / HOUR_MS) - limits.actorHoursMost;
  const hourOf = ({ at }: ProductEvent) => Math.max(eldest, Math.floor(at / HOUR_MS));
  const bySketch = Map.groupBy(acted, (event) => `${shardOf(event.productId)} ${hourOf(event)}`);
  const left = new Map<string, number>();
  const nameOf = (event: ActedEvent) => `${hourOf(event)} ${event.productId} ${event.actorId}`;
  try {
    await Promise.all(
      [...bySketch.values()].map(async (own) => {
        const [first] = own;
        if (!first) return;
        const pairs = [...Map.groupBy(own, nameOf)];
        const rows = pairs.map(([, [one, ...more]]) => {
          if (!one) return [];
          const views = [one, ...more].reduce((sum, { quantity }) => sum + quantity, 0);
          return [views, ...placesOf(one.actorId ?? "", one.productId)];
        });
        const counted = await ctx.redis.run(
          capViews,
          {
            actors: keys.actors(shardOf(first.productId), hourOf(first)),
            capped: keys.capped(shardOf(first.productId), hourOf(first), `${batchId}:${digestOf(rows)}`),
          },
          {
            cap: limits.viewsPerActorHour,
            untilSeconds: Math.ceil(Math.max(hourOf(first) * HOUR_MS, ctx.now()) / 1_000) + 2 * 3_600,
            memorySeconds: CAPPED_SECONDS,
            rows: JSON.stringify(rows),
          },
        );
        for (const [index, [name]] of pairs.entries()) left.set(name, counted[index] ?? 0);
      }),
    );
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    ctx.log("views-uncapped", { events: acted.length, reason: error.message });
    return { events, capped: 0 };
  }
  let capped = 0;
  const within = events.map((event): ProductEvent => {
    if (event.type !== "view" || event.actorId === undefined) return event;
    const may = left.get(nameOf(event)) ?? event.quantity;
    const quantity = Math.min(event.quantity, may);
    left.set(nameOf(event), may - quantity);
    capped += event.quantity - quantity;
    return { ...event, quantity };
  });
  return { events: within.filter(({ quantity }) => quantity > 0), capped };
}
