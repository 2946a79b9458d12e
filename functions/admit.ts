import { setTimeout as sleep } from "node:timers/promises";
import { StoreUnavailable } from "../core/context.ts";
import { limits } from "../core/limits.ts";
import { backendOf, campaignsByRoom } from "../core/operations/inflow.ts";
import { registerRooms } from "../core/rooms/attach.ts";
import { type RoomRecord, rooms } from "../core/rooms/room-records.ts";
import { type Ticked, tend, tick } from "../core/rooms/tick.ts";
import { metrics } from "./log.ts";
import { base } from "./stores/base.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

const ctx = { ...base, redis, table };

const TEND_EVERY_MS = 1_000;
/** Rooms and campaigns that were made meanwhile are seen after this. */
const LIST_EVERY_MS = 10_000;
/** A function has 60 s; the last look may take this long. */
const LOOK_MS = 3_000;

/**
 * Admits whose turn it is and drops who has gone, in every room; also where nobody polls at the moment. A schedule comes once a
 * minute at most, so it asks with `watchSeconds` to stay: for as long as anyone waits or is inside, four looks a second.
 * Without it, one look, and the result.
 */
export async function handler(event?: { watchSeconds?: number }) {
  const endsAt = base.now() + (event?.watchSeconds ?? 0) * 1_000;
  let listed = await list();
  let listedAt = base.now();
  let seen = await tendAll(listed);
  let tendedAt = base.now();
  while (seen.isLive && base.now() + limits.tickEveryMs + LOOK_MS < endsAt) {
    await sleep(limits.tickEveryMs);
    if (base.now() - listedAt >= LIST_EVERY_MS) {
      listed = await list().catch(keep(listed));
      listedAt = base.now();
    }
    if (base.now() - tendedAt >= TEND_EVERY_MS) {
      seen = await tendAll(listed);
      tendedAt = base.now();
    } else {
      await Promise.all(listed.records.map((record) => lookAt(record.roomId)));
    }
  }
  return { rooms: seen.rooms };
}

interface Listed {
  readonly records: RoomRecord[];
  readonly campaigns: Map<string, string[]>;
}

/** While a store is away what was known goes on being looked at. */
const keep = (before: Listed) => (error: unknown) => {
  if (!(error instanceof StoreUnavailable)) throw error;
  base.log("rooms-unlisted", { reason: error.message });
  return before;
};

async function list(): Promise<Listed> {
  await registerRooms(ctx);
  const records: RoomRecord[] = [];
  for await (const record of rooms.all(ctx)) records.push(record);
  return { records, campaigns: records.length > 0 ? await campaignsByRoom(ctx) : new Map() };
}

/** Every room: its pace, its numbers, then a look. */
async function tendAll({ records, campaigns }: Listed) {
  const looks = await Promise.all(
    records.map(async ({ roomId }) => {
      try {
        const record = await rooms.get(ctx, roomId);
        if (!record) return undefined;
        const tended = await tend(ctx, record, await backendOf(ctx, campaigns.get(roomId) ?? []));
        const look = await tick(ctx, roomId);
        if (tended?.isLive) {
          const { waiting, active, admitted } = look;
          metrics({ roomId }, { Waiting: waiting, Active: active, Admitted: admitted, PacePercent: 100 * tended.pace });
        }
        return { ...look, ...(tended ?? { isLive: true }) };
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
        base.log("room-unclear", { roomId, reason: error.message });
        return { roomId, word: "recovering", isLive: true };
      }
    }),
  );
  const found = looks.filter((look) => look !== undefined);
  return { isLive: found.some(({ isLive }) => isLive), rooms: found.map(({ isLive: _, ...look }) => look) };
}

async function lookAt(roomId: string): Promise<Ticked | undefined> {
  try {
    return await tick(ctx, roomId);
  } catch (error) {
    // Away now, back at the next look perhaps.
    if (!(error instanceof StoreUnavailable)) throw error;
    return undefined;
  }
}
