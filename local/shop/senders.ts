import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "undici";
import * as z from "zod/mini";
import type { Random } from "../rush/random.ts";
import type { Clock } from "./clock.ts";
import type { ShopBatch } from "./day.ts";

/** Those who send what happened: until it is answered, always under the same key. */

const CONNECTIONS = 8;
const TIMEOUT_MS = 20_000;
const PAUSE_MS = 50;
const GIVE_UP_MS = 90_000;
const MINUTE = 60_000;

const acceptedSchema = z.object({ batchId: z.string(), accepted: z.int(), late: z.int() });

/** A batch that was answered. */
export interface Sent {
  readonly batch: ShopBatch;
  /** When it was first sent and when its first answer came, by the stack's clock. */
  readonly sentAt: number;
  readonly answeredAt: number;
  readonly accepted: number;
  readonly late: number;
}

type Answered = z.infer<typeof acceptedSchema> & Pick<Sent, "sentAt" | "answeredAt">;

export interface SendersFigures {
  batches: number;
  events: number;
  copies: number;
  attempts: number;
  /** Attempts that came to no answer, or to one that asks to come again; by status, 0 for none. */
  readonly again: Map<number, number>;
}

export interface Senders {
  readonly figures: SendersFigures;
  /** Answers that the contract does not know, and others that contradict each other. */
  readonly flaws: string[];
  /** Sends a batch and its copies that go at once; soon is settled when all are answered. */
  send(batch: ShopBatch): Promise<void>;
  /** Sends a batch again that was answered long ago. */
  again(batch: ShopBatch): Promise<void>;
  /** Holds back batches that name actors, and waits until none is under way. */
  holdActed(): Promise<void>;
  releaseActed(): void;
  isActedHeld(): boolean;
  /** Lets nothing be under way, does something, and goes on. */
  between(work: () => Promise<void>): Promise<void>;
  /** Batches and copies that were begun and are not answered. */
  underWay(): number;
  /** Waits until everything that was begun is answered. */
  idle(): Promise<void>;
  close(): Promise<void>;
}

export interface SendersTerms {
  readonly api: string;
  readonly clock: Clock;
  readonly token: () => Promise<string>;
  readonly random: Random;
  /** Told of each batch once. */
  readonly onSent: (sent: Sent) => void;
}

/** Waits that others end. */
function gate() {
  let waiting: { opened: Promise<void>; open: () => void } | undefined;
  return {
    close() {
      if (waiting) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting = { opened: promise, open: resolve };
    },
    open() {
      waiting?.open();
      waiting = undefined;
    },
    isOpen: () => waiting === undefined,
    async passed() {
      while (waiting) await waiting.opened;
    },
  };
}

/** Counts what is under way, and lets others wait until nothing is. */
function tally() {
  let count = 0;
  let waiters: (() => void)[] = [];
  return {
    count: () => count,
    begin: () => {
      count++;
    },
    end() {
      if (--count > 0) return;
      for (const wake of waiters) wake();
      waiters = [];
    },
    async none() {
      while (count > 0) await new Promise<void>((resolve) => waiters.push(resolve));
    },
  };
}

