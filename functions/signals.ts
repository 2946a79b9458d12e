import { limits } from "../core/limits.ts";
import { signals, totalsOf } from "../core/operations/signals.ts";
import { metrics } from "./log.ts";
import { base } from "./stores/base.ts";
import { confirmations } from "./stores/confirmations.ts";
import { deadLetters } from "./stores/dead-letters.ts";
import { events } from "./stores/events.ts";
import { redis } from "./stores/redis.ts";
import { table } from "./stores/table.ts";

const ctx = { ...base, redis, table, confirmations, deadLetters, events };

/**
 * Writes the signals as metrics: the totals, and of live campaigns and of boards what each takes. Where a store is away its figures
 * are not written: a line that breaks off is not taken for zero.
 */
export async function handler() {
  const found = await signals(ctx, limits.signalsJobMs);
  const { queues, campaigns, boards } = found;
  const totals = totalsOf(found);
  if (found.servers) {
    metrics(
      {},
      {
        ReplicasConnected: totals.replicas,
        ReplicaGapBytes: totals.replicaGapBytes,
        ReplicaLagSeconds: totals.replicaLagSeconds,
        RedisUsedBytes: totals.usedBytes,
        KeysKnown: totals.keys,
        KeyBytes: totals.bytes,
        RankingBytes: totals.rankingBytes,
        TtlsMissing: totals.missingTtls,
        TtlsUnwanted: totals.unwantedTtls,
      },
    );
  }
  if (totals.wrong.length > 0) base.log("ttl-wrong", { keys: totals.wrong });
  if (queues.confirmations) metrics({}, { ConfirmationsDepth: depthOf(queues.confirmations) });
  if (queues.deadLetters) metrics({}, { LettersDepth: depthOf(queues.deadLetters) });
  if (found.isLedgerUp) metrics({}, { VerificationAgeMs: totals.verificationAgeMs });
  for (const { campaignId, isLive, keys, outbox } of campaigns.items) {
    // A campaign that is over would be four metrics to pay for until its record goes.
    if (!isLive || !keys || !outbox) continue;
    metrics(
      { campaignId },
      {
        CampaignKeys: keys.keys,
        CampaignBytes: keys.bytes,
        CampaignOutboxDepth: outbox.depth,
        CampaignOutboxAgeMs: outbox.oldestMs,
      },
    );
  }
  for (const { boardId, keys } of boards.items) {
    if (keys) metrics({ boardId }, { BoardKeys: keys.keys, BoardBytes: keys.bytes });
  }
  return { ...totals, queues, campaigns: campaigns.items.length, boards: boards.items.length };
}

const depthOf = ({ waiting, inFlight }: { waiting: number; inFlight: number }) => waiting + inFlight;
