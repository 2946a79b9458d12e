import {
  DeleteMessageBatchCommand,
  PurgeQueueCommand,
  type Message as QueueEntry,
  ReceiveMessageCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Ctx, StoreUnavailable } from "../core/context.ts";
import { change, show } from "../core/coupons/campaign.ts";
import { confirmer } from "../core/coupons/confirm.ts";
import { readMessage } from "../core/coupons/confirmation.ts";
import { completeGiveBacks } from "../core/coupons/give-back.ts";
import { holderVerbs } from "../core/coupons/hold.ts";
import { issuer } from "../core/coupons/issue.ts";
import { coupons as ledger } from "../core/coupons/ledger.ts";
import { bucketCount } from "../core/coupons/member.ts";
import { recover } from "../core/coupons/recover.ts";
import { soldOutMemory } from "../core/coupons/sold-out.ts";
import { sweeper } from "../core/coupons/sweep.ts";
import { triager } from "../core/coupons/triage.ts";
import { compare } from "../core/coupons/verify.ts";
import type { QueueMessage } from "../core/doors/sqs.ts";
import { keys } from "../core/keys.ts";
import {
  type Asker,
  CampaignModel,
  type Cut,
  type Decision,
  type Issuance,
  isKept,
  type Message,
  type RedisState,
  type Terms,
} from "./model/campaign-model.ts";
import { type Parts, startParts } from "./setup/parts.ts";

/**
 * Random histories of one campaign, taken at the same time by the real verbs on real stores and by a model that has neither
 * (`model/campaign-model.ts`). Every answer must be the model's, and whenever a recovery is done and when all has settled, both
 * must agree on who has what, and G1 to G5 and G10 must hold.
 *
 * A failure is shrunk and names what replays it: FIRSTCOME_SEED=<seed>:<path> npm test -- model. FIRSTCOME_SEED=<seed> alone
 * tries other histories than the usual ones, FIRSTCOME_RUNS=<number> more of them.
 */

/** Few groups, small buckets and small pages: users meet in them, and a recovery takes milliseconds. */
const SMALL = vi.hoisted(() => ({ groupsPerCampaign: 4, holdersPerBucket: 2, ledgerPageTickets: 3 }));
vi.mock("../core/limits.ts", async (load) => {
  const { limits } = await load<typeof import("../core/limits.ts")>();
  return { limits: { ...limits, ...SMALL } };
});

const USUAL_SEED = 1;
const USUAL_RUNS = 60;
const [SEED = USUAL_SEED, ...PATH] = process.env.FIRSTCOME_SEED?.split(":").map(Number) ?? [];
const RUNS = Number(process.env.FIRSTCOME_RUNS ?? USUAL_RUNS);
const CHUNKS_MOST = 80;
/** Of the functions' clock: short beside what they remember for a second. */
const STEP_MS = 150;
/** Histories and the shrinking of one that fails end after this long; the smallest that was found by then is shown. */
const LONGEST_MS = Math.max(150_000, RUNS * 2_500);

// ── Histories ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** In the three forms in which a bucket keeps users. */
const USERS = ["7", "ann", "0b6f0a52-3d2f-4f5e-9c1b-2f1d6a1f9d10", "ben@example.com", "cle", `dora-${"x".repeat(60)}`];
const KEYS = [undefined, undefined, "k1", "k2"];
const HOUR_MS = 3_600_000;

const PUBLISH = ["acknowledged", "silent", "lost-answer", "slow", "late"] as const;
/** What a `dies-` leaves undone comes again; when only Redis is silent, the queue's part is done. */
const DELIVERY = ["sound", "dies-at-the-end", "redis-silent", "dies-before-removal", "dies-between-puts"] as const;
const ASKERS = ["owner", "stranger", "operator"] as const;
const CUTS = ["nowhere", "before-free", "before-release"] as const;
const LEFT = ["all", "snapshot", "nothing"] as const;
const RECOVERY_CUTS = ["nowhere", "filling", "arming"] as const;

interface Steps {
  issue: { user: number; key: number; publish: (typeof PUBLISH)[number] };
  /** A message that was long under way reaches the queue. */
  arrive: object;
  /** A persister gets up to `most` messages, of those groups whose bit is set. */
  deliver: { most: number; groups: number; twice: boolean; fault: (typeof DELIVERY)[number] };
  /** Nobody confirms anything until SQS gives up on all that is in the queue. */
  wearOut: object;
  triage: object;
  sweep: { silent: boolean };
  use: { coupon: number; asker: (typeof ASKERS)[number]; order: string };
  cancel: { coupon: number; asker: (typeof ASKERS)[number]; cut: Cut };
  completeGiveBacks: object;
  stock: { by: number };
  pause: { paused: boolean };
  open: { inHours: number };
  close: { inHours: number };
  snapshot: object;
  /** Another server answers, with all, with what it had at a snapshot, or with nothing. */
  lose: { left: (typeof LEFT)[number]; back: number };
  recover: { calls: number; consume: boolean; cut: (typeof RECOVERY_CUTS)[number] };
  settle: object;
}
type Step = { [D in keyof Steps]: { readonly do: D } & Readonly<Steps[D]> }[keyof Steps];

