/**
 * The first places over all shards, exactly. Each product lies in one shard, so the first K are among the first K of each shard; and
 * usually among far fewer of each, so a shard is asked for more only while the last entry that it gave still stands before the
 * K-th of all.
 */

export interface Entry {
  readonly productId: string;
  readonly score: number;
}

/**
 * The store's own order: higher scores first; of equal scores the greater name by its bytes. (ZREVRANGE gives equal scores in
 * reverse byte order; pages would repeat and skip products if this differed.)
 */
export function compareEntries(a: Entry, b: Entry): number {
  if (a.score !== b.score) return b.score - a.score;
  return Buffer.compare(Buffer.from(b.productId), Buffer.from(a.productId));
}

/** One shard's entries from a place on, in the store's order; fewer than asked for only at the end. */
export type Fetch = (shard: number, from: number, count: number) => Promise<readonly Entry[]>;

/**
 * Entries that each shard is asked for at first: the share of one shard and four standard deviations of it, so that one round is
 * nearly always enough.
 */
export function firstFetch(most: number, shards: number): number {
  const share = most / shards;
  return Math.min(most, Math.ceil(share + 4 * Math.sqrt(share) + 1));
}

/** How often a list is read again because scores moved while it was read. */
const TRIES = 3;

/**
 * The first entries over all shards, in the store's order.
 * @param shards their number
 * @param most entries wanted; fewer come only where there are no more
 */
export async function topK(shards: number, most: number, fetch: Fetch): Promise<Entry[]> {
  for (let tries = 1; ; tries++) {
    const entries = await topOnce(shards, most, fetch);
    const distinct = new Map(entries.map((entry) => [entry.productId, entry]));
    // A product that fell between two readings of its shard stands there twice, and another was passed over.
    if (distinct.size === entries.length) return entries;
    if (tries === TRIES) return [...distinct.values()];
  }
}

async function topOnce(shards: number, most: number, fetch: Fetch): Promise<Entry[]> {
  const count = firstFetch(most, shards);
  const lists = await Promise.all(Array.from({ length: shards }, (_, shard) => fetch(shard, 0, count)));
  const open = new Set(lists.flatMap((list, shard) => (list.length === count ? [shard] : [])));
  for (;;) {
    const merged = mergeHeap(lists, most);
    const last = merged[most - 1];
    const asked = [...open].filter((shard) => {
      const end = lists[shard]?.at(-1);
      return end !== undefined && (last === undefined || compareEntries(end, last) < 0);
    });
    if (asked.length === 0) return merged;
    await Promise.all(
      asked.map(async (shard) => {
        const before = lists[shard] ?? [];
        const wanted = Math.min(before.length, most - before.length);
        const more = wanted > 0 ? await fetch(shard, before.length, wanted) : [];
        lists[shard] = [...before, ...more];
        if (more.length < wanted || before.length + more.length >= most) open.delete(shard);
      }),
    );
  }
}

/** The first entries of sorted lists: a heap of the lists' heads. */
export function mergeHeap(lists: readonly (readonly Entry[])[], most: number): Entry[] {
  const heap: { list: readonly Entry[]; at: number; head: Entry }[] = [];
  const isBefore = (a: number, b: number) => {
    const [left, right] = [heap[a], heap[b]];
    return left !== undefined && right !== undefined && compareEntries(left.head, right.head) < 0;
  };
  const swap = (a: number, b: number) => {
    const [left, right] = [heap[a], heap[b]];
    if (left && right) [heap[a], heap[b]] = [right, left];
  };
  const sink = (from: number) => {
    for (let at = from; ; ) {
      let first = at;
      for (const child of [2 * at + 1, 2 * at + 2]) if (isBefore(child, first)) first = child;
      if (first === at) return;
      swap(at, first);
      at = first;
    }
  };
  for (const list of lists) {
    const [head] = list;
    if (head) heap.push({ list, at: 0, head });
  }
  for (let at = (heap.length >> 1) - 1; at >= 0; at--) sink(at);
  const merged: Entry[] = [];
  while (merged.length < most) {
    const [first] = heap;
    if (!first) break;
    merged.push(first.head);
    const next = first.list[first.at + 1];
    if (next) {
      heap[0] = { list: first.list, at: first.at + 1, head: next };
    } else {
      const tail = heap.pop();
      if (heap.length === 0 || !tail) break;
      heap[0] = tail;
    }
    sink(0);
  }
  return merged;
}
