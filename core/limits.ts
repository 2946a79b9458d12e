/**
 * Every limit of the system, with its unit in the name and the reason beside it. Relations between them are asserted when
 * this file is loaded, so a change that breaks one stops the deployment instead of an event.
 */
export const limits = {
  /** Bytes of a request body; the contract's 413. */
  bodyBytes: 256 * 1024,
  /** Stock of one campaign. Tickets are stored in three bytes, which hold 16,777,215. */
  stockMost: 10_000_000,
  /** Coupons of one campaign that one user may hold. Bounds the loop in `issue.lua`. */
  perUserMost: 10,
  nameLength: 200,
  /** The discount is passed through to the shop, so only its size is ours to bound. */
  discountFieldCount: 16,
  discountTextLength: 200,
  /** Ten years; keeps `expiresAt` a four-digit year. */
  validDaysMost: 3_650,
  /** Issue times are kept as milliseconds since the campaign was created in five bytes: 34 years. A campaign ends long before. */
  campaignAheadMs: 5 * 365 * 86_400_000,
  /** The contract's `Idempotency-Key`. */
  idempotencyKeyLength: 64,
  /** A token's subject; OpenID Connect Core 2 allows 255 ASCII characters. */
  userIdLength: 255,
  /** Members of a bucket longer than this would push its hash out of listpack form (`hash-max-listpack-value`, 64 by default). */
  memberBytes: 48,
  /**
   * Holders a bucket has on average when all stock is gone. At most about 100 keeps a bucket well inside listpack form
   * (512 entries by default); fewer cost more per holder, more cost longer scans. Measured by `npm run bench`.
   */
  holdersPerBucket: 64,
  /** Message groups of one campaign: the most persisters that can work on it at once (Lambda runs one batch per group). */
  groupsPerCampaign: 64,
  /** Rows in one page of a list. */
  pageRowsDefault: 50,
  pageRowsMost: 100,
  /** Characters; a row's key takes about 90. Bounds the sort key that a made-up cursor could name. */
  cursorLength: 200,
  /** Outbox entries one sweep script call may claim: a millisecond or two of server time when all are due (`npm run bench -- stuck`). */
  sweepEntries: 100,
  /** Calls of the sweep script for one campaign in one run. */
  sweepCallsMost: 100,
  /** An outbox entry younger than this is left to the issuing function and the persister. */
  sweepAgeMs: 5_000,
  /** An entry that was re-sent is left alone this long before it is sent again; twice as long after each further time. */
  sweepIdleMs: 30_000,
  sweepIdleMostMs: 10 * 60_000,
  /**
   * Re-sends of one outbox entry before it goes to the dead letters instead, where it is classified: with the waits above
   * about an hour after the issue.
   */
  sweepAttemptsMost: 10,
  /** How often a dead letter is sent round again by itself before it is kept for the operator. */
  redriveMost: 3,
  /** Days that a decided dead letter stays readable. DynamoDB's TTL removes it some time after that. */
  letterDays: 30,
  /** Dead letters that one answer of the operator's list shows, and that one redrive takes. */
  lettersMost: 100,
  /** A give-back that was cut off half-way is completed by the sweep when it is older than this. */
  releaseAgeMs: 5_000,
  /**
   * A 201 is only told when SQS has acknowledged within this time after the decision; later it is a 202. A recovery waits
   * longer than this after the fence, so that no message of a 201 can come behind its drain markers.
   */
  toldWithinMs: 2_000,
  /** How long a persister may go by a campaign's epoch that it has read. */
  epochMemoryMs: 1_000,
  /** After raising the epoch a recovery waits this long, so that every writer to the ledger goes by the new one. */
  epochSettleMs: 2_500,
  /** Clocks of two Lambda hosts differ by less than this (Amazon Time Sync keeps them within a millisecond). */
  clockSkewMs: 500,
  /** Tickets that a recovery or a verification reads from the ledger at once. Bounds memory: about 300 bytes each. */
  ledgerPageTickets: 20_000,
  /** Batch reads of the ledger under way at once. */
  ledgerReadsAtOnce: 8,
  /**
   * How long the schedule leaves a campaign alone after a verification, for each of its coupons: 10,000 coupons are verified every
   * five minutes, a million every eight hours. A verification reads two items a coupon, so this bounds what it costs.
   */
  verifyMsPerCoupon: 30,
  /** Findings that a verification names one by one; all are counted. */
  findingsMost: 100,
  /** Allotments that one stock may be split into: Redis Cluster's slots and AWS's regions are fewer, or enough. */
  allotmentsMost: 64,
  /** Transfers that one campaign takes part in; each adds some thirty bytes to its record. */
  transfersMost: 200,
  /** Characters of an order id. */
  orderIdLength: 128,
  /** Entries of one millisecond that a status look-up reads to find its own. */
  outboxScanEntries: 256,
  /** Messages in one SQS batch call. AWS: at most 10. */
  queueBatch: 10,
  /** How long a sold-out answer may come from memory. The contract's one second. */
  soldOutMemoryMs: 1_000,
  /**
   * Questions that cost Redis as much as reading one bucket of holders: 3.45 µs for the bucket, 7.43 µs for a question that is not
   * pipelined (`npm run model -- --measure`).
   */
  soldOutAsksPerBucket: 0.5,
  /** Above this stock the holder filter is not built: reading every bucket would take longer than the answers it saves. */
  soldOutFilterStock: 200_000,
  /** Campaigns a container remembers. Only bounds memory: the least recently added is forgotten. */
  rememberedCampaigns: 1_000,
  /** A campaign's immutable facts are read again after this, so that a mistake by hand in Redis heals. */
  aboutMemoryMs: 60_000,
  /**
   * Redis: one command, one connection attempt. A command and a publish fit in the two seconds that a caller waits at most; a
   * container's first request for a campaign asks once more.
   */
  redisCommandMs: 600,
  redisConnectMs: 500,
  /** A connection on which nothing came for so long while something was asked is given up and opened anew. */
  redisSilenceMs: 2_000,
  /** SQS: one attempt, and all attempts of one publish together. */
  queueAttemptMs: 500,
  queueBudgetMs: 1_000,
  /** DynamoDB: one attempt; two attempts are made. */
  ledgerAttemptMs: 700,
  /** The `Retry-After` of a store that is out of reach, before jitter. */
  retryAfterMs: 1_000,
  /** The longest ETA that is shown. */
  etaMostMs: 15 * 60_000,
  /** A room's capacity, its rate and its cap on waiters; numbers of a drawn order have 26 bits. */
  roomCapacityMost: 1_000_000,
  roomRateMost: 10_000,
  roomWaitingMost: 5_000_000,
  /** A pass is verified without a store, so it must be short: this is how long a mistake can last. */
  passSecondsMost: 3_600,
  heartbeatSecondsMost: 300,
  /** How long a ticket that ended is remembered, to say `expired` instead of `unknown`. Bounds memory. */
  roomMemoryMs: 5 * 60_000,
  /** People whom one visit drops or admits at most, and whom one call of the schedule does: a millisecond or two of Redis. */
  visitPeopleMost: 50,
  tickPeopleMost: 500,
  /** Such calls in one look, where that many want dropping or forgetting. */
  tickCallsMost: 20,
  /**
   * How often the schedule looks at each live room. Polls admit in between. Four of it are a little longer than the second (and the
   * part of one) in which no more than the rate may be admitted: with a shorter one every fifth look would find nothing to give.
   */
  tickEveryMs: 260,
  /** How long a public room document may come from memory. The contract's one second. */
  roomMemoryShownMs: 1_000,
  /** How long a container goes by a room's epoch and series that it has read: how long a revoked pass may still open. */
  passFactsMemoryMs: 1_000,
  /** Characters of a token that is read: a user's id may have 255 of them, six bytes each as JSON text, base64. */
  passLength: 4_096,
  /** Numbers that the ledger has promised ahead: more than can be taken between two looks. A room that is lost goes on behind them. */
  numbersAhead: 262_144,
  /** When a coupon that is issued now takes longer than this to be in the ledger, admission of the room before it slows down. */
  inflowTargetMs: 3_000,
  /** A write that the ledger refused slows admission for this long. */
  inflowThrottledMs: 3_000,
  /** One step of the pace at most in this time; by how much of itself it rises with one; the least that stays. */
  inflowStepMs: 1_000,
  inflowRiseBy: 0.15,
  inflowLeastPace: 0.02,
  /** Fewer coupons than this that the ledger does not have yet say nothing of its speed: they may be stuck for reasons of their own. */
  inflowIgnoredCoupons: 10,
  /** A room was well at most so long before its loss was found, as far as anyone knows: older tickets find no place. */
  roomOutageMostMs: 5 * 60_000,
  /** The shortest time that people have to come back to a room that was lost: somebody who was told to retry is on the way. */
  graceLeastMs: 5_000,
  /** The longest ETA of a waiting room. */
  roomEtaMostSeconds: 24 * 3_600,
  /** The shortest time between two polls that a room asks for. */
  pollLeastMs: 1_000,
  /** Rooms a container remembers. Only bounds memory. */
  rememberedRooms: 1_000,
  /** Shards of the rankings: products are spread over them by a hash. Each has a message group of its own, and a cluster slot. */
  rankingShards: 16,
  /** Characters of a product's and a category's name, and of an actor's. */
  productIdLength: 64,
  actorIdLength: 128,
  /** Events of one request; the contract's 500. */
  eventsMost: 500,
  /**
   * One event's quantity and amount in minor units. Sums are exact up to 2^53, which takes 900,000 events of the greatest amount for
   * one shard in seven days.
   */
  quantityMost: 1_000_000,
  amountMost: 10_000_000_000,
  /** An event may be so far ahead of our clock; it counts as now. Beyond that the request is refused: its sender's clock is wrong. */
  eventAheadMs: 5 * 60_000,
  /** An event older than this counts in no window. */
  eventBehindMs: 7 * 86_400_000,
  /** Rows that one call of the applying script takes: a millisecond or two of Redis (`npm run bench -- rankings`). */
  applyRows: 200,
  /** A batch that was applied is remembered so long, should it be sent again: eight bytes a shard. */
  batchMemoryMinutes: 120,
  /** A batch is sent again by the sweep when it is older than the first, and no more when it is older than the second. */
  batchResendAfterMs: 30_000,
  batchResendMostMs: 50 * 60_000,
  /** Raw batches are kept so long; the widest window and a day. */
  rawDays: 8,
  /**
   * A raw batch is written within this time after its arrival was stamped, or stamped anew. Whoever reads all batches up to a time
   * waits longer than the second behind it.
   */
  rawWriteMs: 5_000,
  rawSettleMs: 15_000,
  /** A rebuild takes what arrives from this time on from the queue: every function has read of it by then. */
  editionAheadMs: 10_000,
  /** How long a container goes by the editions and boards that it has read. */
  editionMemoryMs: 3_000,
  /** Half-lives that one edition keeps sums for; each is 56 bytes a product. */
  halfLivesMost: 8,
  halfLifeHoursMost: 168,
  /** Products that one call evicts, scores or looks through. */
  evictRows: 100,
  scoreRows: 100,
  /** Boards; each is four sorted sets a shard and version. */
  boardsMost: 100,
  boardSizeMost: 5_000,
  weightMost: 1_000_000,
  /** Scores are integers that a double holds exactly. */
  scoreMost: Number.MAX_SAFE_INTEGER,
  /** Rows in one stored page of a generation. */
  generationPageRows: 100,
  /** How long a generation's pages can be read after the next has taken its place. */
  generationMs: 10 * 60_000,
  /** How often a generation is published. */
  publishEveryMs: 3_000,
  /**
   * How often the newest generation is written into the ledger too: a thousand products are some 25 write units. Seldomer while the
   * list stays the same.
   */
  snapshotEveryMs: 20_000,
  snapshotAtLeastMs: 120_000,
  /** How long a container goes by the ledger's copy that it has read, and by "there is no such board". */
  copyMemoryMs: 5_000,
  unpublishedMemoryMs: 1_000,
  /** A generation older than this is no longer called live, wherever it comes from. */
  generationStaleMs: 30_000,
  /** How long a generation may come from a container's memory as live. */
  generationMemoryMs: 250,
  /** Change of rank is against the generation of so long before; one is remembered every so often. */
  changeAgainstMs: 3_600_000,
  historyEveryMs: 5 * 60_000,
  /** Pages of generations that a container remembers, and boards of which nothing was published. Bounds memory: some ten megabytes. */
  rememberedPages: 400,
  /** Characters of a generation's copy in the ledger: DynamoDB takes 400 KB. A list that does not fit is cut. */
  copyLength: 350_000,
  /** Failures of Redis within this time that open the breaker; how long the next probe waits; how long one may take. */
  breakerFailures: 3,
  breakerWindowMs: 5_000,
  breakerProbeEveryMs: 1_000,
  breakerProbeMs: 5_000,
  /** How often a container looks whether another one, or the operator, has moved the breaker. */
  breakerLookMs: 2_000,
  /** Views of one product by one actor that count in one hour. */
  viewsPerActorHour: 10,
  /** Counters in one hour's sketch of one shard, a byte each; and how many of them one view looks at. */
  actorCounters: 131_072,
  actorProbes: 4,
  /** Views that are older count by the sketch of so long ago. Bounds the sketches: two megabytes an hour. */
  actorHoursMost: 24,
  /** A rebuild waits while Redis is fuller than this: it doubles what the rankings take. */
  rebuildMemoryShare: 0.7,
  /** How often a container writes what it has counted of everyday answers. */
  countsEveryMs: 10_000,
  /**
   * How often a container writes where its time went, some 600 bytes: each second when it has had so many invocations, so that a report
   * tells one second from the next; else seldomer. A container in AWS has about five losers a second, and a line for each handful of
   * them would cost as much as the lines that they do not have.
   */
  spansEveryMs: 1_000,
  spansMany: 20,
  spansQuietMs: 10_000,
  /** Seconds of a campaign's answers that one look shows, and how many steps at most: more than that no chart can show. */
  answerSecondsLeast: 10,
  answerSecondsMost: 900,
  answerSecondsDefault: 60,
  answerStepsMost: 300,
  /** CloudWatch: one attempt; two attempts are made. */
  metricsAttemptMs: 900,
  /** Campaigns, rooms and boards, of each, that one look at the signals takes; and campaigns among which the live ones are found. */
  signalsMost: 50,
  signalsListed: 500,
  /** Keys of one kind, such as a campaign's buckets of holders, that are measured: the others are taken to be alike. */
  signalsSampled: 32,
  /** Once it knows what there is, a request's look at the signals begins nothing new after this; the schedule's after the second. */
  signalsMs: 1_000,
  signalsJobMs: 30_000,
  /** The persister's back-off for a record that failed for a passing reason: doubles from the first to the second figure. */
  backoffFirstSeconds: 1,
  backoffMostSeconds: 60,
} as const;

