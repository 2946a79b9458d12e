import { setTimeout as sleep } from "node:timers/promises";
import { openRedis, type RedisDoor } from "../../core/doors/redis.ts";
import type { Progress } from "../chaos/progress.ts";
import { redisAddress } from "../redis-address.ts";
import { type Random, seeded } from "../rush/random.ts";
import { NoRush } from "../rush/stack.ts";
import { watchLine } from "../watch-line.ts";
import { WHOLE_SHOP } from "./boards.ts";
import { type Checked, holdCheckpoint } from "./checkpoint.ts";
import { type Counted, openCounting } from "./counting.ts";
import { type Day, FLASH_ITEM, openDay, productNames } from "./day.ts";
import { type Desk, openDesk } from "./desk.ts";
import type { Ground } from "./ground.ts";
import { readLog } from "./log.ts";
import type { Options } from "./options.ts";
import { Recount } from "./recount.ts";
import type { Result } from "./report.ts";
import { openSenders } from "./senders.ts";
import { openStrikes } from "./strikes.ts";
import { openShop } from "./turns.ts";
import type { Judged } from "./verdict/evidence.ts";
import { judge, judgeCheckpoint } from "./verdict/judge.ts";
import { minutesAgainstMilliseconds } from "./verdict/trending.ts";

/** Products that are asked for one by one, beside the popular ones. */
const SAMPLED = 6;
const PAUSE_MS = 20;
const BEGINS_WITHIN_MS = 30_000;
/**
 * Every function has found Redis again by then: it asks four times a second (core/doors/redis.ts). Until all have, views may go by
 * uncapped, as is said of a Redis that is out of reach.
 */
const CONNECTS_WITHIN_MS = 3_000;

