import { createHash } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { devNull } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import {
  type AttributeValue,
  BatchWriteItemCommand,
  type BatchWriteItemCommandOutput,
  DynamoDBClient,
  type WriteRequest,
} from "@aws-sdk/client-dynamodb";
import type { Ctx } from "../../core/context.ts";
import { aboutOf, create } from "../../core/coupons/campaign.ts";
import { type CampaignRecord, campaigns } from "../../core/coupons/campaign-records.ts";
import { confirmationOf } from "../../core/coupons/confirmation.ts";
import type { CouponState, Issuance } from "../../core/coupons/coupon.ts";
import { type Confirmation, couponKey, ticketKey } from "../../core/coupons/ledger.ts";
import { bucketOf, fieldOf, heldValue, keyDigest } from "../../core/coupons/member.ts";
import { GATE } from "../../core/coupons/tally.ts";
import { type Attributes, type ItemKey, openTable, type TableDoor } from "../../core/doors/dynamodb.ts";
import type { RedisDoor } from "../../core/doors/redis.ts";
import { keys } from "../../core/keys.ts";
import { memberOf } from "../../core/member.ts";
import { isRefusal } from "../../core/words.ts";
import { Child, freePort, listens } from "../../local/child.ts";
import { createTable } from "../../local/resources.ts";
import { type Random, seeded } from "../../local/rush/random.ts";
import { unique } from "./client.ts";

/**
 * Campaigns with a hundred thousand coupons, written straight into the stores in the layout that the domain uses: issuing and
 * confirming them one by one would take minutes. What is written must be what the domain would have written, and the first
 * thing that a test does with it is to have the verifier say so.
 */

// ── Fast writes ─────────────────────────────────────────────────────────────────────────────────────────────────────────

export type RedisCommand = Parameters<RedisDoor["commands"]>[0][number];

/** An item that takes the place of whatever is there; without attributes, a key that is emptied. */
export interface LedgerChange {
  readonly key: ItemKey;
  readonly attributes?: Attributes;
}

/** What is to be written into both stores. */
export interface Changes {
  readonly redis: readonly RedisCommand[];
  readonly ledger: readonly LedgerChange[];
}

export interface BulkLedger {
  readonly table: TableDoor;
  /** Puts and removes many items, without conditions and in no order; no key may come twice. */
  write(changes: readonly LedgerChange[]): Promise<void>;
  stop(): Promise<void>;
}

const TABLE = "filled-Ledger";
/** AWS: at most 25 writes in one batch. */
const WRITES_AT_ONCE = 25;
const WRITERS = 8;

/**
 * The emulated DynamoDB in a process of its own, as the laptop's stack has it: on the other core it takes and gives items
 * half as fast again as within the test's own process.
 */
export async function startLedger(): Promise<BulkLedger> {
  const port = await freePort();
  const output = openSync(devNull, "w");
  const server = new Child({
    name: "dynamodb",
    command: process.execPath,
    args: [join(import.meta.dirname, "../../local/dynamodb/main.ts"), "--port", `${port}`],
    output,
    ready: listens(port),
    node: true,
    restartMs: 1_000,
  });
  await server.start();
  const endpoint = `http://127.0.0.1:${port}`;
  await createTable(endpoint, TABLE);
  const client = new DynamoDBClient({ endpoint });
  const table = openTable({ name: TABLE, endpoint });
  return {
    table,
    write: (changes) => writeAll(client, changes),
    async stop() {
      table.close();
      client.destroy();
      await server.stop();
      closeSync(output);
    },
  };
}

async function writeAll(client: DynamoDBClient, changes: readonly LedgerChange[]): Promise<void> {
  let next = 0;
  const work = async () => {
    while (next < changes.length) {
      const from = next;
      next += WRITES_AT_ONCE;
      let requests: WriteRequest[] | undefined = changes.slice(from, from + WRITES_AT_ONCE).map(requestOf);
      while (requests && requests.length > 0) {
        const answer: BatchWriteItemCommandOutput = await client.send(
          new BatchWriteItemCommand({ RequestItems: { [TABLE]: requests } }),
        );
        requests = answer.UnprocessedItems?.[TABLE];
      }
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, work));
}

