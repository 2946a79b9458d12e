import { deflateRawSync, inflateRawSync } from "node:zlib";
import { limits } from "../limits.ts";
import { shardOf } from "./shards.ts";
import type { EventType } from "./states.ts";
import { minuteOf } from "./windows.ts";

/**
 * Events packed: of all events of one product in one minute one row, grouped by minute into parts, grouped by shard. A part is what one
 * call of the applying script takes. Packing the same events gives the same parts in the same order, whoever does it and however often.
 */

/** An event as it counts. */
export interface ProductEvent {
  readonly type: EventType;
  readonly productId: string;
  readonly category?: string | undefined;
  /** How many views, likes, units. */
  readonly quantity: number;
  /** Of a sale or refund: the line's total in minor units. */
  readonly amount: number;
  /** When it happened, in milliseconds since 1970. */
  readonly at: number;
}

/** Product, category ("" where none was told), then views, likes, carts, units sold and refunded, amount sold and refunded; zeros at the end left out. */
export type Row = readonly [product: string, category: string, ...quantities: number[]];

export interface Part {
  readonly minute: number;
  readonly rows: readonly Row[];
}

export type Packed = ReadonlyMap<number, readonly Part[]>;

const QUANTITIES = 7;
/** Places of an event's quantity and amount. */
const PLACES: Readonly<Record<EventType, readonly [quantity: number, amount?: number]>> = {
  view: [0],
  like: [1],
  cart: [2],
  sale: [3, 5],
  refund: [4, 6],
};

/** Sums rows by product and minute. */
export function rowSums() {
  const minutes = new Map<number, Map<string, { category: string; sums: number[] }>>();
  const sumsOf = (minute: number, product: string, category: string): number[] => {
    const products = minutes.get(minute) ?? new Map<string, { category: string; sums: number[] }>();
    minutes.set(minute, products);
    const row = products.get(product) ?? { category, sums: new Array<number>(QUANTITIES).fill(0) };
    products.set(product, row);
    // Of several in one minute the greatest, so that the order in which they come does not matter.
    if (category > row.category) row.category = category;
    return row.sums;
  };
  return {
    addEvent({ type, productId, category = "", quantity, amount, at }: ProductEvent): void {
      const sums = sumsOf(minuteOf(at), productId, category);
      const [place, amountPlace] = PLACES[type];
      sums[place] = (sums[place] ?? 0) + quantity;
      if (amountPlace !== undefined) sums[amountPlace] = (sums[amountPlace] ?? 0) + amount;
    },
    addRow(minute: number, [product, category, ...quantities]: Row): void {
      const sums = sumsOf(minute, product, category);
      for (const [place, quantity] of quantities.entries()) sums[place] = (sums[place] ?? 0) + quantity;
    },
    /** All rows, by minute and product. */
    parts(): Part[] {
      return [...minutes]
        .sort(([a], [b]) => a - b)
        .flatMap(([minute, products]) => {
          const rows = [...products]
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([product, { category, sums }]): Row => {
              const quantities = sums.slice(0, sums.findLastIndex((sum) => sum !== 0) + 1);
              return [product, category, ...quantities];
            });
          return chunksOf(rows, limits.applyRows).map((chunk) => ({ minute, rows: chunk }));
        });
    },
  };
}

function chunksOf<T>(list: readonly T[], most: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / most) }, (_, i) => list.slice(i * most, (i + 1) * most));
}

/** Packs events by shard. */
export function pack(events: readonly ProductEvent[]): Packed {
  const byShard = Map.groupBy(events, ({ productId }) => shardOf(productId));
  return new Map(
    [...byShard]
      .sort(([a], [b]) => a - b)
      .map(([shard, own]) => {
        const sums = rowSums();
        for (const event of own) sums.addEvent(event);
        return [shard, sums.parts()] as const;
      }),
  );
}

/** Packed events as text, compressed: about a tenth of what the request had. */
export function toText(packed: Packed): string {
  return deflateRawSync(JSON.stringify([...packed])).toString("base64");
}

export function fromText(text: string): Packed {
  return new Map(JSON.parse(inflateRawSync(Buffer.from(text, "base64")).toString("utf8")) as [number, Part[]][]);
}

/** A message of the queue: one batch's parts of one shard. */
export interface EventMessage {
  readonly batchId: string;
  /** When the batch came, in milliseconds since 1970: what decides whether an edition takes it from the queue or from the raw batches. */
  readonly arrivedAt: number;
  readonly shard: number;
  /** Whether it may have been sent before, under another sequence number. */
  readonly isAgain: boolean;
  readonly parts: readonly Part[];
}

export const messageBody = (message: EventMessage): string => JSON.stringify(message);

/** Reads a message. @returns undefined where it is not one of ours */
export function readMessage(body: string): EventMessage | undefined {
  try {
    const message = JSON.parse(body) as Partial<EventMessage>;
    const { batchId, arrivedAt, shard, parts } = message;
    if (typeof batchId !== "string" || !Number.isSafeInteger(arrivedAt) || !Array.isArray(parts)) return undefined;
    if (!Number.isInteger(shard) || Number(shard) < 0 || Number(shard) >= limits.rankingShards) return undefined;
    const isPart = ({ minute, rows }: Part) =>
      Number.isInteger(minute) && Array.isArray(rows) && rows.length > 0 && rows.length <= limits.applyRows;
    return parts.every(isPart) ? (message as EventMessage) : undefined;
  } catch {
    return undefined;
  }
}
