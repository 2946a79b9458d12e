/**
 * Waits for somebody's turn in a waiting room, from a shop's page. Needs only what browsers, workers and Node bring: `fetch`,
 * `AbortSignal`, timers.
 *
 * Browsers slow the timers of a page that is hidden for minutes down to one a minute; a room whose people go and do something
 * else wants a `heartbeatSeconds` of a minute, or the wait in a worker.
 */

/** Where somebody waits, and who it is. */
export interface Visit {
  /** The API's origin, such as `https://coupons.example.com`. */
  readonly api: string;
  readonly roomId: string;
  /** The user's bearer token. A function is asked before each call, so that it can renew one that runs out. */
  readonly token: string | (() => string | Promise<string>);
  /** Ends the wait with the signal's reason. The place stays until the heartbeat runs out; `leave` gives it up at once. */
  readonly signal?: AbortSignal;
  readonly fetch?: Fetch;
  /** Where ticket and pass outlive the page, by these two keys; such as a wrapped `localStorage`. A `Map` in memory if absent. */
  readonly stored?: Stored;
}

export interface Waiting extends Visit {
  /** Called with each place, which is never worse than the one before unless it comes with a reason. */
  readonly onPlace?: (place: Place) => void;
  /** How often the public document is looked at between two polls, in milliseconds (2,000). `Infinity` for never. */
  readonly watchMs?: number;
}

export interface Place {
  readonly number: number;
  /** 1 is next. Null while the order is not drawn yet. */
  readonly position: number | null;
  /** In seconds from the last poll. */
  readonly etaSeconds: { readonly low: number; readonly high: number };
  /** Why nobody moves, such as `opens-later`; only then may a place be worse than the one before. */
  readonly reason?: string;
}

/**
 * How a wait ended.
 * - `admitted`: the pass goes along with requests as `Waiting-Room-Pass`
 * - `expired`: the place, or a pass that nobody used, is lost: there was no poll for too long, because a computer slept. Waiting
 *   again means a new number at the end of the line, so the person should be asked
 * - `gone`: the room has no ticket of this user: another page of theirs has left, or it all was long ago
 * - `refused`: `room-full`, or a mistake that waiting does not mend: no valid token, no such room
 */
export type Turn =
  | { readonly outcome: "admitted"; readonly pass: string; readonly expiresAt: string; readonly number: number }
  | { readonly outcome: "expired"; readonly number: number }
  | { readonly outcome: "gone" }
  | { readonly outcome: "refused"; readonly status: number; readonly code: string };

/** What is needed of `fetch`; the page's own does. */
export type Fetch = (
  url: string,
  init: { method: string; headers: Record<string, string>; signal: AbortSignal },
) => Promise<{ status: number; headers: { get(name: string): string | null }; json(): Promise<unknown> }>;

export interface Stored {
  get(key: "ticket" | "pass"): string | null | undefined;
  set(key: "ticket" | "pass", value: string): unknown;
}

interface Ticket {
  readonly number: number;
  readonly state: "waiting" | "admitted" | "expired";
  readonly position: number | null;
  readonly etaSeconds: Place["etaSeconds"];
  readonly pollAfterMs: number;
  readonly turn: number | null;
  readonly reason?: string;
  readonly token?: string;
  readonly pass?: string;
  readonly passExpiresAt?: string;
}

interface Room {
  readonly serving: number;
  readonly admitted: number;
  readonly order: string;
}

const WATCH_MS = 2_000;
const CALL_MS = 10_000;
const FIRST_BACKOFF_MS = 500;
const MOST_BACKOFF_MS = 8_000;

/**
 * Takes a ticket, or finds the one that the user already has, and waits until it is admitted. Polls no more often than the room
 * asks for, and in between tells the place from the room's public document, which caches answer. What passes (503, 429, no
 * network) is waited for; what does not pass is told as the outcome. Call it again after a reload: the place is still there.
 *
 * @throws The signal's reason when that is aborted.
 */