function requestOf({ key, attributes }: LedgerChange): WriteRequest {
  const Key = { pk: { S: key.pk }, sk: { S: key.sk } };
  if (!attributes) return { DeleteRequest: { Key } };
  const Item: Record<string, AttributeValue> = { ...Key };
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "string") Item[name] = { S: value };
    else if (typeof value === "number") Item[name] = { N: `${value}` };
    else if (value !== undefined) Item[name] = { BOOL: value };
  }
  return { PutRequest: { Item } };
}

const COMMANDS_AT_ONCE = 100;

/** Sends many plain commands, so few at once that none waits for long. */
export async function sendAll(redis: RedisDoor, commands: readonly RedisCommand[]): Promise<void> {
  for (let from = 0; from < commands.length; from += COMMANDS_AT_ONCE) {
    await redis.commands(commands.slice(from, from + COMMANDS_AT_ONCE));
  }
}

// ── How a coupon stands ─────────────────────────────────────────────────────────────────────────────────────────────────

interface Traces {
  readonly ticket?: "taken" | "free";
  readonly coupon?: CouponState;
  /** Whether the ledger remembers it as a former taker of its ticket. */
  readonly was?: true;
  readonly place: "held" | "returned";
  readonly outbox?: true;
  /** Whether it is on the to-do list of give-backs. */
  readonly listed?: true;
  /** Whether its ticket waits in the free list. */
  readonly free?: true;
}

/** What a coupon leaves in both stores, by how far it has come: each of these the domain leaves behind between two of its steps. */
const STANDINGS = {
  confirmed: { ticket: "taken", coupon: "confirmed", place: "held" },
  used: { ticket: "taken", coupon: "used", place: "held" },
  free: { ticket: "free", coupon: "cancelled", was: true, place: "returned", free: true },
  // On their way into the ledger.
  pending: { place: "held", outbox: true },
  halfRecorded: { ticket: "taken", place: "held", outbox: true },
  unsettled: { ticket: "taken", coupon: "confirmed", place: "held", outbox: true },
  // On their way back to stock.
  toBeGivenBack: { ticket: "taken", coupon: "confirmed", place: "held", listed: true },
  moved: { ticket: "taken", coupon: "cancelled", place: "held", listed: true },
  remembered: { ticket: "taken", coupon: "cancelled", was: true, place: "held", listed: true },
  setFree: { ticket: "free", coupon: "cancelled", was: true, place: "held", listed: true },
  released: { ticket: "free", coupon: "cancelled", was: true, place: "returned", listed: true, free: true },
} as const satisfies Record<string, Traces>;

export type Standing = keyof typeof STANDINGS;
const standings = Object.keys(STANDINGS) as Standing[];
export const tracesOf = (standing: Standing): Traces => STANDINGS[standing];
/** Those that no verification may take for a difference although the stores differ. */
const inFlight = standings.filter((it) => tracesOf(it).outbox || tracesOf(it).listed);
/** Whether the ledger has the ticket as somebody's. */
export const isTaken = ({ standing }: Pick<FilledCoupon, "standing">) => tracesOf(standing).ticket === "taken";

export interface FilledCoupon extends Confirmation {
  standing: Standing;
  /** Who had the ticket before, and gave it back. */
  readonly former?: Confirmation | undefined;
  /** Its place has another coupon of the same user by now. */
  replaced?: boolean;
}

// ── A plan ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface Shape {
  readonly seed: number;
  /** The highest ticket that was given. */
  readonly issued: number;
  /** Coupons of each standing that is on its way into the ledger, and of each that is on its way back to stock. */
  readonly ofEachPending: number;
  readonly ofEachGivingBack: number;
  /** Tickets that were given back and wait in the free list, in 1,000; default 30. */
  readonly freeShare?: number | undefined;
}

export interface Plan extends Shape {
  readonly record: CampaignRecord;
  readonly coupons: readonly FilledCoupon[];
  /** Makes users that no other call makes, in all the forms that user ids have. */
  readonly newUser: () => string;
  /** Completes an issuance; each call is later than everything before. */
  readonly newCoupon: (coupon: Pick<Issuance, "userId" | "ticket" | "nth">, key?: string) => Confirmation;
  readonly random: Random;
}

/** Shares of a campaign's tickets, in 1,000. */
const FREE = 30;
const USED = 100;
const TAKEN_OVER = 30;
const KEYED = 200;
const SECOND = 90;
/** Between two issues; with 110,000 of them the first was half an hour before the last. */
const STEP_MS = 20;
/** From the campaign's base, which is a day before its creation. */
const FIRST_ISSUE_MS = 80_000_000;

