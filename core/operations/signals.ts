import { type Ctx, StoreUnavailable } from "../context.ts";
import { type Backlog, backlogOf } from "../coupons/backlog.ts";
import { type CampaignRecord, campaigns } from "../coupons/campaign-records.ts";
import { FINDING_KINDS, type FindingKind } from "../coupons/finding.ts";
import { isLive } from "../coupons/recover.ts";
import { keys } from "../keys.ts";
import { knownIds } from "../known.ts";
import { limits } from "../limits.ts";
import { type BoardRecord, boards } from "../rankings/board-records.ts";
import { editions, liveOf } from "../rankings/edition-records.ts";
import { SHARDS } from "../rankings/shards.ts";
import { rooms } from "../rooms/room-records.ts";
import {
  campaignKinds,
  type KeyFigures,
  measure,
  measureBoard,
  measureShard,
  registryKinds,
  roomKinds,
  sumOf,
} from "./signals-keys.ts";
import { type ServerSignals, serversOf } from "./signals-server.ts";
import { lastVerification } from "./verify.ts";

/**
 * The signals: how the stores stand, told by the stores themselves. Bounded in all that grows, and a store that is away takes
 * nothing from what the others say: its own part is then undefined.
 */

export interface QueueSignals {
  readonly waiting: number;
  readonly inFlight: number;
}

export interface CampaignSignals {
  readonly campaignId: string;
  /** Open now, or within minutes of it. Taken to be so where the ledger does not answer. */
  readonly isLive: boolean;
  readonly keys: KeyFigures | undefined;
  readonly outbox: Pick<Backlog, "depth" | "oldestMs"> | undefined;
  /** The last that was kept; null where there was none. */
  readonly verification: { verifiedAt: number; consistent: boolean; findings: number } | null | undefined;
}

/** A list that may not be the whole. */
export interface Looked<T> {
  readonly items: readonly T[];
  /** Whether there is more than was looked at. */
  readonly more: boolean;
}

export interface Signals {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly servers: readonly ServerSignals[] | undefined;
  readonly queues: Readonly<Record<"confirmations" | "deadLetters" | "events", QueueSignals | undefined>>;
  /** Whether the ledger has told which campaigns, rooms and boards there are. */
  readonly isLedgerUp: boolean;
  /** The two sets of all ids. */
  readonly registry: KeyFigures | undefined;
  readonly campaigns: Looked<CampaignSignals>;
  readonly rooms: Looked<{ readonly roomId: string; readonly keys: KeyFigures | undefined }>;
  /** Shards of the rankings in the live edition, boards aside: `keys` of all that were looked at. */
  readonly rankings: { readonly shards: number; readonly keys: KeyFigures; readonly more: boolean } | undefined;
  /** None where the ledger does not answer: only it knows them. */
  readonly boards: Looked<{ readonly boardId: string; readonly keys: KeyFigures | undefined }>;
}

type SignalsCtx = Pick<Ctx, "redis" | "table" | "confirmations" | "deadLetters" | "events" | "now">;

/** What a store says, or undefined while it is away. */
async function told<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    return undefined;
  }
}

/**
 * Looks at everything once.
 * @param lookMs once it is known what there is, nothing new is begun after this time; what was not come to is said by `more`
 */
export async function signals(ctx: SignalsCtx, lookMs: number): Promise<Signals> {
  const at = ctx.now();
  const [confirmations, deadLetters, events, listed, registry] = await Promise.all([
    told(() => ctx.confirmations.depth()),
    told(() => ctx.deadLetters.depth()),
    told(() => ctx.events.depth()),
    told(() => list(ctx, at)),
    told(async () => sumOf(await Promise.all(registryKinds().map((kind) => measure(ctx, [kind]))))),
  ]);
  const isRedisUp = registry !== undefined;
  const known = listed ?? (isRedisUp ? await told(() => listFromRedis(ctx)) : undefined) ?? NOTHING;
  const servers = isRedisUp
    ? await told(() =>
        serversOf(
          ctx,
          known.campaigns.map(({ campaignId }) => campaignId),
        ),
      )
    : undefined;
  // Counted from here: a store that is away has taken its time already, and is no reason to look at nothing else.
  const until = ctx.now() + lookMs;

  /** Some of a kind, one after the other, so that others' commands come in between. */
  const each = async <S, T>(subjects: readonly S[], look: (subject: S) => Promise<T>): Promise<Looked<T>> => {
    const items: T[] = [];
    for (const subject of subjects.slice(0, limits.signalsMost)) {
      if (ctx.now() >= until) break;
      items.push(await look(subject));
    }
    return { items, more: items.length < subjects.length };
  };
  const ofRedis = <T>(ask: () => Promise<T>) => (servers ? told(ask) : Promise.resolve(undefined));

  const { edition } = known;
  // Side by side, so that many of one kind do not take the time of the others.
  const [ofCampaigns, ofRooms, ofShards, ofBoards] = await Promise.all([
    each(known.campaigns, async ({ campaignId, buckets, isLive }): Promise<CampaignSignals> => {
      const [figures, backlog, verification] = await Promise.all([
        ofRedis(() => measure(ctx, campaignKinds(campaignId, buckets))),
        ofRedis(() => backlogOf(ctx, campaignId)),
        listed ? told(() => verificationOf(ctx, campaignId)) : undefined,
      ]);
      const outbox = backlog && { depth: backlog.depth, oldestMs: backlog.oldestMs };
      return { campaignId, isLive, keys: figures, outbox, verification };
    }),
    each(known.roomIds, async (roomId) => ({ roomId, keys: await ofRedis(() => measure(ctx, roomKinds(roomId))) })),
    edition === undefined ? undefined : each(SHARDS, (shard) => ofRedis(() => measureShard(ctx, shard, edition))),
    each(known.boards, async (record) => ({
      boardId: record.boardId,
      keys: await ofRedis(() => measureBoard(ctx, record, edition)),
    })),
  ]);

  const shards = ofShards?.items.filter((it) => it !== undefined) ?? [];
  return {
    ...{ at, servers, queues: { confirmations, deadLetters, events }, isLedgerUp: listed !== undefined, registry },
    campaigns: { ...ofCampaigns, more: ofCampaigns.more || known.more },
    rooms: ofRooms,
    rankings: ofShards && { shards: shards.length, keys: sumOf(shards), more: shards.length < SHARDS.length },
    boards: ofBoards,
  };
}