export async function waitForTurn(waiting: Waiting): Promise<Turn> {
  const { api, roomId, signal, onPlace = () => {}, watchMs = WATCH_MS } = waiting;
  const { stored = new Map<string, string>() } = waiting;
  const visit = { ...waiting, stored };
  let best: number | null = null;

  const tell = ({ number, etaSeconds, reason }: Ticket, position: number | null) => {
    if (reason !== undefined || best === null || position === null || position < best) best = position;
    onPlace({ number, position: best, etaSeconds, ...(reason === undefined ? {} : { reason }) });
  };
  /** The document may be a moment old: a place from it is the real one or, never the other way round, a worse one. */
  const tellFrom = (ticket: Ticket, room: Room) => {
    if (ticket.turn === null || best === null) return;
    const byNumber = room.order === "arrival" ? ticket.number - room.serving : best;
    const position = Math.max(1, Math.min(ticket.turn - room.admitted, byNumber));
    if (position < best) tell(ticket, position);
  };

  let answer = await insist(visit, "POST", "tickets", MOST_BACKOFF_MS);
  for (let isNew = true; ; isNew = false) {
    if (answer.status === 404 && !isNew) return forget(stored, { outcome: "gone" });
    if (answer.status >= 300) return { outcome: "refused", status: answer.status, code: codeOf(answer) };
    const ticket = answer.body as Ticket;
    const { number, state, pollAfterMs, token, pass = "", passExpiresAt = "" } = ticket;
    if (state === "expired") return forget(stored, { outcome: "expired", number });
    if (token) stored.set("ticket", token);
    if (state === "admitted") {
      stored.set("pass", pass);
      return { outcome: "admitted", pass, expiresAt: passExpiresAt, number };
    }
    tell(ticket, ticket.position);

    const dueAt = performance.now() + pollAfterMs;
    for (let left = pollAfterMs; left > 0; left = dueAt - performance.now()) {
      await sleep(Math.min(left, watchMs), signal);
      if (left <= watchMs) continue;
      const room = await call(
        visit,
        `${api}/rooms/${encodeURIComponent(roomId)}`,
        "GET",
        {},
        dueAt - performance.now(),
      );
      if (room?.status === 200) tellFrom(ticket, room.body as Room);
    }
    // Backing off no longer than the room would let us wait between two polls keeps the place.
    answer = await insist(visit, "GET", "tickets/me", Math.min(MOST_BACKOFF_MS, pollAfterMs));
  }
}

/** Leaves the line, or gives the pass back so that the next one can come in. Also when there is nothing to leave. */
export async function leave(visit: Visit): Promise<void> {
  const { status } = await insist(visit, "DELETE", "tickets/me", MOST_BACKOFF_MS);
  if (status < 300 && visit.stored) forget(visit.stored, undefined);
}

function forget<T>(stored: Stored, turn: T): T {
  stored.set("ticket", "");
  stored.set("pass", "");
  return turn;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly retryAfterMs: number;
}

const codeOf = ({ status, body }: Answer) => String((body as { code?: unknown } | undefined)?.code ?? status);

/** Calls until there is an answer that stands. Every call may be repeated: it finds what an earlier one has done. */
async function insist(visit: Visit, method: string, path: string, mostMs: number): Promise<Answer> {
  const { api, roomId, token, signal, stored } = visit;
  for (let tries = 0; ; tries++) {
    const bearer = typeof token === "function" ? await token() : token;
    const [ticket, pass] = [stored?.get("ticket"), stored?.get("pass")];
    const headers = {
      authorization: `Bearer ${bearer}`,
      ...(ticket ? { "waiting-room-ticket": ticket } : {}),
      ...(pass ? { "waiting-room-pass": pass } : {}),
    };
    const answer = await call(visit, `${api}/rooms/${encodeURIComponent(roomId)}/${path}`, method, headers, CALL_MS);
    if (answer && answer.status < 500 && answer.status !== 429) return answer;
    const backoffMs = Math.min(mostMs, FIRST_BACKOFF_MS * 2 ** tries) * (0.5 + Math.random());
    await sleep(answer?.retryAfterMs || backoffMs, signal);
  }
}

/** @returns undefined when there was no answer, or none that can be read */
async function call(
  { signal, fetch = globalThis.fetch }: Visit,
  url: string,
  method: string,
  headers: Record<string, string>,
  withinMs: number,
): Promise<Answer | undefined> {
  signal?.throwIfAborted();
  const within = AbortSignal.timeout(Math.ceil(Math.max(0, withinMs)));
  try {
    const answer = await fetch(url, { method, headers, signal: signal ? AbortSignal.any([signal, within]) : within });
    const { status } = answer;
    const reading = answer.json();
    // A success must be read; what refuses, or has nothing to say, says enough by its status.
    const body = await (status < 300 && status !== 204 ? reading : reading.catch(() => undefined));
    return { status, body, retryAfterMs: 1_000 * Number(answer.headers.get("retry-after")) };
  } catch {
    signal?.throwIfAborted();
    return undefined;
  }
}

function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop);
  });
}
