import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "undici";
import { type Answer, isPassing, readAnswer, type Said } from "./answer.ts";
import type { Ask, Step } from "./crowd.ts";
import type { Random } from "./random.ts";
import { Slots } from "./slots.ts";

const TIMEOUT_MS = 30_000;
const TRIES = 60;
/** A client waits as long as it is told, but no longer than this. */
const PATIENCE_MS = 1_000;
/** The first pause where the server names none, and the shortest. */
const FIRST_PAUSE_MS = 50;

const TIMEOUTS = new Set(["UND_ERR_HEADERS_TIMEOUT", "UND_ERR_BODY_TIMEOUT", "UND_ERR_CONNECT_TIMEOUT"]);

export interface Firing {
  readonly api: string;
  readonly campaignId: string;
  readonly tokens: ReadonlyMap<string, string>;
  readonly concurrency: number;
  /** Only for the jitter of pauses. */
  readonly random: Random;
  /** Called after each ask that is over, answered or given up. */
  readonly onDone: () => void;
}

/** Sends the whole crowd. Every attempt's answer is returned, also of those that were repeated. */
export async function fire(steps: readonly Step[], firing: Firing): Promise<Answer[]> {
  const { api, campaignId, tokens, concurrency, random, onDone } = firing;
  const path = `/campaigns/${campaignId}/coupons`;
  const pool = new Pool(api, { connections: concurrency, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS });
  const slots = new Slots(concurrency);
  const answers: Answer[] = [];

  async function attempt({ user, key }: Ask): Promise<Answer> {
    const headers = {
      authorization: `Bearer ${tokens.get(user)}`,
      ...(key === undefined ? {} : { "idempotency-key": key }),
    };
    const sentAt = performance.now();
    const said = await send(pool, path, headers);
    const answer = { user, ...(key === undefined ? {} : { key }), ...said, sentAt, answeredAt: performance.now() };
    answers.push(answer);
    return answer;
  }

  /** The slot is given back during a pause: whoever pauses holds no connection, and others come forward. */
  async function serve(ask: Ask): Promise<void> {
    for (let tries = 1; ; tries++) {
      const answer = await attempt(ask);
      slots.give(1);
      if (!isPassing(answer) || tries === TRIES) break;
      await sleep(pauseAfter(answer, tries, random));
      await slots.take(1);
    }
    onDone();
  }

  /** With fewer places taken than there are asks, the rest follows as places become free. */
  async function perform({ asks }: Step, taken: number): Promise<void> {
    await Promise.all(
      asks.map(async (ask, index) => {
        if (index >= taken) await slots.take(1);
        await serve(ask);
      }),
    );
  }

  const earlier = new Map<string, Promise<void>>();
  const under: Promise<void>[] = [];
  for (const step of steps) {
    const { user } = step.asks[0];
    const before = step.patient ? earlier.get(user) : undefined;
    // Who waits for an earlier answer does not hold up the others behind them.
    const performed = before
      ? before.then(async () => perform(step, await slots.take(step.asks.length)))
      : perform(step, await slots.take(step.asks.length));
    earlier.set(user, performed);
    under.push(performed);
  }
  await Promise.all(under);
  await pool.close();
  return answers;
}

async function send(pool: Pool, path: string, headers: Record<string, string>): Promise<Said> {
  try {
    const answer = await pool.request({ method: "POST", path, headers });
    return readAnswer(answer.statusCode, answer.headers, await answer.body.text());
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    return { word: TIMEOUTS.has(code) ? "timeout" : "transport-error", status: 0 };
  }
}

/** As long as the server asks for, else doubling; with jitter, so that those refused together do not return together. */
function pauseAfter({ retryAfterMs }: Said, tries: number, random: Random): number {
  const told = retryAfterMs ?? FIRST_PAUSE_MS * 2 ** Math.min(tries - 1, 10);
  return Math.min(Math.max(told, FIRST_PAUSE_MS), PATIENCE_MS) * (1 + random.next() / 4);
}
