import type { Ctx } from "../context.ts";
import type { Trace } from "../trace.ts";
import type { EpochMemory } from "./epoch-memory.ts";
import { type Confirmation, isLive, type LedgerWord, coupons as ledger } from "./ledger.ts";

/**
 * What became of a confirmation. Beside the ledger's own words:
 * - `overtaken`: decided before a recovery, and not recorded when the recovery read the ledger: its ticket may be another's
 * - `beyond-stock`: a ticket that the campaign does not have
 * - `unknown-campaign`: the ledger has no such campaign
 */
export type AdmitWord = LedgerWord | "overtaken" | "beyond-stock" | "unknown-campaign";

type AdmitCtx = Pick<Ctx, "table" | "now">;

interface Admission {
  readonly confirmation: Confirmation;
  readonly epoch: number;
  readonly trace?: Trace | undefined;
}

/**
 * Writes confirmations of one moment into the ledger: the only way in, for the persister, for a recovery, and for a shopper who
 * is faster than both.
 *
 * @param batch with each its epoch, that of the decision, and its trace, which is written beside the coupon
 * @returns for each, in order, a word, or the error that kept it from being known
 */
export async function admit(
  ctx: AdmitCtx,
  recall: EpochMemory,
  batch: readonly Admission[],
): Promise<(AdmitWord | { error: unknown })[]> {
  const results = await Promise.allSettled(batch.map((it) => admitOne(ctx, recall, it)));
  return results.map((result) => (result.status === "fulfilled" ? result.value : { error: result.reason }));
}

async function admitOne(
  ctx: AdmitCtx,
  recall: EpochMemory,
  { confirmation, epoch, trace }: Admission,
): Promise<AdmitWord> {
  const facts = await recall(
    ctx,
    confirmation.campaignId,
    (it) => it.epoch >= epoch && it.stock >= confirmation.ticket,
  );
  if (!facts) return "unknown-campaign";
  if (confirmation.ticket > facts.stock) return "beyond-stock";
  if (epoch < facts.epoch) {
    // What was begun before the recovery is completed; what was not comes too late; what was taken back stays so.
    const found = await ledger.find(ctx, confirmation.couponId);
    if (!found) return "overtaken";
    if (found.coupon && !isLive(found.coupon)) return "already-recorded";
  }
  return ledger.record(ctx, confirmation, trace);
}
