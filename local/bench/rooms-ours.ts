import { keys } from "../../core/keys.ts";
import { limits } from "../../core/limits.ts";
import { valuesOf } from "../../core/lua.ts";
import { memberOf } from "../../core/member.ts";
import { placeOf } from "../../core/rooms/attach.ts";
import { packRules, type RoomRules } from "../../core/rooms/rules.ts";
import { putRoom } from "../../core/rooms/scripts.ts";
import { NOTHING_SHOWN } from "../../core/rooms/ticket.ts";
import { visit, visitKeys } from "../../core/rooms/visit.ts";
import type { Client } from "./client.ts";
import { loadScript } from "./contestants.ts";
import { encode } from "./resp.ts";

/** Our own room, put into Redis by the script that does so in earnest, and the calls that the functions make. */

/** Sixteen characters, as every filling's name has. */
const FILLING = "bench-waitroom-1";
const NO_FILLING = { filling: "", epoch: "", numbersFrom: "", numbersTo: "", graceMs: "", lostAt: "" } as const;

/**
 * Open, at the highest rate: only its capacity holds anyone back, so every visit looks whether somebody's turn has come, which is
 * the dearest it can do without admitting. Heartbeats and passes last longer than the bench.
 */
const rulesOf = (roomId: string, capacity: number): RoomRules => ({
  ...{ roomId, capacity, admitPerSecond: limits.roomRateMost },
  ...{ passSeconds: limits.passSecondsMost, heartbeatSeconds: limits.heartbeatSecondsMost },
  ...{ open: true, renewable: false, singleUse: false, order: "arrival" },
});

export async function putOurRoom(client: Client, roomId: string, capacity: number): Promise<void> {
  const filling = {
    ...{ filling: FILLING, epoch: 0, numbersFrom: 0, numbersTo: limits.roomWaitingMost, graceMs: 0, lostAt: 0 },
    content: packRules(rulesOf(roomId, capacity), { version: 1, series: 1 }),
  };
  await client.run(putRoom, placeOf(roomId), { step: "fill", ...filling });
  const { word } = await client.run(putRoom, placeOf(roomId), { step: "arm", ...filling });
  if (word !== "armed") throw new Error(`room ${roomId} was answered ${word}, not armed`);
  await client.call("SADD", keys.rooms, roomId);
}

/** Changes the rules as an operator does. */
export async function changeCapacity(client: Client, roomId: string, version: number, capacity: number): Promise<void> {
  const content = packRules(rulesOf(roomId, capacity), { version, series: 1 });
  const { word } = await client.run(putRoom, placeOf(roomId), { step: "change", content, ...NO_FILLING });
  if (word !== "changed") throw new Error(`room ${roomId} was answered ${word}, not changed`);
}

/** Loads the deciding script. @returns an encoder of its calls, with the keys and arguments that the functions send */
export async function loadVisit(
  client: Client,
): Promise<(roomId: string, step: "join" | "poll" | "leave" | "tick", userId: string, most: number) => string> {
  const sha = await loadScript(client, visit.text);
  return (roomId, step, userId, most) => {
    const values = valuesOf(visit, visitKeys(roomId), {
      ...{ step, member: step === "tick" ? "" : memberOf(userId), most },
      ...{ ...NOTHING_SHOWN },
    });
    return encode(["EVALSHA", sha, ...values]);
  };
}
