import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Fetch, leave, type Place, type Turn, type Waiting, waitForTurn } from "../web/waiting-room.ts";
import { client, sharedStack, unique } from "./setup/client.ts";

/** What a scripted room answers to one call; `none` for no answer at all. */
type Reply = { status?: number; body?: unknown; retryAfter?: string } | "none";

interface Heard {
  /** On the held clock. */
  readonly at: number;
  readonly what: string;
  readonly headers: Readonly<Record<string, string>>;
}

const API = "https://coupons.example.com";
const PASS = { pass: "pass-1", passExpiresAt: "2026-01-01T00:05:00.000Z" };

const waiting = (position: number | null, more: object = {}) => ({
  ...{ roomId: "door", number: 40, state: "waiting", position, ahead: 0, etaSeconds: { low: 2, high: 6 } },
  ...{ pollAfterMs: 5_000, turn: position === null ? null : 100 + position, token: `ticket-${position}`, ...more },
});
const admitted = (more: object = {}) => ({ number: 40, state: "admitted", position: 0, turn: null, ...PASS, ...more });
const ADMITTED = { body: admitted() };

/** A room that answers calls about the ticket in turn, and looks at its document always alike. */
function scripted(replies: readonly Reply[], document: Reply = { status: 404 }) {
  const heard: Heard[] = [];
  const looks: Heard[] = [];
  const fetch: Fetch = async (url, { method, headers, signal }) => {
    const path = url.replace(`${API}/rooms/door`, "");
    const call = { at: performance.now(), what: `${method} ${path}`, headers };
    const isLook = path === "";
    const reply = isLook ? document : (replies[heard.length] ?? expect.unreachable(`${call.what} was not expected`));
    (isLook ? looks : heard).push(call);
    signal.throwIfAborted();
    if (reply === "none") throw new TypeError("fetch failed");
    const { status = 200, body, retryAfter = null } = reply;
    return {
      status,
      headers: { get: (name) => (name === "retry-after" ? retryAfter : null) },
      json: async () => (body === undefined ? JSON.parse("") : body),
    };
  };
  return { heard, looks, fetch };
}

/** Waits to the end, through all the time that it takes. */
async function waitThrough(room: ReturnType<typeof scripted>, more: Partial<Waiting> = {}) {
  const places: Place[] = [];
  const turn = waitForTurn({
    ...{ api: API, roomId: "door", token: "jwt", fetch: room.fetch, watchMs: Number.POSITIVE_INFINITY },
    onPlace: (place) => places.push(place),
    ...more,
  });
  turn.catch(() => {});
  await vi.runAllTimersAsync();
  return { turn: await turn, places, positions: places.map(({ position }) => position) };
}

const gaps = (heard: readonly Heard[]) => heard.slice(1).map(({ at }, index) => at - (heard[index]?.at ?? 0));

