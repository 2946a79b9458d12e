import type { QueueAttributes } from "./attributes.ts";
import type { StoredMessage } from "./message.ts";

/** What makes up a queue, apart from its messages. */
export interface QueueRecord {
  /** Tells this queue from an earlier one of the same name, whose receipt handles must not work here. */
  id: string;
  name: string;
  attributes: QueueAttributes;
  tags: Readonly<Record<string, string>>;
  createdAt: number;
  modifiedAt: number;
  lastSequenceNumber?: string | undefined;
}

/** What a FIFO queue remembers of a send for as long as the same deduplication id is refused. */
export interface RecentSend {
  messageId: string;
  sequenceNumber: string;
  expiresAt: number;
}

/** A message move task that has run. */
export interface MoveTask {
  handle: string;
  status: "COMPLETED" | "FAILED";
  sourceArn: string;
  destinationArn?: string | undefined;
  maximumPerSecond?: number | undefined;
  moved: number;
  toMove: number;
  failureReason?: string | undefined;
  startedAt: number;
}

/**
 * Everything that can happen to the account and has to survive a restart. Done again in order,
 * these changes lead from an empty account to the present one; queues go by their names.
 */
export type Change =
  | { type: "created"; record: QueueRecord }
  | { type: "deleted"; queue: string }
  | { type: "configured"; queue: string; attributes: QueueAttributes; at: number }
  | { type: "tagged"; queue: string; tags: Readonly<Record<string, string>> }
  | { type: "sent"; queue: string; message: StoredMessage; deduplicationKey?: string | undefined }
  | { type: "remembered"; queue: string; deduplicationKey: string; send: RecentSend }
  | { type: "received"; queue: string; ids: readonly string[]; at: number }
  | { type: "removed"; queue: string; ids: readonly string[] }
  | { type: "purged"; queue: string }
  | { type: "moved"; queue: string; id: string; to: string; message: StoredMessage }
  | { type: "move-task"; task: MoveTask };