interface History {
  readonly stock: number;
  readonly perUser: number;
  readonly steps: readonly Step[];
}

const upTo = (max: number, min = 0) => fc.integer({ min, max });
/** One of a list, the first of them about half the time. */
const mostly = <T>(list: readonly [T, ...T[]]) => fc.oneof(fc.constant(list[0]), fc.constantFrom<T[]>(...list));

function arbitrary<D extends keyof Steps>(name: D, facts: { [K in keyof Steps[D]]: fc.Arbitrary<Steps[D][K]> }) {
  return fc.record({ do: fc.constant(name), ...facts }) as unknown as fc.Arbitrary<Step>;
}

const coupon = upTo(15);
/** Many are late: then some of them are still under way when a recovery closes the past. */
const PUBLISHED = fc.constantFrom(
  ...PUBLISH,
  "late",
  "late",
  "silent",
  ...Array<"acknowledged">(8).fill("acknowledged"),
);
const ISSUE = arbitrary("issue", { user: upTo(USERS.length - 1), key: upTo(KEYS.length - 1), publish: PUBLISHED });
const ARRIVE = arbitrary("arrive", {});
const DELIVER = arbitrary("deliver", {
  most: upTo(10, 1),
  groups: upTo(15, 1),
  twice: fc.boolean(),
  fault: mostly(DELIVERY),
});
const TRIAGE = arbitrary("triage", {});
const CANCEL = arbitrary("cancel", { coupon, asker: mostly(ASKERS), cut: mostly(CUTS) });
const SNAPSHOT = arbitrary("snapshot", {});
const LOSE = arbitrary("lose", { left: fc.constantFrom(...LEFT, "snapshot", "nothing"), back: upTo(3) });
const RECOVER = arbitrary("recover", { calls: upTo(8, 1), consume: fc.boolean(), cut: mostly(RECOVERY_CUTS) });

const of = (weight: number, it: fc.Arbitrary<Step>) => ({ weight, arbitrary: it });
const STEP = fc.oneof(
  of(60, ISSUE),
  of(6, ARRIVE),
  of(28, DELIVER),
  of(2, arbitrary("wearOut", {})),
  of(6, TRIAGE),
  of(6, arbitrary("sweep", { silent: mostly([false, true]) })),
  of(8, arbitrary("use", { coupon, asker: mostly(ASKERS), order: fc.constantFrom("o1", "o2") })),
  of(20, CANCEL),
  of(4, arbitrary("completeGiveBacks", {})),
  of(6, arbitrary("stock", { by: upTo(3, -3) })),
  of(3, arbitrary("pause", { paused: mostly([false, true]) })),
  of(4, arbitrary("open", { inHours: mostly([-1, 1]) })),
  of(2, arbitrary("close", { inHours: mostly([2, -0.5]) })),
  of(8, SNAPSHOT),
  of(3, LOSE),
  of(16, RECOVER),
  of(2, arbitrary("settle", {})),
);

/** What chance alone seldom brings together: a loss, most or all of its recovery, and what comes in behind it. */
const LOSS = fc
  .tuple(
    fc.array(fc.oneof(ISSUE, ISSUE, DELIVER, SNAPSHOT), { maxLength: 4 }),
    LOSE,
    arbitrary("recover", { calls: upTo(8, 3), consume: fc.constant(true), cut: mostly(RECOVERY_CUTS) }),
    fc.array(fc.oneof(ARRIVE, ARRIVE, DELIVER, TRIAGE, ISSUE, CANCEL), { maxLength: 6 }),
  )
  .map(([before, lose, recovery, after]) => [...before, lose, recovery, ...after]);

const CHUNK = fc.oneof({ weight: 40, arbitrary: STEP.map((it) => [it]) }, { weight: 1, arbitrary: LOSS });

// Without bias: a history is as long as it comes, and shrinking makes it short.
const HISTORY: fc.Arbitrary<History> = fc.noBias(
  fc.record({
    stock: upTo(9, 1),
    perUser: upTo(3, 1),
    steps: fc.array(CHUNK, { minLength: 1, maxLength: CHUNKS_MOST, size: "max" }).map((chunks) => chunks.flat()),
  }),
);

/** The plainest step of each kind: a history that is written down says only what is different. */
const PLAIN: Steps = {
  issue: { user: 0, key: 0, publish: "acknowledged" },
  arrive: {},
  deliver: { most: 10, groups: 15, twice: false, fault: "sound" },
  wearOut: {},
  triage: {},
  sweep: { silent: false },
  use: { coupon: 0, asker: "owner", order: "o1" },
  cancel: { coupon: 0, asker: "owner", cut: "nowhere" },
  completeGiveBacks: {},
  stock: { by: 0 },
  pause: { paused: true },
  open: { inHours: -1 },
  close: { inHours: 2 },
  snapshot: {},
  lose: { left: "nothing", back: 0 },
  recover: { calls: 8, consume: true, cut: "nowhere" },
  settle: {},
};

