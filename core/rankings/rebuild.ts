import type { Ctx } from "../context.ts";
import { shardKeys } from "../keys.ts";
import { limits } from "../limits.ts";
import { applyPart } from "./apply.ts";
import { arrivalSlot, batches, contentOf, slotEnds } from "./batch-records.ts";
import { type BoardRecord, versionName } from "./board-records.ts";
import { changeEditions, openShards, restartRebuild } from "./edition.ts";
import { buildingOf, type Edition, editions, liveOf, type RebuildReport } from "./edition-records.ts";
import { expire } from "./expire.ts";
import { firstPlaces } from "./generation.ts";
import { allVersions, compareOrders, scoreAll } from "./publish.ts";
import type { Part } from "./rows.ts";
import { dropEdition } from "./score.ts";
import { carryCategories, compare } from "./scripts.ts";
import { groupOf, SHARDS } from "./shards.ts";
import { WINDOWS } from "./windows.ts";

/**
 * Rebuilding all windows from what the ledger keeps: raw batches, and closed slots. It goes on beside the live edition: what arrives
 * from the cut on is counted in both. When everything before the cut is loaded and every board is scored, both are compared, and the new
 * one takes over. Each step can be cut off anywhere and goes on where it was.
 */

type RebuildCtx = Pick<Ctx, "redis" | "table" | "now" | "log">;

export interface RebuildProgress {
  readonly word: "idle" | "waiting" | "loading" | "scoring" | "comparing" | "switched" | "restarted";
  readonly edition?: number;
  /** Until it can go on. */
  readonly waitMs?: number;
  /** Slots of arrival that are loaded, of all. */
  readonly slots?: { readonly done: number; readonly of: number };
}

/** How long editions that differ are compared again before the new one takes over all the same. */
const COMPARE_MS = 30_000;
/** Keys of an edition are removed when no function can still go by it: the longest runs for 90 s. */
const DROP_AFTER_MS = 180_000;
/** A slot of arrival is closed when nothing can come to it any more. */
const CLOSE_AFTER_MS = 60_000;
/** Slots that are looked through for some that are not closed yet: a day. */
const CLOSE_SLOTS = 144;
const MEMORY_LOOK_MS = 10_000;

/** Makes the verb that rebuilds: as far as it gets until a time. */
export function rebuilder(): (ctx: RebuildCtx, until: number) => Promise<RebuildProgress> {
  /** Since when an edition is compared; a container's memory, so that a cut costs only time. */
  const comparing = new Map<number, number>();

  return async (ctx, until) => {
    for (;;) {
      const state = await editions.get(ctx);
      const building = buildingOf(state);
      if (!building) {
        await dropOld(ctx);
        return { word: "idle" };
      }
      const progress = await step(ctx, building, until, comparing);
      const isEnd = progress.word === "waiting" || progress.word === "comparing" || progress.word === "switched";
      if (isEnd || ctx.now() >= until) return progress;
    }
  };
}

async function step(
  ctx: RebuildCtx,
  edition: Edition,
  until: number,
  comparing: Map<number, number>,
): Promise<RebuildProgress> {
  switch (edition.step ?? "waiting") {
    case "waiting":
      return wait(ctx, edition);
    case "loading":
      return load(ctx, edition, until);
    default:
      return finish(ctx, edition, until, comparing);
  }
}

const note = (ctx: RebuildCtx, edition: Edition, change: Partial<Edition>) =>
  changeEditions(ctx, (state) => ({
    ...state,
    editions: state.editions.map((it) => (it.id === edition.id && it.state === "building" ? { ...it, ...change } : it)),
  }));

async function wait(ctx: RebuildCtx, edition: Edition): Promise<RebuildProgress> {
  const { id, cut } = edition;
  // Nothing has been counted in it yet: where opening it was cut off, it is opened now.
  if (ctx.now() < cut) await openShards(ctx, id);
  const waitMs = cut + limits.rawSettleMs - ctx.now();
  if (waitMs > 0) return { word: "waiting", edition: id, waitMs };
  if (await isFull(ctx)) {
    ctx.log("rankings-rebuild-waits", { edition: id, reason: "Redis's memory is too full for a second edition" });
    return { word: "waiting", edition: id, waitMs: MEMORY_LOOK_MS };
  }
  const firstSlot = arrivalSlot(cut - limits.rawDays * 86_400_000);
  await note(ctx, edition, { step: "loading", firstSlot, loadedSlot: firstSlot - 1, rows: 0 });
  return { word: "loading", edition: id };
}

