import {
  type AttributeValue,
  BatchGetItemCommand,
  ConditionalCheckFailedException,
  DeleteItemCommand,
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

/**
 * When a put may replace what stands under its key. `absent`: nothing stands there. `equals`: all of these attributes stand
 * there with these values; together with `below`, what stands there is smaller than these numbers. With both `absent` and
 * `equals`, one of the two is enough.
 */
export interface When {
  readonly absent?: boolean;
  readonly equals?: Readonly<Record<string, string | number | boolean>>;
  readonly below?: Readonly<Record<string, number>>;
}

/** The one way to DynamoDB: a table with a partition key `pk` and a sort key `sk`, both strings. Reads are consistent. */
export interface TableDoor {
  get(key: ItemKey): Promise<Item | undefined>;
  /** Up to 100 items in one call, those that exist. */
  getBatch(keys: readonly ItemKey[]): Promise<Item[]>;
  /** Writes the whole item if what stands under its key allows it. @returns whether it was written */
  put(key: ItemKey, attributes: Attributes, when: When): Promise<boolean>;
  /** Removes the item, whether it is there or not; with a condition, only where it stands so. @returns whether the condition held */
  remove(key: ItemKey, when?: Pick<When, "equals">): Promise<boolean>;
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

function conditionOf({ absent, equals = {}, below = {} }: When) {
  const names: Record<string, string> = {};
  const values: Record<string, AttributeValue> = {};
  const terms: string[] = [];
  const add = (name: string, operator: string, value: string | number | boolean) => {
    const place = terms.length;
    names[`#${place}`] = name;
    values[`:${place}`] = toValue(value);
    terms.push(`#${place} ${operator} :${place}`);
  };
  for (const [name, value] of Object.entries(equals)) add(name, "=", value);
  for (const [name, value] of Object.entries(below)) add(name, "<", value);
  const either = [...(absent ? ["attribute_not_exists(pk)"] : []), ...(terms.length > 0 ? [terms.join(" AND ")] : [])];
  return {
    ConditionExpression: either.map((it) => `(${it})`).join(" OR "),
    ...(terms.length > 0 ? { ExpressionAttributeNames: names, ExpressionAttributeValues: values } : {}),
  };
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

  return {
    get: (key) =>
      guarded(async () => {
        const Key = toItem(key, {});
        const { Item } = await client.send(new GetItemCommand({ TableName, Key, ConsistentRead: true }));
        return Item && fromItem(Item);
      }),
    getBatch: (batch) =>
      guarded(async () => {
        const items: Item[] = [];
        let Keys = batch.map((key) => toItem(key, {}));
        while (Keys.length > 0) {
          const RequestItems = { [TableName]: { Keys, ConsistentRead: true } };
          const { Responses, UnprocessedKeys } = await client.send(new BatchGetItemCommand({ RequestItems }));
          for (const item of Responses?.[TableName] ?? []) items.push(fromItem(item));
          Keys = UnprocessedKeys?.[TableName]?.Keys ?? [];
        }
        return items;
      }),
    put: (key, attributes, when) =>
      guarded(async () => {
        try {
          const Item = toItem(key, attributes);
          await client.send(new PutItemCommand({ TableName, Item, ...conditionOf(when) }));
          return true;
        } catch (error) {
          if (error instanceof ConditionalCheckFailedException) return false;
          throw error;
        }
      }),
    remove: (key, when) =>
      guarded(async () => {
        try {
          const condition = when ? conditionOf(when) : {};
          await client.send(new DeleteItemCommand({ TableName, Key: toItem(key, {}), ...condition }));
          return true;
        } catch (error) {
          if (error instanceof ConditionalCheckFailedException) return false;
          throw error;
        }
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
