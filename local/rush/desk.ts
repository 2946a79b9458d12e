import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "undici";
import * as z from "zod/mini";
import { NoRush } from "./stack.ts";

const TOKENS_PER_CALL = 10_000;
const TIMEOUT_MS = 30_000;
const TRIES = 20;
const PAUSE_MS = 500;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

const tokensSchema = z.object({ tokens: z.record(z.string(), z.string()) });
const campaignSchema = z.object({ state: z.string(), stock: z.int(), perUser: z.int(), remaining: z.int() });

export type CampaignDocument = z.infer<typeof campaignSchema>;

/** What the organisers of a rush do: over connections of their own, so that the crowd does not shut them out. */
export interface Desk {
  mintTokens(subjects: readonly string[]): Promise<ReadonlyMap<string, string>>;
  createCampaign(campaignId: string, stock: number, perUser: number): Promise<void>;
  /** @returns undefined when it cannot be read just now */
  readCampaign(campaignId: string): Promise<CampaignDocument | undefined>;
  /** Has a campaign end now. Never fails: whoever stands in the way of that has other worries. */
  closeCampaign(campaignId: string): Promise<void>;
  /** Has the sweeper send again what is stuck. Never fails: what it does not do, a later run does. */
  sweep(): Promise<void>;
  close(): Promise<void>;
}

interface Call {
  readonly method: "GET" | "POST" | "PATCH";
  readonly path: string;
  readonly token?: string | undefined;
  readonly body?: unknown;
}

export function openDesk(api: string): Desk {
  const pool = new Pool(api, { connections: 2, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS });

  async function call({ method, path, token, body }: Call): Promise<{ status: number; text: string }> {
    const headers = {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    };
    const sent = body === undefined ? null : JSON.stringify(body);
    const answer = await pool.request({ method, path, headers, body: sent });
    return { status: answer.statusCode, text: await answer.body.text() };
  }

  /** Until the status is one of those wanted. An organiser's request may be repeated: it is the same request. */
  async function insist(wanted: readonly number[], what: Call): Promise<string> {
    for (let tries = 1; ; tries++) {
      const { status, text } = await call(what);
      if (wanted.includes(status)) return text;
      if (status !== 503 || tries === TRIES) {
        throw new NoRush(`${what.method} ${what.path} was answered with ${status}: ${text.slice(0, 500)}`);
      }
      await sleep(PAUSE_MS);
    }
  }

  async function mint(subjects: readonly string[], scope?: string): Promise<Map<string, string>> {
    const minted = new Map<string, string>();
    for (let from = 0; from < subjects.length; from += TOKENS_PER_CALL) {
      const body = {
        subjects: subjects.slice(from, from + TOKENS_PER_CALL),
        ...(scope === undefined ? {} : { scope }),
      };
      const text = await insist([200, 201], { method: "POST", path: "/_local/tokens", body });
      for (const entry of Object.entries(z.parse(tokensSchema, JSON.parse(text)).tokens)) minted.set(...entry);
    }
    const missing = subjects.find((subject) => !minted.has(subject));
    if (missing !== undefined) throw new NoRush(`POST /_local/tokens gave no token for ${missing}.`);
    return minted;
  }

  let operator: string | undefined;

  return {
    mintTokens: mint,

    async createCampaign(campaignId, stock, perUser) {
      operator = (await mint(["rush-operator"], "operator")).get("rush-operator");
      const now = Date.now();
      const body = {
        campaignId,
        name: "Rush",
        stock,
        perUser,
        opensAt: new Date(now - MINUTE_MS).toISOString(),
        closesAt: new Date(now + HOUR_MS).toISOString(),
      };
      // 200 answers a repetition after a 503 that had done its work.
      await insist([201, 200], { method: "POST", path: "/campaigns", token: operator, body });
    },

    async readCampaign(campaignId) {
      try {
        const { status, text } = await call({ method: "GET", path: `/campaigns/${campaignId}` });
        return status === 200 ? z.parse(campaignSchema, JSON.parse(text)) : undefined;
      } catch {
        return undefined;
      }
    },

    async closeCampaign(campaignId) {
      const body = { closesAt: new Date().toISOString() };
      try {
        await call({ method: "PATCH", path: `/campaigns/${campaignId}`, token: operator, body });
      } catch {
        // It closes by itself within the hour.
      }
    },

    async sweep() {
      try {
        await call({ method: "POST", path: "/_local/schedules/sweep/run", token: operator });
      } catch {
        // The stack may be down for a moment; the schedule itself comes round too.
      }
    },

    close: () => pool.close(),
  };
}
