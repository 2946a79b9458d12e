import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { issuer, needsPass } from "../core/coupons/issue.ts";
import { soldOutMemory } from "../core/coupons/sold-out.ts";
import { limits } from "../core/limits.ts";
import { type Passed, passGate } from "../core/rooms/gate.ts";
import { revokePasses } from "../core/rooms/room.ts";
import { pollTicket } from "../core/rooms/ticket.ts";
import { readKeys, readPass, readTicket, signPass, signTicket } from "../core/rooms/token.ts";
import { type Answer, client, eventually, sharedStack, unique } from "./setup/client.ts";
import { type Parts, startParts } from "./setup/parts.ts";
import { openRoom, type TestRoom } from "./setup/room.ts";

/** Passes (G12): signed, bound to user, room and epoch, short-lived; refused with a reason that only the log has. */

const SECRET = "k".repeat(43);
const KEYS = readKeys(`new:${"n".repeat(43)},old:${SECRET}`);
const OLD = readKeys(`old:${SECRET}`);
const holder = { roomId: "room", userId: "user" };
const pass = { ...holder, number: 7, epoch: 0, series: 1, expiresAt: 2_000_000 };

describe("a pass", () => {
  const token = signPass(KEYS, pass);
  const read = (text: string, who = holder, nowMs = 1_000_000, keys = KEYS) => readPass(keys, text, who, nowMs);

  test("says again what was signed", () => {
    expect(read(token)).toEqual({ pass });
    expect(read(token, holder, 1_999_999)).toEqual({ pass });
  });

  const [head = "", body = "", signature = ""] = token.split(".");
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = JSON.parse(Buffer.from(body, "base64url").toString()) as object;
  const forged = (header: object, content: object, secret: string) => {
    const text = `${encode(header)}.${encode(content)}`;
    return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
  };
  const header = { alg: "HS256", typ: "waiting-room-pass+jwt", kid: "new" };

  const faults: [what: string, text: string, fault: string][] = [
    ["nothing", "", "malformed"],
    ["no token", "abc", "malformed"],
    ["four parts", `${token}.x`, "malformed"],
    ["more than is read", "x".repeat(limits.passLength + 1), "malformed"],
    ["a header that is no object", `${Buffer.from("7").toString("base64url")}.${body}.${signature}`, "malformed"],
    ["a signature cut short", token.slice(0, -4), "bad-signature"],
    ["no signature", `${head}.${body}.`, "bad-signature"],
    [
      "other claims under the same signature",
      `${head}.${encode({ ...claims, exp: 9e9 })}.${signature}`,
      "bad-signature",
    ],
    ["a signature with a guessed key", forged(header, claims, "guess"), "bad-signature"],
    ["the algorithm none", `${encode({ ...header, alg: "none" })}.${body}.`, "malformed"],
    ["another algorithm", forged({ ...header, alg: "HS512" }, claims, "n".repeat(43)), "malformed"],
    ["a key that nobody has", forged({ ...header, kid: "other" }, claims, SECRET), "unknown-key"],
    ["the type of another token", forged({ ...header, typ: "JWT" }, claims, "n".repeat(43)), "wrong-type"],
    [
      "a ticket in its place",
      signTicket(KEYS, { ...holder, number: 7, isDrawn: false, ahead: 0, epoch: 0, dueAt: 9e12 }),
      "wrong-type",
    ],
    ["no end", forged(header, { sub: "user", aud: "room", num: 1, epo: 0, ser: 1 }, "n".repeat(43)), "expired"],
  ];
  test.each(faults)("with %s is refused: $2", (_, text, fault) => {
    expect(read(text)).toEqual({ fault });
  });

  test("of another user, of another room, and after its end, is refused", () => {
    expect(read(token, { ...holder, userId: "thief" })).toEqual({ fault: "wrong-user" });
    expect(read(token, { ...holder, roomId: "other" })).toEqual({ fault: "wrong-room" });
    expect(read(token, holder, 2_000_000)).toEqual({ fault: "expired" });
  });

  test("outlives a change of keys: the old one verifies until it is taken out", () => {
    const before = signPass(OLD, pass);
    const known = readKeys(`old:${SECRET},new:${"n".repeat(43)}`);
    // First every function learns the new key, then it signs, then the old one goes.
    expect(read(before, holder, 1_000_000, known)).toEqual({ pass });
    expect(read(token, holder, 1_000_000, known)).toEqual({ pass });
    expect(read(before, holder, 1_000_000, KEYS)).toEqual({ pass });
    expect(read(before, holder, 1_000_000, readKeys(`new:${"n".repeat(43)}`))).toEqual({ fault: "unknown-key" });
  });

  test("names the key that signs, and no other part of it", () => {
    expect(JSON.parse(Buffer.from(head, "base64url").toString())).toEqual(header);
  });

  test.each(["", "a", "a:short", `a:${SECRET},a:${SECRET}`, `:${SECRET}`, "local-1:change-me", `a b:${SECRET}`])(
    "is not signed with keys like %j: a function does not start with them",
    (text) => {
      expect(() => readKeys(text)).toThrow();
    },
  );
});

