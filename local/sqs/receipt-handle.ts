import { receiptHandleIsInvalid } from "./errors.ts";

/** What a receipt handle says: which time of receiving which message of which queue it stands for. */
export interface Receipt {
  queueId: string;
  messageId: string;
  receiveCount: number;
}

const RECEIPT = /^([0-9a-f-]{36}) ([0-9a-f-]{36}) (\d+)$/;

/**
 * A handle carries its meaning in itself, so none has to be kept: it is the latest handle of its
 * message for as long as the message has not been received again, over a restart too.
 */
export function writeReceiptHandle({ queueId, messageId, receiveCount }: Receipt): string {
  return Buffer.from(`${queueId} ${messageId} ${receiveCount}`, "latin1").toString("base64");
}

/** Tells a handle this queue has given out from any other text. */
export function readReceiptHandle(handle: string, queueId: string): Receipt {
  const [, issuer, messageId, receiveCount] = RECEIPT.exec(Buffer.from(handle, "base64").toString("latin1")) ?? [];
  if (issuer !== queueId || messageId === undefined) {
    throw receiptHandleIsInvalid(handle);
  }
  return { queueId, messageId, receiveCount: Number(receiveCount) };
}
