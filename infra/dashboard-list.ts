import { consumers } from "../functions/routes.ts";
import type { Measure, Statistic } from "./alarm-list.ts";
import { queues } from "./settings.ts";

/**
 * The dashboard, as plain data, from what people notice down to what it costs: the API, confirmations, waiting rooms, rankings,
 * Redis, the ledger, functions, money. A test holds it against the metrics that the functions write: none may be missing here.
 */

export interface Line {
  readonly label: string;
  readonly measure: Measure;
  readonly statistic: Shown;
}

/** A widget may also show what half, or all but a hundredth, are below. */
export type Shown = Statistic | "p50" | "p99";

export interface Widget {
  readonly title: string;
  readonly lines: readonly Line[];
}

export interface Row {
  readonly title: string;
  readonly widgets: readonly Widget[];
}

const line = (label: string, measure: Measure, statistic: Shown): Line => ({ label, measure, statistic });
const own = (code: string, statistic: Statistic, by?: string) => line(code, by ? { code, by } : { code }, statistic);
const redis = (metric: string, statistic: Statistic) => line(metric, { redis: metric }, statistic);

export const dashboardList: readonly Row[] = [
  {
    title: "What people notice",
    widgets: [
      {
        title: "Requests a minute",
        lines: [
          line("at the edge", { edge: "Requests" }, "Sum"),
          line("at the API", { gateway: "Count" }, "Sum"),
          line("refused", { gateway: "4xx" }, "Sum"),
          line("failed", { gateway: "5xx" }, "Sum"),
        ],
      },
      {
        title: "Milliseconds",
        lines: [
          line("half", { gateway: "Latency" }, "p50"),
          line("all but a hundredth", { gateway: "Latency" }, "p99"),
          line("of that in functions", { gateway: "IntegrationLatency" }, "p99"),
        ],
      },
      { title: "Campaigns that are recovering", lines: [own("CampaignsRecovering", "Maximum")] },
      {
        title: "Rankings: age in ms, and the breaker",
        lines: [own("GenerationAgeMs", "Maximum"), own("BreakerOpen", "Maximum")],
      },
      { title: "Coupons revoked (target: 0)", lines: [own("CouponsRevoked", "Sum")] },
      {
        title: "Answers to those who ask for a coupon, by campaign and word",
        lines: [own("Answers", "Sum", "campaignId,word")],
      },
      { title: "Everyday answers of the other routes, by word", lines: [own("QuietAnswers", "Sum", "word")] },
      {
        title: "Answered from memory, of all looks",
        lines: [own("MemoryLooks", "Sum", "memory"), own("MemoryHits", "Sum", "memory")],
      },
    ],
  },
  {
    title: "Confirmations",
    widgets: [
      { title: "Outbox: entries", lines: [own("OutboxDepth", "Maximum"), own("OutboxResent", "Sum")] },
      { title: "Outbox: age of the oldest, ms", lines: [own("OutboxAgeMs", "Maximum")] },
      {
        title: "Queues: age of the oldest, s",
        lines: Object.keys(queues).map((queue) =>
          line(queue, { queue, metric: "ApproximateAgeOfOldestMessage" }, "Maximum"),
        ),
      },
      {
        title: "Queues: messages waiting",
        lines: Object.keys(queues).map((queue) =>
          line(queue, { queue, metric: "ApproximateNumberOfMessagesVisible" }, "Maximum"),
        ),
      },
      {
        title: "Dead letters",
        lines: [own("LettersSettled", "Sum"), own("LettersRedriven", "Sum"), own("LettersKept", "Sum")],
      },
      { title: "The verifier's findings", lines: [own("VerifierFindings", "Maximum", "campaignId")] },
      { title: "Live campaigns: the oldest verification, ms", lines: [own("VerificationAgeMs", "Maximum")] },
      {
        title: "Outbox of each campaign: entries, and age in ms",
        lines: [
          own("CampaignOutboxDepth", "Maximum", "campaignId"),
          own("CampaignOutboxAgeMs", "Maximum", "campaignId"),
        ],
      },
      {
        title: "Messages waiting and in flight",
        lines: [own("ConfirmationsDepth", "Maximum"), own("LettersDepth", "Maximum")],
      },
      {
        title: "SQS was silent; give-backs wait",
        lines: [
          line("publish-unclear", { event: "publish-unclear", file: "issue-coupon" }, "Sum"),
          line("givenBack", { event: "swept", file: "sweep", sum: "givenBack" }, "Sum"),
        ],
      },
    ],
  },
  {
    title: "Waiting rooms",
    widgets: [
      { title: "Waiting", lines: [own("Waiting", "Maximum", "roomId")] },
      { title: "Inside", lines: [own("Active", "Maximum", "roomId")] },
      { title: "Admitted so far", lines: [own("Admitted", "Maximum", "roomId")] },
      { title: "Pace, %", lines: [own("PacePercent", "Minimum", "roomId")] },
    ],
  },
  {
    title: "Rankings",
    widgets: [
      {
        title: "Events counted",
        lines: [own("EventRowsApplied", "Sum"), own("EventDuplicates", "Sum"), own("EventRowsLate", "Sum")],
      },
      {
        title: "Events that wait, and that are lost to the boards",
        lines: [
          own("EventQueueDepth", "Maximum"),
          own("EventBatchesResent", "Sum"),
          own("EventBatchesStranded", "Sum"),
          own("EventMessagesUnreadable", "Sum"),
        ],
      },
      {
        title: "Generations published",
        lines: [own("GenerationsPublished", "Sum"), own("ProductsScored", "Sum"), own("RowsExpired", "Sum")],
      },
      { title: "A generation: milliseconds", lines: [own("PublishMs", "Maximum")] },
      { title: "Rebuilds", lines: [own("RankingsRebuilding", "Maximum")] },
    ],
  },
  {
    title: "Redis",
    widgets: [
      { title: "Engine CPU, %", lines: [redis("EngineCPUUtilization", "Maximum")] },
      { title: "Memory, %", lines: [redis("DatabaseMemoryUsagePercentage", "Maximum")] },
      { title: "Scripts a minute", lines: [redis("EvalBasedCmds", "Sum")] },
      { title: "Scripts: microseconds", lines: [redis("EvalBasedCmdsLatency", "Average")] },
      {
        title: "Replicas behind, s",
        lines: [redis("ReplicationLag", "Maximum"), own("ReplicaLagSeconds", "Maximum")],
      },
      { title: "What a failover would lose, bytes", lines: [own("ReplicaGapBytes", "Maximum")] },
      { title: "Replicas", lines: [own("ReplicasConnected", "Minimum")] },
      { title: "Evictions (target: 0)", lines: [redis("Evictions", "Sum")] },
      { title: "Connections", lines: [redis("CurrConnections", "Maximum")] },
    ],
  },
  {
    title: "Keys",
    widgets: [
      { title: "Keys that are known", lines: [own("KeysKnown", "Maximum")] },
      {
        title: "Bytes: all that Redis uses, known keys, rankings' shards",
        lines: [own("RedisUsedBytes", "Maximum"), own("KeyBytes", "Maximum"), own("RankingBytes", "Maximum")],
      },
      {
        title: "Wrong lifetimes (target: 0)",
        lines: [own("TtlsMissing", "Maximum"), own("TtlsUnwanted", "Maximum")],
      },
      {
        title: "Of each campaign",
        lines: [own("CampaignKeys", "Maximum", "campaignId"), own("CampaignBytes", "Maximum", "campaignId")],
      },
      {
        title: "Of each board",
        lines: [own("BoardKeys", "Maximum", "boardId"), own("BoardBytes", "Maximum", "boardId")],
      },
    ],
  },
  {
    title: "The ledger",
    widgets: [
      {
        title: "Units a minute",
        lines: [
          line("written", { ledger: "ConsumedWriteCapacityUnits" }, "Sum"),
          line("read", { ledger: "ConsumedReadCapacityUnits" }, "Sum"),
        ],
      },
      {
        title: "Throttled",
        lines: [
          line("writes", { ledger: "WriteThrottleEvents" }, "Sum"),
          line("reads", { ledger: "ReadThrottleEvents" }, "Sum"),
        ],
      },
    ],
  },
  {
    title: "Functions",
    widgets: [
      {
        title: "At once, and turned away",
        lines: [
          line("at once", { lambda: "ConcurrentExecutions" }, "Maximum"),
          line("turned away", { lambda: "Throttles" }, "Sum"),
        ],
      },
      {
        title: "Errors",
        lines: [
          line("all", { lambda: "Errors" }, "Sum"),
          ...Object.values(consumers).map((file) => line(file, { lambda: "Errors", file }, "Sum")),
        ],
      },
      {
        title: "issue-coupon: milliseconds",
        lines: [
          line("half", { lambda: "Duration", file: "issue-coupon" }, "p50"),
          line("all but a hundredth", { lambda: "Duration", file: "issue-coupon" }, "p99"),
        ],
      },
    ],
  },
  {
    title: "Money",
    widgets: [
      {
        title: "Requests (1.23 USD a million; at the edge 1.20)",
        lines: [line("at the edge", { edge: "Requests" }, "Sum"), line("at the API", { gateway: "Count" }, "Sum")],
      },
      {
        title: "Function calls (0.20 USD a million, and time)",
        lines: [line("calls", { lambda: "Invocations" }, "Sum"), line("mean ms", { lambda: "Duration" }, "Average")],
      },
      {
        title: "Messages sent (0.50 USD a million, three requests each)",
        lines: Object.keys(queues).map((queue) => line(queue, { queue, metric: "NumberOfMessagesSent" }, "Sum")),
      },
      {
        title: "Ledger writes (0.68 USD a million)",
        lines: [line("units", { ledger: "ConsumedWriteCapacityUnits" }, "Sum")],
      },
    ],
  },
];
