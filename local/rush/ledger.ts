import { setTimeout as sleep } from "node:timers/promises";
import {
  type AttributeValue,
  BatchGetItemCommand,
  DynamoDBClient,
  ScanCommand,
  type ScanCommandOutput,
} from "@aws-sdk/client-dynamodb";
import type { Stack } from "./stack.ts";
import type { CouponRow, LedgerRows, Promised, TicketRow } from "./verdict.ts";

/** DynamoDB's most keys in one BatchGetItem. */
const KEYS_PER_CALL = 100;
/** Calls under way at once. */
const CALLS = 4;
/** Tickets above the stock that are asked for by their key. */
const MARGIN = 100;
const UNPROCESSED_PAUSE_MS = 50;

type Item = Record<string, AttributeValue>;

/** The ledger, read past the API: what the API says of itself proves little. All reads are consistent. */
export interface LedgerReader {
  /** @returns those of the coupons whose holder's item is not there yet */
  missing(campaignId: string, promised: readonly Promised[]): Promise<Promised[]>;
  /** Everything of a campaign: tickets by their key, and a scan, so that nothing escapes by standing elsewhere. */
  read(campaignId: string, stock: number): Promise<LedgerRows>;
  close(): void;
}

export function openLedger(stack: Stack): LedgerReader {
  const client = new DynamoDBClient({
    endpoint: stack.dynamodb,
    region: process.env.AWS_REGION ?? "us-east-1",
    credentials: {
      accessKeyId: process.env.AWS_ACCESS_KEY_ID ?? "local",
      secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY ?? "local",
    },
  });
  const TableName = stack.table;

  async function getSome(keys: readonly Item[]): Promise<Item[]> {
    const items: Item[] = [];
    let Keys = [...keys];
    while (Keys.length > 0) {
      const RequestItems = { [TableName]: { Keys, ConsistentRead: true } };
      const { Responses, UnprocessedKeys } = await client.send(new BatchGetItemCommand({ RequestItems }));
      items.push(...(Responses?.[TableName] ?? []));
      Keys = UnprocessedKeys?.[TableName]?.Keys ?? [];
      if (Keys.length > 0) await sleep(UNPROCESSED_PAUSE_MS);
    }
    return items;
  }

  /** Gets any number of items by their keys, which are made as they are needed. */
  async function getMany(count: number, keyOf: (index: number) => Item): Promise<Item[]> {
    const items: Item[] = [];
    let next = 0;
    const work = async () => {
      while (next < count) {
        const from = next;
        next += KEYS_PER_CALL;
        const length = Math.min(KEYS_PER_CALL, count - from);
        for (const item of await getSome(Array.from({ length }, (_, index) => keyOf(from + index)))) items.push(item);
      }
    };
    await Promise.all(Array.from({ length: CALLS }, work));
    return items;
  }

  async function* scan(campaignId: string): AsyncGenerator<Item> {
    let after: Item | undefined;
    do {
      const page: ScanCommandOutput = await client.send(
        new ScanCommand({
          TableName,
          ConsistentRead: true,
          FilterExpression: "campaignId = :campaignId",
          ExpressionAttributeValues: { ":campaignId": { S: campaignId } },
          ...(after === undefined ? {} : { ExclusiveStartKey: after }),
        }),
      );
      yield* page.Items ?? [];
      after = page.LastEvaluatedKey;
    } while (after !== undefined);
  }

  return {
    async missing(campaignId, promised) {
      const ids = promised.map(({ user, coupon }) => couponKey(user, campaignId, coupon.nth));
      // Two promises may name one item; DynamoDB refuses a key that comes twice.
      const unique = [...new Map(ids.map((id) => [nameOf(id), id])).values()];
      const items = await getMany(unique.length, (index) => toItem(unique[index] ?? NOWHERE));
      const there = new Set(items.map((item) => nameOf(keyOf(item))));
      return promised.filter((_, index) => !there.has(nameOf(ids[index] ?? NOWHERE)));
    },

    async read(campaignId, stock) {
      const found = new Map<string, Item>();
      const byKey = await getMany(stock + MARGIN, (index) => toItem(ticketKey(campaignId, index + 1)));
      for (const item of byKey) found.set(nameOf(keyOf(item)), item);
      for await (const item of scan(campaignId)) found.set(nameOf(keyOf(item)), item);
      return sortOut(campaignId, found.values());
    },

    close: () => client.destroy(),
  };
}

interface ItemKey {
  readonly pk: string;
  readonly sk: string;
}

const NOWHERE: ItemKey = { pk: "", sk: "" };

const ticketKey = (campaignId: string, ticket: number): ItemKey => ({
  pk: `ticket#${campaignId}#${ticket}`,
  sk: "ticket",
});
const couponKey = (userId: string, campaignId: string, nth: number): ItemKey => ({
  pk: `user#${userId}`,
  sk: `${campaignId}#${String(nth).padStart(2, "0")}`,
});

const toItem = ({ pk, sk }: ItemKey): Item => ({ pk: { S: pk }, sk: { S: sk } });
const keyOf = (item: Item): ItemKey => ({ pk: text(item.pk), sk: text(item.sk) });
const nameOf = ({ pk, sk }: ItemKey): string => JSON.stringify([pk, sk]);
const text = (value: AttributeValue | undefined): string => value?.S ?? "";
const number = (value: AttributeValue | undefined): number => Number(value?.N ?? Number.NaN);

function sortOut(campaignId: string, items: Iterable<Item>): LedgerRows {
  const tickets: TicketRow[] = [];
  const coupons: CouponRow[] = [];
  for (const item of items) {
    const key = keyOf(item);
    const facts = {
      ticket: number(item.ticket),
      userId: text(item.userId),
      nth: number(item.nth),
      couponId: text(item.couponId),
    };
    if (key.pk.startsWith("ticket#")) {
      tickets.push({ ...facts, keyFits: nameOf(key) === nameOf(ticketKey(campaignId, facts.ticket)) });
    } else if (key.pk.startsWith("user#")) {
      const keyFits = nameOf(key) === nameOf(couponKey(facts.userId, campaignId, facts.nth));
      coupons.push({ ...facts, keyFits, state: text(item.state), confirmedAt: number(item.confirmedAt) });
    }
  }
  return { tickets, coupons };
}
