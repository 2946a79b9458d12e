import type { Ctx } from "../context.ts";
import { limits } from "../limits.ts";
import { type BoardRecord, boards, type Displacement, versionName, versionsOf } from "./board-records.ts";
import { beginRebuild, ensureEdition } from "./edition.ts";
import { type Edition, editions, liveOf } from "./edition-records.ts";
import { type Expired, expire } from "./expire.ts";
import { firstPlaces, type Generation, isSound, makeGeneration, showGeneration, snapshots } from "./generation.ts";
import { type History, history } from "./history.ts";
import { claimShards, score, type VersionOf } from "./score.ts";
import { WINDOWS, type Window } from "./windows.ts";

/** Publishing: windows are moved on, changed products scored, new versions finished, and each board's next generation made. */

export type PublishCtx = Pick<Ctx, "redis" | "table" | "now" | "log">;

/** When a board's window was last copied into the ledger, and what was on it. */
type Copied = Map<string, { readonly at: number; readonly revision: number; readonly list: string }>;

export interface Published {
  /** Boards that there are. */
  readonly boards: number;
  /** Boards and windows whose generation was published. */
  readonly generations: number;
  /** Products that were scored. */
  readonly scored: number;
  readonly expired?: Expired | undefined;
  /** Versions that took over. */
  readonly switched: number;
}

export interface Publisher {
  /** Everything. @param until when scoring is to stop, in milliseconds since 1970 */
  publishAll(ctx: PublishCtx, until: number): Promise<Published>;
  /** One board, as its record says. @returns whether every window was published */
  publishBoard(ctx: PublishCtx, edition: Edition, record: BoardRecord): Promise<boolean>;
}

/** Makes a publisher, with the memory of one container. */
export function publisher(): Publisher {
  const past = history();
  const copied: Copied = new Map();

  const publishBoard = async (ctx: PublishCtx, edition: Edition, record: BoardRecord) => {
    const { boardId, current } = record;
    if (!current || !(await isSound(ctx, edition, boardId, current.version))) return false;
    const generations = await Promise.all(
      WINDOWS.map(async (window) => {
        const before = await past.before(ctx, boardId, window);
        return { window, generation: await makeGeneration(ctx, edition, record, current, window, before) };
      }),
    );
    if (!(await isSound(ctx, edition, boardId, current.version))) return false;
    const shown = await Promise.all(
      generations.map(({ window, generation }) => publishWindow(ctx, past, copied, record, window, generation)),
    );
    return shown.every(Boolean);
  };

  return {
    publishBoard,
    async publishAll(ctx, until) {
      const first = liveOf(await editions.get(ctx));
      if (!first) return { boards: 0, generations: 0, scored: 0, switched: 0 };
      const expired = await expire(ctx, first.id);
      const reason = reasonToRebuild(expired) ?? reasonOfAge(first);
      if (reason) await beginRebuild(ctx, reason);
      const nothing = { generations: 0, scored: 0, switched: 0, expired };
      if (expired.missing.length > 0) return { boards: (await boards.all(ctx)).length, ...nothing };

      const { live, records, scored } = await scoreAll(ctx, first, until);
      if (!live) return { boards: records.length, ...nothing };
      // A rebuild that began while a board was put may not know its half-life.
      const lacking = allVersions(records).find(({ version }) => !live.halfLives.includes(version.halfLifeHours));
      if (lacking) await ensureEdition(ctx, lacking.version.halfLifeHours);
      let switched = 0;
      const finished = await Promise.all(
        records.map(async (record) => {
          const after = await finishNext(ctx, live, record, scored.built);
          if (after !== record && after.current !== record.current) switched++;
          return after;
        }),
      );
      const done = await Promise.all(
        finished.map(async (record) => ((await publishBoard(ctx, live, record)) ? WINDOWS.length : 0)),
      );
      const generations = done.reduce((sum: number, it) => sum + it, 0);
      return { boards: records.length, generations, scored: scored.products, switched, expired };
    },
  };
}

/** Every version of these boards whose scores are kept up. */
export const allVersions = (records: readonly BoardRecord[]): VersionOf[] =>
  records.flatMap((record) => versionsOf(record).map((version) => ({ boardId: record.boardId, version })));

/**
 * Claims an edition's shards, then reads what there is to be scored, and scores it.
 * @returns live undefined where another edition has taken its place meanwhile
 */
