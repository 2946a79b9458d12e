import { consumers, schedules } from "../functions/routes.ts";

/**
 * The alarms, as plain data: for every state of docs/runbook.md that is worth waking somebody for, how it is seen. A test joins
 * this list with the runbook's sections and with the metrics and events that the functions really write.
 */

/** Where a figure comes from. */
export type Measure =
  /** A metric of our own, which functions/log.ts writes. `by` is the dimension that its values are told apart by; `a,b` for two. */
  | { readonly code: string; readonly by?: string }
  /** Log lines with this `event` of one function; `sum` adds up a field of theirs instead of counting them. */
  | { readonly event: string; readonly file: string; readonly sum?: string }
  | { readonly queue: string; readonly metric: string }
  /** Of one function, or of all functions of the account where none is named. */
  | { readonly lambda: string; readonly file?: string }
  | { readonly ledger: string }
  /** Of all nodes: the highest, or the lowest, or all added up. */
  | { readonly redis: string; readonly addedUp?: true }
  /** `shareOf`: divided by another of the gateway's metrics. */
  | { readonly gateway: string; readonly shareOf?: string }
  /** Of the distribution. Only to be shown: CloudFront writes to N. Virginia, and an alarm reads its own region. */
  | { readonly edge: string }
  /** Computed of metrics of our own, over everything that each of them is told apart by. */
  | { readonly math: string; readonly over: Readonly<Record<string, OwnSeries>> };

export interface OwnSeries {
  readonly code: string;
  readonly by: string;
  readonly statistic: "MAX" | "MIN" | "AVG" | "SUM";
}

export type Statistic = "Sum" | "Maximum" | "Minimum" | "Average" | "SampleCount";

export interface Alarm {
  readonly name: string;
  /** The heading in docs/runbook.md, and others that it may lead to. */
  readonly section: string;
  readonly also?: readonly string[];
  readonly measure: Measure;
  readonly statistic: Statistic;
  /** A number, or as many as Redis has shards. */
  readonly above?: number | "shards";
  readonly below?: number;
  /** This many minutes of the last `of` must be so. */
  readonly minutes: number;
  readonly of?: number;
  /** Where no figure comes at all: nothing is wrong, or that itself is wrong. */
  readonly silence: "fine" | "alarm";
}