export function openSenders({ api, clock, token, random, onSent }: SendersTerms): Senders {
  const pool = new Pool(api, { connections: CONNECTIONS, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS });
  const figures: SendersFigures = { batches: 0, events: 0, copies: 0, attempts: 0, again: new Map() };
  const flaws: string[] = [];
  const isOpen = gate();
  const isActedOpen = gate();
  const requests = tally();
  const actedRequests = tally();
  /** Batches whose events happen when they arrive: from the first attempt to the answer no leap may lie. */
  const pinned = tally();
  const begun = tally();

  async function request(batch: ShopBatch): Promise<{ status: number; text: string }> {
    const headers = {
      authorization: `Bearer ${await token()}`,
      "content-type": "application/json",
      "idempotency-key": batch.key,
    };
    const events = batch.events.map(({ at, ...event }) => ({
      ...event,
      ...(at === undefined ? {} : { at: new Date(at).toISOString() }),
    }));
    try {
      const answer = await pool.request({ method: "POST", path: "/events", headers, body: JSON.stringify({ events }) });
      return { status: answer.statusCode, text: await answer.body.text() };
    } catch {
      return { status: 0, text: "" };
    }
  }

  /** Sends until it is answered. */
  async function insist(batch: ShopBatch): Promise<Answered> {
    const until = performance.now() + GIVE_UP_MS;
    let sentAt: number | undefined;
    const mayGo = () =>
      (isOpen.isOpen() || (batch.isUndated && sentAt !== undefined)) && (!batch.isActed || isActedOpen.isOpen());
    for (;;) {
      // Looked at again after each wait: from here to the request nothing else may come between.
      while (!mayGo()) {
        await isOpen.passed();
        await isActedOpen.passed();
      }
      if (sentAt === undefined && batch.isUndated) pinned.begin();
      sentAt ??= clock.now();
      requests.begin();
      if (batch.isActed) actedRequests.begin();
      figures.attempts++;
      const { status, text } = await request(batch);
      const answeredAt = clock.now();
      requests.end();
      if (batch.isActed) actedRequests.end();
      const parsed = status === 202 ? z.safeParse(acceptedSchema, JSON.parse(text)) : undefined;
      if (parsed?.success) {
        if (batch.isUndated) pinned.end();
        return { ...parsed.data, sentAt, answeredAt };
      }
      const isPassing = status === 0 || status === 401 || status >= 500;
      if (!isPassing) flaws.push(`batch ${batch.key} was answered with ${status}: ${text.slice(0, 200)}`);
      figures.again.set(status, (figures.again.get(status) ?? 0) + 1);
      if (!isPassing || performance.now() > until) {
        if (isPassing)
          flaws.push(`batch ${batch.key} was not answered in ${GIVE_UP_MS / 1_000} s, last with ${status}`);
        if (batch.isUndated) pinned.end();
        throw new Unanswered();
      }
      await sleep(PAUSE_MS * (0.5 + random.next()));
    }
  }

  async function track(work: () => Promise<void>): Promise<void> {
    begun.begin();
    try {
      await work();
    } catch (error) {
      if (!(error instanceof Unanswered)) throw error;
    } finally {
      begun.end();
    }
  }

  return {
    figures,
    flaws,

    send: (batch) =>
      track(async () => {
        figures.batches++;
        figures.events += batch.events.length;
        figures.copies += batch.copiesAtOnce;
        const all = Array.from({ length: 1 + batch.copiesAtOnce }, () => insist(batch));
        const answers = await Promise.all(all);
        const [first] = answers;
        if (!first) return;
        const sentAt = Math.min(...answers.map((answer) => answer.sentAt));
        const answeredAt = Math.min(...answers.map((answer) => answer.answeredAt));
        const { accepted, late } = first;
        const words = new Set(answers.map((answer) => `${answer.batchId} ${answer.accepted} ${answer.late}`));
        if (words.size > 1)
          flaws.push(`copies of batch ${batch.key} were answered differently: ${[...words].join("; ")}`);
        if (batch.isUndated && Math.floor(sentAt / MINUTE) !== Math.floor(answeredAt / MINUTE)) {
          flaws.push(`batch ${batch.key} took longer than its minute, so that nobody knows when its events happened`);
        }
        onSent({ batch, sentAt, answeredAt, accepted, late });
      }),

    again: (batch) =>
      track(async () => {
        figures.copies++;
        await insist(batch);
      }),

    async holdActed() {
      isActedOpen.close();
      await actedRequests.none();
    },
    releaseActed: () => isActedOpen.open(),
    isActedHeld: () => !isActedOpen.isOpen(),

    async between(work) {
      isOpen.close();
      try {
        await pinned.none();
        await requests.none();
        await work();
      } finally {
        isOpen.open();
      }
    },

    underWay: () => begun.count(),
    idle: () => begun.none(),
    close: () => pool.close(),
  };
}

class Unanswered extends Error {}