function relation(holds: boolean, sentence: string): void {
  if (!holds) throw new Error(`core/limits.ts: ${sentence}`);
}

relation(limits.stockMost < 2 ** 24, "a ticket must fit in three bytes");
relation(limits.campaignAheadMs < 2 ** 40, "an issue time must fit in five bytes");
relation(limits.holdersPerBucket <= 100, "buckets must stay in listpack form");
relation(limits.memberBytes + 4 <= 64, "a member with its ordinal must stay below hash-max-listpack-value");
relation(limits.redisCommandMs < limits.redisSilenceMs, "a command times out before its connection is given up");
relation(limits.redisCommandMs + limits.queueBudgetMs < 2_000, "an issue must be answered within two seconds");
relation(2 * limits.ledgerAttemptMs + limits.redisCommandMs <= 2_000, "a status must be answered within two seconds");
relation(limits.redisCommandMs + limits.queueBudgetMs < limits.toldWithinMs, "a usual publish must be told with 201");
relation(
  2 * (limits.ledgerAttemptMs + limits.metricsAttemptMs) <= 4_000,
  "an operator's look at metrics, which asks the ledger first, must be answered within four seconds",
);
relation(
  limits.epochMemoryMs + 2 * limits.ledgerAttemptMs < limits.epochSettleMs,
  "who has read the old epoch must have written, or given up, before a recovery reads the ledger",
);
relation(limits.numbersAhead < 2 ** 26, "a drawn place has 26 bits for the number");
relation(limits.roomWaitingMost < 2 ** 26, "a drawn place has 26 bits for the number");
relation(2 * limits.tickPeopleMost < 8_000, "a script unpacks at most 8,000 values onto Lua's stack");
relation(limits.applyRows * 2 < 8_000 && limits.scoreRows * 2 < 8_000, "a script unpacks at most 8,000 values");
relation(
  limits.batchResendMostMs < limits.batchMemoryMinutes * 30_000,
  "a batch that is sent again must still be remembered",
);
relation(limits.eventBehindMs < limits.rawDays * 86_400_000, "what counts in a window must be there for a rebuild");
relation(limits.editionMemoryMs + limits.clockSkewMs < limits.editionAheadMs, "an edition is known before it counts");
relation(limits.rawWriteMs < limits.rawSettleMs, "a raw batch is written before a rebuild reads");
relation(limits.viewsPerActorHour < 255, "a counter is one byte");
relation(limits.sweepIdleMostMs >= limits.sweepIdleMs, "a wait must not exceed the longest wait");
relation(limits.sweepIdleMs > limits.sweepAgeMs, "an entry is not re-sent before its first send could be confirmed");
