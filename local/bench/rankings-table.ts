import type { Item, ItemKey, TableDoor } from "../../core/doors/dynamodb.ts";

/** A ledger in this process's memory that takes every write, so that what is measured is not an emulator. */
export function memoryTable(): TableDoor {
  const partitions = new Map<string, Map<string, Item>>();
  const get = ({ pk, sk }: ItemKey) => partitions.get(pk)?.get(sk);
  return {
    get: async (key) => get(key),
    getBatch: async (keys) => keys.map(get).filter((item) => item !== undefined),
    async put({ pk, sk }, attributes) {
      const partition = partitions.get(pk) ?? new Map<string, Item>();
      partitions.set(pk, partition);
      partition.set(sk, { pk, sk, ...attributes } as Item);
      return true;
    },
    async remove({ pk, sk }) {
      partitions.get(pk)?.delete(sk);
      return true;
    },
    async query(pk, { prefix = "", limit, after = "" }) {
      const all = [...(partitions.get(pk) ?? [])].filter(([sk]) => sk.startsWith(prefix) && sk > after);
      all.sort(([a], [b]) => (a < b ? -1 : 1));
      return { items: all.slice(0, limit).map(([, item]) => item), more: all.length > limit };
    },
    close: () => {},
  };
}