interface Known {
  readonly campaigns: readonly { campaignId: string; buckets: number; isLive: boolean }[];
  readonly roomIds: readonly string[];
  readonly boards: readonly BoardRecord[];
  /** The live one of the rankings. */
  readonly edition: number | undefined;
  /** Whether there are campaigns beyond these. */
  readonly more: boolean;
}

const NOTHING: Known = { campaigns: [], roomIds: [], boards: [], edition: undefined, more: false };

/** What there is, by the ledger: live campaigns first, since those are what a look is for. */
async function list(ctx: Pick<Ctx, "table">, nowMs: number): Promise<Known> {
  const records: CampaignRecord[] = [];
  let more = false;
  for await (const record of campaigns.all(ctx)) {
    more = records.length === limits.signalsListed;
    if (more) break;
    records.push(record);
  }
  const found = records.map((record) => ({ ...record, isLive: isLive(record, nowMs) }));
  const [room, board, state] = await Promise.all([
    rooms.page(ctx, { limit: limits.signalsMost + 1 }),
    boards.page(ctx, { limit: limits.signalsMost + 1 }),
    editions.get(ctx),
  ]);
  return {
    campaigns: [...found.filter((it) => it.isLive), ...found.filter((it) => !it.isLive)],
    roomIds: room.records.map(({ roomId }) => roomId),
    boards: board.records,
    edition: liveOf(state)?.id,
    more,
  };
}

/** What there is, by Redis, while the ledger is away. */
async function listFromRedis(ctx: Pick<Ctx, "redis">): Promise<Known> {
  const [ids, roomIds] = await Promise.all([knownIds(ctx, keys.campaigns), knownIds(ctx, keys.rooms)]);
  const some = ids.sort().slice(0, limits.signalsMost);
  const definitions = await Promise.all(some.map((id) => ctx.redis.command("GET", keys.about(id))));
  const found = some.flatMap((campaignId, i) => {
    const text = definitions[i];
    if (typeof text !== "string") return [];
    const { buckets } = JSON.parse(text) as { buckets: number };
    return [{ campaignId, buckets, isLive: true }];
  });
  return { ...NOTHING, campaigns: found, roomIds: roomIds.sort(), more: some.length < ids.length };
}

async function verificationOf(ctx: Pick<Ctx, "table">, campaignId: string) {
  const last = await lastVerification(ctx, campaignId);
  if (!last) return null;
  // The list of findings is cut; the counts of each kind are not.
  const findings = (Object.keys(FINDING_KINDS) as FindingKind[]).reduce((sum, kind) => sum + last[kind], 0);
  return { verifiedAt: last.verifiedAt, consistent: last.consistent, findings };
}

/** The figures that the schedule writes as metrics, over everything that was looked at. */
export function totalsOf(it: Signals) {
  const measured = [
    it.registry,
    it.rankings?.keys,
    ...[...it.campaigns.items, ...it.rooms.items, ...it.boards.items].map(({ keys: figures }) => figures),
  ];
  const all = sumOf(measured.filter((figures) => figures !== undefined));
  const replicas = it.servers?.flatMap((server) => server.replicas) ?? [];
  const live = it.campaigns.items.filter(({ isLive }) => isLive);
  const verifications = live.flatMap(({ verification }) => verification ?? []);
  const most = (values: readonly number[]) => Math.max(0, ...values);
  return {
    replicas: replicas.length,
    replicaGapBytes: most(replicas.map(({ gapBytes }) => gapBytes)),
    replicaLagSeconds: most(replicas.map(({ lagSeconds }) => lagSeconds)),
    usedBytes: most((it.servers ?? []).map(({ usedBytes }) => usedBytes)),
    keys: all.keys,
    bytes: all.bytes,
    missingTtls: all.missingTtls,
    unwantedTtls: all.unwantedTtls,
    wrong: all.wrong,
    rankingBytes: it.rankings?.keys.bytes ?? 0,
    verificationAgeMs: most(verifications.map(({ verifiedAt }) => it.at - verifiedAt)),
  };
}
