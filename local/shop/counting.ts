import { type ShopEvent, VIEWS_CAP } from "./day.ts";
import type { CountedEvent } from "./recount.ts";

/** What of the events that were sent is to count, by the rules that the contract states. */

export interface Counted {
  readonly events: readonly CountedEvent[];
  /** Events that are too old for any window. */
  readonly late: number;
  /** Views over an actor's cap. */
  readonly capped: number;
}

const HOUR = 3_600_000;
const BEHIND_MS = 7 * 24 * HOUR;

/** Decides on batches, each once. */
export function openCounting(): (events: readonly ShopEvent[], arrivedAt: number) => Counted {
  const viewed = new Map<string, number>();

  const within = ({ actorId, productId }: ShopEvent, at: number, quantity: number): number => {
    if (actorId === undefined) return quantity;
    const name = `${actorId} ${productId} ${Math.floor(at / HOUR)}`;
    const before = viewed.get(name) ?? 0;
    const counts = Math.max(0, Math.min(quantity, VIEWS_CAP - before));
    viewed.set(name, before + counts);
    return counts;
  };

  return (events, arrivedAt) => {
    const counted: CountedEvent[] = [];
    let late = 0;
    let capped = 0;
    for (const event of events) {
      if (event.at !== undefined && event.at < arrivedAt - BEHIND_MS) {
        late++;
        continue;
      }
      const { type, productId, category, quantity: told = 1, amount = 0 } = event;
      const at = Math.min(event.at ?? arrivedAt, arrivedAt);
      const quantity = type === "view" ? within(event, at, told) : told;
      capped += told - quantity;
      if (quantity > 0) counted.push({ type, productId, category, quantity, amount, at });
    }
    return { events: counted, late, capped };
  };
}
