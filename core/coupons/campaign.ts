import { randomBytes } from "node:crypto";
import type { Ctx } from "../context.ts";
import { keys } from "../keys.ts";
import { neverWas, registerAll } from "../known.ts";
import { limits } from "../limits.ts";
import type { Refusal } from "../words.ts";
import type { Allotment } from "./allotment.ts";
import { type CampaignRecord, campaigns, type Moved } from "./campaign-records.ts";
import { bucketCount } from "./member.ts";
import { type Progress, progressOf } from "./recovery-records.ts";
import { armCampaign, changeCampaign, showCampaign } from "./scripts.ts";
import { GATE, type Tally } from "./tally.ts";

/**
 * Campaigns: created, changed, shown and listed. The ledger's record is the definition; Redis holds a copy of it and counts.
 */

export type CampaignState = "scheduled" | "open" | "sold-out" | "closed" | "paused" | "recovering";

/** What an operator says of a campaign. Times in milliseconds since 1970. */
export interface CampaignDraft {
  readonly campaignId: string;
  readonly name: string;
  readonly stock: number;
  readonly perUser: number;
  readonly opensAt: number;
  readonly closesAt: number;
  readonly roomId?: string | undefined;
  readonly discount?: unknown;
  readonly validDays?: number | undefined;
  readonly allotment?: Allotment | undefined;
}

/** What every function may know of a campaign without asking again: none of it changes while the campaign lives. */
export interface CampaignAbout {
  readonly campaignId: string;
  readonly perUser: number;
  readonly buckets: number;
  readonly base: number;
  readonly roomId?: string | undefined;
  readonly validDays?: number | undefined;
  readonly discount?: unknown;
  readonly allotment?: Allotment | undefined;
}

/** The public document of a campaign. */
export interface CampaignView extends CampaignAbout {
  readonly name: string;
  readonly state: CampaignState;
  readonly stock: number;
  readonly issued: number;
  readonly remaining: number;
  readonly opensAt: number;
  readonly closesAt: number;
  readonly serverTime: number;
  readonly version: number;
  /** While it is being recovered: how far that is. */
  readonly recovery?: Progress | undefined;
}

type Stored = CampaignAbout & { readonly name: string };

/** Refusals that several verbs give. */
export const refuse = {
  unknown: (campaignId: string): Refusal => ({ word: "unknown", detail: `There is no campaign "${campaignId}".` }),
  recovering: (campaignId: string): Refusal => ({
    word: "recovering",
    detail: `Campaign "${campaignId}" is being recovered and issues nothing until that is done.`,
    retryAfterMs: 5 * limits.retryAfterMs,
  }),
};

/** What never changes of a campaign, as the ledger has it. */
export function aboutOf(record: CampaignRecord): CampaignAbout {
  const { campaignId, perUser, buckets, base, roomId, validDays, discount, allotment } = record;
  return { campaignId, perUser, buckets, base, roomId, validDays, discount, allotment };
}

/** A campaign's definition as Redis keeps it. */
export function definitionOf(record: CampaignRecord): string {
  return JSON.stringify({ name: record.name, ...aboutOf(record) } satisfies Stored);
}

function stateOf(tally: Tally): CampaignState {
  if (tally.gate >= GATE.unarmed) return "recovering";
  if (tally.gate & GATE.closed || tally.now >= tally.closesAt) return "closed";
  if (tally.gate & GATE.paused) return "paused";
  if (tally.gate & GATE.scheduled && tally.now < tally.opensAt) return "scheduled";
  return tally.issued - tally.free >= tally.stock ? "sold-out" : "open";
}

function viewOf(tally: Tally, definition: string): CampaignView {
  const about = JSON.parse(definition) as Stored;
  const held = tally.issued - tally.free;
  return {
    ...about,
    state: stateOf(tally),
    stock: tally.stock,
    issued: held,
    remaining: tally.stock - held,
    opensAt: tally.opensAt,
    closesAt: tally.closesAt,
    serverTime: tally.now,
    version: tally.version,
  };
}

