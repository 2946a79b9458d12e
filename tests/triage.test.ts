import { PurgeQueueCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Ctx, StoreUnavailable } from "../core/context.ts";
import { show } from "../core/coupons/campaign.ts";
import { confirmationOf, issuanceOf, messageOf } from "../core/coupons/confirmation.ts";
import { issuer } from "../core/coupons/issue.ts";
import { coupons as ledger } from "../core/coupons/ledger.ts";
import { letters } from "../core/coupons/letters.ts";
import { couponTeller } from "../core/coupons/mine.ts";
import { soldOutMemory } from "../core/coupons/sold-out.ts";
import { sweeper } from "../core/coupons/sweep.ts";
import { type DeadLetter, listLetters, redriveLetters, triager } from "../core/coupons/triage.ts";
import { compare } from "../core/coupons/verify.ts";
import type { QueueMessage } from "../core/doors/sqs.ts";
import { keys } from "../core/keys.ts";
import { limits } from "../core/limits.ts";
import { unique } from "./setup/client.ts";
import { type Parts, startParts } from "./setup/parts.ts";
import { openPump, type Pump } from "./setup/pump.ts";

/** Dead letters are decided without a person, each once, and nobody loses a coupon without being told why. */

let parts: Parts;
let pump: Pump;
let sqs: SQSClient;
beforeAll(async () => {
  parts = await startParts();
  pump = openPump(parts);
  sqs = new SQSClient({ endpoint: parts.sqsEndpoint, useQueueUrlAsEndpoint: false });
});
afterAll(async () => {
  pump.close();
  sqs.destroy();
  await parts.stop();
});
beforeEach(async () => {
  for (const QueueUrl of [parts.queueUrl, parts.deadLetterUrl]) await sqs.send(new PurgeQueueCommand({ QueueUrl }));
});

const triage = (ctx: Ctx, batch: readonly DeadLetter[]) => triager()(ctx, batch);

/** Coupons that were issued, with the messages that were sent, caught before the queue. */
async function issued(count: number, content = {}) {
  const id = await parts.campaign({ stock: 100, ...content });
  const sent: QueueMessage[] = [];
  const confirmations = {
    ...parts.ctx.confirmations,
    send: async (message: QueueMessage) => {
      sent.push(message);
    },
  };
  const issue = issuer(soldOutMemory());
  for (let i = 0; i < count; i++) await issue({ ...parts.ctx, confirmations }, { campaignId: id, userId: `user-${i}` });
  return { id, sent };
}

let serial = 0;
const letter = (message: QueueMessage, reason?: string): DeadLetter => ({
  messageId: `l-${serial++}`,
  body: message.body,
  groupId: message.groupId,
  receiveCount: 1,
  reason,
});

const outboxOf = async (id: string) => Number(await parts.ctx.redis.command("XLEN", keys.outbox(id)));
const mine = async (id: string, userId: string) => {
  const result = await couponTeller()(parts.ctx, { campaignId: id, userId });
  return "items" in result ? result.items : result.word;
};
const remaining = async (id: string) => {
  const shown = await show(parts.ctx, id);
  return shown.word === "found" ? shown.campaign.remaining : shown.word;
};
const findingsOf = async (id: string) => {
  const compared = await compare(parts.ctx, id);
  return "comparison" in compared ? compared.comparison.findings : compared.word;
};