const did = <D extends keyof Steps>(name: D, facts: Partial<Steps[D]> = {}) =>
  ({ do: name, ...PLAIN[name], ...facts }) as unknown as Step;

function written({ do: name, ...facts }: Step): string {
  const plain: Readonly<Record<string, unknown>> = { ...PLAIN[name] };
  const different = Object.entries(facts).filter(([fact, value]) => value !== plain[fact]);
  return different.length === 0 ? `did("${name}")` : `did("${name}", ${fc.stringify(Object.fromEntries(different))})`;
}

// ── Faults that were found ──────────────────────────────────────────────────────────────────────────────────────────────

interface Fault {
  readonly title: string;
  readonly history: History;
}

/** The smallest histories that have shown something to be wrong: by itself and mended since, or, the last two, on purpose. */
const FAULTS = {
  version: {
    title: "G5: what is remembered as sold out from before a loss does not hide who holds a coupon after it",
    history: {
      stock: 1,
      perUser: 1,
      steps: [
        ...[0, 1, 2].flatMap((coupon) => [did("issue"), did("cancel", { coupon })]),
        did("issue", { publish: "silent" }),
        did("issue", { user: 1 }),
        did("lose"),
        did("recover"),
        did("issue", { user: 2 }),
        did("issue", { user: 1 }),
        did("issue", { user: 2 }),
      ],
    },
  },
  highest: {
    title: "G4: the highest ticket is given back and given again once",
    history: {
      stock: 2,
      perUser: 1,
      steps: [did("issue"), did("cancel"), did("issue", { user: 1 }), did("settle")],
    },
  },
  postponed: {
    title: "an opening that was postponed after the first coupon stays postponed over a recovery",
    history: {
      stock: 2,
      perUser: 1,
      steps: [
        did("issue"),
        did("open", { inHours: 1 }),
        did("lose", { left: "all" }),
        did("recover"),
        did("issue", { user: 1 }),
      ],
    },
  },
  older: {
    title: "G3: an outbox from before the last recovery takes no ticket that was given after it",
    history: {
      stock: 1,
      perUser: 1,
      steps: [
        did("issue", { publish: "silent" }),
        did("snapshot"),
        did("lose"),
        did("recover"),
        did("issue", { user: 1 }),
        did("lose", { left: "snapshot" }),
        did("recover", { calls: 2, consume: false }),
      ],
    },
  },
  revived: {
    title: "G3: a coupon that was revoked takes no ticket when its message comes once more",
    history: {
      stock: 1,
      perUser: 1,
      steps: [
        did("issue", { publish: "late" }),
        did("lose"),
        did("recover"),
        did("arrive"),
        did("deliver", { fault: "dies-at-the-end" }),
        did("triage"),
        did("deliver"),
        did("issue", { user: 1 }),
      ],
    },
  },
  redriven: {
    title: "G3: a letter that is sent round again during a recovery is recorded before the recovery closes the past",
    history: {
      stock: 1,
      perUser: 1,
      steps: [
        did("issue"),
        did("wearOut"),
        did("lose"),
        did("recover", { calls: 2, consume: false }),
        did("deliver"),
        did("recover", { calls: 1, consume: false }),
        did("triage"),
        did("recover", { calls: 1, consume: false }),
      ],
    },
  },
  kept: {
    title: "G3: a letter that was kept for the operator is recorded before a recovery closes the past",
    history: {
      stock: 1,
      perUser: 1,
      steps: [
        did("issue"),
        ...[1, 2, 3, 4].flatMap(() => [did("wearOut"), did("triage")]),
        did("lose"),
        did("recover"),
        did("issue", { user: 1 }),
      ],
    },
  },
  closing: {
    title: "G10: a message that arrives while a recovery closes the past is not recorded any more",
    history: {
      stock: 1,
      perUser: 1,
      steps: [
        did("issue", { publish: "late" }),
        did("lose"),
        did("recover", { calls: 4 }),
        did("arrive"),
        did("deliver"),
      ],
    },
  },
} satisfies Readonly<Record<string, Fault>>;

// ── Reality ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The functions' clock and the queue's; Redis has its own. */
let clockMs = Date.now();
let parts: Parts;
let sqs: SQSClient;
beforeAll(async () => {
  parts = await startParts(() => clockMs);
  sqs = new SQSClient({ endpoint: parts.sqsEndpoint, useQueueUrlAsEndpoint: false });
});
afterAll(async () => {
  sqs?.destroy();
  await parts?.stop();
});

/** How often each answer was given, over all histories. */
const given = new Map<string, number>();

const silence = (store: "redis" | "queue" | "ledger") => new StoreUnavailable(store, "the test keeps it silent");

/** Longer than the queue keeps a message from others that somebody has received. */
const VISIBLE_AGAIN_MS = 37_000;
/** Longer than SQS takes two messages of one id for one. */
const FORGOTTEN_MS = 301_000;
const SWEEPS_MOST = 5;
const ROUNDS_MOST = 40;

/** What a replica had at some moment: bytes by key, and what the model had. */
interface Snapshot {
  readonly bytes: readonly (readonly [key: string, value: Buffer])[];
  readonly state: RedisState | undefined;
  readonly epoch: number;
}

