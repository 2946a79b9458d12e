import type { Ctx } from "../context.ts";
import { shardKeys } from "../keys.ts";
import { limits } from "../limits.ts";
import { boards, versionsOf } from "./board-records.ts";
import { buildingOf, type Edition, type Editions, editions } from "./edition-records.ts";
import { openShard } from "./scripts.ts";
import { SHARDS } from "./shards.ts";
import { leftAt, TIERS } from "./windows.ts";

/** Opening editions: the first one, and those that rebuild. */

type EditionCtx = Pick<Ctx, "redis" | "table" | "now" | "log">;

/** How often a change that was overtaken is tried again. */
const TRIES = 5;

type Changed = Omit<Editions, "version">;

export class Overtaken extends Error {}

/** Changes the editions, again from the start when somebody else was faster. @param next undefined: leave it as it is */
export async function changeEditions(
  ctx: Pick<Ctx, "table">,
  next: (state: Editions) => Changed | undefined | Promise<Changed | undefined>,
): Promise<Editions> {
  for (let tries = 0; tries < TRIES; tries++) {
    const before = await editions.get(ctx);
    const wanted = await next(before);
    if (!wanted) return before;
    const after = await editions.put(ctx, before, wanted);
    if (after) return after;
  }
  throw new Overtaken("the editions were changed five times while one change was tried");
}

/** Opens an edition in every shard of Redis; where it is open already it stays. */
export async function openShards(ctx: Pick<Ctx, "redis" | "now">, edition: number): Promise<void> {
  const [minutes = 0, quarters = 0, hours = 0] = TIERS.map((tier) => leftAt(tier, ctx.now()));
  await Promise.all(
    SHARDS.map((shard) => {
      const { origin, marks } = shardKeys(shard, edition);
      return ctx.redis.run(openShard, { origin, marks }, { minutes, quarters, hours });
    }),
  );
}

/**
 * Makes sure that there is an edition, and that its records keep sums for a half-life.
 * @returns the editions, and whether the half-life found no place
 */
export async function ensureEdition(
  ctx: EditionCtx,
  halfLifeHours?: number,
): Promise<{ state: Editions; isFull: boolean }> {
  let opened: number | undefined;
  let isFull = false;
  const state = await changeEditions(ctx, (before) => {
    opened = undefined;
    isFull = false;
    if (before.editions.length === 0) {
      opened = newId(ctx, before);
      const first: Edition = {
        ...{ id: opened, state: "live", cut: 0, openedAt: ctx.now(), reason: "first" },
        halfLives: halfLifeHours === undefined ? [] : [halfLifeHours],
      };
      return { ...before, editions: [first] };
    }
    const lacking = before.editions.filter(
      (it) => halfLifeHours !== undefined && !it.halfLives.includes(halfLifeHours),
    );
    if (halfLifeHours === undefined || lacking.length === 0) return undefined;
    isFull = lacking.some((it) => it.halfLives.length >= limits.halfLivesMost);
    if (isFull) return undefined;
    const widen = (it: Edition): Edition => ({
      ...it,
      halfLives: [...it.halfLives, halfLifeHours],
      young: [...(it.young ?? []), halfLifeHours],
    });
    return { ...before, editions: before.editions.map((it) => (lacking.includes(it) ? widen(it) : it)) };
  });
  // A first edition that was noted and not opened in Redis is found missing by whoever applies to it, and rebuilt.
  if (opened !== undefined) await openShards(ctx, opened);
  return { state, isFull };
}

/**
 * A new edition beside what there is. Its number is one that no other stack has used at the same Redis; it keeps sums for the
 * half-lives of the boards that there are.
 */
async function nextEdition(ctx: EditionCtx, state: Editions, reason: string): Promise<Edition> {
  const used = new Set((await boards.all(ctx)).flatMap(versionsOf).map(({ halfLifeHours }) => halfLifeHours));
  return {
    id: newId(ctx, state),
    ...{ state: "building", step: "waiting", cut: ctx.now() + limits.editionAheadMs, openedAt: ctx.now(), reason },
    halfLives: [...used].slice(0, limits.halfLivesMost),
  };
}

/** By the time, above all that were there. */
function newId(ctx: Pick<Ctx, "now">, { editions: list, dropped }: Editions): number {
  return Math.max(Math.floor(ctx.now()), 1 + Math.max(0, ...[...list, ...dropped].map(({ id }) => id)));
}

/**
 * Begins a rebuild, unless one is under way: opens a new edition beside the live one. The schedule fills it (rebuild.ts).
 * @returns the edition that is being built
 */
export async function beginRebuild(ctx: EditionCtx, reason: string): Promise<Edition | undefined> {
  const building = buildingOf(await editions.get(ctx));
  if (building) return building;
  let begun: Edition | undefined;
  const state = await changeEditions(ctx, async (before) => {
    begun = undefined;
    if (buildingOf(before)) return undefined;
    begun = await nextEdition(ctx, before, reason);
    return { ...before, editions: [...before.editions, begun] };
  });
  await openBegun(ctx, begun);
  return buildingOf(state);
}

/**
 * Redis has lost an edition while it was built, or it was noted and never opened: gives it up and begins another in its place.
 * @returns the edition that is being built now
 */
export async function restartRebuild(ctx: EditionCtx, lost: number): Promise<Edition | undefined> {
  let begun: Edition | undefined;
  const state = await changeEditions(ctx, async (before) => {
    begun = undefined;
    const building = buildingOf(before);
    if (building?.id !== lost) return undefined;
    begun = await nextEdition(ctx, before, building.reason);
    return {
      ...before,
      editions: [...before.editions.filter(({ id }) => id !== lost), begun],
      dropped: [...before.dropped, { id: lost, at: ctx.now() }],
    };
  });
  await openBegun(ctx, begun);
  return buildingOf(state);
}

async function openBegun(ctx: EditionCtx, begun: Edition | undefined): Promise<void> {
  if (!begun) return;
  ctx.log("rankings-rebuild-begun", { edition: begun.id, reason: begun.reason });
  await openShards(ctx, begun.id);
}