describe("a page that waits", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
  afterEach(() => void vi.useRealTimers());

  test("takes a ticket, polls it, and comes away with the pass", async () => {
    const room = scripted([{ status: 201, body: waiting(9) }, { body: waiting(4) }, ADMITTED]);
    const { turn, positions } = await waitThrough(room);
    expect(turn).toEqual({ outcome: "admitted", pass: "pass-1", expiresAt: PASS.passExpiresAt, number: 40 });
    expect(positions).toEqual([9, 4]);
    expect(room.heard.map(({ what }) => what)).toEqual(["POST /tickets", "GET /tickets/me", "GET /tickets/me"]);
  });

  test("polls no more often than the room asks, each time anew, and keeps looking at the document in between", async () => {
    const asked = [7_000, 1_500, 300, 4_000];
    const room = scripted([...asked.map((pollAfterMs) => ({ body: waiting(9, { pollAfterMs }) })), ADMITTED]);
    await waitThrough(room, { watchMs: 1_000 });
    expect(gaps(room.heard)).toHaveLength(asked.length);
    for (const [index, gap] of gaps(room.heard).entries()) expect(gap).toBeGreaterThanOrEqual(asked[index] ?? 0);
    for (const gap of gaps(room.looks)) expect(gap).toBeGreaterThanOrEqual(1_000);
    expect(room.looks.length).toBeGreaterThan(asked.length);
  });

  test("shows with each call the last ticket that it was given, and asks for its token anew", async () => {
    const room = scripted([{ body: waiting(9) }, { body: waiting(4) }, { body: waiting(2) }, ADMITTED]);
    const tokens = ["first", "second", "third", "fourth"];
    const stored = new Map<string, string>();
    await waitThrough(room, { token: async () => tokens.shift() ?? "", stored });
    expect(room.heard.map(({ headers }) => headers)).toEqual([
      { authorization: "Bearer first" },
      { authorization: "Bearer second", "waiting-room-ticket": "ticket-9" },
      { authorization: "Bearer third", "waiting-room-ticket": "ticket-4" },
      { authorization: "Bearer fourth", "waiting-room-ticket": "ticket-2" },
    ]);
    expect(stored).toEqual(new Map([["ticket", "ticket-2"], ["pass", "pass-1"]])); // biome-ignore format: two entries
  });

  test("shows after a reload what it held before", async () => {
    const stored = new Map([["ticket", "ticket-before"], ["pass", "pass-before"]]); // biome-ignore format: two entries
    const room = scripted([ADMITTED]);
    await waitThrough(room, { stored });
    expect(room.heard[0]?.headers).toEqual({
      authorization: "Bearer jwt",
      "waiting-room-ticket": "ticket-before",
      "waiting-room-pass": "pass-before",
    });
  });

  test("never shows a worse place than before, unless it comes with a reason", async () => {
    const places = [waiting(9), waiting(12), waiting(30, { reason: "rebuilding" }), waiting(31), waiting(8)];
    const room = scripted([...places.map((body) => ({ body })), ADMITTED]);
    const shown = (await waitThrough(room)).places;
    expect(shown.map(({ position, reason }) => [position, reason])).toEqual([
      [9, undefined],
      [9, undefined],
      [30, "rebuilding"],
      [30, undefined],
      [8, undefined],
    ]);
  });

  test("shows no place while the order is not drawn, and then the first one whatever it is", async () => {
    const room = scripted([{ body: waiting(null, { reason: "opens-later" }) }, { body: waiting(70) }, ADMITTED]);
    expect((await waitThrough(room)).positions).toEqual([null, 70]);
  });

  describe("places itself from the public document between two polls", () => {
    const placed = async (document: object, ticket = waiting(50)) => {
      const room = scripted([{ body: ticket }, ADMITTED], { body: document });
      const { positions } = await waitThrough(room, { watchMs: 4_000 });
      return { room, positions };
    };

    test("by its turn, without saying who it is", async () => {
      const { room, positions } = await placed({ order: "shuffle", serving: 0, admitted: 130 });
      expect(positions).toEqual([50, 20]);
      expect(room.looks.map(({ headers }) => headers)).toEqual([{}]);
    });

    test("by its number where the order is that of arrival, and whichever is better", async () => {
      expect((await placed({ order: "arrival", serving: 33, admitted: 120 })).positions).toEqual([50, 7]);
      expect((await placed({ order: "arrival", serving: 10, admitted: 145 })).positions).toEqual([50, 5]);
      expect((await placed({ order: "shuffle", serving: 33, admitted: 120 })).positions).toEqual([50, 30]);
    });

    test("never worse than it was, and never before the first place", async () => {
      expect((await placed({ order: "shuffle", serving: 0, admitted: 60 })).positions).toEqual([50]);
      expect((await placed({ order: "shuffle", serving: 0, admitted: 400 })).positions).toEqual([50, 1]);
    });

    test("only where there is a place", async () => {
      const drawn = waiting(null, { reason: "opens-later" });
      expect((await placed({ order: "shuffle", serving: 0, admitted: 400 }, drawn)).positions).toEqual([null]);
    });

    test("and does not mind when the document cannot be had", async () => {
      for (const document of ["none", { status: 503 }, { status: 200 }] as const) {
        const room = scripted([{ body: waiting(50) }, ADMITTED], document);
        expect((await waitThrough(room, { watchMs: 1_000 })).positions).toEqual([50]);
      }
    });
  });

  const passing: [what: string, reply: Reply][] = [
    ["503 with Retry-After", { status: 503, body: { code: "recovering" }, retryAfter: "3" }],
    ["503 without", { status: 503, body: { code: "unavailable" } }],
    ["a gateway's 502 that is no JSON", { status: 502 }],
    ["429", { status: 429, body: { code: "throttled" }, retryAfter: "2" }],
    ["no answer", "none"],
    ["a success that cannot be read", { status: 200 }],
  ];
  test.each(passing)("goes on after %s, with its ticket", async (_, reply) => {
    const room = scripted([reply, { body: waiting(9) }, reply, reply, reply, { body: waiting(3) }, ADMITTED]);
    const { turn, positions } = await waitThrough(room);
    expect(turn.outcome).toBe("admitted");
    expect(positions).toEqual([9, 3]);
    expect(room.heard.slice(2).every(({ headers }) => headers["waiting-room-ticket"] !== undefined)).toBe(true);
    const told = reply !== "none" && reply.retryAfter ? 1_000 * Number(reply.retryAfter) : 1;
    for (const index of [0, 2, 3, 4]) expect(gaps(room.heard)[index]).toBeGreaterThanOrEqual(told);
  });

  test("backs off no longer than the room would let it wait: the place must not run out meanwhile", async () => {
    const room = scripted([{ body: waiting(9, { pollAfterMs: 1_000 }) }, ...Array(12).fill("none"), ADMITTED]);
    await waitThrough(room);
    for (const gap of gaps(room.heard)) expect(gap).toBeLessThanOrEqual(1_500);
  });

  const outcomes: [what: string, replies: Reply[], turn: Turn][] = [
    [
      "a place that ran out",
      [{ body: waiting(9) }, { body: { number: 40, state: "expired" } }],
      { outcome: "expired", number: 40 },
    ],
    ["a ticket that is gone", [{ body: waiting(9) }, { status: 404, body: { code: "unknown" } }], { outcome: "gone" }],
    [
      "a room that is full",
      [{ status: 409, body: { code: "room-full" } }],
      { outcome: "refused", status: 409, code: "room-full" },
    ],
    [
      "a room that is none",
      [{ status: 404, body: { code: "unknown" } }],
      { outcome: "refused", status: 404, code: "unknown" },
    ],
    [
      "a token that ran out",
      [{ body: waiting(9) }, { status: 401, body: { message: "Unauthorized" } }],
      { outcome: "refused", status: 401, code: "401" },
    ],
  ];
  test.each(outcomes)("tells of %s, and asks no more", async (_, replies, turn) => {
    const room = scripted(replies);
    expect((await waitThrough(room)).turn).toEqual(turn);
    expect(room.heard).toHaveLength(replies.length);
  });

  test("forgets what it held once that is worth nothing any more", async () => {
    const stored = new Map<string, string>();
    await waitThrough(scripted([{ body: waiting(9) }, { body: { number: 40, state: "expired" } }]), { stored });
    const again = scripted([ADMITTED]);
    await waitThrough(again, { stored });
    expect(again.heard[0]?.headers).toEqual({ authorization: "Bearer jwt" });
  });

  test("ends when it is aborted, between two polls, with the reason", async () => {
    const room = scripted([{ body: waiting(9) }]);
    const controller = new AbortController();
    const turn = waitForTurn({ api: API, roomId: "door", token: "jwt", fetch: room.fetch, signal: controller.signal });
    const ended = expect(turn).rejects.toThrow("closed");
    await vi.advanceTimersByTimeAsync(1_000);
    controller.abort(new Error("closed"));
    await ended;
    await vi.runAllTimersAsync();
    expect(room.heard).toHaveLength(1);
  });

  test("ends when it is aborted in the middle of a call", async () => {
    const controller = new AbortController();
    const fetch: Fetch = (_, { signal }) =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    const turn = waitForTurn({ api: API, roomId: "door", token: "jwt", fetch, signal: controller.signal });
    const ended = expect(turn).rejects.toThrow("closed");
    await vi.advanceTimersByTimeAsync(1_000);
    controller.abort(new Error("closed"));
    await ended;
  });

  test("does not begin when it was aborted before", async () => {
    const room = scripted([]);
    const signal = AbortSignal.abort(new Error("closed"));
    await expect(waitForTurn({ api: API, roomId: "door", token: "jwt", fetch: room.fetch, signal })).rejects.toThrow(
      "closed",
    );
    expect(room.heard).toEqual([]);
  });

  test("leaves, again until it is told so, and forgets what it held", async () => {
    const room = scripted([{ status: 503, retryAfter: "1" }, "none", { status: 204 }]);
    const stored = new Map([["ticket", "ticket-9"], ["pass", "pass-1"]]); // biome-ignore format: two entries
    const left = leave({ api: API, roomId: "door", token: "jwt", fetch: room.fetch, stored });
    await vi.runAllTimersAsync();
    await left;
    expect(room.heard.map(({ what }) => what)).toEqual(Array(3).fill("DELETE /tickets/me"));
    expect([stored.get("ticket"), stored.get("pass")]).toEqual(["", ""]);
  });
});

describe("a page on a running stack", () => {
  const { api } = sharedStack();
  const { call, token } = client(api);

  test("comes in, leaves, and comes in again under a later number", async () => {
    const roomId = unique("door");
    const rules = { capacity: 1, admitPerSecond: 100, passSeconds: 60, heartbeatSeconds: 30 };
    await call("PUT", `/rooms/${roomId}`, { token: await token("operator", "operator"), body: rules });
    const stored = new Map<string, string>();
    const visit = { api, roomId, token: () => token("alice"), stored };
    const first = await waitForTurn(visit);
    expect(first).toMatchObject({ outcome: "admitted", number: 1, pass: stored.get("pass") });
    expect(await waitForTurn(visit)).toMatchObject({ outcome: "admitted", number: 1 });
    await leave(visit);
    const second = await waitForTurn(visit);
    expect(second).toMatchObject({ outcome: "admitted", number: 2 });
  });
});
