import type { Ctx } from "../context.ts";
import { ANSWER_WORDS, type AnswerWord } from "../coupons/answer-words.ts";
import { refuse } from "../coupons/campaign.ts";
import { campaigns } from "../coupons/campaign-records.ts";
import type { MetricsDoor } from "../doors/cloudwatch.ts";
import { limits } from "../limits.ts";
import type { Refusal } from "../words.ts";

/** What those who asked for a coupon of a campaign were answered, by word and step. */
export interface Answers {
  readonly campaignId: string;
  /** The first step's beginning and the last step's end, in milliseconds since 1970. */
  readonly from: number;
  readonly to: number;
  readonly stepMs: number;
  /** Answers in each step, oldest first: for every word as many as there are steps. */
  readonly words: Record<AnswerWord, number[]>;
}

/** Steps as long as CloudWatch takes them. */
const STEPS_MS = [1_000, 5_000] as const;

/** The shortest step with which a span has no more of them than a chart is wide. */
function stepOf(spanMs: number): number {
  return STEPS_MS.find((stepMs) => spanMs / stepMs <= limits.answerStepsMost) ?? 5_000;
}

/**
 * Reads how a campaign's answers went over the last seconds, up to the last whole step. Figures come late: a container
 * writes a second's sums when it is over, those of a few answers up to five seconds later, and what it has counted before it was
 * frozen with its next request, or never (functions/http/answer-counts.ts); and CloudWatch shows them some seconds to a minute after
 * that. So the newest steps grow from look to look, a zero there says nothing yet, and nobody can say from which
 * step on all is told. Whoever shows them reads the whole span again each time. CloudWatch reads a line of log at least once, so a
 * sum may now and then be a little too large (its embedded metric format says so); the ledger has the coupons.
 *
 * Each look costs `ANSWER_WORDS.length` metrics at 0.01 USD a thousand (https://aws.amazon.com/cloudwatch/pricing/): every five
 * seconds 0.09 USD an hour, every second 0.47.
 */
export async function answers(
  ctx: Pick<Ctx, "table" | "now"> & { readonly metrics: MetricsDoor },
  campaignId: string,
  seconds: number,
): Promise<{ word: "found"; answers: Answers } | Refusal> {
  // The ledger first: nobody is to pay for looks at a campaign that is none.
  if (!(await campaigns.get(ctx, campaignId))) return refuse.unknown(campaignId);
  const stepMs = stepOf(seconds * 1_000);
  const now = ctx.now();
  const to = now - (now % stepMs);
  const from = to - Math.ceil((seconds * 1_000) / stepMs) * stepMs;
  const rows = await ctx.metrics.sums(
    ANSWER_WORDS.map((word) => ({ metric: "Answers", dimensions: { campaignId, word } })),
    { from, to, stepMs },
  );
  const words = Object.fromEntries(ANSWER_WORDS.map((word, index) => [word, rows[index] ?? []]));
  return { word: "found", answers: { campaignId, from, to, stepMs, words: words as Answers["words"] } };
}
