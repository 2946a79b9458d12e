import { backoffSeconds } from "../../core/backoff.ts";
import type { QueueDoor } from "../../core/doors/sqs.ts";
import { log } from "../log.ts";

/**
 * Lets failed messages come again sooner than the queue's visibility timeout, which is made for a crashed function. When SQS
 * does not hear this, the timeout still holds.
 */
export async function postpone(
  queue: QueueDoor,
  failed: readonly { receiptHandle: string; receiveCount: number }[],
): Promise<void> {
  if (failed.length === 0) return;
  try {
    await queue.postpone(
      failed.map(({ receiptHandle, receiveCount }) => ({ receiptHandle, seconds: backoffSeconds(receiveCount) })),
    );
  } catch (error) {
    log("postpone-failed", { reason: String(error) });
  }
}