describe("a ticket's token", () => {
  test("proves a place to its own user and room, and is no pass", () => {
    const ticket = { ...holder, number: 123, isDrawn: true, ahead: 4, epoch: 2, dueAt: 5 };
    const token = signTicket(KEYS, ticket);
    expect(readTicket(KEYS, token, holder)).toEqual({ ticket });
    expect(readTicket(KEYS, token, { ...holder, userId: "thief" })).toEqual({ fault: "wrong-user" });
    expect(readPass(KEYS, token, holder, 0)).toEqual({ fault: "wrong-type" });
  });
});

// ── The gate ────────────────────────────────────────────────────────────────────────────────────────────────────────────

describe("the gate", () => {
  let parts: Parts;
  beforeAll(async () => {
    parts = await startParts();
  });
  afterAll(() => parts?.stop());

  const check = (room: TestRoom, userId: string, token: string | undefined, use = "a") =>
    passGate()(parts.ctx, { roomId: room.roomId, userId, token, use });
  const faultOf = (passed: Passed) => ("fault" in passed ? passed.fault : passed.word);

  test("lets a valid pass through without asking Redis, once it knows the room", async () => {
    const room = await openRoom(parts.ctx);
    const { pass: token } = await room.take("u");
    const gate = passGate();
    let calls = 0;
    const redis = new Proxy(parts.ctx.redis, {
      get: (door, name) => {
        calls++;
        return Reflect.get(door, name);
      },
    });
    const ctx = { ...parts.ctx, redis };
    for (let i = 0; i < 100; i++) {
      expect(await gate(ctx, { roomId: room.roomId, userId: "u", token, use: "a" })).toEqual({ word: "valid" });
    }
    expect(calls).toBe(1);
  });

  test("refuses all passes that were given before the operator revoked them, and takes those of after", async () => {
    const room = await openRoom(parts.ctx);
    const { pass: before } = await room.take("u");
    expect(await check(room, "u", before)).toEqual({ word: "valid" });
    expect(await revokePasses(parts.ctx, room.roomId)).toMatchObject({ word: "changed" });
    expect(faultOf(await check(room, "u", before))).toBe("revoked");
    // Nobody gets another one by polling: who was inside is out.
    expect(await pollTicket(parts.ctx, { roomId: room.roomId, userId: "u" })).toMatchObject({ word: "unknown" });
    const gate = passGate();
    const ask = (token: string | undefined) => gate(parts.ctx, { roomId: room.roomId, userId: "v", token, use: "a" });
    expect(faultOf(await ask((await room.take("v")).pass))).toBe("valid");
  });

  test("sees at once that a pass is of a later series than the one it remembers", async () => {
    const room = await openRoom(parts.ctx);
    const gate = passGate();
    const ask = async (userId: string) => {
      const { pass: token } = await room.take(userId);
      return gate(parts.ctx, { roomId: room.roomId, userId, token, use: "a" });
    };
    expect(await ask("u")).toEqual({ word: "valid" });
    await revokePasses(parts.ctx, room.roomId);
    expect(await ask("v")).toEqual({ word: "valid" });
  });

  test("refuses what is shown for a room that never was", async () => {
    const token = signPass(parts.ctx.roomKeys, { ...pass, roomId: "none", expiresAt: Date.now() + 10_000 });
    const passed = await passGate()(parts.ctx, { roomId: "none", userId: "user", token, use: "a" });
    expect(faultOf(passed)).toBe("no-room");
  });

  test("lets a single-use pass open one use, as often as that is repeated, and no other", async () => {
    const room = await openRoom(parts.ctx, { singleUse: true });
    const { pass: token } = await room.take("u");
    expect(faultOf(await check(room, "u", token, "first"))).toBe("valid");
    expect(faultOf(await check(room, "u", token, "first"))).toBe("valid");
    expect(faultOf(await check(room, "u", token, "second"))).toBe("spent");
    expect(faultOf(await check(room, "u", (await room.poll("u")).pass, "second"))).toBe("spent");
    // The next visit's pass is another one.
    await room.leave("u");
    await room.jump(1_000);
    expect(faultOf(await check(room, "u", token, "first"))).toBe("given-back");
    const { pass: next } = await room.take("u");
    expect(faultOf(await check(room, "u", next, "second"))).toBe("valid");
    expect(faultOf(await check(room, "u", token, "second"))).toBe("given-back");
  });

  test("lets a hundred simultaneous uses of a single-use pass through as one", async () => {
    const room = await openRoom(parts.ctx, { singleUse: true });
    const { pass: token } = await room.take("u");
    const all = await Promise.all(Array.from({ length: 100 }, (_, i) => check(room, "u", token, `use ${i}`)));
    expect(all.filter(({ word }) => word === "valid")).toHaveLength(1);
  });

  test("is asked before anything is given, and a campaign behind a room gives nothing without it", async () => {
    const room = await openRoom(parts.ctx);
    const campaignId = await parts.campaign({ roomId: room.roomId });
    const issue = issuer(soldOutMemory());
    const stop = async () => ({ refusal: needsPass(campaignId, room.roomId), mayReplay: true });
    for (const request of [{}, { stop }]) {
      const asked = await issue(parts.ctx, { campaignId, userId: "u", ...request });
      expect(asked).toMatchObject({ word: "pass-required", facts: { roomId: room.roomId } });
    }
    const passed = await issue(parts.ctx, { campaignId, userId: "u", stop: async () => undefined });
    expect(passed).toMatchObject({ word: "issued" });
    expect(await pollTicket(parts.ctx, { roomId: room.roomId, userId: "u" })).toMatchObject({ word: "unknown" });
  });
});

