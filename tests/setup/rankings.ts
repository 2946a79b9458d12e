import { DeleteMessageBatchCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import type { Ctx } from "../../core/context.ts";
import { shardKeys } from "../../core/keys.ts";
import { type Applied, applier, type ReceivedEvents } from "../../core/rankings/apply.ts";
import { type ProductRecord, readRecord, readTotals } from "../../core/rankings/record.ts";
import { SHARDS } from "../../core/rankings/shards.ts";
import type { Parts } from "./parts.ts";

/** The rankings' part of a stack's worker, done by a test when it wants it. */

/** A function that was ended by force between two of its steps. */
export class Crash extends Error {}

/** Stores through which a function gets so many steps far: the next one, or its answer, never comes. */
export function crashing(ctx: Ctx, steps: number, isDone: boolean): Ctx & { readonly crashed: () => boolean } {
  let left = steps;
  let crashed = false;
  const guard = <T extends object>(door: T): T =>
    new Proxy(door, {
      get(target, name) {
        const value = Reflect.get(target, name);
        if (typeof value !== "function" || name === "close") return value;
        return async (...args: unknown[]) => {
          if (crashed) throw new Crash("ended");
          if (left-- > 0) return value.apply(target, args);
          if (isDone) await value.apply(target, args);
          crashed = true;
          throw new Crash("ended");
        };
      },
    });
  return {
    ...ctx,
    redis: guard(ctx.redis),
    table: guard(ctx.table),
    events: guard(ctx.events),
    crashed: () => crashed,
  };
}

export interface EventsPump {
  /** Hands what waits in the queue to appliers until nothing does. @param ctxOf the stores of each invocation */
  drain(ctxOf: () => Ctx): Promise<Omit<Applied, "failed">>;
  close(): void;
}

/** @param letVisibilityPass what makes messages visible again that an ended function had */
export function openEventsPump(parts: Parts, letVisibilityPass: () => void, twice = () => false): EventsPump {
  const sqs = new SQSClient({ endpoint: parts.sqsEndpoint, useQueueUrlAsEndpoint: false });
  const apply = applier();

  const receive = async () => {
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({
        QueueUrl: parts.eventsUrl,
        MaxNumberOfMessages: 10,
        MessageSystemAttributeNames: ["All"],
      }),
    );
    return Messages.map((message) => ({
      messageId: message.MessageId ?? "",
      body: message.Body ?? "",
      groupId: message.Attributes?.MessageGroupId ?? "",
      sequence: message.Attributes?.SequenceNumber ?? "",
      receiptHandle: message.ReceiptHandle ?? "",
    }));
  };

  return {
    async drain(ctxOf) {
      const sum = { messages: 0, rows: 0, duplicates: 0, late: 0, unreadable: 0 };
      let idle = 0;
      while (idle < 2) {
        const batch = await receive();
        if (batch.length === 0) {
          idle++;
          letVisibilityPass();
          continue;
        }
        idle = 0;
        const run = (messages: readonly ReceivedEvents[]) =>
          apply(ctxOf(), messages).catch((error: unknown) => {
            if (!(error instanceof Crash)) throw error;
            return undefined;
          });
        // A function whose time was up works on beside the one that got its messages again.
        const applied = twice() ? (await Promise.all([run(batch), run(batch)]))[0] : await run(batch);
        if (!applied) continue;
        const { failed, ...counts } = applied;
        for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += counts[name];
        const done = batch.filter(({ messageId }) => !failed.includes(messageId));
        if (done.length === 0) continue;
        const Entries = done.map(({ receiptHandle }, i) => ({ Id: `${i}`, ReceiptHandle: receiptHandle }));
        await sqs.send(new DeleteMessageBatchCommand({ QueueUrl: parts.eventsUrl, Entries }));
      }
      return sum;
    },
    close: () => sqs.destroy(),
  };
}

/** Every product's record in an edition. */
export async function allRecords(ctx: Pick<Ctx, "redis">, edition: number): Promise<Map<string, ProductRecord>> {
  const records = new Map<string, ProductRecord>();
  await Promise.all(
    SHARDS.map(async (shard) => {
      const [flat] = (await ctx.redis.commands([["HGETALL", shardKeys(shard, edition).products]])) as [Buffer[]];
      for (let i = 0; i < flat.length; i += 2) {
        const [name, bytes] = [flat[i], flat[i + 1]];
        if (name && bytes) records.set(name.toString(), readRecord(bytes));
      }
    }),
  );
  return records;
}

/** The sums of all shards, of 1h, 24h and 7d. */
export async function allTotals(ctx: Pick<Ctx, "redis">, edition: number) {
  const totals = await Promise.all(
    SHARDS.map(async (shard) => {
      const [bytes] = (await ctx.redis.commands([["GET", shardKeys(shard, edition).totals]])) as [Buffer | null];
      return readTotals(bytes);
    }),
  );
  return [0, 1, 2].map((window) => {
    const sum = { views: 0, likes: 0, carts: 0, units: 0, amount: 0 };
    for (const shard of totals) {
      for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += shard[window]?.[name] ?? 0;
    }
    return sum;
  });
}
