import { setTimeout as sleep } from "node:timers/promises";
import { openDesk } from "../rush/desk.ts";
import { type Judgement, judge, type LedgerRows, liveCoupons } from "./judge.ts";
import { type Ledger, openLedger } from "./ledger.ts";
import type { Parts } from "./parts.ts";
import type { Plan } from "./plan.ts";
import { openQueue, type Queue } from "./queue.ts";
import { sendShoppers } from "./shoppers.ts";
import { type Struck, strikeAll, type Weapons } from "./strike.ts";
import type { Testimony } from "./testimony.ts";
import { openWatch, type Watch } from "./watch.ts";

/** After the last fault. */
const DEADLINE_MS = 60_000;
/** The schedule sweeps once a minute; a round would be mostly waiting for it. */
const SWEEP_EVERY_MS = 3_000;
const POLL_MS = 250;

export interface Round {
  readonly plan: Plan;
  readonly campaignId: string;
  readonly struck: readonly Struck[];
  /** Requests of shoppers, and those that got no answer. */
  readonly requests: number;
  readonly unanswered: number;
  /** How often each word was the answer to an ask. */
  readonly words: Readonly<Record<string, number>>;
  /** From the end of the last fault until things were normal for good; undefined when they never were. */
  readonly secondsToNormal: number | undefined;
  readonly seconds: number;
  readonly judgement: Judgement;
}

/** Runs one round against a system that is well, and judges it. */
export async function runRound(
  plan: Plan,
  parts: Parts,
  behind: Weapons["behind"],
  show: (text: string) => void,
): Promise<Round> {
  const desk = openDesk(parts.api);
  const ledger = openLedger(parts.direct.dynamodb, parts.table);
  const queue = openQueue(parts.direct.sqs, parts.confirmations);
  const testimony: Testimony = { asked: [], givenBack: [], sightings: [] };
  let watch: Watch | undefined;
  let isOver = false;
  try {
    // The seed names the crowd; the time keeps a replay in the same run apart from the first.
    const campaignId = `chaos-${plan.seed.toString(36)}-${Date.now().toString(36)}`;
    const tokens = await desk.mintTokens(plan.crowd.map(({ user }) => user));
    await desk.createCampaign(campaignId, plan.stock, plan.perUser);

    const startedAt = performance.now();
    let deadline = Number.POSITIVE_INFINITY;
    let going = "";
    let sweeping: NodeJS.Timeout | undefined;
    const showing = openWatch(parts, ledger, campaignId, testimony);
    watch = showing;
    const timer = setInterval(() => show(progressOf(startedAt, testimony, going, showing.trouble())), 200);
    try {
      const crowd = sendShoppers(plan.crowd, {
        api: parts.api,
        campaignId,
        tokens,
        startedAt,
        testimony,
        isOver: () => isOver || performance.now() > deadline,
      });
      crowd.catch(() => {});
      const isOpenAfter = (at: number) => {
        const last = testimony.sightings.at(-1);
        return last !== undefined && last.sentAt > at && (last.state === "open" || last.state === "sold-out");
      };
      const weapons = { parts, queue, sweep: desk.sweep, behind, isOpenAfter };
      const struck = await strikeAll(plan.faults, weapons, startedAt, (names) => {
        going = [...names].join(" + ");
      });
      const faultsOverAt = Math.max(startedAt, ...struck.map(({ overAt }) => overAt));
      deadline = faultsOverAt + DEADLINE_MS;
      sweeping = setInterval(() => void desk.sweep(), SWEEP_EVERY_MS);
      await crowd;
      const settling = { campaignId, stock: plan.stock, deadline, ledger, queue, watch: showing, testimony };
      const settled = await settle(settling);
      const normalSince = showing.normalSince();
      return {
        plan,
        campaignId,
        struck,
        requests: testimony.asked.length + testimony.givenBack.length,
        unanswered: [...testimony.asked, ...testimony.givenBack].filter(({ status }) => status === 0).length,
        words: countWords(testimony),
        secondsToNormal: normalSince === undefined ? undefined : Math.max(0, normalSince - faultsOverAt) / 1_000,
        seconds: (performance.now() - startedAt) / 1_000,
        judgement: judge({
          stock: plan.stock,
          perUser: plan.perUser,
          testimony,
          ledger: settled.rows,
          remaining: settled.remaining,
          faultsOverAt,
          unsettled: settled.why && `after ${DEADLINE_MS / 1_000} s: ${settled.why}`,
        }),
      };
    } finally {
      clearInterval(timer);
      clearInterval(sweeping);
      await desk.closeCampaign(campaignId);
    }
  } finally {
    isOver = true;
    await watch?.stop();
    ledger.close();
    queue.close();
    await desk.close();
  }
}

interface Settling {
  readonly campaignId: string;
  readonly stock: number;
  readonly deadline: number;
  readonly ledger: Ledger;
  readonly queue: Queue;
  readonly watch: Watch;
  readonly testimony: Testimony;
}

interface Settled {
  readonly rows: LedgerRows;
  readonly remaining: number | undefined;
  readonly why: string | undefined;
}

/**
 * Waits until nothing is on its way any more: all is normal, outbox and queue are empty, and ledger and campaign agree on what
 * is left. When the time is over, what is there then is what counts.
 */
async function settle(settling: Settling): Promise<Settled> {
  const { campaignId, stock, deadline, ledger, queue, watch, testimony } = settling;
  while (true) {
    let why = watch.trouble() ?? (watch.outboxLength() ? `${watch.outboxLength()} in the outbox` : undefined);
    const depth = await queue.depth();
    if (depth > 0) why ??= `${depth} in the queue`;
    const isTimeOver = performance.now() > deadline;
    if (why === undefined || isTimeOver) {
      const askedAt = performance.now();
      const rows = await ledger.read(campaignId);
      // A look that is later than what was read.
      const seen = () => testimony.sightings.find(({ sentAt, state }) => sentAt > askedAt && state !== undefined);
      for (let looks = 0; !seen() && looks < 20; looks++) await sleep(POLL_MS / 2);
      const remaining = seen()?.remaining;
      const left = stock - liveCoupons(rows).length;
      if (remaining !== left) why ??= `${remaining ?? "?"} remain, and ${left} are not held`;
      if (why === undefined || isTimeOver) return { rows, remaining, why };
    }
    await sleep(POLL_MS);
  }
}

function countWords({ asked }: Testimony): Record<string, number> {
  const groups = Map.groupBy(asked, ({ word }) => word);
  return Object.fromEntries([...groups].map(([word, same]) => [word, same.length]));
}

function progressOf(startedAt: number, { asked }: Testimony, going: string, trouble: string | undefined): string {
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(0);
  const told = asked.filter(({ word }) => word === "issued").length;
  return `${seconds} s, ${asked.length} asked, ${told} told, ${going ? `${going} going on` : (trouble ?? "normal")}`;
}