/** Whether a second edition might fill Redis's memory, which coupons need too. */
async function isFull(ctx: RebuildCtx): Promise<boolean> {
  const info = String(await ctx.redis.command("INFO", "memory"));
  const figure = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1] ?? 0);
  const most = figure("maxmemory");
  return most > 0 && figure("used_memory") > limits.rebuildMemoryShare * most;
}

async function load(ctx: RebuildCtx, edition: Edition, until: number): Promise<RebuildProgress> {
  const { id, cut, firstSlot = 0, loadedSlot = 0 } = edition;
  const lastSlot = arrivalSlot(cut);
  const slots = (await batches.slots(ctx, loadedSlot + 1)).filter(({ slot }) => slot <= lastSlot);
  const progress = (slot: number): RebuildProgress => ({
    word: "loading",
    edition: id,
    slots: { done: slot - firstSlot, of: lastSlot - firstSlot + 1 },
  });
  let rows = edition.rows ?? 0;
  for (const one of slots) {
    const content = await contentOf(ctx, one, cut);
    const loaded = await Promise.all(
      [...content].map(([shard, parts]) => loadShard(ctx, edition, shard, one.slot, parts)),
    );
    if (loaded.includes(undefined)) return restart(ctx, edition);
    rows += loaded.reduce<number>((sum, count) => sum + (count ?? 0), 0);
    await note(ctx, edition, { loadedSlot: one.slot, rows });
    if (ctx.now() >= until) return progress(one.slot);
  }
  await note(ctx, edition, { step: "scoring", loadedSlot: lastSlot, rows });
  ctx.log("rankings-loaded", { edition: id, rows });
  return progress(lastSlot);
}

/** @returns rows, or undefined where Redis does not have the edition */
async function loadShard(
  ctx: RebuildCtx,
  edition: Edition,
  shard: number,
  slot: number,
  parts: readonly Part[],
): Promise<number | undefined> {
  let rows = 0;
  for (const [part, content] of parts.entries()) {
    const place = { group: "load", sequence: String(slot), part, arrivedAt: 0 };
    const applied = await applyPart(ctx, edition, shard, place, content);
    if (applied.word === "missing") return undefined;
    if (applied.word === "applied") rows += applied.rows;
  }
  return rows;
}

/** Redis has lost what was built. */
async function restart(ctx: RebuildCtx, { id }: Edition): Promise<RebuildProgress> {
  ctx.log("rankings-rebuild-lost", { edition: id });
  await restartRebuild(ctx, id);
  return { word: "restarted", edition: id };
}

async function finish(
  ctx: RebuildCtx,
  edition: Edition,
  until: number,
  comparing: Map<number, number>,
): Promise<RebuildProgress> {
  const { id } = edition;
  const expired = await expire(ctx, id);
  if (expired.missing.length > 0 || expired.moved.length > 0) return restart(ctx, edition);
  const before = liveOf(await editions.get(ctx));
  if (before) await carry(ctx, before.id, id);
  const { records, scored } = await scoreAll(ctx, edition, until);
  const names = allVersions(records).map(({ boardId, version }) => versionName(boardId, version.version));
  if (!names.every((name) => scored.built.has(name))) return { word: "scoring", edition: id };

  const live = liveOf(await editions.get(ctx));
  const compared = live ? await compareShards(ctx, live, edition) : { missing: true, equal: 0, different: 0, apart: 0 };
  const since = comparing.get(id) ?? ctx.now();
  comparing.set(id, since);
  const isUnclear = !compared.missing && compared.different + compared.apart > 0;
  if (isUnclear && ctx.now() - since < COMPARE_MS) return { word: "comparing", edition: id };

  const overlaps = live && !compared.missing ? await overlapsOf(ctx, live, edition, records) : [];
  const report: RebuildReport = {
    ...{ edition: id, reason: edition.reason, startedAt: edition.openedAt, finishedAt: ctx.now() },
    rows: edition.rows ?? 0,
    comparedShards: compared.equal + compared.different,
    equalShards: compared.equal,
    leastOverlap: Math.min(1, ...overlaps),
  };
  await changeEditions(ctx, (state) => {
    const before = liveOf(state);
    const now = buildingOf(state);
    if (now?.id !== id) return undefined;
    const { step: _, firstSlot: _f, loadedSlot: _l, rows: _r, ...taken } = now;
    return {
      editions: [{ ...taken, state: "live" }],
      dropped: [...state.dropped, ...(before ? [{ id: before.id, at: ctx.now() }] : [])],
      lastRebuild: report,
    };
  });
  ctx.log("rankings-rebuilt", { ...report });
  return { word: "switched", edition: id };
}

