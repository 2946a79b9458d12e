import type { Ctx } from "../context.ts";
import { isRefusal, type Refusal } from "../words.ts";
import { backlogOf } from "./backlog.ts";
import { type CampaignView, show } from "./campaign.ts";

/** A campaign as whoever watches it needs it: how far it is, and how far the ledger is behind. */
export interface CampaignWatch
  extends Pick<CampaignView, "campaignId" | "state" | "version" | "stock" | "issued" | "remaining"> {
  /** By the clock of Redis, in milliseconds since 1970. */
  readonly at: number;
  /** Issuances that the ledger does not have yet. */
  readonly pending: number;
  /** Those of the issued that it has. Counted a blink apart, so it may be too small by what was issued in between; never below zero. */
  readonly confirmed: number;
  readonly oldestPendingMs: number;
  /** When one issued now can be expected to be confirmed, in milliseconds; zero while nothing is pending. */
  readonly expectedMs: number;
  /** When the ledger last refused a write of this campaign, in milliseconds since 1970. */
  readonly refusedAt: number | undefined;
}

/**
 * Shows how a campaign goes. Both questions to Redis are on their way at once, a script and four commands, so it costs one round
 * trip; the ledger is asked only for a campaign that Redis does not have, or that is being recovered.
 */
export async function watch(
  ctx: Pick<Ctx, "redis" | "table" | "now">,
  campaignId: string,
): Promise<{ word: "found"; campaign: CampaignWatch } | Refusal> {
  const [shown, backlog] = await Promise.all([show(ctx, campaignId), backlogOf(ctx, campaignId)]);
  if (isRefusal(shown)) return shown;
  const { state, version, stock, issued, remaining, serverTime: at } = shown.campaign;
  const { depth: pending, oldestMs: oldestPendingMs, expectedMs, refusedAt } = backlog;
  const confirmed = Math.max(0, issued - pending);
  return {
    word: "found",
    campaign: {
      ...{ campaignId, at, state, version, stock, issued, remaining },
      ...{ pending, confirmed, oldestPendingMs, expectedMs, refusedAt },
    },
  };
}