describe("a dead letter", () => {
  it("whose coupon is in the ledger after all is settled, and its outbox entry goes", async () => {
    const { id, sent } = await issued(1);
    const message = sent[0] as QueueMessage;
    await parts.ctx.confirmations.send(message);
    await pump.drain({ ...parts.ctx, redis: { ...parts.ctx.redis, run: failing } as never }).catch(() => {});
    expect(await outboxOf(id)).toBe(1);
    const done = await triage(parts.ctx, [letter(message)]);
    expect(done.decisions).toEqual({ settled: 1, redriven: 0, compensated: 0, kept: 0 });
    expect(await outboxOf(id)).toBe(0);
  });

  it("with a passing reason is sent round again, three times at most, then kept for the operator, who may send it again", async () => {
    const { id, sent } = await issued(1);
    const message = sent[0] as QueueMessage;
    const decisions: string[] = [];
    for (let i = 0; i < limits.redriveMost + 2; i++) {
      const done = await triage(parts.ctx, [letter(message)]);
      decisions.push(Object.entries(done.decisions).find(([, count]) => count > 0)?.[0] ?? "");
    }
    expect(decisions).toEqual(["redriven", "redriven", "redriven", "kept", "kept"]);
    // Each was taken by SQS as a message of its own, although the issuance is one.
    expect((await parts.ctx.confirmations.depth()).waiting).toBe(3);
    await sqs.send(new PurgeQueueCommand({ QueueUrl: parts.queueUrl }));

    const { items } = await listLetters(parts.ctx, { limit: 100 });
    const kept = items.find(({ campaignId }) => campaignId === id);
    expect(kept).toMatchObject({
      decision: "kept",
      reason: "receives-spent",
      redrives: 3,
      userId: "user-0",
      ticket: 1,
    });
    // Nothing is lost while it is kept: the holder sees it as pending, and its outbox entry stands.
    expect(await mine(id, "user-0")).toMatchObject([{ state: "pending" }]);
    expect(await findingsOf(id)).toEqual([]);

    const word = await redriveLetters(parts.ctx, [kept?.letterId ?? "", "no-such-letter"]);
    expect(word).toEqual({ redriven: [kept?.letterId], skipped: ["no-such-letter"], more: false });
    await pump.drain(parts.ctx);
    expect(await mine(id, "user-0")).toMatchObject([{ state: "confirmed" }]);
    const after = (await listLetters(parts.ctx, { limit: 100 })).items.find(({ campaignId }) => campaignId === id);
    expect(after?.decision).toBe("settled");
    expect(await outboxOf(id)).toBe(0);
  });

  it("that can never be recorded is compensated once: the coupon is revoked with its reason, and a ticket that is another's is not freed", async () => {
    const { id, sent } = await issued(2);
    // Somebody else's coupon stands in the ledger under the first ticket: what a lost fence would do.
    const about = { campaignId: id, perUser: 1, buckets: 2, base: 0 };
    const thief = { campaignId: id, userId: "thief", ticket: 1, nth: 1, issuedAt: Date.now() };
    expect(await ledger.record(parts.ctx, confirmationOf(thief, about, "s", ""))).toBe("recorded");
    for (const message of sent) await parts.ctx.confirmations.send(message);
    expect(await pump.drain(parts.ctx)).toMatchObject({ compensated: 1 });
    expect(await mine(id, "user-0")).toMatchObject([
      { state: "revoked", reason: expect.stringContaining("another coupon") },
    ]);
    expect(await mine(id, "user-1")).toMatchObject([{ state: "confirmed", ticket: 2 }]);
    expect(await remaining(id)).toBe(98);
    expect(await parts.ctx.redis.command("ZCARD", keys.free(id))).toBe(0);
    expect(await outboxOf(id)).toBe(0);

    // The same letter again, by a second delivery or by the sweep: nothing more happens.
    const again = await triage(parts.ctx, [letter(sent[0] as QueueMessage, "ticket-taken")]);
    expect(again.decisions.settled + again.decisions.compensated).toBe(1);
    expect(await mine(id, "user-0")).toHaveLength(1);
    expect(await parts.ctx.redis.command("ZCARD", keys.free(id))).toBe(0);
    // The user may ask again and gets another ticket.
    const anew = await issuer(soldOutMemory())(parts.ctx, { campaignId: id, userId: "user-0" });
    expect(anew).toMatchObject({ word: "issued", coupon: { ticket: 3 } });
  });

  it("whose place in the ledger is taken gives its ticket back to stock, once", async () => {
    const { id, sent } = await issued(1);
    const about = { campaignId: id, perUser: 1, buckets: 2, base: 0 };
    const other = { campaignId: id, userId: "user-0", ticket: 50, nth: 1, issuedAt: Date.now() - 1_000 };
    expect(await ledger.record(parts.ctx, confirmationOf(other, about, "s", ""))).toBe("recorded");
    await parts.ctx.confirmations.send(sent[0] as QueueMessage);
    expect(await pump.drain(parts.ctx)).toMatchObject({ compensated: 1 });
    expect(await parts.ctx.redis.command("ZRANGE", keys.free(id), 0, -1)).toEqual(["1"]);
    await triage(parts.ctx, [letter(sent[0] as QueueMessage, "user-taken")]);
    expect(await parts.ctx.redis.command("ZRANGE", keys.free(id), 0, -1)).toEqual(["1"]);
    const next = await issuer(soldOutMemory())(parts.ctx, { campaignId: id, userId: "somebody" });
    expect(next).toMatchObject({ word: "issued", coupon: { ticket: 1 } });
    await pump.drain(parts.ctx);
    expect((await ledger.tickets(parts.ctx, id, 1, 1))[0]).toMatchObject({ userId: "somebody", free: false });
  });

  it("that is not a confirmation, or of a campaign that never was, is kept, cut to a size, and cannot be sent again", async () => {
    const stray = {
      messageId: unique("m"),
      body: "x".repeat(100_000),
      groupId: "g",
      receiveCount: 1,
      reason: "not-a-confirmation",
    };
    const { sent } = await issued(1);
    const foreign = {
      ...letter(sent[0] as QueueMessage, "unknown-campaign"),
      body: (sent[0]?.body ?? "").replaceAll(/"c-\w+/g, '"c-none'),
    };
    expect((await triage(parts.ctx, [stray, foreign])).decisions.kept).toBe(2);
    const kept = await letters.get(parts.ctx, `message.${stray.messageId}`);
    expect(kept?.body.length).toBe(2_000);
    expect((await redriveLetters(parts.ctx, [`message.${stray.messageId}`])).skipped).toEqual([
      `message.${stray.messageId}`,
    ]);
  });

  it("that cannot be decided now comes again with the rest of its group, and no other group waits", async () => {
    const { sent } = await issued(4);
    const batch = sent.map((message, i) => ({ ...letter(message, "ticket-taken"), groupId: i < 2 ? "a" : "b" }));
    const first = JSON.parse(sent[0]?.body ?? "{}").couponId;
    const table = {
      ...parts.ctx.table,
      get: async (key: { pk: string; sk: string }) => {
        if (key.sk === `was#${first}`) throw new StoreUnavailable("ledger", "silent");
        return parts.ctx.table.get(key);
      },
    };
    const done = await triage({ ...parts.ctx, table }, batch);
    expect(done.failed).toEqual(batch.slice(0, 2));
    expect(Object.values(done.decisions).reduce((a, b) => a + b)).toBe(2);
  });
});

const failing = async () => {
  throw new StoreUnavailable("redis", "gone");
};

describe("an outbox entry that nobody takes", () => {
  it("is re-sent within its budget, then becomes a dead letter, and its holder's coupon is there in the end", async () => {
    const { id } = await issued(1);
    const eager: Ctx = {
      ...parts.ctx,
      redis: {
        ...parts.ctx.redis,
        // Other tests' campaigns are not swept along.
        command: async (name, ...args) => (name === "SMEMBERS" ? [id] : parts.ctx.redis.command(name, ...args)),
        run: (script, scriptKeys, args) =>
          parts.ctx.redis.run(
            script,
            scriptKeys,
            script.name === "sweep" ? { ...args, ageMs: -1_000, idleMs: 0 } : args,
          ),
      },
    };
    const sweep = sweeper();
    const words: string[] = [];
    for (let i = 0; i < limits.sweepAttemptsMost + 2; i++) {
      const { sent, spent } = await sweep(eager);
      words.push(`${sent}/${spent}`);
    }
    expect(words.slice(0, limits.sweepAttemptsMost)).toEqual(Array(limits.sweepAttemptsMost).fill("1/0"));
    expect(words.slice(limits.sweepAttemptsMost)).toEqual(["0/1", "0/1"]);
    expect(await mine(id, "user-0")).toMatchObject([{ state: "pending" }]);
    await sqs.send(new PurgeQueueCommand({ QueueUrl: parts.queueUrl }));
    expect(await pump.drain(parts.ctx)).toMatchObject({ redriven: 2 });
    expect(await mine(id, "user-0")).toMatchObject([{ state: "confirmed" }]);
    expect(await outboxOf(id)).toBe(0);
  });
});

describe("the name of an issuance", () => {
  it("differs by campaign, epoch, ticket and outbox id, and is the message's deduplication id", () => {
    const about = { campaignId: "c", perUser: 1, buckets: 1, base: 0 };
    const of = (campaignId: string, epoch: number, ticket: number, outboxId: string) => {
      const issuance = { campaignId, userId: "u", ticket, nth: 1, issuedAt: 1 };
      return { confirmation: confirmationOf(issuance, about, "s", ""), outboxId, epoch };
    };
    const all = [
      of("c", 0, 1, "1-0"),
      of("d", 0, 1, "1-0"),
      of("c", 1, 1, "1-0"),
      of("c", 0, 2, "1-0"),
      of("c", 0, 1, "1-1"),
    ];
    expect(new Set(all.map(issuanceOf)).size).toBe(all.length);
    for (const delivery of all) expect(messageOf(delivery).deduplicationId).toBe(issuanceOf(delivery));
  });
});
