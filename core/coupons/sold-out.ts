import { crc32 } from "node:zlib";
import type { Ctx } from "../context.ts";
import { keys } from "../keys.ts";
import { limits } from "../limits.ts";
import type { CampaignAbout } from "./campaign.ts";

/**
 * Answers "sold out" from memory, so that the crowd that comes too late costs Redis nothing. A holder who asks again must
 * still get the coupon (a replay gets the first answer), so the memory knows the holders: a Bloom filter over them, read when
 * the stock has run out. Who is surely no holder is refused from memory; anyone else asks Redis.
 *
 * Reading the holders of a large campaign costs as much as some dozens of questions, and when the stock ends thousands of
 * containers hear it within one moment. So each first asks about as often as reading costs, give or take a half by lot: a container
 * of few visitors never reads, those that do spread out, and none costs Redis more than two and a half times what it had to.
 */
export interface SoldOutMemory {
  /** Whether this user can be told "sold out" without asking Redis. */
  covers(nowMs: number, campaignId: string, member: Buffer): boolean;
  /** Learns that Redis has just said "sold out" at this version of the campaign. */
  learn(ctx: Pick<Ctx, "redis" | "now">, about: CampaignAbout, version: number): Promise<void>;
}

interface Remembered {
  readonly version: number;
  readonly filter: BloomFilter;
  until: number;
}

/** @param lot a number from 0 to 1: by chance in a fleet, whose containers are not to read at once; the middle where there is one */
export function soldOutMemory(lot: () => number = () => 0.5): SoldOutMemory {
  const memory = new Map<string, Remembered>();
  /** Campaigns whose holders have not been read at this version, and how many more answers come first. */
  const asking = new Map<string, { readonly version: number; left: number }>();
  const loading = new Set<string>();

  /** Whether this answer is the one after which reading pays. */
  const isTime = (campaignId: string, version: number, buckets: number): boolean => {
    let it = asking.get(campaignId);
    if (it?.version !== version) {
      it = { version, left: Math.ceil(buckets * limits.soldOutAsksPerBucket * (0.5 + lot())) };
      asking.set(campaignId, it);
      forgetEldest(asking);
    }
    it.left--;
    return it.left <= 0;
  };

  return {
    covers(nowMs, campaignId, member) {
      const remembered = memory.get(campaignId);
      return remembered !== undefined && nowMs < remembered.until && !remembered.filter.mayHold(member);
    },

    async learn(ctx, about, version) {
      const { campaignId, buckets } = about;
      const remembered = memory.get(campaignId);
      if (remembered?.version === version) {
        // Same version: nobody has become a holder since the filter was read.
        remembered.until = ctx.now() + limits.soldOutMemoryMs;
        return;
      }
      if (buckets * limits.holdersPerBucket > limits.soldOutFilterStock || loading.has(campaignId)) return;
      if (!isTime(campaignId, version, buckets)) return;
      loading.add(campaignId);
      try {
        const until = ctx.now() + limits.soldOutMemoryMs;
        memory.set(campaignId, { version, filter: await readHolders(ctx, campaignId, buckets), until });
        asking.delete(campaignId);
        forgetEldest(memory);
      } finally {
        loading.delete(campaignId);
      }
    },
  };
}

function forgetEldest(remembered: Map<string, unknown>): void {
  const [eldest] = remembered.keys();
  if (remembered.size > limits.rememberedCampaigns && eldest !== undefined) remembered.delete(eldest);
}

/** Buckets read in one round trip: a few milliseconds of Redis time, in which others wait. */
const BUCKETS_AT_ONCE = 100;

async function readHolders(ctx: Pick<Ctx, "redis">, campaignId: string, buckets: number): Promise<BloomFilter> {
  const filter = new BloomFilter(buckets * limits.holdersPerBucket);
  for (let from = 0; from < buckets; from += BUCKETS_AT_ONCE) {
    const count = Math.min(BUCKETS_AT_ONCE, buckets - from);
    const batch = Array.from({ length: count }, (_, i) => ["HKEYS", keys.holders(campaignId, from + i)] as const);
    for (const members of await ctx.redis.commands(batch)) {
      for (const member of members as Buffer[]) filter.add(member);
    }
  }
  return filter;
}

/** Ten bits and seven probes for each entry: one in a hundred strangers is taken for a holder, and asks Redis. */
const BITS_PER_ENTRY = 10;
const PROBES = 7;

class BloomFilter {
  readonly #bits: Uint8Array;

  constructor(entries: number) {
    this.#bits = new Uint8Array(Math.max(8, Math.ceil((entries * BITS_PER_ENTRY) / 8)));
  }

  // Two hashes make all probes (Kirsch and Mitzenmacher, "Less hashing, same performance", 2006).
  *#probes(member: Buffer): Generator<number> {
    const step = crc32(member, 0x9e3779b9) | 1;
    let hash = crc32(member);
    for (let i = 0; i < PROBES; i++) {
      yield hash % (this.#bits.length * 8);
      hash = (hash + step) >>> 0;
    }
  }

  add(member: Buffer): void {
    for (const bit of this.#probes(member)) this.#bits[bit >> 3] = (this.#bits[bit >> 3] ?? 0) | (1 << (bit & 7));
  }

  mayHold(member: Buffer): boolean {
    for (const bit of this.#probes(member)) if (!((this.#bits[bit >> 3] ?? 0) & (1 << (bit & 7)))) return false;
    return true;
  }
}
