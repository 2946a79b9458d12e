/** The states of rooms and tickets, and the reasons why a line does not move: words of the API. */

export const ROOM_STATES = ["open", "scheduled", "closed", "recovering"] as const;
export type RoomState = (typeof ROOM_STATES)[number];

export const TICKET_STATES = ["waiting", "admitted", "expired"] as const;
export type TicketState = (typeof TICKET_STATES)[number];

/**
 * Why nobody moves, or a place is not what was shown before:
 * - `closed`: the operator lets nobody in
 * - `opens-later`: before the opening
 * - `rebuilding`: people come back to a room that was lost
 * - `rebuilt`: it was lost, and somebody came back who had left before; only then can a place get worse
 */
export const WAIT_REASONS = ["closed", "opens-later", "rebuilding", "rebuilt"] as const;
export type WaitReason = (typeof WAIT_REASONS)[number];

/** Why less is admitted than the rate allows. */
export const PACE_REASONS = ["confirmations-late", "ledger-throttled"] as const;
export type PaceReason = (typeof PACE_REASONS)[number];

/** The reason that `pace.lua` writes as a number: zero for none. */
export const paceReasonOf = (number: number): PaceReason | undefined => PACE_REASONS[number - 1];