/** A campaign that only the ledger knows: Redis has lost it, and it issues nothing until it was recovered. */
function lostView(record: CampaignRecord, now: number): CampaignView {
  const about = JSON.parse(definitionOf(record)) as Stored;
  const { stock, opensAt, closesAt, version } = record;
  return { ...about, state: "recovering", stock, issued: 0, remaining: 0, opensAt, closesAt, serverTime: now, version };
}

/** A draft's content as text, to tell a repeated creation from another campaign under the same id. */
function contentOf(draft: CampaignDraft): string {
  const { campaignId, name, stock, perUser, opensAt, closesAt, roomId, discount, validDays, allotment } = draft;
  return JSON.stringify([
    campaignId,
    name,
    stock,
    perUser,
    opensAt,
    closesAt,
    roomId ?? null,
    discount ?? null,
    validDays ?? null,
    ...(allotment ? [allotment.index, allotment.of] : []),
  ]);
}

/** A name that no other filling of Redis has. */
export const nameFilling = (): string => randomBytes(8).toString("hex");

/**
 * Creates a campaign. Four steps, each of which can be repeated: the ledger's record, the copy in Redis (closed to
 * everyone), the ledger's mark that Redis has it, the opening of the copy. A crash in between leaves a campaign that issues
 * nothing; the same request again completes it. Once the ledger has the mark, Redis is never filled from the stock again:
 * a campaign that is then missing was lost, and must be recovered. The mark names the filling, so a creator that comes late,
 * after a loss, cannot open what it has filled.
 */
export async function create(
  ctx: Pick<Ctx, "redis" | "table" | "now">,
  draft: CampaignDraft,
): Promise<{ word: "created" | "unchanged"; campaign: CampaignView } | Refusal> {
  const { campaignId } = draft;
  const fresh: CampaignRecord = {
    ...draft,
    buckets: bucketCount(draft.stock),
    // A day early, so that a Redis clock behind this one still finds issue times at or after the base.
    base: ctx.now() - 86_400_000,
    paused: false,
    epoch: 0,
    version: 1,
    original: contentOf(draft),
  };
  const created = await campaigns.putNew(ctx, fresh);
  const record = created ? fresh : await campaigns.get(ctx, campaignId);
  if (!record) throw new Error(`campaign ${campaignId} was refused as existing and is not there`);
  if (record.original !== contentOf(draft)) {
    return { word: "exists", detail: `Campaign "${campaignId}" exists with other content.` };
  }

  const scriptKeys = { tally: keys.tally(campaignId), about: keys.about(campaignId), outbox: keys.outbox(campaignId) };
  const scriptArgs = {
    stock: record.stock,
    opensAt: record.opensAt,
    closesAt: record.closesAt,
    base: record.base,
    epoch: record.epoch,
    definition: definitionOf(record),
  };
  let { filling } = record;
  if (filling === undefined) {
    await registerCampaigns(ctx);
    const put = await ctx.redis.run(armCampaign, scriptKeys, { step: "create", filling: nameFilling(), ...scriptArgs });
    if (put.word === "missing") throw new Error(`campaign ${campaignId} could not be put into Redis`);
    await ctx.redis.command("SADD", keys.campaigns, campaignId);
    const agreed = await campaigns.putVersion(
      ctx,
      { ...record, filling: put.filling, version: record.version + 1 },
      record.version,
    );
    // Another creator was faster: what the ledger has agreed to is the filling that may be opened.
    filling = agreed ? put.filling : (await campaigns.get(ctx, campaignId))?.filling;
  }
  await ctx.redis.run(armCampaign, scriptKeys, { step: "arm", filling: filling ?? "", ...scriptArgs });

  const shown = await show(ctx, campaignId);
  if (shown.word !== "found") return shown;
  return { word: created ? "created" : "unchanged", campaign: shown.campaign };
}

/**
 * Makes sure that Redis knows the id of every campaign in the ledger, so that one that it has lost is answered as
 * `recovering` and not as unknown. Does nothing unless Redis is blank.
 * @returns how many ids were registered
 */
export function registerCampaigns(ctx: Pick<Ctx, "redis" | "table">): Promise<number> {
  return registerAll(ctx, keys.campaigns, async function* () {
    for await (const record of campaigns.all(ctx)) if (record.filling !== undefined) yield record.campaignId;
  });
}

