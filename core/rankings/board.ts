import type { Ctx } from "../context.ts";
import { limits } from "../limits.ts";
import type { Refusal } from "../words.ts";
import { type BoardRecord, type BoardRules, boards, refuseBoard, versionName, versionsOf } from "./board-records.ts";
import { ensureEdition } from "./edition.ts";
import { editions, liveOf } from "./edition-records.ts";
import { finishNext, type Publisher, scoreAll } from "./publish.ts";

/** Boards: put, switched between versions, shown, listed. */

type BoardCtx = Pick<Ctx, "redis" | "table" | "now" | "log">;
export type BoardResult = { readonly word: "changed" | "unchanged"; readonly board: BoardRecord };

const TRIES = 5;
/** A change is answered when its version has taken over, or after this; the schedule goes on with it. */
const BUILD_MS = 2_500;

const overtaken: Refusal = {
  word: "conflict",
  detail: "Another change came in between. Look again, then repeat yours.",
};

const rulesText = ({ weights, halfLifeHours, size, category }: BoardRules) => {
  const { view, like, cart, sale, revenue } = weights;
  return JSON.stringify([view, like, cart, sale, revenue, halfLifeHours, size, category ?? null]);
};

/**
 * Puts a board: makes it, or builds a new version beside the one that is published, which takes over when it is complete. Until then
 * readers see the old one, then the new one, and nothing in between.
 * @param isToSwitch whether it is to take over by itself; else it waits for `switchBoard`, and the answer says what would change
 */
export async function putBoard(
  ctx: BoardCtx,
  publisher: Publisher,
  boardId: string,
  rules: BoardRules,
  isToSwitch: boolean,
): Promise<BoardResult | Refusal> {
  for (let tries = 0; tries < TRIES; tries++) {
    const before = await boards.get(ctx, boardId);
    if (!before && (await boards.all(ctx)).length >= limits.boardsMost) {
      return { word: "conflict", detail: `There are ${limits.boardsMost} boards already, which is the limit.` };
    }
    const wanted = before?.next ?? before?.current;
    const isSame = wanted !== undefined && rulesText(wanted) === rulesText(rules);
    if (before && isSame && (!before.next || before.next.isToSwitch === isToSwitch)) {
      return { word: "unchanged", board: await build(ctx, publisher, before) };
    }
    if ((await ensureEdition(ctx, rules.halfLifeHours)).isFull) return tooManyHalfLives;
    const version = 1 + Math.max(0, ...(before ? versionsOf(before).map((it) => it.version) : []));
    const next = { ...rules, version, createdAt: ctx.now(), isToSwitch, isBuilt: false };
    const record: BoardRecord = {
      ...(before ?? { boardId }),
      revision: (before?.revision ?? 0) + 1,
      next,
    };
    if (!(await boards.put(ctx, record))) continue;
    return { word: "changed", board: await build(ctx, publisher, record) };
  }
  return overtaken;
}

const tooManyHalfLives: Refusal = {
  word: "conflict",
  detail: `Boards may have ${limits.halfLivesMost} different half-lives together.`,
};

/** Scores a board's versions as far as the time allows, and publishes the next one when it is complete. */
async function build(ctx: BoardCtx, publisher: Publisher, record: BoardRecord): Promise<BoardRecord> {
  const { boardId, next } = record;
  const first = liveOf(await editions.get(ctx));
  if (!first || !next || next.isBuilt) return record;
  const until = ctx.now() + BUILD_MS;
  // The schedule, or a change of another board, may claim the shards in between: then it is tried again.
  for (let tries = 0; tries < TRIES && ctx.now() < until; tries++) {
    // What changed is scored for every board, or the others would never hear of it.
    const { live, records, scored } = await scoreAll(ctx, first, until);
    const now = records.find((it) => it.boardId === boardId);
    if (!live || now?.revision !== record.revision) return now ?? record;
    if (!scored.built.has(versionName(boardId, next.version))) continue;
    const finished = await finishNext(ctx, live, record, scored.built);
    if (finished.current !== record.current) await publisher.publishBoard(ctx, live, finished);
    return finished;
  }
  return record;
}

/** Lets another version of a board take over, in one step: the one before, or one that was built and waits. */
export async function switchBoard(
  ctx: BoardCtx,
  publisher: Publisher,
  boardId: string,
  version: number,
): Promise<BoardResult | Refusal> {
  for (let tries = 0; tries < TRIES; tries++) {
    const before = await boards.get(ctx, boardId);
    if (!before) return refuseBoard(boardId);
    const { current, previous, next } = before;
    if (current?.version === version) return { word: "unchanged", board: before };
    const revision = before.revision + 1;
    let record: BoardRecord;
    if (previous?.version === version) record = { ...before, revision, current: previous, previous: current };
    else if (next?.version === version && next.isBuilt) {
      const { isToSwitch: _, isBuilt: __, ...built } = next;
      record = { ...before, revision, current: built, previous: current, next: undefined };
    } else {
      const kept = [current, previous, next?.isBuilt ? next : undefined].flatMap((it) => (it ? [it.version] : []));
      return {
        word: "conflict",
        detail: `Version ${version} of board "${boardId}" is not kept up; there is ${kept.join(", ") || "none yet"}.`,
      };
    }
    if (!(await boards.put(ctx, record))) continue;
    const live = liveOf(await editions.get(ctx));
    if (live) await publisher.publishBoard(ctx, live, record);
    ctx.log("board-switched", { boardId, version });
    return { word: "changed", board: record };
  }
  return overtaken;
}

export async function showBoard(
  ctx: Pick<Ctx, "table">,
  boardId: string,
): Promise<{ word: "found"; board: BoardRecord } | Refusal> {
  const board = await boards.get(ctx, boardId);
  return board ? { word: "found", board } : refuseBoard(boardId);
}

export async function listBoards(
  ctx: Pick<Ctx, "table">,
  page: { limit: number; after?: string | undefined },
): Promise<{ word: "listed"; items: BoardRecord[]; after?: string }> {
  const { records, more } = await boards.page(ctx, page);
  const last = records.at(-1);
  return { word: "listed", items: records, ...(more && last ? { after: last.boardId } : {}) };
}
