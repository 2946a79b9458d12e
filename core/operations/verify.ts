import type { Ctx } from "../context.ts";
import { campaigns } from "../coupons/campaign-records.ts";
import { type CouponFinding, FINDING_KINDS, type FindingKind } from "../coupons/finding.ts";
import { mendFindings } from "../coupons/mend.ts";
import { isLive } from "../coupons/recover.ts";
import { compare, type VerifyCtx } from "../coupons/verify.ts";
import { limits } from "../limits.ts";
import type { Refusal } from "../words.ts";

/** What a verification found: how many of each kind, and the first of them by name. */
export interface Verification extends Readonly<Record<FindingKind, number>> {
  readonly campaignId: string;
  readonly consistent: boolean;
  /** Milliseconds since 1970. */
  readonly verifiedAt: number;
  readonly coupons: number;
  readonly holders: number;
  readonly pending: number;
  readonly free: number;
  readonly issued: number;
  readonly repaired: number;
  readonly findings: readonly CouponFinding[];
}

const keyOf = (campaignId: string) => ({ pk: "verifications", sk: campaignId });

/**
 * Compares a campaign's ledger, holders, free tickets, counter and outbox, and keeps the result.
 * @param options.repair whether to mend what is provably safe to mend; what was found is reported all the same
 */
export async function verify(
  ctx: VerifyCtx,
  campaignId: string,
  options: { repair: boolean; upTo?: "stock" | "counter" },
): Promise<{ word: "verified"; verification: Verification } | Refusal> {
  const result = await compare(ctx, campaignId, options.upTo);
  if ("word" in result) return result;
  const { record, comparison } = result;
  const { findings, ...figures } = comparison;
  const mended = options.repair ? await mendFindings(ctx, record, findings) : [];
  const count = (kind: FindingKind) => findings.filter((finding) => finding.kind === kind).length;
  const counts = Object.fromEntries(
    (Object.keys(FINDING_KINDS) as FindingKind[]).map((kind) => [kind, count(kind)]),
  ) as Record<FindingKind, number>;
  const verification: Verification = {
    campaignId,
    consistent: findings.length === 0,
    verifiedAt: ctx.now(),
    ...figures,
    ...counts,
    repaired: mended.length,
    findings: findings
      .slice(0, limits.findingsMost)
      .map(({ kind, ticket, userId, nth }) => ({ kind, ticket, userId, nth })),
  };
  const key = keyOf(campaignId);
  const kept = { verifiedAt: verification.verifiedAt, result: JSON.stringify(verification) };
  const first = await ctx.table.put(key, kept, { absent: true });
  // The newest stays, whichever of two runs at once writes last.
  if (!first) await ctx.table.put(key, kept, { below: { verifiedAt: kept.verifiedAt } });
  return { word: "verified", verification };
}

/** The last result that was kept of a campaign. */
export async function lastVerification(ctx: Pick<Ctx, "table">, campaignId: string): Promise<Verification | undefined> {
  const item = await ctx.table.get(keyOf(campaignId));
  return item && (JSON.parse(String(item.result)) as Verification);
}

/**
 * Verifies every campaign that is open or was a moment ago, each as often as its size allows, and repairs nothing: a person
 * decides about that.
 */
export async function verifyAll(
  ctx: VerifyCtx,
  deadline: number,
): Promise<{ verified: Verification[]; skipped: string[] }> {
  const verified: Verification[] = [];
  const skipped: string[] = [];
  for await (const record of campaigns.all(ctx)) {
    if (record.filling === undefined || !isLive(record, ctx.now())) continue;
    const last = await lastVerification(ctx, record.campaignId);
    if (last && ctx.now() - last.verifiedAt < last.coupons * limits.verifyMsPerCoupon) continue;
    const options = { repair: false, upTo: "counter" } as const;
    const result = ctx.now() < deadline ? await verify(ctx, record.campaignId, options) : undefined;
    if (result?.word === "verified") verified.push(result.verification);
    else skipped.push(record.campaignId);
  }
  return { verified, skipped };
}
