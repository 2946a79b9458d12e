/** Words of the API about rankings. They stand apart from what uses them, so that a browser can have them without the rest. */

export const EVENT_TYPES = ["view", "like", "cart", "sale", "refund"] as const;
export type EventType = (typeof EVENT_TYPES)[number];

export const BREAKER_MODES = ["auto", "live", "snapshot"] as const;
/** `live`: always ask Redis. `snapshot`: never. */
export type BreakerMode = (typeof BREAKER_MODES)[number];