// ── Over HTTP ───────────────────────────────────────────────────────────────────────────────────────────────────────────

describe("a coupon behind a waiting room, over HTTP", () => {
  const stack = sharedStack();
  const { call, token, campaign } = client(stack.api);
  const operator = () => token("olga", "operator");

  async function guarded(rules: object = {}) {
    const roomId = unique("r");
    const body = { capacity: 100, admitPerSecond: 100, passSeconds: 60, ...rules };
    const put = await call("PUT", `/rooms/${roomId}`, { token: await operator(), body });
    expect(put.status).toBe(200);
    return { roomId, campaignId: await campaign({ roomId, perUser: 3 }) };
  }
  /** A pass of this room for a user. */
  async function passOf(roomId: string, user: string): Promise<string> {
    const taken = await call("POST", `/rooms/${roomId}/tickets`, { token: user });
    expect(taken.body.state).toBe("admitted");
    return taken.body.pass;
  }
  const ask = (campaignId: string, user: string, shown?: string, key?: string) =>
    call("POST", `/campaigns/${campaignId}/coupons`, {
      token: user,
      headers: {
        ...(shown === undefined ? {} : { "waiting-room-pass": shown }),
        ...(key === undefined ? {} : { "idempotency-key": key }),
      },
    });
  /** Why passes were refused at a campaign, as the log has it. */
  const reasons = (campaignId: string): string[] =>
    readFileSync(stack.log, "utf8")
      .split("\n")
      .filter((line) => line.includes("pass-refused") && line.includes(campaignId))
      .map((line) => (JSON.parse(line) as { reason: string }).reason);
  const refused = async (campaignId: string, answer: Answer, reason: string) => {
    expect(answer).toMatchObject({ status: 403, body: { code: "pass-required" } });
    // Whoever tries hears nothing that helps: the same words for every reason, the request's id apart.
    const { requestId: _, ...body } = answer.body;
    const { requestId: __, ...plain } = (await ask(campaignId, await token("nobody"))).body;
    expect(body).toEqual(plain);
    const seen = await eventually(
      async () => reasons(campaignId),
      (it) => it.length > 0,
    );
    expect(new Set(seen)).toEqual(new Set([reason]));
  };

  test("is given with a pass, and refused without", async () => {
    const { roomId, campaignId } = await guarded();
    const user = await token("alice");
    expect(await ask(campaignId, user)).toMatchObject({ status: 403, body: { code: "pass-required", roomId } });
    expect(await ask(campaignId, user, await passOf(roomId, user))).toMatchObject({ status: 201, body: { ticket: 1 } });
    // Nobody without a pass fills the log.
    expect(reasons(campaignId)).toEqual([]);
  });

  test("is refused to a forged pass", async () => {
    const { roomId, campaignId } = await guarded();
    const user = await token("alice");
    const real = await passOf(roomId, user);
    const forged = signPass(readKeys(`local-1:${SECRET}`), { ...pass, roomId, userId: "alice", expiresAt: 9e12 });
    expect(forged.split(".")[0]).toBe(real.split(".")[0]);
    await refused(campaignId, await ask(campaignId, user, forged), "bad-signature");
  });

  test("is refused to a stolen pass", async () => {
    const { roomId, campaignId } = await guarded();
    const stolen = await passOf(roomId, await token("alice"));
    await refused(campaignId, await ask(campaignId, await token("mallory"), stolen), "wrong-user");
  });

  test("is refused to an expired pass", async () => {
    const { roomId, campaignId } = await guarded({ passSeconds: 1 });
    const user = await token("alice");
    const old = await passOf(roomId, user);
    await eventually(
      () => call("GET", `/rooms/${roomId}/tickets/me`, { token: user }),
      (answer) => answer.body.state === "expired",
    );
    await refused(campaignId, await ask(campaignId, user, old), "expired");
  });

  test("is told again after the pass has ended, to whoever repeats the request; and nothing new is given", async () => {
    const { roomId, campaignId } = await guarded({ passSeconds: 1 });
    const user = await token("alice");
    const old = await passOf(roomId, user);
    const first = await ask(campaignId, user, old, "order-1");
    expect(first.status).toBe(201);
    await eventually(
      () => call("GET", `/rooms/${roomId}/tickets/me`, { token: user }),
      (answer) => answer.body.state === "expired",
    );
    expect(await ask(campaignId, user, old, "order-1")).toMatchObject({ status: 200, body: first.body });
    await refused(campaignId, await ask(campaignId, user, old, "order-2"), "expired");
    expect((await ask(campaignId, user, undefined, "order-1")).status).toBe(403);
  });

  test("is refused to a pass of another room", async () => {
    const [{ campaignId }, other] = [await guarded(), await guarded()];
    const user = await token("alice");
    await refused(campaignId, await ask(campaignId, user, await passOf(other.roomId, user)), "wrong-room");
  });

  test("is refused to a replayed pass where passes are single-use, while the same request gets its first answer", async () => {
    const { roomId, campaignId } = await guarded({ singleUse: true });
    const user = await token("alice");
    const once = await passOf(roomId, user);
    const first = await ask(campaignId, user, once, "order-1");
    expect(first.status).toBe(201);
    expect(await ask(campaignId, user, once, "order-1")).toMatchObject({ status: 200, body: first.body });
    await refused(campaignId, await ask(campaignId, user, once, "order-2"), "spent");
  });

  test("is refused to a pass that the operator has revoked", async () => {
    const { roomId, campaignId } = await guarded();
    const user = await token("alice");
    const before = await passOf(roomId, user);
    expect((await call("POST", `/ops/rooms/${roomId}/revoke`, { token: await operator() })).status).toBe(200);
    // A container may go by what it has read for a second; this one has not met the room yet.
    await refused(campaignId, await ask(campaignId, user, before), "revoked");
  });

  test("is refused to a ticket in place of a pass", async () => {
    const { roomId, campaignId } = await guarded({ open: false });
    const user = await token("alice");
    const { body } = await call("POST", `/rooms/${roomId}/tickets`, { token: user });
    await refused(campaignId, await ask(campaignId, user, body.token), "wrong-type");
  });
});