/** @returns undefined when Redis does not have the campaign */
async function readLive(ctx: Pick<Ctx, "redis">, campaignId: string): Promise<CampaignView | undefined> {
  const place = { tally: keys.tally(campaignId), about: keys.about(campaignId), free: keys.free(campaignId) };
  const shown = await ctx.redis.run(showCampaign, place, {});
  return shown.word === "found" ? viewOf(shown.tally, shown.definition) : undefined;
}

/** Shows one campaign: live from Redis, or as `recovering` from the ledger when Redis has lost it. */
export async function show(
  ctx: Pick<Ctx, "redis" | "table" | "now">,
  campaignId: string,
): Promise<{ word: "found"; campaign: CampaignView } | Refusal> {
  const live = await readLive(ctx, campaignId);
  if (live && live.state !== "recovering") return { word: "found", campaign: live };
  const [record, recovery] = await Promise.all([campaigns.get(ctx, campaignId), progressOf(ctx, campaignId)]);
  if (!record) return refuse.unknown(campaignId);
  const campaign = live ?? lostView(record, ctx.now());
  return { word: "found", campaign: { ...campaign, recovery } };
}

/** Lists campaigns by id, each with its live figures. */
export async function list(
  ctx: Pick<Ctx, "redis" | "table" | "now">,
  page: { limit: number; after?: string | undefined },
): Promise<{ word: "listed"; items: CampaignView[]; after?: string }> {
  const { records, more } = await campaigns.page(ctx, page);
  const items = await Promise.all(
    records.map(async (record) => {
      return (await readLive(ctx, record.campaignId)) ?? lostView(record, ctx.now());
    }),
  );
  const last = records.at(-1);
  return { word: "listed", items, ...(more && last ? { after: last.campaignId } : {}) };
}

export interface CampaignChange {
  readonly name?: string | undefined;
  readonly stock?: number | undefined;
  readonly opensAt?: number | undefined;
  readonly closesAt?: number | undefined;
  readonly paused?: boolean | undefined;
}

/**
 * Changes a campaign. The ledger's version orders concurrent changes; Redis refuses one that was overtaken. The ledger never
 * knows a smaller stock than Redis gives tickets from, so a smaller stock is written there only after Redis has agreed.
 * Values are absolute: a change that was cut in between is completed by the same request again.
 */
export async function change(
  ctx: Pick<Ctx, "redis" | "table" | "now">,
  campaignId: string,
  wish: CampaignChange,
): Promise<{ word: "changed"; campaign: CampaignView } | Refusal> {
  const record = await campaigns.get(ctx, campaignId);
  if (!record) return refuse.unknown(campaignId);
  // Its creation is not complete. A new version now would make the mark that Redis has it miss its condition, and a campaign
  // that issues would look like one that may be filled from its stock.
  if (record.filling === undefined) return refuse.recovering(campaignId);
  // Looked at before anything is written: a change that is refused is not to be found in the ledger.
  const live = await readLive(ctx, campaignId);
  if (!live || live.state === "recovering") return refuse.recovering(campaignId);
  const wished = Object.fromEntries(Object.entries(wish).filter(([, value]) => value !== undefined));
  const next: CampaignRecord = { ...record, ...wished };
  if (next.closesAt <= next.opensAt) {
    return { word: "conflict", detail: "A campaign must close after it opens." };
  }
  return put(ctx, record, next);
}

