import { backoffSeconds } from "../../core/coupons/confirm.ts";
import { log } from "../log.ts";
import { confirmations } from "./confirmations.ts";

/**
 * Lets failed messages come again sooner than the queue's visibility timeout, which is made for a crashed function. When SQS
 * does not hear this, the timeout still holds.
 */
export async function postpone(failed: readonly { receiptHandle: string; receiveCount: number }[]): Promise<void> {
  if (failed.length === 0) return;
  try {
    await confirmations.postpone(
      failed.map(({ receiptHandle, receiveCount }) => ({ receiptHandle, seconds: backoffSeconds(receiveCount) })),
    );
  } catch (error) {
    log("postpone-failed", { reason: String(error) });
  }
}
