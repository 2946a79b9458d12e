import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "undici";
import type { Fetch } from "../../web/waiting-room.ts";
import { type Call, NO_ANSWER, readSaid, type Said, type Shown, type Verb } from "./calls.ts";

const CONNECTIONS = 64;
const TIMEOUT_MS = 10_000;
/** What `Cache-Control` allows of the public document, in milliseconds. */
const FRESH_MS = 1_000;
/** How often a coupon is asked for again after an answer that passes, and how long after it. */
const TRIES = 10;
const PAUSE_MS = 1_000;

const METHODS = { take: "POST", poll: "GET", leave: "DELETE", look: "GET", coupon: "POST" } as const;

/** The crowd's connections. Every call that somebody makes over them, and what they are told, is written down. */
export interface Connections {
  readonly calls: readonly Call[];
  /** How often people looked at the room's public document; it was asked for less often. */
  readonly looks: () => number;
  /** `fetch` for the client library, as this user. A call that was sent is heard to its end, also when the user hangs up. */
  fetchAs(user: string): Fetch;
  /** Asks for a coupon, again while the answer passes. */
  askForCoupon(who: { user: string; token: string }, shown: Shown, pass: string | undefined): Promise<Said>;
  /** When this user was last told anything about a ticket. */
  lastAnswerAt(user: string): number;
  close(): Promise<void>;
}

/** Who asks for a public document. */
const ANYONE = "anyone";

interface Got {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

export function openConnections(api: string, campaignId: string): Connections {
  const pool = new Pool(api, { connections: CONNECTIONS, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS });
  const calls: Call[] = [];
  const lastAnswers = new Map<string, number>();
  let looks = 0;
  let document: { heard: Promise<{ got: Got | undefined }>; until: number } | undefined;

  async function get(verb: Verb, path: string, headers: Record<string, string>): Promise<Got> {
    const answer = await pool.request({ method: METHODS[verb], path, headers });
    return { status: answer.statusCode, headers: answer.headers, text: await answer.body.text() };
  }

  /** @returns the answer, and what it said */
  async function hear(user: string, verb: Verb, path: string, headers: Record<string, string>, shown?: Shown) {
    const sentAt = performance.now();
    const got = await get(verb, path, headers).catch(() => undefined);
    const said = got ? readSaid(verb, got.status, got.headers, got.text) : NO_ANSWER;
    const answeredAt = performance.now();
    calls.push({ user, verb, ...(shown === undefined ? {} : { shown }), ...said, sentAt, answeredAt });
    if (verb !== "coupon") lastAnswers.set(user, answeredAt);
    return { got, said };
  }

  /** As caches on the way do it: those who look within a second see one answer. */
  async function look(path: string): Promise<Got | undefined> {
    looks++;
    const now = performance.now();
    if (!document || now > document.until) document = { heard: hear(ANYONE, "look", path, {}), until: now + FRESH_MS };
    return (await document.heard).got;
  }

  return {
    calls,
    looks: () => looks,

    fetchAs:
      (user) =>
      async (url, { method, headers, signal }) => {
        const path = url.slice(api.length);
        const verb = verbOf(method, path);
        const got = verb === "look" ? await look(path) : (await hear(user, verb, path, headers)).got;
        signal.throwIfAborted();
        if (!got) throw new Error("no answer");
        const { status, text } = got;
        const get = (name: string) => got.headers[name]?.toString() ?? null;
        return { status, headers: { get }, json: async () => JSON.parse(text) as unknown };
      },

    async askForCoupon({ user, token }, shown, pass) {
      const headers = {
        authorization: `Bearer ${token}`,
        ...(pass === undefined ? {} : { "waiting-room-pass": pass }),
      };
      for (let tries = 1; ; tries++) {
        const { said } = await hear(user, "coupon", `/campaigns/${campaignId}/coupons`, headers, shown);
        if ((said.status !== 0 && said.status !== 429 && said.status < 500) || tries === TRIES) return said;
        await sleep(PAUSE_MS);
      }
    },

    lastAnswerAt: (user) => lastAnswers.get(user) ?? 0,
    close: () => pool.destroy(),
  };
}

function verbOf(method: string, path: string): Exclude<Verb, "coupon"> {
  if (path.endsWith("/tickets")) return "take";
  if (!path.endsWith("/tickets/me")) return "look";
  return method === "DELETE" ? "leave" : "poll";
}
