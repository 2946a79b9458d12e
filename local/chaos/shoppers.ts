import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "undici";
import { isPassing } from "../rush/answer.ts";
import { seeded } from "../rush/random.ts";
import { Slots } from "../rush/slots.ts";
import type { Shopper } from "./crowd.ts";
import { type Asked, type GivenBack, type Headers, readAsked, readGivenBack, type Testimony } from "./testimony.ts";

/** Requests under way at a time. */
const CONNECTIONS = 64;
/** Longer than any part hangs: a shopper waits for an answer. */
const TIMEOUT_MS = 10_000;
/** A shopper waits as long as told, but no longer than this. */
const PATIENCE_MS = 1_000;
const FIRST_PAUSE_MS = 100;
/** Times that a shopper tries to cancel a coupon that is said to be in conflict: it may be on its way to the ledger. */
const CONFLICTS_MOST = 15;

export interface Visit {
  readonly api: string;
  readonly campaignId: string;
  readonly tokens: ReadonlyMap<string, string>;
  /** On this process's steady clock. */
  readonly startedAt: number;
  /** Where everything goes that they are told, while they are told it. */
  readonly testimony: Testimony;
  /** Whether they should go home, served or not. */
  readonly isOver: () => boolean;
}

/** Sends the crowd. Resolves when each of them has had a final word, or went home. */
export async function sendShoppers(crowd: readonly Shopper[], visit: Visit): Promise<void> {
  const { api, campaignId, tokens, startedAt, testimony, isOver } = visit;
  const pool = new Pool(api, {
    connections: CONNECTIONS,
    headersTimeout: TIMEOUT_MS,
    bodyTimeout: TIMEOUT_MS,
    connectTimeout: TIMEOUT_MS,
  });
  const slots = new Slots(CONNECTIONS);
  // Only so that those who were refused together do not return together.
  const random = seeded(1);

  /** One request, in a place of its own; nothing is held while a shopper pauses. */
  async function post<T>(
    path: string,
    user: string,
    extra: Record<string, string>,
    read: (status: number, headers: Headers, text: string) => T,
  ): Promise<{ said: T | undefined; sentAt: number; answeredAt: number }> {
    await slots.take(1);
    const sentAt = performance.now();
    try {
      const headers = { authorization: `Bearer ${tokens.get(user)}`, ...extra };
      const { statusCode, headers: answered, body } = await pool.request({ method: "POST", path, headers });
      return { said: read(statusCode, answered, await body.text()), sentAt, answeredAt: performance.now() };
    } catch {
      return { said: undefined, sentAt, answeredAt: performance.now() };
    } finally {
      slots.give(1);
    }
  }

  async function pause(retryAfterMs: number | undefined, tries: number): Promise<void> {
    const told = retryAfterMs ?? FIRST_PAUSE_MS * 2 ** Math.min(tries - 1, 10);
    await sleep(Math.min(Math.max(told, FIRST_PAUSE_MS), PATIENCE_MS) * (1 + random.next() / 4));
  }

  async function ask(user: string, key?: string): Promise<Asked | undefined> {
    const path = `/campaigns/${campaignId}/coupons`;
    const extra = key === undefined ? {} : { "idempotency-key": key };
    for (let tries = 1; !isOver(); tries++) {
      const { said = { word: "no-answer", status: 0 }, ...times } = await post(path, user, extra, readAsked);
      const asked: Asked = { user, ...(key === undefined ? {} : { key }), ...said, ...times };
      testimony.asked.push(asked);
      if (!isPassing(asked)) return asked;
      await pause(asked.retryAfterMs, tries);
    }
    return undefined;
  }

  /** Until it is done or refused for good. */
  async function cancel(user: string, couponId: string): Promise<void> {
    const path = `/coupons/${encodeURIComponent(couponId)}/cancel`;
    const about = { user, couponId };
    let conflicts = 0;
    for (let tries = 1; !isOver(); tries++) {
      const read = (status: number, headers: Headers, text: string) => readGivenBack(status, headers, text, about);
      const { said = { ...about, word: "no-answer", status: 0 }, ...times } = await post(path, user, {}, read);
      const givenBack: GivenBack = { ...said, ...times };
      testimony.givenBack.push(givenBack);
      if (givenBack.word === "conflict" && ++conflicts < CONFLICTS_MOST) await sleep(PATIENCE_MS);
      else if (isPassing(givenBack)) await pause(givenBack.retryAfterMs, tries);
      else return;
    }
  }

  async function askAndCancel(user: string, pauseMs: number): Promise<void> {
    const couponId = (await ask(user))?.coupon?.couponId;
    if (couponId === undefined) return;
    await sleep(pauseMs);
    await cancel(user, couponId);
  }

  async function visitBy({ user, habit, pausesMs: [first, second] }: Shopper): Promise<void> {
    switch (habit) {
      case "once":
        await ask(user);
        return;
      case "again":
        await ask(user);
        await sleep(first);
        await ask(user);
        await sleep(second);
        await ask(user);
        return;
      case "at-once":
        await Promise.all([ask(user), ask(user)]);
        await sleep(first);
        await ask(user);
        return;
      case "two-keys":
        await ask(user, "first");
        await sleep(first);
        await ask(user, "second");
        await sleep(second);
        await ask(user, "first");
        return;
      case "cancels":
        await askAndCancel(user, first);
        return;
      case "returns":
        await askAndCancel(user, first);
        await sleep(second);
        await ask(user);
        return;
      case "insists":
        for (const ms of [first, second]) {
          if ((await ask(user))?.word !== "sold-out") return;
          await sleep(ms);
        }
        await ask(user);
        return;
    }
  }

  try {
    await Promise.all(
      crowd.map(async (shopper) => {
        await sleep(Math.max(0, startedAt + shopper.atMs - performance.now()));
        await visitBy(shopper);
      }),
    );
  } finally {
    await pool.destroy();
  }
}
