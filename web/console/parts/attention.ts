import type { Health, Letters, Signals } from "../documents.ts";
import { bytes, duration, number, percent } from "../format.ts";
import { to } from "../route.ts";
import { t } from "../texts/signals.ts";

/** Something that an operator should look at: what it is, and where to go. */
export interface Concern {
  /** The kind, for scripts that read the page. */
  readonly kind: Parameters<typeof t>[0];
  readonly text: string;
  readonly href?: string | undefined;
}

/**
 * When the alarms of the deployment ring as well (infra/alarm-list.ts): a share of Redis's memory, bytes and seconds that a replica
 * lacks, entries and milliseconds of an outbox.
 */
const MEMORY_SHARE = 0.8;
const GAP_BYTES = 10_000_000;
const LAG_SECONDS = 1;
const OUTBOX_DEEP = 10_000;
const OUTBOX_OLD_MS = 60_000;

const concern = (kind: Concern["kind"], facts: Parameters<typeof t>[1] = {}, href?: string): Concern => ({
  kind,
  text: t(kind, facts),
  href,
});

/**
 * What needs attention, the worst first. Empty when all is well.
 *
 * @param letters undefined where they could not be read
 */
export function concernsOf(health: Health, signals: Signals, letters: Letters | undefined): Concern[] {
  return [
    ...storesOf(health, signals),
    ...signals.redis.servers.flatMap(serverOf),
    ...lifetimesOf(signals),
    ...signals.campaigns.items.flatMap(campaignOf),
    ...lettersOf(signals, letters),
  ];
}

/** Health and signals are two questions: what either of them could not reach is said to be away. */
function storesOf(health: Health, { redis, queues, ledger }: Signals): Concern[] {
  const isDown = (...doors: readonly { status: "up" | "down" }[]) => doors.some(({ status }) => status === "down");
  return [
    ...(isDown(health.redis, redis) ? [concern("redis-down")] : []),
    ...(isDown(health.queue, queues.confirmations) ? [concern("queue-down")] : []),
    ...(isDown(queues.deadLetters) ? [concern("letters-down")] : []),
    ...(isDown(queues.events) ? [concern("events-down")] : []),
    ...(isDown(health.ledger, ledger) ? [concern("ledger-down")] : []),
  ];
}

function serverOf({ policy, evictedKeys, usedBytes, maxBytes, replicas }: Signals["redis"]["servers"][number]) {
  const share = maxBytes > 0 ? usedBytes / maxBytes : 0;
  return [
    ...(policy === "noeviction" ? [] : [concern("policy-evicts", { policy })]),
    ...(evictedKeys > 0 ? [concern("evicted", { count: number(evictedKeys) })] : []),
    ...(share > MEMORY_SHARE ? [concern("memory-short", { percent: percent(share) })] : []),
    ...replicas.flatMap(({ state, gapBytes, lagSeconds }) => [
      ...(state === "online" ? [] : [concern("replica-cut", { state })]),
      ...(gapBytes > GAP_BYTES ? [concern("replica-gap", { size: bytes(gapBytes) })] : []),
      ...(lagSeconds > LAG_SECONDS ? [concern("replica-late", { seconds: number(lagSeconds) })] : []),
    ]),
  ];
}

type Keys = Signals["redis"]["registry"];

/** Keys that would stay for ever, and, what is worse, those that would go although they are stock. */
function lifetimesOf({ redis, campaigns, rooms, rankings, boards }: Signals): Concern[] {
  const owners: (readonly [name: string, keys: Keys, href?: string])[] = [
    [t("registry-name"), redis.registry],
    ...campaigns.items.map((it) => [it.campaignId, it.keys, to("campaigns", it.campaignId)] as const),
    ...rooms.items.map((it) => [it.roomId, it.keys, to("rooms", it.roomId)] as const),
    [t("rankings-name"), rankings?.keys, to("boards")],
    ...boards.items.map((it) => [it.boardId, it.keys, to("boards", it.boardId)] as const),
  ];
  const count = (kind: "must-stay" | "must-go", figure: "unwantedTtls" | "missingTtls") =>
    owners.flatMap(([owner, keys, href]) =>
      keys && keys[figure] > 0 ? [concern(kind, { owner, count: number(keys[figure]) }, href)] : [],
    );
  return [...count("must-stay", "unwantedTtls"), ...count("must-go", "missingTtls")];
}

function campaignOf({ campaignId, outbox, verification }: Signals["campaigns"]["items"][number]): Concern[] {
  const href = to("campaigns", campaignId);
  const { depth = 0, oldestMs = 0 } = outbox ?? {};
  return [
    ...(verification && !verification.consistent
      ? [concern("findings", { campaign: campaignId, count: number(verification.findings) }, href)]
      : []),
    ...(oldestMs > OUTBOX_OLD_MS
      ? [concern("outbox-old", { campaign: campaignId, age: duration(oldestMs) }, href)]
      : []),
    ...(depth > OUTBOX_DEEP ? [concern("outbox-deep", { campaign: campaignId, count: number(depth) }, href)] : []),
  ];
}

/** Strays, which are no coupon of ours, are kept for good and hold up nobody: they are no reason to get up. */
function lettersOf({ queues }: Signals, letters: Letters | undefined): Concern[] {
  const { waiting = 0, inFlight = 0 } = queues.deadLetters;
  const kept = letters?.items.filter(({ decision, couponId }) => decision === "kept" && couponId !== undefined) ?? [];
  const unknown = letters === undefined ? [concern("letters-unknown", {}, to("letters"))] : [];
  const keptKind = letters?.cursor === undefined ? "letters-kept" : "letters-kept-at-least";
  return [
    ...unknown,
    ...(waiting + inFlight > 0
      ? [concern("letters-waiting", { count: number(waiting + inFlight) }, to("letters"))]
      : []),
    ...(kept.length > 0 ? [concern(keptKind, { count: number(kept.length) }, to("letters"))] : []),
  ];
}
