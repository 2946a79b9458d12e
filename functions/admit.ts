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
/** A function has 90 s; the last look may take this long. */
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
  while (seen.live.length > 0 && base.now() + limits.tickEveryMs + LOOK_MS < endsAt) {
    await sleep(limits.tickEveryMs);
    if (base.now() - listedAt >= LIST_EVERY_MS) {
      listed = await list().catch(keep(listed));
      listedAt = base.now();
    }
    if (base.now() - tendedAt >= TEND_EVERY_MS) {
      // Rooms where nobody is are looked at again when the list is.
      const live = new Set(seen.live);
      const isDue = ({ roomId }: RoomRecord) => listedAt >= tendedAt || live.has(roomId);
      seen = await tendAll({ ...listed, records: listed.records.filter(isDue) });
      tendedAt = base.now();
    } else {
      await Promise.all(seen.live.map(lookAt));
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
        // One room's fault is its own: the others go on.
        base.log("room-unclear", { roomId, reason: String(error) });
        return { roomId, word: "recovering", isLive: true };
      }
    }),
  );
  const found = looks.filter((look) => look !== undefined);
  const live = found.filter(({ isLive }) => isLive).map(({ roomId }) => roomId);
  return { live, rooms: found.map(({ isLive: _, ...look }) => look) };
}

async function lookAt(roomId: string): Promise<Ticked | undefined> {
  try {
    return await tick(ctx, roomId);
  } catch (error) {
    // Away now, back at the next look perhaps; the next second says what it is.
    if (!(error instanceof StoreUnavailable)) base.log("room-unclear", { roomId, reason: String(error) });
    return undefined;
  }
}