const ownAlarms: readonly Alarm[] = [
  {
    name: "outbox-deep",
    section: "The outbox is deep or old",
    measure: { code: "OutboxDepth" },
    statistic: "Maximum",
    // The persister records some thousand a second: this many have waited for a while.
    above: 10_000,
    minutes: 3,
    silence: "fine",
  },
  {
    name: "outbox-old",
    section: "The outbox is deep or old",
    measure: { code: "OutboxAgeMs" },
    statistic: "Maximum",
    // Twice what a first re-send takes.
    above: 60_000,
    minutes: 3,
    silence: "fine",
  },
  {
    name: "dead-letters-kept",
    section: "Dead letters are kept",
    measure: { code: "LettersKept" },
    statistic: "Sum",
    above: 0,
    minutes: 1,
    silence: "fine",
  },
  {
    name: "campaign-recovering",
    section: "A campaign is recovering",
    measure: { code: "CampaignsRecovering" },
    statistic: "Maximum",
    above: 0,
    minutes: 1,
    silence: "fine",
  },
  {
    name: "recovery-waits",
    section: "A recovery waits",
    measure: { code: "CampaignsRecovering" },
    statistic: "Maximum",
    above: 0,
    minutes: 3,
    silence: "fine",
  },
  {
    name: "redis-lost-everything",
    section: "Redis lost everything",
    measure: { redis: "CurrItems" },
    statistic: "Maximum",
    // The schedules register what there is, and that leaves a key even where there is nothing.
    below: 1,
    minutes: 3,
    silence: "fine",
  },
  {
    name: "room-recovering",
    section: "A waiting room is recovering",
    measure: { event: "room-recovering", file: "admit" },
    statistic: "Sum",
    above: 0,
    minutes: 1,
    silence: "fine",
  },
  {
    name: "line-stands-still",
    section: "A line does not move",
    // Of all rooms together: one that moves hides one that does not. Each room's own line is on the dashboard.
    measure: {
      math: "IF(waiting > 0 AND DIFF(admitted) == 0, 1, 0)",
      over: {
        waiting: { code: "Waiting", by: "roomId", statistic: "MAX" },
        // So far, so it stands still when nobody is admitted.
        admitted: { code: "Admitted", by: "roomId", statistic: "AVG" },
      },
    },
    statistic: "Maximum",
    above: 0,
    minutes: 10,
    silence: "fine",
  },
  {
    name: "admission-slowed",
    section: "A room's admission has slowed",
    measure: { code: "PacePercent", by: "roomId" },
    statistic: "Minimum",
    below: 50,
    minutes: 3,
    silence: "fine",
  },
  {
    name: "passes-refused",
    section: "Passes are refused",
    measure: { event: "pass-refused", file: "issue-coupon" },
    statistic: "Sum",
    above: 100,
    minutes: 3,
    silence: "fine",
  },
  {
    name: "coupons-revoked",
    section: "Coupons are revoked",
    measure: { code: "CouponsRevoked" },
    statistic: "Sum",
    above: 0,
    minutes: 1,
    silence: "fine",
  },
  {
    name: "two-primaries",
    section: "Two primaries",
    measure: { redis: "IsMaster", addedUp: true },
    statistic: "Maximum",
    above: "shards",
    minutes: 3,
    silence: "fine",
  },
  {
    name: "verifier-findings",
    section: "The verifier has findings",
    measure: { code: "VerifierFindings", by: "campaignId" },
    statistic: "Maximum",
    above: 0,
    minutes: 1,
    silence: "fine",
  },
  {
    name: "give-backs-wait",
    section: "Give-backs wait",
    measure: { event: "swept", file: "sweep", sum: "givenBack" },
    statistic: "Sum",
    above: 0,
    minutes: 10,
    silence: "fine",
  },
  {
    name: "keys-may-expire",
    section: "Keys have the wrong lifetime",
    measure: { code: "TtlsUnwanted" },
    statistic: "Maximum",
    above: 0,
    minutes: 1,
    silence: "fine",
  },
  {
    name: "keys-stay",
    section: "Keys have the wrong lifetime",
    measure: { code: "TtlsMissing" },
    statistic: "Maximum",
    // Twice: a generation's pages have no lifetime for the blink between two commands of one round trip.
    above: 0,
    minutes: 2,
    silence: "fine",
  },
  {
    name: "sqs-unclear",
    section: "SQS is out of reach",
    measure: { event: "publish-unclear", file: "issue-coupon" },
    statistic: "Sum",
    above: 10,
    minutes: 2,
    silence: "fine",
  },
  {
    name: "schedule-silent",
    section: "A schedule does not run",
    measure: { code: "OutboxDepth" },
    statistic: "SampleCount",
    below: 1,
    minutes: 3,
    silence: "alarm",
  },
];

const rankingAlarms: readonly Alarm[] = [
  {
    name: "ranking-old",
    section: "A ranking is old",
    measure: { code: "GenerationAgeMs" },
    statistic: "Maximum",
    // Ten generations that did not come.
    above: 30_000,
    minutes: 2,
    silence: "fine",
  },
  {
    name: "events-unreadable",
    section: "Events wait",
    measure: { code: "EventMessagesUnreadable" },
    statistic: "Sum",
    above: 0,
    minutes: 1,
    silence: "fine",
  },
  {
    name: "batches-stranded",
    section: "Batches are stranded",
    measure: { code: "EventBatchesStranded" },
    statistic: "Sum",
    above: 0,
    minutes: 1,
    silence: "fine",
  },
  {
    name: "rankings-rebuilding",
    section: "The rankings are rebuilt",
    measure: { code: "RankingsRebuilding" },
    statistic: "Maximum",
    // A rebuild that goes well is over by then.
    above: 0,
    minutes: 15,
    silence: "fine",
  },
  {
    name: "breaker-open",
    section: "The breaker is open",
    measure: { code: "BreakerOpen" },
    statistic: "Maximum",
    above: 0,
    minutes: 2,
    silence: "fine",
  },
];

