import {
  type AttributeValue,
  DynamoDBClient,
  QueryCommand,
  type QueryCommandOutput,
  ScanCommand,
  type ScanCommandOutput,
} from "@aws-sdk/client-dynamodb";
import type { CouponRow, LedgerRows, TicketRow } from "./judge.ts";

const TIMEOUT_MS = 3_000;

type Item = Record<string, AttributeValue>;

/** The ledger, read past the API and past every proxy. All reads are consistent. */
export interface Ledger {
  /** Everything of a campaign. */
  read(campaignId: string): Promise<LedgerRows>;
  /** A user's coupons of a campaign, former ones included. */
  couponsOf(campaignId: string, userId: string): Promise<CouponRow[]>;
  close(): void;
}

export function openLedger(endpoint: string, table: string): Ledger {
  const client = new DynamoDBClient({
    endpoint,
    region: process.env.AWS_REGION ?? "us-east-1",
    credentials: {
      accessKeyId: process.env.AWS_ACCESS_KEY_ID ?? "local",
      secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY ?? "local",
    },
    requestHandler: { requestTimeout: TIMEOUT_MS, throwOnRequestTimeout: true },
  });

  async function collect(
    page: (after: Item | undefined) => Promise<QueryCommandOutput | ScanCommandOutput>,
  ): Promise<Item[]> {
    const items: Item[] = [];
    let after: Item | undefined;
    do {
      const { Items = [], LastEvaluatedKey } = await page(after);
      for (const item of Items) items.push(item);
      after = LastEvaluatedKey;
    } while (after !== undefined);
    return items;
  }

  return {
    async read(campaignId) {
      const items = await collect((after) =>
        client.send(
          new ScanCommand({
            TableName: table,
            ConsistentRead: true,
            FilterExpression: "campaignId = :campaignId",
            ExpressionAttributeValues: { ":campaignId": { S: campaignId } },
            ...(after === undefined ? {} : { ExclusiveStartKey: after }),
          }),
        ),
      );
      return {
        tickets: items.filter(isTicket).map(ticketOf),
        coupons: items.filter(isCoupon).map(couponOf),
      };
    },

    async couponsOf(campaignId, userId) {
      const items = await collect((after) =>
        client.send(
          new QueryCommand({
            TableName: table,
            ConsistentRead: true,
            KeyConditionExpression: "pk = :pk AND begins_with(sk, :sk)",
            ExpressionAttributeValues: { ":pk": { S: `user#${userId}` }, ":sk": { S: `${campaignId}#` } },
            ...(after === undefined ? {} : { ExclusiveStartKey: after }),
          }),
        ),
      );
      return items.filter(isCoupon).map(couponOf);
    },

    close: () => client.destroy(),
  };
}

const text = (value: AttributeValue | undefined): string => value?.S ?? "";
const number = (value: AttributeValue | undefined): number => Number(value?.N ?? Number.NaN);

/** Beside the ticket's own item a partition may hold what its former takers have left. */
const isTicket = ({ pk, sk }: Item): boolean => text(pk).startsWith("ticket#") && text(sk) === "ticket";
const isCoupon = ({ pk, sk }: Item): boolean => text(pk).startsWith("user#") && /#\d{2}(?:#\d+)?$/.test(text(sk));
/** A former coupon's key ends in its issue time. */
const isFormer = ({ sk }: Item): boolean => /#\d{2}#\d+$/.test(text(sk));

function ticketOf(item: Item): TicketRow {
  return {
    ticket: number(item.ticket),
    userId: text(item.userId),
    couponId: text(item.couponId),
    isFree: item.free?.BOOL === true,
  };
}

function couponOf(item: Item): CouponRow {
  const reason = text(item.reason);
  return {
    couponId: text(item.couponId),
    userId: text(item.userId),
    ticket: number(item.ticket),
    nth: number(item.nth),
    state: text(item.state),
    isFormer: isFormer(item),
    ...(reason ? { reason } : {}),
  };
}
