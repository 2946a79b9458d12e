import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "undici";
import { toldCoupons } from "./judge.ts";
import type { Ledger } from "./ledger.ts";
import type { Parts } from "./parts.ts";
import { readSighting, type Sighting, type Testimony } from "./testimony.ts";

const SIGHT_EVERY_MS = 200;
const PROBE_EVERY_MS = 250;
const TIMEOUT_MS = 10_000;
/** What has happened within so many milliseconds may still be on its way. */
const ON_ITS_WAY_MS = 1_000;
/** Coupons that are looked up in one probe; the first that is missing ends it. */
const LOOKED_UP_AT_ONCE = 16;

/** What an eye is kept on while a round runs. */
export interface Watch {
  /** Why things are not normal, by the last look; undefined when they are. */
  readonly trouble: () => string | undefined;
  /** Since when things have been normal, on this process's steady clock; undefined while they are not. */
  readonly normalSince: () => number | undefined;
  /** By the last look that Redis has answered. */
  readonly outboxLength: () => number | undefined;
  stop(): Promise<void>;
}

/**
 * Watches a campaign from the outside. Normal is: the campaign document comes and says `open` or `sold-out`; no outbox entry
 * stands there longer than a moment; and the ledger has all that was told longer than a moment ago.
 */
export function openWatch(parts: Parts, ledger: Ledger, campaignId: string, testimony: Testimony): Watch {
  const pool = new Pool(parts.api, { connections: 1, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS });
  const outbox = `fc:v1:{${campaignId}}:outbox`;
  const recorded = new Set<string>();
  let isOver = false;
  let trouble: string | undefined = "nobody has looked yet";
  let normalSince: number | undefined;
  let outboxLength: number | undefined;
  let oldest: { id: string; since: number } | undefined;

  async function look(): Promise<Sighting | undefined> {
    const sentAt = performance.now();
    try {
      const { statusCode, headers, body } = await pool.request({ method: "GET", path: `/campaigns/${campaignId}` });
      const sighting = readSighting(statusCode, headers, await body.text());
      return { ...sighting, sentAt, answeredAt: performance.now() };
    } catch {
      return { status: 0, state: undefined, sentAt, answeredAt: performance.now() };
    }
  }

  async function stuckEntry(): Promise<string | undefined> {
    const [length, first] = await Promise.all([
      parts.redis.call("XLEN", outbox),
      parts.redis.call("XRANGE", outbox, "-", "+", "COUNT", 1),
    ]);
    outboxLength = Number(length);
    const entry = Array.isArray(first) ? first[0] : undefined;
    const id = Array.isArray(entry) ? String(entry[0]) : undefined;
    if (id === undefined) oldest = undefined;
    else if (oldest?.id !== id) oldest = { id, since: performance.now() };
    const isStuck = oldest !== undefined && performance.now() - oldest.since > ON_ITS_WAY_MS;
    return isStuck ? `${outboxLength} in the outbox, the oldest does not move` : undefined;
  }

  async function missingCoupon(): Promise<string | undefined> {
    const due = performance.now() - ON_ITS_WAY_MS;
    const missing = [...toldCoupons(testimony).values()].filter(
      ({ coupon, answeredAt }) => answeredAt < due && !recorded.has(coupon.couponId),
    );
    for (let from = 0; from < missing.length; from += LOOKED_UP_AT_ONCE) {
      const some = missing.slice(from, from + LOOKED_UP_AT_ONCE);
      const rows = await Promise.all(some.map(({ user }) => ledger.couponsOf(campaignId, user)));
      for (const { couponId } of rows.flat()) recorded.add(couponId);
      const absent = some.find(({ coupon }) => !recorded.has(coupon.couponId));
      if (absent) return `the ledger does not have ticket ${absent.coupon.ticket}, of ${missing.length} looked for`;
    }
    return undefined;
  }

  async function troubleNow(): Promise<string | undefined> {
    const last = testimony.sightings.at(-1);
    if (!last?.state) return `the campaign is not to be seen (${last?.status || "no answer"})`;
    if (last.state !== "open" && last.state !== "sold-out") return `the campaign is ${last.state}`;
    try {
      return (await stuckEntry()) ?? (await missingCoupon());
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  const sight = async () => {
    while (!isOver) {
      const sighting = await look();
      if (sighting) testimony.sightings.push(sighting);
      await sleep(SIGHT_EVERY_MS);
    }
  };
  const probe = async () => {
    while (!isOver) {
      const askedAt = performance.now();
      trouble = await troubleNow();
      if (trouble !== undefined) normalSince = undefined;
      else normalSince ??= askedAt;
      await sleep(PROBE_EVERY_MS);
    }
  };
  const running = [sight(), probe()];

  return {
    trouble: () => trouble,
    normalSince: () => normalSince,
    outboxLength: () => outboxLength,
    async stop() {
      isOver = true;
      await Promise.all(running);
      await pool.destroy();
    },
  };
}