/** One campaign in reality and in the model. */
class Twin {
  readonly #id: string;
  readonly #model: CampaignModel;
  readonly #ctx: Ctx = { ...parts.ctx, now: () => clockMs };
  readonly #issue = issuer(soldOutMemory());
  readonly #bornAt: number;
  readonly #buckets: number;
  readonly #idOf = new Map<Issuance, string>();
  readonly #told: { readonly coupon: Issuance; readonly word: string }[] = [];
  readonly #late: { readonly message: QueueMessage; readonly entry: Message }[] = [];
  readonly #snapshots: Snapshot[] = [];
  #sweeps = 0;

  private constructor(id: string, terms: Terms, perUser: number, bornAt: number) {
    this.#id = id;
    this.#model = new CampaignModel(terms, perUser);
    this.#bornAt = bornAt;
    this.#buckets = bucketCount(terms.stock);
  }

  static async begin({ stock, perUser }: History): Promise<Twin> {
    for (const QueueUrl of [parts.queueUrl, parts.deadLetterUrl]) await sqs.send(new PurgeQueueCommand({ QueueUrl }));
    await parts.ctx.redis.command("FLUSHALL");
    const now = Date.now();
    const terms = { stock, paused: false, opensAt: now - HOUR_MS, closesAt: now + 2 * HOUR_MS };
    const id = await parts.campaign({ stock, perUser, opensAt: terms.opensAt, closesAt: terms.closesAt });
    return new Twin(id, terms, perUser, now);
  }

