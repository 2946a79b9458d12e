import type { Ctx } from "../context.ts";
import { keys } from "../keys.ts";
import { neverWas } from "../known.ts";
import { limits } from "../limits.ts";
import type { Refusal } from "../words.ts";

/** Refusals that several verbs give. */
export const refuseRoom = {
  unknown: (roomId: string): Refusal => ({ word: "unknown", detail: `There is no waiting room "${roomId}".` }),
  recovering: (roomId: string): Refusal => ({
    word: "recovering",
    detail: `Waiting room "${roomId}" is being recovered. Places are kept: come back, and show your ticket's token.`,
    retryAfterMs: limits.retryAfterMs,
  }),
};

/** Tells a room that never was from one that Redis has lost, without the ledger. */
export async function refuseMissingRoom(ctx: Pick<Ctx, "redis">, roomId: string): Promise<Refusal> {
  return (await neverWas(ctx, keys.rooms, roomId)) ? refuseRoom.unknown(roomId) : refuseRoom.recovering(roomId);
}
