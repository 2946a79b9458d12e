import type { AdmitWord } from "../../core/coupons/admit.ts";
import { RECOVERY_STEPS, type RecoveryStep } from "../../core/coupons/recovery-records.ts";

/**
 * What a campaign is meant to do, without a store, a clock or a wait: plain sets for Redis, for the ledger, and for what is under
 * way between them. What only reality can choose is told to it: when a coupon was issued, which messages came out, how far a
 * recovery got. Everything else it must come to by itself, and reality must come to the same.
 */

/** A coupon as it was decided. Two are the same only if they are the same object. */
export interface Issuance {
  readonly user: string;
  readonly nth: number;
  readonly ticket: number;
  readonly key: string | undefined;
  readonly issuedAt: number;
}

/** What an operator may change. Times in milliseconds since 1970. */
export interface Terms {
  readonly stock: number;
  readonly paused: boolean;
  readonly opensAt: number;
  readonly closesAt: number;
}

/** One of a user's places; without a coupon where a recovery has found only those behind it. */
interface Place {
  readonly coupon: Issuance | undefined;
  readonly live: boolean;
}

/** All that a replica may have less of. Replaced and never changed, so that keeping it is a snapshot. */
export interface RedisState extends Terms {
  /** The server that the campaign is attached to. */
  readonly node: number;
  readonly epoch: number;
  readonly fenced: boolean;
  /** Closing time was seen to be past. */
  readonly closed: boolean;
  /** The highest ticket given. */
  readonly highest: number;
  readonly free: readonly number[];
  readonly places: ReadonlyMap<string, readonly Place[]>;
  readonly outbox: readonly Issuance[];
}

export interface Message {
  readonly coupon: Issuance;
  readonly epoch: number;
}

/** Who acts on a coupon; an operator may for everyone. */
export type Asker = { readonly user: string; readonly operator: boolean };
/** Where a give-back is cut off. */
export type Cut = "nowhere" | "before-free" | "before-release";
export type Decision = "settled" | "redriven" | "compensated" | "kept" | "failed";
type Refused = "limit-reached" | "sold-out" | "not-open" | "closed" | "paused" | "recovering";
type ActWord = "used" | "cancelled" | "conflict" | "unknown" | "forbidden" | "recovering" | "failed";

const SOLD_OUT_MEMORY_MS = 1_000;
const REDRIVES_MOST = 3;

export const isKept = (word: AdmitWord | "failed" | undefined) => word === "recorded" || word === "already-recorded";

export class CampaignModel {
  readonly perUser: number;
  /** The server that answers; another after each promotion and each restart. */
  server = 0;
  /** Undefined: Redis does not have the campaign. */
  redis: RedisState | undefined;
  /** The ledger: terms and epoch, who took a ticket last and before, whose coupon a place has, what became of each coupon. */
  terms: Terms;
  epoch = 0;
  readonly tickets = new Map<number, { readonly coupon: Issuance; readonly free: boolean }>();
  readonly former = new Set<Issuance>();
  readonly places = new Map<string, Issuance>();
  readonly states = new Map<Issuance, "confirmed" | "used" | "cancelled" | "revoked">();
  readonly orders = new Map<Issuance, string>();
  /** Give-backs that were begun and are not complete. */
  readonly givingBack = new Set<Issuance>();
  /** Messages that were not deleted from the queue. */
  queue: Message[] = [];
  readonly redrives = new Map<string, number>();
  /** Dead letters that were sent round again, or kept: not decided for good. */
  readonly letters = new Map<string, Message>();
  recovery: { readonly step: RecoveryStep; readonly epoch: number } | undefined;
  #soldOut = { until: 0, holders: new Set<string>() };

  constructor(terms: Terms, perUser: number) {
    this.terms = terms;
    this.perUser = perUser;
    const blank = { free: [], places: new Map(), outbox: [], highest: 0 };
    this.redis = { ...terms, ...blank, node: 0, epoch: 0, fenced: false, closed: false };
  }