/** Puts a changed record in place of the one that it was made from, in both stores. */
async function put(
  ctx: Pick<Ctx, "redis" | "table" | "now">,
  record: CampaignRecord,
  changed: CampaignRecord,
): Promise<{ word: "changed"; campaign: CampaignView } | Refusal> {
  const { campaignId } = record;
  const next: CampaignRecord = { ...changed, version: record.version + 1 };
  const overtaken: Refusal = {
    word: "conflict",
    detail: "Another change came in between. Look again, then repeat yours.",
  };

  const shrinks = next.stock < record.stock;
  const claim = shrinks ? { ...record, version: next.version } : next;
  if (!(await campaigns.putVersion(ctx, claim, record.version))) return overtaken;
  const decided = await ctx.redis.run(
    changeCampaign,
    { tally: keys.tally(campaignId), about: keys.about(campaignId) },
    {
      version: next.version,
      stock: next.stock,
      opensAt: next.opensAt,
      closesAt: next.closesAt,
      paused: next.paused ? 1 : 0,
      definition: definitionOf(next),
    },
  );
  if (decided.word === "missing" || decided.word === "recovering") return refuse.recovering(campaignId);
  if (decided.word === "conflict") {
    return decided.issued > next.stock
      ? {
          word: "conflict",
          detail: `Tickets up to ${decided.issued} are issued, or were and wait to be issued again; the stock cannot be ${next.stock}.`,
        }
      : overtaken;
  }
  if (shrinks && !(await campaigns.putVersion(ctx, { ...next, version: next.version + 1 }, next.version)))
    return overtaken;
  const shown = await show(ctx, campaignId);
  if (shown.word !== "found") return shown;
  return { word: "changed", campaign: shown.campaign };
}

/**
 * Changes a campaign's stock by one half of a transfer, once for each transfer's id: the ledger's record has the stock and the id
 * in one write, so neither is ever there without the other.
 */
export async function moveStock(
  ctx: Pick<Ctx, "redis" | "table" | "now">,
  campaignId: string,
  half: Moved & { readonly transferId: string; readonly direction: "out" | "in" },
): Promise<{ word: "changed"; campaign: CampaignView } | Refusal> {
  const { transferId, direction, count, other } = half;
  const record = await campaigns.get(ctx, campaignId);
  if (!record) return refuse.unknown(campaignId);
  const live = await readLive(ctx, campaignId);
  if (record.filling === undefined || !live || live.state === "recovering") return refuse.recovering(campaignId);
  const { transfers = {}, stock } = record;
  const name = `${direction === "out" ? ">" : "<"}${transferId}`;
  const before = transfers[name];
  if (before && (before.count !== count || before.other !== other)) {
    return {
      word: "exists",
      detail: `Transfer "${transferId}" of campaign "${campaignId}" exists with other content.`,
    };
  }
  // What went is gone from Redis before the ledger says so. What came is in the ledger first: Redis is told (again).
  if (before) return direction === "out" ? { word: "changed", campaign: live } : put(ctx, record, record);
  const next = direction === "out" ? stock - count : stock + count;
  if (next < 1 || next > limits.stockMost) {
    return { word: "conflict", detail: `The stock would be ${next}; it can be 1 to ${limits.stockMost}.` };
  }
  if (Object.keys(transfers).length >= limits.transfersMost) {
    return { word: "conflict", detail: `A campaign takes part in ${limits.transfersMost} transfers at most.` };
  }
  return put(ctx, record, { ...record, stock: next, transfers: { ...transfers, [name]: { count, other } } });
}

/**
 * Reads a campaign's unchanging facts and remembers them: one memory per container, bounded in size and age.
 * @returns undefined when Redis does not have the campaign
 */
export function aboutMemory(): (
  ctx: Pick<Ctx, "redis" | "now">,
  campaignId: string,
) => Promise<CampaignAbout | undefined> {
  const memory = new Map<string, { about: CampaignAbout; until: number }>();
  return async (ctx, campaignId) => {
    const remembered = memory.get(campaignId);
    if (remembered && ctx.now() < remembered.until) return remembered.about;
    const definition = await ctx.redis.command("GET", keys.about(campaignId));
    if (typeof definition !== "string") return undefined;
    const about = JSON.parse(definition) as CampaignAbout;
    memory.delete(campaignId);
    memory.set(campaignId, { about, until: ctx.now() + limits.aboutMemoryMs });
    const [eldest] = memory.keys();
    if (memory.size > limits.rememberedCampaigns && eldest !== undefined) memory.delete(eldest);
    return about;
  };
}

/** Tells a campaign that never was from one that Redis has lost, without the ledger. */
export async function refuseMissing(ctx: Pick<Ctx, "redis">, campaignId: string): Promise<Refusal> {
  return (await neverWas(ctx, keys.campaigns, campaignId)) ? refuse.unknown(campaignId) : refuse.recovering(campaignId);
}