/** Holds one day and judges it. */
export async function holdDay(options: Options, ground: Ground, progress: Progress): Promise<Result> {
  const { clock, first } = ground;
  const random = seeded(options.seed);
  const desk = openDesk(first.api, clock);
  const redis = openRedis(redisAddress(first.redis));
  const recount = new Recount();
  const counting = openCounting();
  const counted = { events: 0, late: 0, capped: 0 };
  const flaws: string[] = [];
  const senders = openSenders({
    ...{ api: first.api, clock, token: desk.sendersToken, random: random.fork() },
    onSent: ({ batch, answeredAt, accepted, late }) => {
      const own: Counted = counting(batch.events, answeredAt);
      recount.add(own.events);
      counted.events += own.events.length;
      counted.late += own.late;
      counted.capped += own.capped;
      const due = batch.events.length - own.late;
      if (accepted === due && late === own.late) return;
      flaws.push(`of batch ${batch.key} ${accepted} were accepted and ${late} late; ${due} and ${own.late} were due`);
    },
  });
  try {
    if (!clock.isFast) await refuseUsed(desk);
    const boardsAt = clock.now();
    await desk.putBoards();
    progress.print(watchLine(first.api, "board", WHOLE_SHOP));
    // Trending sums of half-lives that are new are rebuilt.
    await rebuildBegun(desk, boardsAt);
    const openMs = options.minutes * 60_000;
    const startsAt = clock.now();
    const endsAt = startsAt + options.speed * openMs;
    const rules = { products: options.products, startsAt, endsAt, undated: clock.isFast };
    const day = openDay(rules, random.fork());
    const leaps = { areHeld: false };
    let connected = Promise.resolve();
    const strikes = openStrikes({
      ...{ stack: ground.stack, random: random.fork(), openMs },
      isBusy: () => senders.underWay() > 2,
      aroundRedis: async (strike) => {
        const { editions } = await desk.status();
        if (editions.some(({ state }) => state === "building")) return false;
        leaps.areHeld = true;
        await senders.holdActed();
        const struckAt = clock.now();
        await strike();
        await answered(redis);
        const backAt = performance.now();
        await rebuildBegun(desk, struckAt);
        leaps.areHeld = false;
        // Beside the day, which goes on.
        connected = sleep(Math.max(0, CONNECTS_WITHIN_MS - (performance.now() - backAt))).then(senders.releaseActed);
        return true;
      },
    });
    const shop = openShop({ options, ground, desk, senders, day, strikes, leaps, random: random.fork(), startsAt });
    const judged: Map<string, Judged>[] = [];
    const restless: string[] = [];
    const minutes = { worst: 0, ofStated: 0 };
    const names = productNames(options.products);
    for (let number = 1; number <= options.checkpoints; number++) {
      const say = (text: string) => {
        const open = Math.round(shop.openMs() / 1_000);
        const hours = ((clock.now() - startsAt) / 3_600_000).toFixed(1);
        const { worker, api, redis } = strikes.kills;
        progress.show(
          `${open} s open, ${hours} h of the shop's; ${senders.figures.events.toLocaleString("en-US")} events, ` +
            `killed ${worker} worker ${api} API ${redis} Redis; checkpoint ${number} of ${options.checkpoints}: ${text}`,
        );
      };
      await shop.openUntil((openMs * number) / options.checkpoints, say);
      await connected;
      const sample = sampleOf(names, day, random);
      const checked: Checked = await holdCheckpoint({ desk, redis, clock, senders, show: say }, sample);
      if (checked.restless !== undefined) restless.push(`checkpoint ${number}: ${checked.restless}`);
      if (!checked.seen) continue;
      say("compares");
      judged.push(judgeCheckpoint(checked.seen, recount, day.ofBots));
      const error = minutesAgainstMilliseconds(checked.seen, recount);
      minutes.worst = Math.max(minutes.worst, error.worst);
      minutes.ofStated = Math.max(minutes.ofStated, error.ofStated);
    }
    progress.clear();
    const printed = readLog(first.log);
    flaws.push(...senders.flaws, ...printed.bugs);
    const { batches, events, copies, attempts, again } = senders.figures;
    return {
      ...{ options, api: first.api, counted, printed, minutes, expired: desk.expired() },
      hours: (clock.now() - startsAt) / 3_600_000,
      sent: { batches, events, copies, attempts, again: [...again].map(([status, count]) => ({ status, count })) },
      kills: strikes.kills,
      checkpoints: judged.length,
      findings: judge(judged, { flaws, restless, rebuilds: printed.rebuilds }),
    };
  } finally {
    progress.clear();
    redis.close();
    await Promise.all([senders.close(), desk.close()]);
  }
}

async function refuseUsed(desk: Desk): Promise<void> {
  const { shards, boards } = await desk.status();
  if (boards.length === 0 && shards.every(({ products }) => products === 0)) return;
  throw new NoRush(
    "The stack has counted something already, if only the sample of npm start; what is compared must be all there is. " +
      "Leave --stack and --api out to have a fresh one for the time.",
  );
}

/**
 * Lets the system begin the rebuild that is due, and waits until it has. A rebuild counts on ten seconds within which everybody has
 * heard of it: no leap may fall into its beginning.
 */
async function rebuildBegun(desk: Desk, sinceMs: number): Promise<void> {
  const until = performance.now() + BEGINS_WITHIN_MS;
  for (;;) {
    await desk.publish();
    const { editions } = await desk.status();
    if (editions.some(({ openedAt }) => Date.parse(openedAt) >= sinceMs)) return;
    if (performance.now() > until) throw new NoRush("A rebuild was due, and the system did not begin one.");
    await sleep(PAUSE_MS);
  }
}

/** Waits until Redis answers. */
async function answered(redis: RedisDoor): Promise<void> {
  for (;;) {
    try {
      await redis.command("PING");
      return;
    } catch {
      await sleep(PAUSE_MS);
    }
  }
}

function sampleOf(names: readonly string[], day: Day, random: Random): string[] {
  const some = Array.from({ length: SAMPLED }, () => names[random.below(names.length)] ?? "");
  return [...new Set([...names.slice(0, 4), FLASH_ITEM, ...day.ofBots, ...some, "nobody-knows-it"])];
}
