import { setTimeout as sleep } from "node:timers/promises";
import type { CampaignDocument, Desk } from "./desk.ts";
import type { LedgerReader } from "./ledger.ts";
import { heldTickets, type LedgerRows, type Promised } from "./verdict.ts";

const POLL_MS = 200;
const SWEEP_EVERY_MS = 3_000;
/** A campaign's whole ledger is read less often: it costs as much as the stock is large. */
const READ_EVERY_MS = 1_000;

export interface Settling {
  readonly desk: Desk;
  readonly ledger: LedgerReader;
  readonly campaignId: string;
  readonly stock: number;
  readonly promised: readonly Promised[];
  readonly waitMs: number;
  readonly onProgress: (confirmed: number) => void;
}

export interface Settled {
  readonly rows: LedgerRows;
  readonly campaign: CampaignDocument | undefined;
  /** Promised coupons that were not in the ledger when the waiting was over. */
  readonly missing: number;
}

/**
 * Waits until every promised coupon is in the ledger, and until ledger and campaign agree on what is left: a request whose
 * answer was lost may have taken a ticket that is still on its way. When the time is over, what is there then is what counts.
 */
export async function settle(settling: Settling): Promise<Settled> {
  const { desk, ledger, campaignId, stock, promised, waitMs, onProgress } = settling;
  const deadline = performance.now() + waitMs;
  let sweptAt = performance.now();

  /** @returns whether there is time for another look */
  async function pause(ms: number): Promise<boolean> {
    if (performance.now() >= deadline) return false;
    if (performance.now() - sweptAt > SWEEP_EVERY_MS) {
      await desk.sweep();
      sweptAt = performance.now();
    }
    await sleep(ms);
    return true;
  }

  let missing = [...promised];
  do {
    missing = await ledger.missing(campaignId, missing).catch(() => missing);
    onProgress(promised.length - missing.length);
  } while (missing.length > 0 && (await pause(POLL_MS)));

  while (true) {
    const campaign = await desk.readCampaign(campaignId);
    const rows = await ledger.read(campaignId, stock).catch((error: unknown) => ({ error }));
    const isRead = "tickets" in rows;
    if (isRead && campaign?.remaining === stock - heldTickets(rows, stock).size) {
      return { rows, campaign, missing: missing.length };
    }
    if (await pause(READ_EVERY_MS)) continue;
    if (!isRead) throw rows.error;
    return { rows, campaign, missing: missing.length };
  }
}