/** Decides how every coupon of a campaign stands. The same seed and campaign make the same plan. */
export function planCampaign(record: CampaignRecord, secret: string, shape: Shape): Plan {
  const { seed, issued, ofEachPending, ofEachGivingBack, freeShare = FREE } = shape;
  const { campaignId } = record;
  const random = seeded(seed);
  const about = aboutOf(record);
  const newUser = userMaker(seed, random.fork());
  const first = record.base + FIRST_ISSUE_MS;
  let late = issued;
  const complete = (coupon: Pick<Issuance, "userId" | "ticket" | "nth">, step: number, key: string) =>
    confirmationOf({ ...coupon, campaignId, issuedAt: first + step * STEP_MS }, about, secret, key);

  const special = new Map<number, Standing>();
  for (const standing of inFlight) {
    const most = tracesOf(standing).listed ? ofEachGivingBack : ofEachPending;
    for (let count = 0; count < most; ) {
      const ticket = 1 + random.below(issued);
      if (special.has(ticket)) continue;
      special.set(ticket, standing);
      count++;
    }
  }

  /** Users that hold one coupon so far. */
  const singles: FilledCoupon[] = [];
  const chance = (share: number) => random.below(1_000) < share;
  const coupons: FilledCoupon[] = [];
  for (let ticket = 1; ticket <= issued; ticket++) {
    const standing = special.get(ticket) ?? (chance(freeShare) ? "free" : chance(USED) ? "used" : "confirmed");
    const key = chance(KEYED) ? keyDigest(keyOf({ ticket })).toString("hex") : "";
    const before = chance(SECOND) ? singles.splice(random.below(singles.length), 1)[0] : undefined;
    // The place of a coupon that was given back is the first that its user's next coupon gets.
    const reseated = before?.standing === "free";
    if (before && reseated) before.replaced = true;
    const owner = { userId: before?.userId ?? newUser(), ticket, nth: before && !reseated ? 2 : 1 };
    if (chance(TAKEN_OVER)) {
      const former = complete({ userId: newUser(), ticket, nth: 1 }, ticket, "");
      coupons.push({ ...complete(owner, ++late, key), standing, former });
      continue;
    }
    const coupon: FilledCoupon = { ...complete(owner, ticket, key), standing };
    coupons.push(coupon);
    if (!before && !special.has(ticket)) singles.push(coupon);
  }
  return {
    ...shape,
    record,
    coupons,
    random,
    newUser,
    newCoupon: (coupon, key = "") => complete(coupon, ++late, key),
  };
}

/** The idempotency key under which a coupon was asked for, if it has one. */
export const keyOf = ({ ticket }: Pick<Issuance, "ticket">) => `key-${ticket}`;

/** A maker of user ids: decimal, UUID, like an e-mail address, and too long to stand in Redis as they are. */
function userMaker(seed: number, random: Random): () => string {
  let serial = 0;
  return () => {
    const n = ++serial;
    const dice = random.below(100);
    if (dice < 55) return `${seed % 1_000}${10_000_000 + n}`;
    if (dice < 75) {
      const hex = createHash("md5").update(`${seed}.${n}`).digest("hex");
      return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
    }
    if (dice < 92) return `shopper.${seed}.${n}@mail.example.com`;
    const name = `very.long|${seed}.${n}|`;
    return name.padEnd(dice < 97 ? 49 + random.below(60) : 255, "x");
  };
}

// ── Into the stores ─────────────────────────────────────────────────────────────────────────────────────────────────────

const issuanceOf = ({ campaignId, userId, ticket, nth, issuedAt, couponId }: Confirmation) => ({
  campaignId,
  userId,
  ticket,
  nth,
  issuedAt,
  couponId,
});

export function ticketItem(coupon: Confirmation, isFree: boolean): LedgerChange {
  const free = isFree ? true : undefined;
  return {
    key: ticketKey(coupon.campaignId, coupon.ticket),
    attributes: { ...issuanceOf(coupon), key: coupon.key, free },
  };
}

function wasItem(coupon: Confirmation): LedgerChange {
  const { pk } = ticketKey(coupon.campaignId, coupon.ticket);
  return { key: { pk, sk: `was#${coupon.couponId}` }, attributes: { ...issuanceOf(coupon), free: true } };
}

