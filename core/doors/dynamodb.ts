import {
  type AttributeValue,
  BatchGetItemCommand,
  ConditionalCheckFailedException,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
} from "@aws-sdk/client-dynamodb";
import { StoreUnavailable } from "../context.ts";
import { limits } from "../limits.ts";

export interface TableAddress {
  readonly name: string;
  /** Only where the table is not AWS's own: the emulator's address. */
  readonly endpoint?: string;
}

/** An item's attributes without its key. Undefined ones are not stored. */
export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;
export type Item = Record<string, string | number | boolean>;
export interface ItemKey {
  readonly pk: string;
  readonly sk: string;
}

/** The one way to DynamoDB: a table with a partition key `pk` and a sort key `sk`, both strings. Reads are consistent. */
export interface TableDoor {
  get(key: ItemKey): Promise<Item | undefined>;
  /** Up to 100 items in one call, those that exist. */
  getBatch(keys: readonly ItemKey[]): Promise<Item[]>;
  /** Writes the item unless one with its key exists. @returns whether it was written */
  putNew(key: ItemKey, attributes: Attributes): Promise<boolean>;
  /** Replaces the item if its `version` still is the given one. @returns whether it was written */
  putVersion(key: ItemKey, attributes: Attributes, version: number): Promise<boolean>;
  /** Items of a partition whose sort key begins with a prefix, in order; `after` continues behind a sort key. */
  query(
    pk: string,
    options: { prefix?: string; limit: number; after?: string },
  ): Promise<{ items: Item[]; more: boolean }>;
  close(): void;
}

function toValue(value: string | number | boolean): AttributeValue {
  if (typeof value === "string") return { S: value };
  if (typeof value === "number") return { N: String(value) };
  return { BOOL: value };
}

function fromValue(value: AttributeValue): string | number | boolean {
  if (value.S !== undefined) return value.S;
  if (value.N !== undefined) return Number(value.N);
  if (value.BOOL !== undefined) return value.BOOL;
  throw new Error(`the ledger holds an attribute of a type that is not written here: ${Object.keys(value).join()}`);
}

function toItem(key: ItemKey, attributes: Attributes): Record<string, AttributeValue> {
  const item: Record<string, AttributeValue> = { pk: { S: key.pk }, sk: { S: key.sk } };
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) item[name] = toValue(value);
  return item;
}

function fromItem(item: Record<string, AttributeValue>): Item {
  return Object.fromEntries(Object.entries(item).map(([name, value]) => [name, fromValue(value)]));
}

/** Opens a client. Each of two attempts has `limits.ledgerAttemptMs`. */
export function openTable(address: TableAddress): TableDoor {
  const client = new DynamoDBClient({
    ...(address.endpoint ? { endpoint: address.endpoint } : {}),
    maxAttempts: 2,
    requestHandler: {
      connectionTimeout: limits.ledgerAttemptMs,
      requestTimeout: limits.ledgerAttemptMs,
      throwOnRequestTimeout: true,
    },
  });
  const TableName = address.name;

  async function guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      // A request that DynamoDB calls malformed is a bug of ours; asking again would not mend it.
      if (error instanceof Error && error.name === "ValidationException") throw error;
      throw new StoreUnavailable("ledger", error);
    }
  }

  const put = (key: ItemKey, attributes: Attributes, condition: object) =>
    guarded(async () => {
      try {
        await client.send(new PutItemCommand({ TableName, Item: toItem(key, attributes), ...condition }));
        return true;
      } catch (error) {
        if (error instanceof ConditionalCheckFailedException) return false;
        throw error;
      }
    });

  return {
    get: (key) =>
      guarded(async () => {
        const Key = { pk: { S: key.pk }, sk: { S: key.sk } };
        const { Item } = await client.send(new GetItemCommand({ TableName, Key, ConsistentRead: true }));
        return Item && fromItem(Item);
      }),
    getBatch: (batch) =>
      guarded(async () => {
        const items: Item[] = [];
        let Keys = batch.map((key) => ({ pk: { S: key.pk }, sk: { S: key.sk } }) as Record<string, AttributeValue>);
        while (Keys.length > 0) {
          const RequestItems = { [TableName]: { Keys, ConsistentRead: true } };
          const { Responses, UnprocessedKeys } = await client.send(new BatchGetItemCommand({ RequestItems }));
          for (const item of Responses?.[TableName] ?? []) items.push(fromItem(item));
          Keys = UnprocessedKeys?.[TableName]?.Keys ?? [];
        }
        return items;
      }),
    putNew: (key, attributes) => put(key, attributes, { ConditionExpression: "attribute_not_exists(pk)" }),
    putVersion: (key, attributes, version) =>
      put(key, attributes, {
        ConditionExpression: "#version = :version",
        ExpressionAttributeNames: { "#version": "version" },
        ExpressionAttributeValues: { ":version": { N: String(version) } },
      }),
    query: (pk, { prefix, limit, after }) =>
      guarded(async () => {
        const { Items = [], LastEvaluatedKey } = await client.send(
          new QueryCommand({
            TableName,
            ConsistentRead: true,
            Limit: limit,
            KeyConditionExpression: prefix === undefined ? "pk = :pk" : "pk = :pk AND begins_with(sk, :prefix)",
            ExpressionAttributeValues: {
              ":pk": { S: pk },
              ...(prefix === undefined ? {} : { ":prefix": { S: prefix } }),
            },
            ...(after === undefined ? {} : { ExclusiveStartKey: { pk: { S: pk }, sk: { S: after } } }),
          }),
        );
        return { items: Items.map(fromItem), more: LastEvaluatedKey !== undefined };
      }),
    close: () => client.destroy(),
  };
}