export async function scoreAll(ctx: PublishCtx, edition: Edition, until: number) {
  const scorer = await claimShards(ctx, edition.id);
  const [state, records] = await Promise.all([editions.get(ctx), boards.all(ctx)]);
  const live = state.editions.find(({ id }) => id === edition.id);
  const scored = live
    ? await score(ctx, scorer, live, allVersions(records), until)
    : { products: 0, built: new Set<string>() };
  return { live, records, scored };
}

function reasonToRebuild({ missing, moved, faults }: Expired): string | undefined {
  if (missing.length > 0) return "Redis has lost the rankings";
  if (moved.length > 0) return "Redis is another server, which may lack what was acknowledged";
  return faults > 0 ? "buckets were gone before their time" : undefined;
}

function reasonOfAge({ young = [] }: Edition): string | undefined {
  return young.length > 0 ? `trending with a half-life of ${young.join(", ")} h is new` : undefined;
}

async function publishWindow(
  ctx: PublishCtx,
  past: History,
  copied: Copied,
  { boardId, revision }: BoardRecord,
  window: Window,
  generation: Generation,
): Promise<boolean> {
  if (!(await showGeneration(ctx, boardId, window, generation))) return false;
  await past.note(ctx, boardId, window, generation);
  // The ledger's copy costs a write unit a kilobyte: it is made less often, and at once when the board is another one.
  const name = `${boardId} ${window}`;
  const last = copied.get(name);
  const age = ctx.now() - (last?.at ?? 0);
  const list = generation.list
    .map(({ productId, score }) => `${productId} ${window === "trending" ? "" : score}`)
    .join();
  const isOther = last?.revision !== revision;
  if (isOther || age >= limits.snapshotAtLeastMs || (age >= limits.snapshotEveryMs && list !== last.list)) {
    try {
      await snapshots.put(ctx, boardId, window, generation);
      copied.set(name, { at: ctx.now(), revision, list });
    } catch (error) {
      // A copy that fails is older than it might be; boards go on.
      ctx.log("copy-failed", { boardId, window, reason: String(error) });
    }
  }
  return true;
}

/** When a board's next version is scored for every product: says how it differs, and lets it take over if it is to. @returns the record as it is then */
export async function finishNext(
  ctx: PublishCtx,
  edition: Edition,
  record: BoardRecord,
  built: ReadonlySet<string>,
): Promise<BoardRecord> {
  const { boardId, next, current } = record;
  if (!next || !built.has(versionName(boardId, next.version))) return record;
  if (next.isBuilt && !next.isToSwitch) return record;
  // Its trending lacks what was counted before its half-life came: it would take the place of one that is complete.
  if (current && edition.young?.includes(next.halfLifeHours)) return record;
  const { isToSwitch, isBuilt: _, ...version } = next;
  const windows = current
    ? await Promise.all(WINDOWS.map((window) => displacementOf(ctx, edition, record, window)))
    : [];
  const changed: BoardRecord = {
    ...record,
    revision: record.revision + 1,
    displacement: { version: version.version, windows: windows.filter((it) => it !== undefined) },
    ...(isToSwitch
      ? { current: version, previous: current, next: undefined }
      : { next: { ...version, isToSwitch, isBuilt: true } }),
  };
  if (!(await boards.put(ctx, changed))) return record;
  ctx.log("board-built", { boardId, version: version.version, isToSwitch });
  return changed;
}

/** Places that are compared at most. */
const COMPARED = 100;

async function displacementOf(
  ctx: Pick<Ctx, "redis">,
  edition: Edition,
  { boardId, current, next }: BoardRecord,
  window: Window,
): Promise<Displacement | undefined> {
  if (!current || !next) return undefined;
  const most = Math.min(COMPARED, current.size, next.size);
  const [before, after] = await Promise.all(
    [current, next].map(({ version }) => firstPlaces(ctx, edition, boardId, version, window, most)),
  );
  return { window, ...compareOrders((before ?? []).map(idOf), (after ?? []).map(idOf)) };
}

const idOf = ({ productId }: { productId: string }) => productId;

/** How one order differs from another. */
export function compareOrders(
  before: readonly string[],
  after: readonly string[],
): { compared: number; overlap: number; meanMove: number; mostMove: number } {
  const compared = Math.max(before.length, after.length);
  const places = new Map(before.map((productId, place) => [productId, place]));
  const moves = after.flatMap((productId, place) => {
    const was = places.get(productId);
    return was === undefined ? [] : [Math.abs(was - place)];
  });
  const total = moves.reduce((sum, move) => sum + move, 0);
  return {
    compared,
    overlap: compared === 0 ? 1 : moves.length / compared,
    meanMove: moves.length === 0 ? 0 : total / moves.length,
    mostMove: Math.max(0, ...moves),
  };
}
