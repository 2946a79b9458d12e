import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  ReceiveMessageCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import type { Ctx } from "../../core/context.ts";
import { confirmer } from "../../core/coupons/confirm.ts";
import { type Recovery, recover } from "../../core/coupons/recover.ts";
import { triager } from "../../core/coupons/triage.ts";
import type { Parts } from "./parts.ts";

/** What a stack's worker does, done by a test when it wants it: both queues' messages to their functions. */
export interface Pump {
  /** Hands out what waits in both queues, until nothing does. @returns what was decided about dead letters */
  drain(ctx: Ctx): Promise<Record<string, number>>;
  /** Takes a campaign's recovery to its end; its waits pass at once. */
  recover(ctx: Ctx, campaignId: string, force?: string): Promise<Recovery>;
  close(): void;
}

const AT_ONCE = 8;
/** A recovery takes about ten; more only where stores do not answer in time. */
const LOOKS_MOST = 200;

export function openPump(parts: Parts): Pump {
  const sqs = new SQSClient({ endpoint: parts.sqsEndpoint, useQueueUrlAsEndpoint: false });

  const receive = async (QueueUrl: string) => {
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({
        QueueUrl,
        MaxNumberOfMessages: 10,
        MessageSystemAttributeNames: ["All"],
        MessageAttributeNames: ["All"],
      }),
    );
    return Messages.map((message) => ({
      messageId: message.MessageId ?? "",
      body: message.Body ?? "",
      groupId: message.Attributes?.MessageGroupId ?? "",
      receiveCount: Number(message.Attributes?.ApproximateReceiveCount),
      reason: message.MessageAttributes?.reason?.StringValue,
      receiptHandle: message.ReceiptHandle ?? "",
    }));
  };

  /** Hands one batch to a function and deletes what it did not name. @returns how many there were */
  const hand = async (
    QueueUrl: string,
    consume: (batch: Awaited<ReturnType<typeof receive>>) => Promise<{ failed: readonly { messageId: string }[] }>,
  ): Promise<number> => {
    const batch = await receive(QueueUrl);
    if (batch.length === 0) return 0;
    const failed = new Set((await consume(batch)).failed.map(({ messageId }) => messageId));
    const done = batch.filter(({ messageId }) => !failed.has(messageId));
    const entriesOf = (messages: typeof batch) =>
      messages.map(({ receiptHandle }, i) => ({ Id: `${i}`, ReceiptHandle: receiptHandle }));
    if (done.length > 0) await sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries: entriesOf(done) }));
    // On a busy machine a store may not answer in time; what failed comes again at once, as the functions ask for it.
    const again = entriesOf(batch.filter(({ messageId }) => failed.has(messageId)));
    const Entries = again.map((entry) => ({ ...entry, VisibilityTimeout: 0 }));
    if (Entries.length > 0) await sqs.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries }));
    return done.length;
  };

  const drain: Pump["drain"] = async (ctx) => {
    const confirm = confirmer();
    const triage = triager();
    const decisions: Record<string, number> = {};
    const triageLetters = async (batch: Awaited<ReturnType<typeof receive>>) => {
      const result = await triage(ctx, batch);
      for (const [name, count] of Object.entries(result.decisions)) decisions[name] = (decisions[name] ?? 0) + count;
      return result;
    };
    /** Several at once, as Lambda does: a queue in high-throughput mode hands out as many groups as are asked for. */
    const empty = async (work: () => Promise<number>): Promise<number> => {
      const loop = async () => {
        let sum = 0;
        for (let done = await work(); done > 0; done = await work()) sum += done;
        return sum;
      };
      return (await Promise.all(Array.from({ length: AT_ONCE }, loop))).reduce((sum, it) => sum + it, 0);
    };
    while (
      (await empty(() => hand(parts.queueUrl, (batch) => confirm(ctx, batch)))) +
        (await empty(() => hand(parts.deadLetterUrl, triageLetters))) >
      0
    );
    return decisions;
  };

  return {
    drain,
    async recover(ctx, campaignId, force) {
      let now = ctx.now();
      const ahead: Ctx = { ...ctx, now: () => now };
      for (let look = 0; look < LOOKS_MOST; look++) {
        const options = { deadline: now + 60_000, ...(look === 0 && force !== undefined ? { force } : {}) };
        const recovery = await recover(ahead, campaignId, options);
        if (recovery.word !== "recovering") return recovery;
        await drain(ahead);
        now += 5_000;
      }
      throw new Error(`the recovery of ${campaignId} does not come to its end`);
    },
    close: () => sqs.destroy(),
  };
}
