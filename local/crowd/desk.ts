import { Pool } from "undici";
import * as z from "zod/mini";
import { openDesk as openRushDesk, type Desk as RushDesk } from "../rush/desk.ts";
import { NoRush } from "../rush/stack.ts";
import type { Options } from "./options.ts";

const TIMEOUT_MS = 30_000;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const OPERATOR = "crowd-operator";

const tokensSchema = z.object({ tokens: z.record(z.string(), z.string()) });

/** What the organisers do: over connections of their own, so that the crowd does not shut them out. */
export interface Desk {
  readonly mintTokens: RushDesk["mintTokens"];
  /** Makes a room, and a campaign behind it of which everybody may have one coupon. */
  open(roomId: string, campaignId: string, options: Options): Promise<void>;
  /** Has the campaign end now. Never fails: it closes by itself within the hour. */
  shut(campaignId: string): Promise<void>;
  close(): Promise<void>;
}

export function openDesk(api: string): Desk {
  const minting = openRushDesk(api);
  const pool = new Pool(api, { connections: 1, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS });
  let operator = "";

  async function send(method: "POST" | "PUT" | "PATCH", path: string, body: unknown): Promise<string> {
    const headers = { authorization: `Bearer ${operator}`, "content-type": "application/json" };
    const answer = await pool.request({ method, path, headers, body: JSON.stringify(body) });
    const text = await answer.body.text();
    if (answer.statusCode < 300) return text;
    throw new NoRush(`${method} ${path} was answered with ${answer.statusCode}: ${text.slice(0, 500)}`);
  }

  return {
    mintTokens: minting.mintTokens,

    async open(roomId, campaignId, { capacity, rate, passSeconds, heartbeat, stock }) {
      const minted = await send("POST", "/_local/tokens", { subjects: [OPERATOR], scope: "operator" });
      operator = z.parse(tokensSchema, JSON.parse(minted)).tokens[OPERATOR] ?? "";
      const rules = { capacity, admitPerSecond: rate, passSeconds, heartbeatSeconds: heartbeat };
      await send("PUT", `/rooms/${roomId}`, rules);
      const now = Date.now();
      await send("POST", "/campaigns", {
        ...{ campaignId, roomId, stock, name: "Crowd", perUser: 1 },
        opensAt: new Date(now - MINUTE_MS).toISOString(),
        closesAt: new Date(now + HOUR_MS).toISOString(),
      });
    },

    async shut(campaignId) {
      await send("PATCH", `/campaigns/${campaignId}`, { closesAt: new Date().toISOString() }).catch(() => {});
    },

    async close() {
      await Promise.all([minting.close(), pool.close()]);
    },
  };
}