  /** Later histories have nothing to do with it. */
  async end(): Promise<void> {
    await parts.ctx.table.remove({ pk: "campaigns", sk: this.#id });
  }

  async take(it: Step): Promise<void> {
    clockMs += STEP_MS;
    switch (it.do) {
      case "issue":
        await this.#ask(it);
        break;
      case "arrive":
        await this.#arrive();
        break;
      case "deliver":
        await this.#deliver(it);
        break;
      case "wearOut":
        await this.#wearOut();
        break;
      case "triage":
        await this.#triage();
        break;
      case "sweep":
        if (this.#sweeps++ < SWEEPS_MOST) await this.#sweep(it.silent);
        break;
      case "use":
      case "cancel":
        await this.#act(it);
        break;
      case "completeGiveBacks":
        await this.#completeGiveBacks();
        break;
      case "stock":
        await this.#change({ stock: Math.max(1, this.#model.terms.stock + it.by) });
        break;
      case "pause":
        await this.#change({ paused: it.paused });
        break;
      case "open":
        await this.#change({ opensAt: this.#bornAt + it.inHours * HOUR_MS });
        break;
      case "close":
        await this.#change({ closesAt: this.#bornAt + it.inHours * HOUR_MS });
        break;
      case "snapshot":
        await this.#snapshot();
        break;
      case "lose":
        await this.#lose(it.left, it.back);
        break;
      case "recover":
        await this.#recover(it);
        break;
      case "settle":
        await this.settle();
        break;
    }
    await this.#agreeOnView();
  }

  // ── Asking and delivering ───────────────────────────────────────────────────────────────────────────────────────────────

  async #ask({ user, key, publish }: Steps["issue"]): Promise<void> {
    const model = this.#model;
    const userId = USERS[user] ?? "";
    const idempotencyKey = KEYS[key];
    let hasRun = false;
    let kept: QueueMessage | undefined;
    const ctx: Ctx = {
      ...this.#ctx,
      redis: {
        ...this.#ctx.redis,
        run: (script, names, args) => {
          hasRun ||= script.name === "issue";
          return this.#ctx.redis.run(script, names, args);
        },
      },
      confirmations: {
        ...this.#ctx.confirmations,
        send: async (message) => {
          if (publish === "late") kept = message;
          if (publish === "late" || publish === "silent") throw silence("queue");
          await this.#ctx.confirmations.send(message);
          if (publish === "lost-answer") throw silence("queue");
          if (publish === "slow") clockMs += 2_100;
        },
      },
    };
    const wasWell = model.isWell;
    const askedAt = clockMs;
    const answer = await this.#issue(ctx, { campaignId: this.#id, userId, idempotencyKey });
    if (!wasWell)
      expect(["issued", "accepted"], "G10: a server that may lack something gives nothing").not.toContain(answer.word);
    if (!hasRun && model.redis) {
      expect(model.remembersSoldOut(userId, askedAt), "G5: only who holds nothing is told from memory").toBe(true);
      this.#expectWord("issue", answer.word, "sold-out");
      return;
    }
    const issuedAt = "coupon" in answer ? answer.coupon.issuedAt : 0;
    const decided = model.issue({ user: userId, key: idempotencyKey, now: Date.now(), askedAt, issuedAt });
    const told = publish === "acknowledged" ? "issued" : "accepted";
    this.#expectWord("issue", answer.word, decided.word === "issued" ? told : decided.word);
    if (!("coupon" in decided) || !("coupon" in answer)) return;
    const { coupon } = decided;
    const { couponId } = answer.coupon;
    const facts = { couponId: this.#idOf.get(coupon) ?? couponId, userId, ticket: coupon.ticket, nth: coupon.nth };
    const why =
      decided.word === "replayed" ? "G5: a replay gets the first answer" : "the ticket and place of the model";
    expect(answer.coupon, why).toMatchObject({ ...facts, issuedAt: coupon.issuedAt });
    if (decided.word === "replayed") return;
    expect(coupon.ticket, "G1: never oversold").toBeLessThanOrEqual(model.terms.stock);
    this.#idOf.set(coupon, couponId);
    this.#told.push({ coupon, word: told });
    const entry = { coupon, epoch: model.redis?.epoch ?? 0 };
    if (kept) this.#late.push({ message: kept, entry });
    else if (publish !== "silent") model.queue.push(entry);
  }

  async #arrive(): Promise<void> {
    const first = this.#late.shift();
    if (!first) return;
    clockMs += FORGOTTEN_MS;
    await this.#ctx.confirmations.send(first.message);
    this.#model.queue.push(first.entry);
  }

  async #receive(QueueUrl: string, most = 10): Promise<QueueEntry[]> {
    const names = { MessageSystemAttributeNames: ["All" as const], MessageAttributeNames: ["All"] };
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: most, ...names }),
    );
    return Messages;
  }

  async #remove(QueueUrl: string, entries: readonly QueueEntry[]): Promise<void> {
    const Entries = entries.map((entry, i) => ({ Id: `${i}`, ReceiptHandle: entry.ReceiptHandle ?? "" }));
    if (Entries.length > 0) await sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }));
  }

  /** The model's message of a body. @returns undefined for a recovery's marker */
  #read(body: string): Message | undefined {
    const message = readMessage(body);
    if (!message) throw new Error(`neither a confirmation nor a marker: ${body}`);
    if ("marker" in message) return undefined;
    const { couponId } = message.confirmation;
    const [coupon] = [...this.#idOf].find(([, id]) => id === couponId) ?? [];
    if (!coupon) throw new Error(`a message of a coupon that nobody was given: ${body}`);
    return { coupon, epoch: message.epoch };
  }

  async #deliver({ most, groups, twice, fault }: Steps["deliver"]): Promise<number> {
    const model = this.#model;
    const isOurs = ({ Attributes }: QueueEntry) =>
      (groups >> Number(Attributes?.MessageGroupId?.split(".").at(-1))) % 2 === 1;
    const entries = Map.groupBy(await this.#receive(parts.queueUrl, most), isOurs);
    const others = (entries.get(false) ?? []).map((entry) => ({
      receiptHandle: entry.ReceiptHandle ?? "",
      seconds: 0,
    }));
    if (others.length > 0) await this.#ctx.confirmations.postpone(others);
    const ours = entries.get(true) ?? [];
    const batch = ours.map((entry) => receivedOf(entry));
    if (twice && batch[0]) batch.push(batch[0]);

    const dies = fault.startsWith("dies");
    const isSettled = fault !== "redis-silent" && fault !== "dies-before-removal";
    const ctx: Ctx = {
      ...this.#ctx,
      redis: {
        ...this.#ctx.redis,
        run: async (script, names, args) => {
          if (script.name === "settle" && !isSettled) throw silence("redis");
          return this.#ctx.redis.run(script, names, args);
        },
      },
      table: {
        ...this.#ctx.table,
        put: async (key, attributes, when) => {
          if (fault === "dies-between-puts" && key.pk.startsWith("user#")) throw silence("ledger");
          return this.#ctx.table.put(key, attributes, when);
        },
      },
    };
    const confirmed = await confirmer()(ctx, batch);

    const meant = { recorded: 0, other: 0 };
    const failed = new Set<string>();
    for (const group of Map.groupBy(batch, ({ groupId }) => groupId).values()) {
      let isStuck = false;
      for (const { messageId, body } of group) {
        const message = this.#read(body);
        const word = message && model.admit(message, fault === "dies-between-puts");
        if (message && isKept(word) && isSettled) model.settle(message.coupon);
        isStuck ||= word === "failed";
        if (isStuck) failed.add(messageId);
        else if (word === "recorded") meant.recorded++;
        else if (word) meant.other++;
        if (word) this.#count("deliver", word);
      }
    }
    const { recorded, alreadyRecorded, deadLettered } = confirmed;
    expect({ recorded, other: alreadyRecorded + deadLettered }, "what became of the messages").toEqual(meant);
    expect(new Set(confirmed.failed.map(({ messageId }) => messageId)), "messages that come again").toEqual(failed);
    if (dies) return ours.length;
    const done = ours.filter(({ MessageId }) => !failed.has(MessageId ?? ""));
    for (const { Body } of done) {
      const message = this.#read(Body ?? "");
      if (!message) continue;
      const place = model.queue.findIndex(({ coupon, epoch }) => coupon === message.coupon && epoch === message.epoch);
      expect(place, "a message that nobody sent").not.toBe(-1);
      model.queue.splice(place, 1);
    }
    await this.#remove(parts.queueUrl, done);
    return ours.length;
  }

  async #deliverAll(): Promise<void> {
    clockMs += VISIBLE_AGAIN_MS;
    while ((await this.#deliver({ most: 10, groups: 15, twice: false, fault: "sound" })) > 0);
  }

  async #wearOut(): Promise<void> {
    for (let isEmpty = false; !isEmpty; ) {
      while ((await this.#receive(parts.queueUrl)).length > 0);
      clockMs += VISIBLE_AGAIN_MS;
      const { waiting, inFlight } = await this.#ctx.confirmations.depth();
      isEmpty = waiting + inFlight === 0;
    }
    this.#model.queue = [];
  }

  async #triage(): Promise<void> {
    clockMs += VISIBLE_AGAIN_MS;
    for (;;) {
      const entries = await this.#receive(parts.deadLetterUrl);
      if (entries.length === 0) return;
      const batch = entries.map((entry) => receivedOf(entry));
      const triaged = await triager()(this.#ctx, batch);
      const meant = { settled: 0, redriven: 0, compensated: 0, kept: 0 };
      const failed = new Set<string>();
      for (const group of Map.groupBy(batch, ({ groupId }) => groupId).values()) {
        let isStuck = false;
        for (const { messageId, body, reason } of group) {
          const message = this.#read(body);
          const decision: Decision | undefined =
            message && !isStuck ? this.#model.triage(message, reason === undefined) : undefined;
          isStuck ||= decision === "failed";
          if (isStuck) failed.add(messageId);
          else if (decision && decision !== "failed") meant[decision]++;
          if (decision) this.#count("triage", decision);
        }
      }
      expect(triaged.decisions, "the decisions about dead letters").toEqual(meant);
      expect(new Set(triaged.failed.map(({ messageId }) => messageId)), "letters that come again").toEqual(failed);
      await this.#remove(
        parts.deadLetterUrl,
        entries.filter(({ MessageId }) => !failed.has(MessageId ?? "")),
      );
    }
  }

  async #sweep(silent: boolean): Promise<void> {
    clockMs += FORGOTTEN_MS;
    const ctx: Ctx = {
      ...this.#ctx,
      redis: {
        ...this.#ctx.redis,
        run: (script, names, args) =>
          this.#ctx.redis.run(script, names, script.name === "sweep" ? { ...args, ageMs: -1_000, idleMs: 0 } : args),
      },
      confirmations: {
        ...this.#ctx.confirmations,
        sendBatch: async (messages) => {
          if (silent) throw silence("queue");
          return this.#ctx.confirmations.sendBatch(messages);
        },
      },
    };
    const swept = await sweeper()(ctx);
    const { outbox = [], epoch = 0 } = this.#model.redis ?? {};
    expect(swept.sent, "what waits in the outbox is sent again").toBe(silent ? 0 : outbox.length);
    if (!silent) for (const coupon of outbox) this.#model.queue.push({ coupon, epoch });
  }

  // ── Holders and operators ───────────────────────────────────────────────────────────────────────────────────────────────

  async #act(it: Step & { do: "use" | "cancel" }): Promise<void> {
    const { coupon } = this.#told[it.coupon % Math.max(1, this.#told.length)] ?? {};
    if (!coupon) return;
    const couponId = this.#idOf.get(coupon) ?? "";
    const stranger = USERS[(USERS.indexOf(coupon.user) + 1) % USERS.length] ?? "";
    const asker: Asker =
      it.asker === "operator"
        ? { user: "operator", operator: true }
        : { user: it.asker === "owner" ? coupon.user : stranger, operator: false };
    const request = { couponId, asker: { userId: asker.user, operator: asker.operator } };
    if (it.do === "use") {
      const answer = await holderVerbs().use(this.#ctx, { ...request, orderId: it.order });
      this.#expectWord("use", answer.word, this.#model.use(coupon, asker, it.order));
      return;
    }
    const ctx: Ctx = {
      ...this.#ctx,
      redis: {
        ...this.#ctx.redis,
        run: async (script, names, args) => {
          if (script.name === "release" && it.cut === "before-release") throw silence("redis");
          return this.#ctx.redis.run(script, names, args);
        },
      },
      table: {
        ...this.#ctx.table,
        put: async (key, attributes, when) => {
          if (it.cut === "before-free" && attributes.free === true) throw silence("ledger");
          return this.#ctx.table.put(key, attributes, when);
        },
      },
    };
    const answer = await holderVerbs()
      .cancel(ctx, request)
      .catch((error: unknown) => {
        if (error instanceof StoreUnavailable) return { word: "failed" };
        throw error;
      });
    this.#expectWord("cancel", answer.word, this.#model.cancel(coupon, asker, it.cut));
  }

  async #completeGiveBacks(): Promise<void> {
    clockMs += 6_000;
    const completed = await completeGiveBacks(this.#ctx);
    const meant = [...this.#model.givingBack].filter((coupon) => this.#model.giveBack(coupon)).length;
    expect(completed, "give-backs that are complete").toBe(meant);
  }

  async #change(wish: Partial<Terms>): Promise<void> {
    const answer = await change(this.#ctx, this.#id, wish);
    this.#expectWord("change", answer.word, this.#model.change(wish));
  }

  // ── Loss and recovery ───────────────────────────────────────────────────────────────────────────────────────────────────

  get #names(): string[] {
    const id = this.#id;
    const buckets = Array.from({ length: this.#buckets }, (_, i) => keys.holders(id, i));
    return [keys.tally(id), keys.about(id), keys.outbox(id), keys.free(id), keys.flow(id), ...buckets];
  }

  async #snapshot(): Promise<void> {
    const dumps = (await this.#ctx.redis.commands(this.#names.map((key) => ["DUMP", key]))) as (Buffer | null)[];
    const bytes = this.#names.flatMap((key, i) => {
      const value = dumps[i];
      return value ? [[key, value] as const] : [];
    });
    this.#snapshots.push({ bytes, state: this.#model.redis, epoch: this.#model.epoch });
  }

  async #lose(left: (typeof LEFT)[number], back: number): Promise<void> {
    const snapshot = this.#snapshots.at(-1 - (back % Math.max(1, this.#snapshots.length)));
    if (left === "snapshot" && !snapshot) return;
    const { redis } = this.#ctx;
    if (left !== "all") await redis.command("FLUSHALL");
    if (left === "snapshot" && snapshot?.state) {
      await redis.commands(snapshot.bytes.map(([key, value]) => ["RESTORE", key, 0, value]));
      await redis.command("SADD", keys.campaigns, this.#id);
    }
    // The server becomes another one's replica and is promoted: it has another replication id, and knows no script.
    await redis.commands([
      ["SCRIPT", "FLUSH"],
      ["REPLICAOF", "127.0.0.1", "1"],
      ["REPLICAOF", "NO", "ONE"],
    ]);
    // Past what the issuing function says from memory.
    clockMs += 2_000;
    this.#model.lose(left === "all" ? this.#model.redis : left === "snapshot" ? snapshot?.state : undefined);
  }

  async #recover({ calls, consume, cut }: Steps["recover"]): Promise<void> {
    let isCut = false;
    const ctx: Ctx = {
      ...this.#ctx,
      redis: {
        ...this.#ctx.redis,
        run: async (script, names, args) => {
          const reply = await this.#ctx.redis.run(script, names, args);
          const at = cut === "filling" ? "refill" : cut === "arming" ? "arm-campaign" : undefined;
          if (script.name !== at || isCut) return reply;
          isCut = true;
          throw silence("redis");
        },
      },
    };
    for (let call = 0; call < calls; call++) {
      clockMs += 3_100;
      const wasCut = isCut;
      const recovery = await recover(ctx, this.#id, { deadline: Number.POSITIVE_INFINITY }).catch((error: unknown) => {
        if (error instanceof StoreUnavailable && isCut && !wasCut) return undefined;
        throw error;
      });
      if (recovery?.word === "attached") {
        expect(this.#model.isWell && !this.#model.recovery, "G10: nothing is called well that is not").toBe(true);
        return;
      }
      const reached =
        recovery?.word === "recovered" ? "done" : (recovery?.step ?? (cut === "arming" ? "opening" : "rebuilding"));
      this.#count("recover", reached);
      this.#model.recoverTo(reached);
      if (reached === "done") return this.#agree();
      if (consume) {
        await this.#deliverAll();
        await this.#triage();
      }
    }
  }

  /** Until nothing is under way any more. */
  async settle(): Promise<void> {
    const model = this.#model;
    for (let round = 0; ; round++) {
      expect(round, "everything settles").toBeLessThan(ROUNDS_MOST);
      await this.#deliverAll();
      await this.#triage();
      await this.#completeGiveBacks();
      if (!model.isWell || model.recovery) await this.#recover({ calls: 1, consume: false, cut: "nowhere" });
      else if (model.redis?.outbox.length) await this.#sweep(false);
      else if (model.queue.length + model.givingBack.size === 0) break;
    }
    for (const door of [this.#ctx.confirmations, this.#ctx.deadLetters]) {
      expect(await door.depth(), "nothing is left in a queue").toEqual({ waiting: 0, inFlight: 0 });
    }
    const shown = await show(this.#ctx, this.#id);
    const held = [...model.tickets.values()].filter(({ free }) => !free).length;
    expect(shown, "G4: no stock lost").toMatchObject({ campaign: { remaining: model.terms.stock - held } });
    for (const { coupon, word } of this.#told) {
      const found = await ledger.find(this.#ctx, this.#idOf.get(coupon) ?? "");
      if (word === "issued") {
        expect(["confirmed", "used", "cancelled"], "G3: told is kept").toContain(found?.coupon?.state);
        expect(found?.coupon).toMatchObject({ userId: coupon.user, ticket: coupon.ticket, nth: coupon.nth });
      }
      expect(found?.coupon?.state, `the state of ${JSON.stringify(coupon)}`).toBe(model.states.get(coupon));
    }
    await this.#agree();
  }

  // ── Agreement ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #count(verb: string, word: string): void {
    given.set(`${verb} ${word}`, (given.get(`${verb} ${word}`) ?? 0) + 1);
  }

  #expectWord(verb: string, word: string, meant: string): void {
    this.#count(verb, word);
    expect(word, `the answer to ${verb}`).toBe(meant);
  }

  /** The campaign's public document. */
  async #agreeOnView(): Promise<void> {
    const shown = await show(this.#ctx, this.#id);
    const view = this.#model.view(Date.now());
    expect(shown, "the campaign's document").toMatchObject({ campaign: view });
  }

  /** Who has what, in the ledger and, by the verifier, in Redis. */
  async #agree(): Promise<void> {
    const { terms, tickets, perUser } = this.#model;
    const rows = await ledger.tickets(this.#ctx, this.#id, 1, terms.stock + 10);
    const live = rows.filter(({ free }) => !free);
    for (const { ticket } of live) expect(ticket, "G1: never oversold").toBeLessThanOrEqual(terms.stock);
    for (const [userId, its] of Map.groupBy(live, (row) => row.userId)) {
      expect(its.length, `G2: never twice (${userId})`).toBeLessThanOrEqual(perUser);
    }
    const meant = [...tickets].map(([ticket, { coupon, free }]) => [ticket, this.#idOf.get(coupon), coupon.user, free]);
    const real = rows.map(({ ticket, couponId, userId, free }) => [ticket, couponId, userId, free]);
    const byTicket = (list: unknown[][]) => list.sort((a, b) => Number(a[0]) - Number(b[0]));
    expect(byTicket(real), "who took which ticket").toEqual(byTicket(meant));
    const result = await compare(this.#ctx, this.#id);
    if ("word" in result) throw new Error(`not to be compared: ${result.detail}`);
    expect(result.comparison.findings, "the verifier's findings").toEqual([]);
  }
}

function receivedOf({ MessageId = "", Body = "", Attributes, MessageAttributes }: QueueEntry) {
  const receiveCount = Number(Attributes?.ApproximateReceiveCount);
  const reason = MessageAttributes?.reason?.StringValue;
  return { messageId: MessageId, body: Body, groupId: Attributes?.MessageGroupId ?? "", receiveCount, reason };
}

async function play(history: History): Promise<void> {
  const twin = await Twin.begin(history);
  try {
    for (const [index, it] of history.steps.entries()) {
      await twin.take(it).catch((error: Error) => {
        error.message = `step ${index + 1}, ${written(it)}: ${error.message}`;
        throw error;
      });
    }
    await twin.settle();
  } finally {
    await twin.end();
  }
}

// ── Tests ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Answers without which the usual histories would have tried too little. */
const SEEN = [
  ...["issued", "accepted", "replayed", "limit-reached", "sold-out", "not-open", "closed", "paused", "recovering"].map(
    (word) => `issue ${word}`,
  ),
  ...["used", "conflict", "unknown", "forbidden"].map((word) => `use ${word}`),
  ...["cancelled", "conflict", "unknown", "forbidden", "recovering", "failed"].map((word) => `cancel ${word}`),
  ...["changed", "conflict", "recovering"].map((word) => `change ${word}`),
  ...["recorded", "already-recorded", "overtaken", "failed"].map((word) => `deliver ${word}`),
  ...["settled", "redriven", "compensated"].map((word) => `triage ${word}`),
  ...["rebuilding", "opening", "done"].map((step) => `recover ${step}`),
];

describe("a campaign and its model", () => {
  it(
    "give the same answers over random histories, with lost replicas and recoveries in them",
    async () => {
      const property = fc.asyncProperty(HISTORY, (history) => play(history));
      const details = await fc.check(property, {
        seed: SEED,
        path: PATH.join(":"),
        numRuns: PATH.length > 0 ? 1 : RUNS,
        interruptAfterTimeLimit: LONGEST_MS,
      });
      if (details.failed) throw explained(details);
      if (SEED === USUAL_SEED && PATH.length === 0 && RUNS >= USUAL_RUNS && !details.interrupted) {
        expect(
          SEEN.filter((answer) => !given.has(answer)),
          "answers that never came",
        ).toEqual([]);
      }
    },
    LONGEST_MS + 60_000,
  );

  for (const { title, history } of Object.values<Fault>(FAULTS)) it(title, () => play(history));
});

/** The error of the smallest history that was found, with that history and with what replays it. */
function explained({ errorInstance, counterexample, ...details }: fc.RunDetails<[History]>): Error {
  const error = errorInstance instanceof Error ? errorInstance : new Error("no history could be tried");
  const [history] = counterexample ?? [];
  error.message = [
    error.message,
    "",
    `stock ${history?.stock}, perUser ${history?.perUser}, shrunk ${details.numShrinks} times:`,
    ...(history?.steps ?? []).map((it, i) => `${String(i + 1).padStart(4)}  ${written(it)}`),
    "",
    `FIRSTCOME_SEED=${details.seed}:${details.counterexamplePath} npm test -- model`,
    "",
  ].join("\n");
  return error;
}