const storeAlarms: readonly Alarm[] = [
  {
    name: "api-errors",
    section: "Redis is out of reach",
    measure: { gateway: "5xx", shareOf: "Count" },
    statistic: "Sum",
    // A recovery answers 503 as well, for some seconds.
    above: 0.05,
    minutes: 3,
    silence: "fine",
  },
  {
    name: "redis-busy",
    section: "Redis is out of reach",
    measure: { redis: "EngineCPUUtilization" },
    statistic: "Maximum",
    above: 90,
    minutes: 3,
    of: 5,
    silence: "alarm",
  },
  {
    name: "redis-replica-behind",
    section: "Redis is out of reach",
    measure: { redis: "ReplicationLag" },
    statistic: "Maximum",
    // Seconds. What a replica does not have is what a failover loses.
    above: 1,
    minutes: 3,
    of: 5,
    silence: "fine",
  },
  {
    name: "redis-replica-gap",
    section: "Redis is out of reach",
    measure: { code: "ReplicaGapBytes" },
    statistic: "Maximum",
    // Bytes that a failover would lose, and this long: some hundred thousand coupons, held again only by the recovery.
    above: 10_000_000,
    minutes: 3,
    of: 5,
    silence: "fine",
  },
  {
    name: "redis-memory",
    section: "Redis's memory runs out",
    measure: { redis: "DatabaseMemoryUsagePercentage" },
    statistic: "Maximum",
    above: 80,
    minutes: 3,
    of: 5,
    silence: "fine",
  },
  {
    name: "redis-evictions",
    section: "Redis's memory runs out",
    also: ["Rankings lose keys"],
    measure: { redis: "Evictions" },
    statistic: "Maximum",
    // With noeviction there is none; one is stock that was lost, not a cache that is full.
    above: 0,
    minutes: 1,
    silence: "fine",
  },
  {
    name: "ledger-write-throttled",
    section: "The ledger is out of reach or throttled",
    measure: { ledger: "WriteThrottleEvents" },
    statistic: "Sum",
    above: 0,
    minutes: 2,
    of: 5,
    silence: "fine",
  },
  {
    name: "ledger-read-throttled",
    section: "The ledger is out of reach or throttled",
    measure: { ledger: "ReadThrottleEvents" },
    statistic: "Sum",
    above: 0,
    minutes: 2,
    of: 5,
    silence: "fine",
  },
  {
    name: "confirmations-failing",
    section: "The ledger is out of reach or throttled",
    measure: { event: "confirm-failed", file: "confirm" },
    statistic: "Sum",
    above: 10,
    minutes: 2,
    silence: "fine",
  },
  {
    name: "lambda-throttled",
    section: "Confirmations are late",
    measure: { lambda: "Throttles" },
    statistic: "Sum",
    above: 0,
    minutes: 2,
    of: 5,
    silence: "fine",
  },
];

/** The section that a queue's age belongs to; of the others the operator looks at the dead letters. */
const ageSections: Readonly<Record<string, string>> = {
  Confirmations: "Confirmations are late",
  Events: "Events wait",
};
const LETTERS = "Dead letters are kept";

/** Whatever queue has a consumer: its messages must not grow old, and its function must not fail. */
const queueAlarms: readonly Alarm[] = Object.entries(consumers).flatMap(([queue, file]): Alarm[] => {
  const section = ageSections[queue] ?? LETTERS;
  return [
    {
      name: `${file}-late`,
      section,
      measure: { queue, metric: "ApproximateAgeOfOldestMessage" },
      statistic: "Maximum",
      // Seconds. Alone in its group a message is gone in one; after a first failure it comes again within a few.
      above: 60,
      minutes: 3,
      silence: "fine",
    },
    {
      name: `${file}-failing`,
      section,
      measure: { lambda: "Errors", file },
      statistic: "Sum",
      above: 0,
      minutes: 3,
      of: 5,
      silence: "fine",
    },
  ];
});

const scheduleAlarms: readonly Alarm[] = Object.values(schedules).map(({ file }) => ({
  name: `${file}-failing`,
  section: "A schedule does not run",
  measure: { lambda: "Errors", file },
  statistic: "Sum",
  above: 0,
  minutes: 3,
  of: 15,
  silence: "fine",
}));

export const alarmList: readonly Alarm[] = [
  ...ownAlarms,
  ...rankingAlarms,
  ...storeAlarms,
  ...queueAlarms,
  ...scheduleAlarms,
];

/** The address of a runbook section, as headings become anchors. */
export function runbookAnchor(section: string): string {
  return section
    .toLowerCase()
    .replace(/[^\w\s-]/g, "")
    .trim()
    .replaceAll(" ", "-");
}
