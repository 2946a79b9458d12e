import { watchLine } from "../watch-line.ts";
import { isPassing } from "./answer.ts";
import { gather } from "./crowd.ts";
import { openDesk } from "./desk.ts";
import { figuresOf } from "./figures.ts";
import { fire } from "./fire.ts";
import { openLedger } from "./ledger.ts";
import type { Options } from "./options.ts";
import { openProgress } from "./progress.ts";
import { seeded } from "./random.ts";
import type { Result } from "./report.ts";
import { settle } from "./settle.ts";
import type { Stack } from "./stack.ts";
import { holdersOf, judge, type LedgerRows, promisedCoupons } from "./verdict.ts";

const PER_USER = 1;

/** Holds one rush against a stack and judges it. Progress goes to `stream`. */
export async function holdRush(options: Options, stack: Stack, stream: NodeJS.WriteStream): Promise<Result> {
  const random = seeded(options.seed);
  const crowd = gather(options.users, options.duplicates, random.fork());
  const asks = crowd.steps.reduce((sum, step) => sum + step.asks.length, 0);
  // The seed names the crowd; the time keeps a second rush on the same stack apart from the first.
  const campaignId = `rush-${options.seed.toString(36)}-${Date.now().toString(36)}`;
  const { stock } = options;
  const desk = openDesk(stack.api);
  const ledger = openLedger(stack);
  try {
    const tokens = await desk.mintTokens(crowd.users);
    await desk.createCampaign(campaignId, stock, PER_USER);
    stream.write(`${watchLine(stack.api, "campaign", campaignId)}\n`);

    const asking = openProgress("Answered", asks, stream);
    let done = 0;
    const startedAt = Date.now();
    const answers = await fire(crowd.steps, {
      api: stack.api,
      campaignId,
      tokens,
      concurrency: options.concurrency,
      random: random.fork(),
      onDone: () => asking.show(++done),
    });
    asking.end();

    const promised = promisedCoupons(answers);
    const confirming = openProgress("Confirmed", promised.length, stream);
    const waitMs = options.wait * 1_000;
    const onProgress = confirming.show;
    const settled = await settle({ desk, ledger, campaignId, stock, promised, waitMs, onProgress });
    confirming.end();

    const { rows, campaign } = settled;
    return {
      options,
      api: stack.api,
      campaignId,
      state: campaign?.state,
      asks,
      gaveUp: asks - answers.filter((answer) => !isPassing(answer)).length,
      figures: figuresOf(answers),
      promised: promised.length,
      confirmed: promised.length - settled.missing,
      untilConfirmedMs: untilConfirmed(rows, startedAt),
      findings: judge({
        campaign: { stock, perUser: PER_USER, remaining: campaign?.remaining },
        ledger: rows,
        answers,
      }),
    };
  } finally {
    ledger.close();
    await desk.close();
  }
}

function untilConfirmed(rows: LedgerRows, startedAt: number): number | undefined {
  let last: number | undefined;
  for (const { confirmedAt } of holdersOf(rows)) last = Math.max(last ?? confirmedAt, confirmedAt);
  return last === undefined ? undefined : last - startedAt;
}
