import { crc32 } from "node:zlib";
import { type Ctx, StoreUnavailable } from "../context.ts";
import type { Item } from "../doors/dynamodb.ts";
import { keys } from "../keys.ts";
import { limits } from "../limits.ts";
import { memberOf } from "../member.ts";
import { aboutOf, type CampaignAbout } from "./campaign.ts";
import { campaigns } from "./campaign-records.ts";
import type { Issuance } from "./coupon.ts";
import { type CouponRow, coupons as ledger } from "./ledger.ts";
import { bucketOf } from "./member.ts";
import { release } from "./scripts.ts";

/**
 * A coupon is given back in four steps over two stores. What is to be done is written down first, each step can be repeated,
 * and the sweep completes what was cut off. The ledger goes before Redis: a ticket is issued again only after the ledger will
 * take it again.
 */

type GiveBackCtx = Pick<Ctx, "redis" | "table" | "now">;

/** Partitions of the to-do list: a thousand writes a second each. */
const PARTITIONS = 8;

const todoKey = ({ campaignId, ticket, issuedAt }: Issuance) => ({
  pk: `give-backs#${crc32(`${campaignId}#${ticket}`) % PARTITIONS}`,
  sk: `${campaignId}#${ticket}#${issuedAt}`,
});

/** What came of it. `later`: the ledger has it, Redis does not yet, and the sweep goes on. `not-live`: the coupon is in no state for it. */
export type GivenBack = "done" | "later" | "not-live";

/** Gives a confirmed coupon back, so that its ticket can be issued again. Repeating it changes nothing and completes what was cut off. */
export async function giveBack(ctx: GiveBackCtx, about: CampaignAbout, coupon: CouponRow): Promise<GivenBack> {
  const { campaignId, userId, ticket, nth, issuedAt, couponId } = coupon;
  const todo = todoKey(coupon);
  await ctx.table.put(
    todo,
    { campaignId, userId, ticket, nth, issuedAt, couponId, writtenAt: ctx.now() },
    { absent: true },
  );
  const moved = await ledger.move(ctx, { ...coupon, state: "confirmed" }, { ...coupon, state: "cancelled" });
  if (!moved) {
    const now = (await ledger.find(ctx, couponId))?.coupon;
    if (now?.state !== "cancelled") {
      await ctx.table.remove(todo);
      return "not-live";
    }
  }
  await ledger.setFree(ctx, coupon);
  let word: string;
  try {
    word = await releaseHolder(ctx, about, coupon, true);
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    return "later";
  }
  if (word === "recovering" || word === "missing") return "later";
  await ctx.table.remove(todo);
  return "done";
}

/** Takes the coupon from its holder in Redis, if the holder still has this very one. */
export function releaseHolder(
  ctx: Pick<Ctx, "redis">,
  about: CampaignAbout,
  { campaignId, userId, ticket, nth, issuedAt }: Issuance,
  refill: boolean,
) {
  return ctx.redis.run(
    release,
    {
      tally: keys.tally(campaignId),
      bucket: keys.holders(campaignId, bucketOf(userId, about.buckets)),
      free: keys.free(campaignId),
      outbox: keys.outbox(campaignId),
    },
    { member: memberOf(userId), nth, ticket, issuedAt, refill: refill ? 1 : 0 },
  );
}

/** Coupons on the to-do list; `olderThanMs` leaves out what somebody may be at work on. */
export async function openGiveBacks(ctx: Pick<Ctx, "table" | "now">, olderThanMs: number): Promise<CouponRow[]> {
  const before = ctx.now() - olderThanMs;
  const lists = await Promise.all(Array.from({ length: PARTITIONS }, (_, i) => readPartition(ctx, `give-backs#${i}`)));
  return lists
    .flat()
    .filter((item) => Number(item.writtenAt) <= before)
    .map((item) => ({
      couponId: String(item.couponId),
      campaignId: String(item.campaignId),
      userId: String(item.userId),
      ticket: Number(item.ticket),
      nth: Number(item.nth),
      issuedAt: Number(item.issuedAt),
      state: "cancelled" as const,
    }));
}

async function readPartition(ctx: Pick<Ctx, "table">, pk: string): Promise<Item[]> {
  const all: Item[] = [];
  let after: string | undefined;
  do {
    const { items, more } = await ctx.table.query(pk, { limit: PAGE, ...(after === undefined ? {} : { after }) });
    all.push(...items);
    after = more ? String(items.at(-1)?.sk) : undefined;
  } while (after !== undefined);
  return all;
}

/** Items of one query; about 200 bytes each, and DynamoDB reads a megabyte at most. */
const PAGE = 1_000;

/** Completes give-backs that were cut off. @returns how many it has completed */
export async function completeGiveBacks(ctx: GiveBackCtx): Promise<number> {
  let count = 0;
  for (const { campaignId, couponId } of await openGiveBacks(ctx, limits.releaseAgeMs)) {
    const [record, found] = await Promise.all([campaigns.get(ctx, campaignId), ledger.find(ctx, couponId)]);
    if (!record || !found?.coupon) continue;
    if ((await giveBack(ctx, aboutOf(record), found.coupon)) !== "later") count++;
  }
  return count;
}
