import { DynamoDBClient, GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { CreateQueueCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { mockClient } from "aws-sdk-client-mock";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { backoffSeconds } from "../core/backoff.ts";
import { StoreUnavailable } from "../core/context.ts";
import { confirmer, type Received } from "../core/coupons/confirm.ts";
import { confirmationOf, messageOf } from "../core/coupons/confirmation.ts";
import { etaOf } from "../core/coupons/eta.ts";
import { issuer } from "../core/coupons/issue.ts";
import { coupons } from "../core/coupons/ledger.ts";
import { couponTeller } from "../core/coupons/mine.ts";
import { soldOutMemory } from "../core/coupons/sold-out.ts";
import { sweeper } from "../core/coupons/sweep.ts";
import type { QueueMessage } from "../core/doors/sqs.ts";
import { keys } from "../core/keys.ts";
import { limits } from "../core/limits.ts";
import { type Parts, startParts } from "./setup/parts.ts";

/** A container's persister, new each time: what it remembers of a campaign must not outlive a test. */
const confirm = (ctx: Parameters<ReturnType<typeof confirmer>>[0], batch: readonly Received[]) =>
  confirmer()(ctx, batch);

let parts: Parts;
let sqs: SQSClient;
beforeAll(async () => {
  parts = await startParts();
  sqs = new SQSClient({ endpoint: parts.sqsEndpoint, useQueueUrlAsEndpoint: false });
});
afterAll(async () => {
  sqs.destroy();
  await parts.stop();
});

/** What was sent, caught before the queue. */
function recorder() {
  const sent: QueueMessage[] = [];
  const confirmations = {
    ...parts.ctx.confirmations,
    send: async (message: QueueMessage) => {
      sent.push(message);
    },
    sendBatch: async (messages: readonly QueueMessage[]) => {
      sent.push(...messages);
      return messages.map(() => true);
    },
  };
  return { sent, ctx: { ...parts.ctx, confirmations } };
}

async function issued(count: number, content = {}) {
  const id = await parts.campaign({ stock: 100, ...content });
  const { sent, ctx } = recorder();
  const issue = issuer(soldOutMemory());
  for (let i = 0; i < count; i++) await issue(ctx, { campaignId: id, userId: `user-${i}` });
  return { id, sent };
}

let serial = 0;
const received = (message: QueueMessage, receiveCount = 1): Received => ({
  messageId: `m-${serial++}`,
  body: message.body,
  groupId: message.groupId,
  receiveCount,
});

const outboxDepth = async (id: string) => Number(await parts.ctx.redis.command("XLEN", keys.outbox(id)));
const ledgerOf = (id: string, user: string) => coupons.ofCampaign(parts.ctx, user, id);

describe("a confirmation", () => {
  it("is written once and leaves the outbox, also when it is delivered three times and out of order", async () => {
    const { id, sent } = await issued(12);
    expect(await outboxDepth(id)).toBe(12);
    const shuffled = [...sent, ...sent, ...sent].reverse();
    const totals = { recorded: 0, alreadyRecorded: 0 };
    for (let i = 0; i < shuffled.length; i += 10) {
      const done = await confirm(
        parts.ctx,
        shuffled.slice(i, i + 10).map((message) => received(message)),
      );
      expect(done.failed).toEqual([]);
      totals.recorded += done.recorded;
      totals.alreadyRecorded += done.alreadyRecorded;
    }
    expect(totals).toEqual({ recorded: 12, alreadyRecorded: 24 });
    expect(await outboxDepth(id)).toBe(0);
    for (let i = 0; i < 12; i++)
      expect(await ledgerOf(id, `user-${i}`)).toMatchObject([{ ticket: i + 1, state: "confirmed" }]);
  });

  it("that was written before is not changed by a second delivery", async () => {
    const { id, sent } = await issued(1);
    await confirm(
      parts.ctx,
      sent.map((message) => received(message)),
    );
    const before = await ledgerOf(id, "user-0");
    await confirm(
      { ...parts.ctx, now: () => Date.now() + 60_000 },
      sent.map((message) => received(message)),
    );
    expect(await ledgerOf(id, "user-0")).toEqual(before);
  });

  it("finds its ticket taken by another coupon: it goes to the dead letters with the reason, and the ledger keeps the first", async () => {
    const { id, sent } = await issued(1);
    const about = { campaignId: id, perUser: 1, buckets: 1, base: 0 };
    const other = confirmationOf(
      { campaignId: id, userId: "thief", ticket: 1, nth: 1, issuedAt: Date.now() },
      about,
      "secret",
      "",
    );
    await confirm(
      parts.ctx,
      sent.map((message) => received(message)),
    );
    const done = await confirm(parts.ctx, [received(messageOf({ confirmation: other, outboxId: "1-1", epoch: 0 }))]);
    expect(done).toMatchObject({ failed: [], deadLettered: 1 });
    expect(await ledgerOf(id, "thief")).toEqual([]);
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({
        QueueUrl: parts.deadLetterUrl,
        MaxNumberOfMessages: 10,
        MessageAttributeNames: ["All"],
        VisibilityTimeout: 0,
      }),
    );
    const letter = Messages.find((message) => message.Body?.includes(id));
    expect(letter?.MessageAttributes?.reason?.StringValue).toBe("ticket-taken");
  });

  it("that is none goes to the dead letters and holds up nobody of its group", async () => {
    const { id, sent } = await issued(3);
    const groupId = sent[0]?.groupId ?? "";
    const poison = { body: '{"v":1,"campaignId":42}', groupId, deduplicationId: "x" };
    const batch = [poison, ...sent.map((message) => ({ ...message, groupId }))];
    expect(
      await confirm(
        parts.ctx,
        batch.map((message) => received(message)),
      ),
    ).toMatchObject({ failed: [], deadLettered: 1, recorded: 3 });
    expect(await outboxDepth(id)).toBe(0);
  });
});

describe("a store that fails on purpose", () => {
  let dynamodb: ReturnType<typeof mockClient> | undefined;
  afterEach(() => dynamodb?.restore());

  it("fails the record and all later ones of its group, and no other group", async () => {
    const { id, sent } = await issued(6);
    dynamodb = mockClient(DynamoDBClient);
    const batch = sent.map((message, i) => received({ ...message, groupId: i < 3 ? "a" : "b" }));
    const record = { epoch: { N: "0" }, version: { N: "2" }, record: { S: '{"stock":100}' } };
    dynamodb.on(GetItemCommand).resolves({ Item: record });
    dynamodb.on(PutItemCommand).callsFake(async (input) => {
      const user = input.Item.userId.S;
      if (user === "user-1") throw Object.assign(new Error("slow down"), { name: "ThrottlingException" });
      return {};
    });
    const done = await confirm(parts.ctx, batch);
    expect(done.failed).toEqual([batch[1], batch[2]]);
    expect(done.recorded).toBe(4);
    // What was written of the failed group's rest has left the outbox too; only the throttled one is still there.
    expect(await outboxDepth(id)).toBe(1);
  });

  it("fails the whole batch when the ledger is out of reach, and loses nothing", async () => {
    const { id, sent } = await issued(4);
    dynamodb = mockClient(DynamoDBClient);
    const batch = sent.map((message) => received(message));
    dynamodb.rejects(Object.assign(new Error("connect ECONNREFUSED"), { name: "Error" }));
    expect((await confirm(parts.ctx, batch)).failed).toHaveLength(4);
    expect(await outboxDepth(id)).toBe(4);
    dynamodb.restore();
    expect((await confirm(parts.ctx, batch)).recorded).toBe(4);
    expect(await outboxDepth(id)).toBe(0);
  });

  it("comes again after 1, 2, 4 … seconds, at most a minute", () => {
    expect([1, 2, 3, 4, 7, 8, 1_000].map(backoffSeconds)).toEqual([1, 2, 4, 8, 60, 60, 60]);
  });
});

describe("when Redis is out of reach", () => {
  it("a batch is done all the same, and its outbox entries are settled by the next sweep", async () => {
    const { id, sent } = await issued(3);
    const broken = {
      ...parts.ctx.redis,
      run: async () => {
        throw new StoreUnavailable("redis", "gone");
      },
    };
    const done = await confirm(
      { ...parts.ctx, redis: broken },
      sent.map((message) => received(message)),
    );
    expect(done).toMatchObject({ failed: [], recorded: 3 });
    expect(await outboxDepth(id)).toBe(3);
    await confirm(
      parts.ctx,
      sent.map((message) => received(message)),
    );
    expect(await outboxDepth(id)).toBe(0);
  });
});

describe("the sweeper", () => {
  /** Makes what is in the outbox older than the sweeper's bound, by rewriting its entries' ids. */
  async function age(id: string, byMs: number): Promise<void> {
    const entries = (await parts.ctx.redis.command("XRANGE", keys.outbox(id), "-", "+")) as [
      string,
      [string, string],
    ][];
    await parts.ctx.redis.command("DEL", keys.outbox(id));
    await parts.ctx.redis.command("XGROUP", "CREATE", keys.outbox(id), "sweep", "0", "MKSTREAM");
    for (const [entryId, [field, user]] of entries) {
      const [ms = "0", sequence = "0"] = entryId.split("-");
      await parts.ctx.redis.command("XADD", keys.outbox(id), `${Number(ms) - byMs}-${sequence}`, field, user);
    }
  }

  const oldest = async (id: string) =>
    ((await parts.ctx.redis.command("XRANGE", keys.outbox(id), "-", "+", "COUNT", 1)) as [string, unknown][])[0]?.[0] ??
    "";

  it("sends again exactly what is old, in the very message that was sent at first", async () => {
    const { id, sent } = await issued(25, { perUser: 2, validDays: 3 });
    const { sent: again, ctx } = recorder();
    await sweeper()(ctx);
    expect(again.filter((message) => message.groupId.startsWith(id))).toEqual([]);
    // Ids are part of the message, so those of the first sends are aged the same way.
    const byMs = limits.sweepAgeMs + 1;
    await age(id, byMs);
    await sweeper()(ctx);
    const mine = again.filter((message) => message.groupId.startsWith(`${id}.`));
    expect(mine).toHaveLength(25);
    expect(new Set(mine.map((message) => message.deduplicationId)).size).toBe(25);
    const facts = (message: QueueMessage) => {
      const { campaignId, userId, ticket, nth } = JSON.parse(message.body);
      return { campaignId, userId, ticket, nth, groupId: message.groupId };
    };
    expect(mine.map(facts)).toEqual(sent.map(facts));
  });

  it("makes the same message as the first send, to the letter", async () => {
    const { id, sent } = await issued(5, { perUser: 3, validDays: 3 });
    const { sent: keyed, ctx } = recorder();
    const issue = issuer(soldOutMemory());
    await issue(ctx, { campaignId: id, userId: "user-0", idempotencyKey: "k.1" });
    // Seen from a later time, the entries are old as they stand.
    const { sent: again, ctx: later } = recorder();
    const aged = { ...later.redis, run: later.redis.run };
    aged.run = (script, scriptKeys, args) =>
      later.redis.run(script, scriptKeys, script.name === "sweep" ? { ...args, ageMs: -1_000 } : args);
    await sweeper()({ ...later, redis: aged });
    expect(again.filter((message) => message.groupId.startsWith(`${id}.`))).toEqual([...sent, ...keyed]);
  });

  it("leaves alone what another sweep has just claimed, and counts the attempts", async () => {
    const { id } = await issued(30);
    await age(id, limits.sweepAgeMs + 1);
    const { sent, ctx } = recorder();
    const runs = await Promise.all([sweeper()(ctx), sweeper()(ctx), sweeper()(ctx)]);
    expect(sent.filter((message) => message.groupId.startsWith(`${id}.`))).toHaveLength(30);
    expect(Math.max(...runs.map((run) => run.attemptsMost))).toBe(1);
    const soon = { ...ctx.redis };
    soon.run = (script, scriptKeys, args) =>
      ctx.redis.run(script, scriptKeys, script.name === "sweep" ? { ...args, idleMs: 0 } : args);
    expect((await sweeper()({ ...ctx, redis: soon })).attemptsMost).toBe(2);
    expect((await sweeper()({ ...ctx, redis: soon })).attemptsMost).toBe(3);
    // Three attempts with a first wait of a minute: the next is due in four.
    const waits = (idleMs: number, idleMostMs: number) => ({
      ...ctx.redis,
      run: ((script, scriptKeys, args) =>
        ctx.redis.run(
          script,
          scriptKeys,
          script.name === "sweep" ? { ...args, idleMs, idleMostMs } : args,
        )) as typeof ctx.redis.run,
    });
    await parts.ctx.redis.command(
      "XCLAIM",
      keys.outbox(id),
      "sweep",
      "sweeper",
      0,
      await oldest(id),
      "IDLE",
      200_000,
      "RETRYCOUNT",
      3,
      "JUSTID",
    );
    const due = async (idleMs: number, idleMostMs: number) => {
      const { sent: again, ctx: fresh } = recorder();
      await sweeper()({ ...fresh, redis: waits(idleMs, idleMostMs) });
      return again.filter((message) => message.groupId.startsWith(`${id}.`)).length;
    };
    expect(await due(60_000, 600_000)).toBe(0);
    expect(await due(60_000, 100_000)).toBe(1);
  });

  it("goes on behind the first hundred, and counts what SQS does not take", async () => {
    const { id } = await issued(0, { stock: 500 });
    const { ctx } = recorder();
    const issue = issuer(soldOutMemory());
    await Promise.all(Array.from({ length: 350 }, (_, i) => issue(ctx, { campaignId: id, userId: `u${i}` })));
    await age(id, limits.sweepAgeMs + 1);
    const down = {
      ...ctx.confirmations,
      sendBatch: async (messages: readonly QueueMessage[]) => {
        if (messages.length === 10) throw new StoreUnavailable("queue", "gone");
        return messages.map(() => true);
      },
    };
    const swept = await sweeper()({ ...ctx, confirmations: down });
    expect(swept.failed).toBeGreaterThanOrEqual(350);
    expect(await outboxDepth(id)).toBe(350);
  });

  it("goes on in the next run behind what it looked at in this one, so that many stuck ones do not hide the rest", async () => {
    const { id } = await issued(0, { stock: 500 });
    const { ctx } = recorder();
    const issue = issuer(soldOutMemory());
    const count = limits.sweepCallsMost + 20;
    await Promise.all(Array.from({ length: count }, (_, i) => issue(ctx, { campaignId: id, userId: `u${i}` })));
    await age(id, limits.sweepAgeMs + 1);
    const { ctx: again, sent } = recorder();
    const narrow = {
      ...again,
      redis: {
        ...again.redis,
        command: async (name: string, ...args: (string | number | Buffer)[]) =>
          name === "SMEMBERS" ? [id] : again.redis.command(name, ...args),
        // One entry a call, so that a run sees as many as it makes calls.
        run: ((script, scriptKeys, args) =>
          again.redis.run(
            script,
            scriptKeys,
            script.name === "sweep" ? { ...args, most: 1 } : args,
          )) as typeof again.redis.run,
      },
    };
    const sweep = sweeper();
    expect((await sweep(narrow)).sent).toBe(limits.sweepCallsMost);
    expect((await sweep(narrow)).sent).toBe(20);
    expect(new Set(sent.map(({ deduplicationId }) => deduplicationId)).size).toBe(count);
    // Then from the beginning again: nothing is due so soon.
    expect((await sweep(narrow)).sent).toBe(0);
  });
});

describe("a shopper's view", () => {
  it("is pending with a finite ETA while the outbox has it, then confirmed, without a gap in between", async () => {
    const { id, sent } = await issued(3);
    const mine = couponTeller();
    const before = await mine(parts.ctx, { campaignId: id, userId: "user-1" });
    expect(before).toMatchObject({ word: "found", items: [{ ticket: 2, state: "pending" }] });
    expect(before.word === "found" && Number.isFinite(before.items[0]?.etaMs)).toBe(true);
    await confirm(
      parts.ctx,
      sent.map((message) => received(message)),
    );
    const after = await mine(parts.ctx, { campaignId: id, userId: "user-1" });
    expect(after).toMatchObject({ word: "found", items: [{ ticket: 2, state: "confirmed" }] });
    expect(after.word === "found" && after.items[0]?.etaMs).toBeUndefined();
    expect((await mine(parts.ctx, { campaignId: id, userId: "stranger" })).word).toBe("unknown");
  });

  it("comes from the ledger alone when Redis is out of reach; a user it does not know is not told that there is nothing", async () => {
    const { id, sent } = await issued(1);
    await confirm(
      parts.ctx,
      sent.map((message) => received(message)),
    );
    const gone = async () => {
      throw new StoreUnavailable("redis", "gone");
    };
    const ctx = { ...parts.ctx, redis: { ...parts.ctx.redis, run: gone, command: gone } };
    const mine = couponTeller();
    expect(await mine(ctx, { campaignId: id, userId: "user-0" })).toMatchObject({ items: [{ state: "confirmed" }] });
    await expect(mine(ctx, { campaignId: id, userId: "user-9" })).rejects.toThrow(StoreUnavailable);
  });

  it("has an ETA that is the backlog at the measured rate, grows while nothing moves, and never exceeds its bound", () => {
    expect(etaOf({ ahead: 500, perSecond: 100, quietMs: 0 })).toBe(5_000);
    expect(etaOf({ ahead: 1, perSecond: undefined, quietMs: 0 })).toBe(250);
    expect(etaOf({ ahead: 500, perSecond: 100, quietMs: 30_000 })).toBe(35_000);
    expect(etaOf({ ahead: 1e9, perSecond: 0.001, quietMs: 0 })).toBe(limits.etaMostMs);
  });
});

describe("the queue", () => {
  it("keeps one message of an issuance that is sent five times, and both when a freed ticket is issued again", async () => {
    const id = await parts.campaign();
    const about = { campaignId: id, perUser: 1, buckets: 1, base: 0 };
    const first = { campaignId: id, userId: "ann", ticket: 7, nth: 1, issuedAt: 1_000 };
    const deliver = (issuance: typeof first, outboxId: string) => ({
      confirmation: confirmationOf(issuance, about, "s", ""),
      outboxId,
      epoch: 0,
    });
    const before = (await parts.ctx.confirmations.depth()).waiting;
    for (let i = 0; i < 5; i++) await parts.ctx.confirmations.send(messageOf(deliver(first, "1000-0")));
    await parts.ctx.confirmations.send(messageOf(deliver({ ...first, issuedAt: 2_000 }, "2000-0")));
    expect((await parts.ctx.confirmations.depth()).waiting - before).toBe(2);
    // A server whose clock stepped back gives the same ticket in the same millisecond again.
    await parts.ctx.confirmations.send(messageOf(deliver(first, "1000-1")));
    expect((await parts.ctx.confirmations.depth()).waiting - before).toBe(3);
  });

  it("is created in high-throughput mode with a FIFO dead-letter queue, and creating it again changes nothing", async () => {
    const { createQueues } = await import("../local/resources.ts");
    expect((await createQueues(parts.sqsEndpoint, "test-")).Confirmations).toBe(parts.queueUrl);
    await expect(
      sqs.send(
        new CreateQueueCommand({
          QueueName: "test-Confirmations.fifo",
          Attributes: { FifoQueue: "true", FifoThroughputLimit: "perQueue" },
        }),
      ),
    ).rejects.toThrow();
  });
});