/** Takes over categories that were told longer ago than the raw batches reach. Where Redis has lost the live edition there are none. */
async function carry(ctx: RebuildCtx, from: number, to: number): Promise<void> {
  await Promise.all(
    SHARDS.map(async (shard) => {
      const { origin, products, dirty } = shardKeys(shard, to);
      const names = { origin, from: shardKeys(shard, from).products, products, dirty };
      let cursor = "0";
      do {
        const carried = await ctx.redis.run(carryCategories, names, { cursor, most: limits.scoreRows });
        cursor = carried.word === "carried" ? carried.cursor : "0";
      } while (cursor !== "0");
    }),
  );
}

async function compareShards(ctx: RebuildCtx, live: Edition, edition: Edition) {
  // Both at the same time, or one has let go of what the other still has.
  const expired = await Promise.all([expire(ctx, live.id), expire(ctx, edition.id)]);
  const words = await Promise.all(
    SHARDS.map((shard) => {
      const [one, two] = [shardKeys(shard, live.id), shardKeys(shard, edition.id)];
      return ctx.redis.run(
        compare,
        {
          ...{ oneFence: one.fence, oneMarks: one.marks, oneTotals: one.totals },
          ...{ twoFence: two.fence, twoMarks: two.marks, twoTotals: two.totals },
        },
        { group: groupOf(shard) },
      );
    }),
  );
  const count = (word: string) => words.filter((it) => it === word).length;
  return {
    missing: expired.some(({ missing }) => missing.length > 0),
    ...{ equal: count("equal"), different: count("different"), apart: count("apart") },
  };
}

/** Of every board and window, the share of the first hundred products that both editions have in common. */
async function overlapsOf(
  ctx: RebuildCtx,
  live: Edition,
  edition: Edition,
  records: readonly BoardRecord[],
): Promise<number[]> {
  const overlaps: number[] = [];
  for (const { boardId, current } of records) {
    if (!current) continue;
    // Trending of a half-life that came later was not complete before.
    const windows = live.young?.includes(current.halfLifeHours) ? WINDOWS.filter((it) => it !== "trending") : WINDOWS;
    for (const window of windows) {
      const most = Math.min(100, current.size);
      const [before = [], after = []] = await Promise.all(
        [live, edition].map(async (it) => {
          const places = await firstPlaces(ctx, it, boardId, current.version, window, most);
          return places.map(({ productId }) => productId);
        }),
      );
      overlaps.push(compareOrders(before, after).overlap);
    }
  }
  return overlaps;
}

async function dropOld(ctx: RebuildCtx): Promise<void> {
  const { dropped } = await editions.get(ctx);
  const due = dropped.filter(({ at }) => ctx.now() - at >= DROP_AFTER_MS);
  if (due.length === 0) return;
  await Promise.all(due.flatMap(({ id }) => SHARDS.map((shard) => dropEdition(ctx, shard, id))));
  await changeEditions(ctx, (state) => {
    const gone = new Set(due.map(({ id }) => id));
    const dropped = state.dropped.filter(({ id }) => !gone.has(id));
    return dropped.length === state.dropped.length ? undefined : { ...state, dropped };
  });
}

/**
 * Writes each slot of arrival that has ended together, packed by product and minute: what a rebuild then reads is a fraction of the raw
 * batches.
 * @param until when to stop, in milliseconds since 1970; what is left comes next time
 * @returns slots that were closed
 */
export async function closeSlots(ctx: Pick<Ctx, "table" | "now">, until: number): Promise<number> {
  const last = arrivalSlot(ctx.now());
  let closed = 0;
  for (const one of await batches.slots(ctx, last - CLOSE_SLOTS)) {
    if (one.isClosed || slotEnds(one.slot) + CLOSE_AFTER_MS > ctx.now()) continue;
    await batches.close(ctx, one.slot, await contentOf(ctx, one, slotEnds(one.slot)));
    closed++;
    if (ctx.now() >= until) break;
  }
  return closed;
}