export function couponItem(coupon: Confirmation, state: CouponState): LedgerChange {
  const { userId, campaignId, nth, issuedAt, expiresAt, ticket } = coupon;
  const orderId = state === "used" ? `order-${ticket}` : undefined;
  const confirmedAt = issuedAt + 40;
  return {
    key: couponKey(userId, campaignId, nth),
    attributes: { ...issuanceOf(coupon), expiresAt, state, confirmedAt, orderId },
  };
}

/** Where a coupon stands that its user's next one has taken the place of. */
function formerCouponItem(coupon: Confirmation, state: CouponState): LedgerChange {
  const { key, ...rest } = couponItem(coupon, state);
  return { key: { ...key, sk: `${key.sk}#${coupon.issuedAt}` }, ...rest };
}

const GIVE_BACK_PARTITIONS = 8;

export function todoItem(coupon: Confirmation, writtenAt: number): LedgerChange {
  const { campaignId, ticket, issuedAt } = coupon;
  const partition = crc32(`${campaignId}#${ticket}`) % GIVE_BACK_PARTITIONS;
  return {
    key: { pk: `give-backs#${partition}`, sk: `${campaignId}#${ticket}#${issuedAt}` },
    attributes: { ...issuanceOf(coupon), writtenAt },
  };
}

/** What the ledger has of a coupon. */
export function ledgerChanges(coupon: FilledCoupon, now: number): LedgerChange[] {
  const traces = tracesOf(coupon.standing);
  const { former, replaced } = coupon;
  const changes: LedgerChange[] = [];
  if (former) changes.push(wasItem(former), couponItem(former, "cancelled"));
  if (traces.ticket) changes.push(ticketItem(coupon, traces.ticket === "free"));
  else if (former) changes.push(ticketItem(former, true));
  if (traces.was) changes.push(wasItem(coupon));
  if (traces.coupon)
    changes.push(replaced ? formerCouponItem(coupon, traces.coupon) : couponItem(coupon, traces.coupon));
  if (traces.listed) changes.push(todoItem(coupon, now));
  return changes;
}

/** The bucket and the field of a coupon's place. */
export function placeOf(coupon: Pick<Issuance, "campaignId" | "userId" | "nth">, record: CampaignRecord) {
  const bucket = bucketOf(coupon.userId, record.buckets);
  return { bucket, key: keys.holders(coupon.campaignId, bucket), field: fieldOf(memberOf(coupon.userId), coupon.nth) };
}

const RETURNED = Buffer.alloc(1);

export const heldBy = (coupon: Pick<Confirmation, "ticket" | "issuedAt" | "key">, record: CampaignRecord) =>
  heldValue(coupon, record.base);
const returnedBy = (coupon: Confirmation, record: CampaignRecord) => Buffer.concat([heldBy(coupon, record), RETURNED]);

/** A coupon's entry in the outbox, under the id that its issue time made. */
export function outboxEntry({ campaignId, ticket, nth, key = "", issuedAt, userId }: Confirmation): RedisCommand {
  const mark = Buffer.alloc(5);
  mark.writeUInt32BE(ticket);
  const more = nth > 1 || key !== "" ? Buffer.concat([Buffer.of(nth), Buffer.from(key, "hex")]) : Buffer.alloc(0);
  return ["XADD", keys.outbox(campaignId), `${issuedAt}-0`, Buffer.concat([mark, more]), userId];
}

export function setCounter(campaignId: string, issued: number): RedisCommand {
  const packed = Buffer.alloc(4);
  packed.writeUInt32BE(issued);
  return ["SETRANGE", keys.tally(campaignId), 4, packed];
}

export const setGate = (campaignId: string, gate: number): RedisCommand => [
  "SETRANGE",
  keys.tally(campaignId),
  8,
  Buffer.of(gate),
];

const FIELDS_AT_ONCE = 200;