  /** Whether Redis has all that it ever acknowledged, or has been recovered since. */
  get isWell(): boolean {
    return this.redis?.node === this.server && !this.redis.fenced;
  }

  #update(change: Partial<RedisState>): void {
    if (this.redis) this.redis = { ...this.redis, ...change };
  }

  // ── Asking ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** @param ask.now by Redis's clock @param ask.askedAt by the function's @param ask.issuedAt if it is issued */
  issue(ask: {
    user: string;
    key: string | undefined;
    now: number;
    askedAt: number;
    issuedAt: number;
  }): { word: "issued" | "replayed"; coupon: Issuance } | { word: Refused } {
    const { redis } = this;
    const { user, key, now, issuedAt } = ask;
    if (!redis || redis.fenced) return { word: "recovering" };
    const places = redis.places.get(user) ?? [];
    const first = places.find((place) => (key === undefined ? place.live : place.coupon?.key === key));
    if (first?.coupon) return { word: "replayed", coupon: first.coupon };
    const seat = places.findIndex((place) => !place.live);
    if (seat < 0 && places.length >= this.perUser) return { word: "limit-reached" };
    if (redis.closed) return { word: "closed" };
    if (redis.paused) return { word: "paused" };
    if (now < redis.opensAt) return { word: "not-open" };
    const [lowest, ...free] = redis.free;
    const ticket = lowest ?? redis.highest + 1;
    if (ticket > redis.stock) {
      this.#soldOut = { until: ask.askedAt + SOLD_OUT_MEMORY_MS, holders: new Set(redis.places.keys()) };
      return { word: "sold-out" };
    }
    // Losers and replays are answered before: only who would get something is stopped by the fence.
    this.#update(redis.node === this.server ? { closed: now >= redis.closesAt } : { fenced: true });
    if (redis.node !== this.server) return { word: "recovering" };
    if (now >= redis.closesAt) return { word: "closed" };
    const nth = seat < 0 ? places.length + 1 : seat + 1;
    const coupon = { user, nth, ticket, key, issuedAt };
    const its = [...places.slice(0, nth - 1), { coupon, live: true }, ...places.slice(nth)];
    this.#update({
      free,
      highest: Math.max(redis.highest, ticket),
      places: new Map([...redis.places, [user, its]]),
      outbox: [...redis.outbox, coupon],
    });
    return { word: "issued", coupon };
  }

  /** Whether "sold out" may be said to a user without asking Redis. */
  remembersSoldOut(user: string, askedAt: number): boolean {
    return askedAt < this.#soldOut.until && !this.#soldOut.holders.has(user);
  }

  /** The public document. */
  view(now: number): { state: string; issued?: number; remaining?: number } {
    const { redis } = this;
    if (!redis || !this.isWell) return { state: "recovering" };
    const issued = redis.highest - redis.free.length;
    const ended = redis.closed || now >= redis.closesAt ? "closed" : redis.paused ? "paused" : undefined;
    const begun = now < redis.opensAt ? "scheduled" : issued >= redis.stock ? "sold-out" : "open";
    return { state: ended ?? begun, issued, remaining: redis.stock - issued };
  }

  change(wish: Partial<Terms>): "changed" | "conflict" | "recovering" {
    const { redis } = this;
    if (!redis || !this.isWell) return "recovering";
    const next = { ...this.terms, ...wish };
    if (next.closesAt <= next.opensAt || next.stock < redis.highest) return "conflict";
    this.terms = next;
    this.#update({ ...next, closed: redis.closed && next.closesAt === redis.closesAt });
    return "changed";
  }

  // ── The ledger ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #isKnown(coupon: Issuance): boolean {
    return this.tickets.get(coupon.ticket)?.coupon === coupon || this.former.has(coupon);
  }

  /** @param half the process dies between the ticket and the coupon */
  admit({ coupon, epoch }: Message, half = false): AdmitWord | "failed" {
    const state = this.states.get(coupon);
    // It was decided, and its holder told.
    if (state === "revoked" || (state === "cancelled" && epoch < this.epoch)) return "already-recorded";
    if (coupon.ticket > this.terms.stock) return "beyond-stock";
    if (epoch < this.epoch && !this.#isKnown(coupon)) return "overtaken";
    const row = this.tickets.get(coupon.ticket);
    const isFree = !row || (row.free && row.coupon.issuedAt < coupon.issuedAt);
    if (!isFree && row.coupon !== coupon) return this.former.has(coupon) ? "already-recorded" : "ticket-taken";
    if (!isFree && row.free) return "already-recorded";
    this.tickets.set(coupon.ticket, { coupon, free: false });
    if (half) return "failed";
    const place = `${coupon.user} ${coupon.nth}`;
    const standing = this.places.get(place);
    if (standing === coupon) return "already-recorded";
    if (standing && this.states.get(standing) !== "cancelled") return "user-taken";
    this.places.set(place, coupon);
    this.states.set(coupon, "confirmed");
    return "recorded";
  }

  settle(coupon: Issuance): void {
    this.#update({ outbox: this.redis?.outbox.filter((it) => it !== coupon) ?? [] });
  }

  #setFree(coupon: Issuance): void {
    if (this.tickets.get(coupon.ticket)?.coupon !== coupon) return;
    this.former.add(coupon);
    this.tickets.set(coupon.ticket, { coupon, free: true });
  }

  /** @returns whether Redis could be told */
  #release(coupon: Issuance, refill: boolean): boolean {
    const { redis } = this;
    if (!redis || redis.fenced) return false;
    const places = redis.places.get(coupon.user) ?? [];
    if (!places.some((place) => place.coupon === coupon && place.live)) return true;
    const its = places.map((place) => (place.coupon === coupon ? { coupon, live: false } : place));
    const free = refill ? [...redis.free, coupon.ticket].sort((a, b) => a - b) : redis.free;
    this.#update({ free, places: new Map([...redis.places, [coupon.user, its]]) });
    return true;
  }

  // ── Holders ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** @returns why the asker cannot act on it; what is still on its way to the ledger is brought there first */
  #refusal(coupon: Issuance, asker: Asker): ActWord | undefined {
    const { redis } = this;
    if (!this.states.has(coupon)) {
      if (!redis || !this.isWell) return "recovering";
      const owner = this.#isKnown(coupon) ? coupon.user : asker.user;
      const isHeld = redis.places.get(owner)?.some((place) => place.live && place.coupon === coupon);
      const isPending = isHeld && redis.outbox.includes(coupon);
      if (isPending && !isKept(this.admit({ coupon, epoch: redis.epoch }))) return "conflict";
    }
    if (!this.states.has(coupon)) return "unknown";
    return asker.operator || asker.user === coupon.user ? undefined : "forbidden";
  }

  use(coupon: Issuance, asker: Asker, order: string): ActWord {
    const refusal = this.#refusal(coupon, asker);
    if (refusal) return refusal;
    if (this.states.get(coupon) === "confirmed") {
      this.states.set(coupon, "used");
      this.orders.set(coupon, order);
    }
    return this.states.get(coupon) === "used" && this.orders.get(coupon) === order ? "used" : "conflict";
  }

  cancel(coupon: Issuance, asker: Asker, cut: Cut): ActWord {
    const refusal = this.#refusal(coupon, asker);
    if (refusal) return refusal;
    if (this.states.get(coupon) === "cancelled") return "cancelled";
    if (this.states.get(coupon) !== "confirmed") return "conflict";
    this.states.set(coupon, "cancelled");
    this.givingBack.add(coupon);
    if (cut === "before-free") return "failed";
    this.giveBack(coupon, cut);
    return "cancelled";
  }

  /** The rest of a give-back. @returns whether it is complete */
  giveBack(coupon: Issuance, cut: Cut = "nowhere"): boolean {
    this.#setFree(coupon);
    return cut !== "before-release" && this.#release(coupon, true) && this.givingBack.delete(coupon);
  }

  // ── Dead letters ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** @param passing whether the letter says only that something was in the way */
  triage(letter: Message, passing: boolean): Decision {
    const { coupon, epoch } = letter;
    const name = JSON.stringify([coupon, epoch]);
    // During a recovery it is tried at once: sent round again, it might come behind the recovery's close.
    if (!this.states.has(coupon) && passing && !this.recovery) {
      this.letters.set(name, letter);
      const redrives = this.redrives.get(name) ?? 0;
      if (redrives >= REDRIVES_MOST) return "kept";
      this.redrives.set(name, redrives + 1);
      this.queue.push(letter);
      return "redriven";
    }
    if (this.states.has(coupon) || isKept(this.admit(letter))) {
      this.letters.delete(name);
      this.settle(coupon);
      return "settled";
    }
    this.states.set(coupon, "revoked");
    this.#setFree(coupon);
    this.former.add(coupon);
    const row = this.tickets.get(coupon.ticket);
    if (!this.#release(coupon, !row || row.free)) return "failed";
    this.settle(coupon);
    return "compensated";
  }

  // ── Loss and recovery ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** Another server answers, with what a replica had, or with nothing. */
  lose(left: RedisState | undefined): void {
    this.server++;
    this.redis = left;
  }

  /** Follows a recovery to the step that it has reached. */
  recoverTo(reached: RecoveryStep): void {
    if (this.redis && this.redis.node !== this.server) this.#update({ fenced: true });
    if (!this.recovery || (this.recovery.step === "opening" && !this.isWell)) {
      this.recovery = { step: "fenced", epoch: this.epoch + 1 };
    }
    const { step, epoch } = this.recovery;
    const { outbox = [], epoch: decidedIn = 0 } = this.redis ?? {};
    for (const next of RECOVERY_STEPS.slice(RECOVERY_STEPS.indexOf(step) + 1, RECOVERY_STEPS.indexOf(reached) + 1)) {
      this.recovery = { step: next, epoch };
      // What the ledger does not take becomes a dead letter, and is decided about when it comes out.
      if (next === "draining") for (const coupon of outbox) this.admit({ coupon, epoch: decidedIn });
      if (next === "closing") {
        for (const letter of this.letters.values()) this.admit(letter);
        this.epoch = epoch;
      }
      if (next === "rebuilding") this.#clear(epoch);
      if (next === "opening") this.#fill(epoch);
    }
    if (reached === "done") this.recovery = undefined;
  }

  /** From here on nothing counts but the ledger; only closing time stays latched. */
  #clear(epoch: number): void {
    const { terms, redis, server: node } = this;
    const closed = redis?.closed === true && redis.closesAt === terms.closesAt;
    this.redis = { ...terms, node, epoch, fenced: true, closed, highest: 0, free: [], places: new Map(), outbox: [] };
  }

  /** Redis as the ledger says it must be: every ticket below the highest is somebody's, or free. */
  #fill(epoch: number): void {
    // It may have been lost once more since it was cleared.
    this.#clear(epoch);
    const places = new Map<string, Place[]>();
    const free: number[] = [];
    let highest = 0;
    for (const [ticket, { coupon, free: isFree }] of [...this.tickets].sort(([a], [b]) => a - b)) {
      while (!isFree && ++highest < ticket) free.push(highest);
      const its = places.get(coupon.user) ?? [];
      while (its.length < coupon.nth) its.push({ coupon: undefined, live: false });
      const standing = its[coupon.nth - 1];
      // A place keeps the last coupon that was given back there, for a replay under its key.
      const isLater = !standing?.live && coupon.issuedAt > (standing?.coupon?.issuedAt ?? 0);
      if (!isFree || isLater) its[coupon.nth - 1] = { coupon, live: !isFree };
      places.set(coupon.user, its);
    }
    this.#update({ fenced: false, highest, free, places });
  }
}
