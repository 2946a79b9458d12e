import type { Ctx } from "../context.ts";
import { limits } from "../limits.ts";
import { campaigns } from "./campaign-records.ts";

/** What a writer to the ledger must know of a campaign. */
export interface EpochFacts {
  readonly epoch: number;
  readonly stock: number;
}

/**
 * Reads campaigns' epochs and remembers each for `limits.epochMemoryMs`: one memory per container. A recovery waits longer than
 * that after it has raised the epoch. `fits` tells whether what is remembered will do; otherwise it is read again, so that
 * nobody is refused by what has changed since.
 *
 * @returns undefined when the ledger has no such campaign
 */
export type EpochMemory = (
  ctx: Pick<Ctx, "table" | "now">,
  campaignId: string,
  fits?: (facts: EpochFacts) => boolean,
) => Promise<EpochFacts | undefined>;

export function epochMemory(): EpochMemory {
  const memory = new Map<string, { facts: EpochFacts; until: number }>();
  return async (ctx, campaignId, fits = () => true) => {
    const remembered = memory.get(campaignId);
    if (remembered && ctx.now() < remembered.until && fits(remembered.facts)) return remembered.facts;
    // The time before the question: what it answers is at least as new.
    const until = ctx.now() + limits.epochMemoryMs;
    const record = await campaigns.get(ctx, campaignId);
    if (!record) return undefined;
    const facts = { epoch: record.epoch, stock: record.stock };
    memory.delete(campaignId);
    memory.set(campaignId, { facts, until });
    const [eldest] = memory.keys();
    if (memory.size > limits.rememberedCampaigns && eldest !== undefined) memory.delete(eldest);
    return facts;
  };
}
