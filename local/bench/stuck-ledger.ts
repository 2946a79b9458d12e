import type { Attributes, Item, ItemKey, TableDoor, When } from "../../core/doors/dynamodb.ts";

/** The ledger's door without a store behind it, and the number of calls that DynamoDB would have had. */
export interface CountedTable extends TableDoor {
  calls(): number;
  /** All items of all partitions. */
  items(): Iterable<Item>;
}

function allows(standing: Item | undefined, { absent, equals, below }: When): boolean {
  if (!standing) return absent === true;
  const isEqual = Object.entries(equals ?? {}).every(([name, value]) => standing[name] === value);
  const isBelow = Object.entries(below ?? {}).every(([name, value]) => Number(standing[name] ?? Number.NaN) < value);
  return (equals !== undefined || below !== undefined) && isEqual && isBelow;
}

/**
 * A table in memory that keeps to DynamoDB's conditions and takes none of its time: the emulated one would need most of the
 * drill for itself, and it is the queue that is looked at. What the table holds at the end is what was not lost.
 */
export function memoryTable(): CountedTable {
  const partitions = new Map<string, Map<string, Item>>();
  const find = ({ pk, sk }: ItemKey) => partitions.get(pk)?.get(sk);
  let calls = 0;

  const store = ({ pk, sk }: ItemKey, attributes: Attributes) => {
    const partition = partitions.get(pk) ?? new Map<string, Item>();
    partitions.set(pk, partition);
    const item: Item = { pk, sk };
    for (const [name, value] of Object.entries(attributes)) if (value !== undefined) item[name] = value;
    partition.set(sk, item);
  };

  return {
    calls: () => calls,
    *items() {
      for (const partition of partitions.values()) yield* partition.values();
    },
    async get(key) {
      calls++;
      return find(key);
    },
    async getBatch(batch) {
      calls++;
      return batch.map(find).filter((item) => item !== undefined);
    },
    async put(key, attributes, when) {
      calls++;
      if (!allows(find(key), when)) return false;
      store(key, attributes);
      return true;
    },
    async remove(key, when) {
      calls++;
      if (when && !allows(find(key), when)) return false;
      partitions.get(key.pk)?.delete(key.sk);
      return true;
    },
    async query(pk, { prefix = "", limit, after = "" }) {
      calls++;
      const all = [...(partitions.get(pk)?.values() ?? [])]
        .filter(({ sk }) => String(sk).startsWith(prefix) && String(sk) > after)
        .sort((left, right) => (String(left.sk) < String(right.sk) ? -1 : 1));
      return { items: all.slice(0, limit), more: all.length > limit };
    },
    close: () => {},
  };
}