/** What Redis has of a campaign's coupons: places, free list, outbox, counter and gate. */
function redisCommands({ record, coupons, issued }: Plan): RedisCommand[] {
  const { campaignId } = record;
  const commands: RedisCommand[] = [];
  const fieldsOf = new Map<string, Buffer[]>();
  const put = (coupon: Confirmation, value: Buffer) => {
    const { key, field } = placeOf(coupon, record);
    const fields = fieldsOf.get(key);
    if (fields) fields.push(field, value);
    else fieldsOf.set(key, [field, value]);
  };
  for (const coupon of coupons) {
    const { former, replaced, standing } = coupon;
    if (former) put(former, returnedBy(former, record));
    if (tracesOf(standing).place === "held") put(coupon, heldBy(coupon, record));
    else if (!replaced) put(coupon, returnedBy(coupon, record));
  }
  for (const [key, fields] of fieldsOf) {
    for (let from = 0; from < fields.length; from += FIELDS_AT_ONCE) {
      commands.push(["HSET", key, ...fields.slice(from, from + FIELDS_AT_ONCE)]);
    }
  }
  const free = coupons.filter(({ standing }) => tracesOf(standing).free).map(({ ticket }) => ticket);
  for (let from = 0; from < free.length; from += FIELDS_AT_ONCE) {
    const page = free.slice(from, from + FIELDS_AT_ONCE);
    commands.push(["ZADD", keys.free(campaignId), ...page.flatMap((ticket) => [ticket, ticket])]);
  }
  const waiting = coupons.filter(({ standing }) => tracesOf(standing).outbox);
  for (const coupon of waiting.sort((a, b) => a.issuedAt - b.issuedAt)) commands.push(outboxEntry(coupon));
  return [...commands, setCounter(campaignId, issued), setGate(campaignId, free.length > 0 ? GATE.freed : 0)];
}

/** A campaign that is open, through the domain's own creation. */
export async function openCampaign(
  ctx: Ctx,
  content: Partial<Parameters<typeof create>[1]> = {},
): Promise<CampaignRecord> {
  const now = Date.now();
  const draft = {
    campaignId: unique("filled"),
    name: "filled",
    stock: 10,
    perUser: 2,
    opensAt: now - 3_600_000,
    closesAt: now + 3_600_000,
    validDays: 30,
    ...content,
  };
  const result = await create(ctx, draft);
  if (isRefusal(result)) throw new Error(`no campaign: ${result.detail}`);
  const record = await campaigns.get(ctx, draft.campaignId);
  if (!record) throw new Error("a campaign that was created is not in the ledger");
  return record;
}

/** Writes a plan into both stores. */
export async function fillStores(ctx: Ctx, ledger: BulkLedger, plan: Plan): Promise<void> {
  await ledger.write(plan.coupons.flatMap((coupon) => ledgerChanges(coupon, ctx.now())));
  await sendAll(ctx.redis, redisCommands(plan));
}

/** Opens a campaign and fills both stores with it. */
export async function fillCampaign(
  ctx: Ctx,
  ledger: BulkLedger,
  shape: Shape & Partial<Parameters<typeof create>[1]>,
): Promise<Plan> {
  const { seed, issued, ofEachPending, ofEachGivingBack, freeShare, ...content } = shape;
  const facts = { seed, issued, ofEachPending, ofEachGivingBack, freeShare };
  const plan = planCampaign(await openCampaign(ctx, content), ctx.couponSecret, facts);
  await fillStores(ctx, ledger, plan);
  return plan;
}

// ── Out of Redis ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A place in Redis, read without the domain's own readers. */
export interface Place {
  readonly bucket: number;
  readonly field: Buffer;
  readonly value: Buffer;
  /** Whether the coupon was given back, or never was and only keeps those behind it in sight. */
  readonly returned: boolean;
  readonly ticket: number;
}

/** Every place of a campaign, bucket by bucket. */
export async function readPlaces(redis: RedisDoor, { campaignId, buckets }: CampaignRecord): Promise<Place[]> {
  const places: Place[] = [];
  for (let from = 0; from < buckets; from += COMMANDS_AT_ONCE) {
    const count = Math.min(COMMANDS_AT_ONCE, buckets - from);
    const batch = Array.from({ length: count }, (_, i) => ["HGETALL", keys.holders(campaignId, from + i)] as const);
    for (const [index, reply] of (await redis.commands(batch)).entries()) {
      const pairs = reply as Buffer[];
      for (let i = 0; i < pairs.length; i += 2) {
        const [field, value] = pairs.slice(i, i + 2);
        if (!field || !value) continue;
        places.push({
          bucket: from + index,
          field,
          value,
          returned: value.length % 8 === 1,
          ticket: value.readUIntBE(0, 3),
        });
      }
    }
  }
  return places;
}

/** The tickets that wait to be given again, in order. */
export async function readFree(redis: RedisDoor, { campaignId }: CampaignRecord): Promise<number[]> {
  return ((await redis.command("ZRANGE", keys.free(campaignId), 0, -1)) as string[]).map(Number);
}
