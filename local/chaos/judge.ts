import type { Asked, GivenBack, Testimony, ToldCoupon } from "./testimony.ts";

/** A ticket item of the ledger. */
export interface TicketRow {
  readonly ticket: number;
  readonly userId: string;
  readonly couponId: string;
  /** Given back, and not taken again. */
  readonly isFree: boolean;
}

/** A coupon item of the ledger. */
export interface CouponRow {
  readonly couponId: string;
  readonly userId: string;
  readonly ticket: number;
  readonly nth: number;
  readonly state: string;
  /** Kept for the record: another coupon stands in its place, or it was revoked. */
  readonly isFormer: boolean;
  readonly reason?: string;
}

export interface LedgerRows {
  readonly tickets: readonly TicketRow[];
  readonly coupons: readonly CouponRow[];
}

export interface Evidence {
  readonly stock: number;
  readonly perUser: number;
  readonly testimony: Testimony;
  readonly ledger: LedgerRows;
  /** By the campaign document after all has settled; undefined when it could not be read. */
  readonly remaining: number | undefined;
  /** When the last fault was over, on the testimony's clock. */
  readonly faultsOverAt: number;
  /** Why things had not settled when the time for it was over; undefined when they had. */
  readonly unsettled: string | undefined;
}

/**
 * `entry`: until the last fault is over, nothing undocumented is said. `hold`: a fenced campaign issues nothing. `recovery`:
 * after it, all is well within the time for it.
 */
export type Phase = "entry" | "hold" | "recovery";

export interface Violation {
  readonly phase: Phase;
  readonly user?: string;
  readonly ticket?: number;
  readonly what: string;
}

export interface Judgement {
  /** Coupons told with 201. */
  readonly told: number;
  /** Coupons told with 202, and never with 201: no promise. */
  readonly accepted: number;
  /** Of those told: confirmed, used, or cancelled by their user. */
  readonly kept: number;
  /** Of those told: taken away with a reason. Allowed; the target is none. */
  readonly revoked: number;
  readonly cancelled: number;
  readonly oversold: number;
  /** Users who hold more than they may. */
  readonly duplicates: number;
  readonly lostStock: number;
  readonly violations: readonly Violation[];
}

const LIVE: ReadonlySet<string> = new Set(["confirmed", "used"]);

/** The coupons that count: those that stand in their place, and were not given back. */
export function liveCoupons({ coupons }: LedgerRows): CouponRow[] {
  return coupons.filter(({ isFormer, state }) => !isFormer && LIVE.has(state));
}

/** What has become of a coupon: the record of a former one is later than what stands in its place. */
function fateOf(couponId: string, coupons: readonly CouponRow[]): CouponRow | undefined {
  const rows = coupons.filter((row) => row.couponId === couponId);
  return rows.find(({ isFormer }) => isFormer) ?? rows[0];
}

/** Coupons told with 201, each once. */
export function toldCoupons({ asked }: Testimony): Map<string, Asked & { coupon: ToldCoupon }> {
  const told = new Map<string, Asked & { coupon: ToldCoupon }>();
  for (const answer of asked) {
    const { coupon } = answer;
    if (coupon && answer.word === "issued" && !told.has(coupon.couponId))
      told.set(coupon.couponId, { ...answer, coupon });
  }
  return told;
}

/** Judges a round. Nothing but its argument decides. */
export function judge(evidence: Evidence): Judgement {
  const { ledger, testimony, unsettled } = evidence;
  const told = toldCoupons(testimony);
  const accepted = new Set(
    testimony.asked.flatMap(({ word, coupon }) => (word === "accepted" && coupon ? [coupon.couponId] : [])),
  );
  for (const couponId of told.keys()) accepted.delete(couponId);

  const promises = judgePromises(evidence, told);
  const oversold = judgeTickets(evidence);
  const duplicates = judgeUsers(evidence);
  const stock = judgeStock(evidence);
  const late: Violation[] = unsettled === undefined ? [] : [{ phase: "recovery", what: unsettled }];
  return {
    told: told.size,
    accepted: accepted.size,
    kept: promises.kept,
    revoked: promises.revoked,
    cancelled: new Set(ledger.coupons.filter(({ state }) => state === "cancelled").map(({ couponId }) => couponId))
      .size,
    oversold: oversold.length,
    duplicates: duplicates.length,
    lostStock: stock.lost,
    violations: [
      ...judgeAnswers(evidence),
      ...judgeFence(testimony),
      ...oversold,
      ...duplicates,
      ...promises.violations,
      ...stock.violations,
      ...judgeReplays(evidence),
      ...late,
    ],
  };
}

/** Nothing but documented answers, whatever is broken. */
function judgeAnswers({ testimony, faultsOverAt }: Evidence): Violation[] {
  const { asked, givenBack, sightings } = testimony;
  return [...asked, ...givenBack, ...sightings].flatMap((answer) =>
    answer.flaw === undefined
      ? []
      : [
          {
            phase: answer.answeredAt <= faultsOverAt ? ("entry" as const) : ("recovery" as const),
            ...("user" in answer ? { user: answer.user } : {}),
            what: answer.flaw,
          },
        ],
  );
}

/** Between two sightings in a row of a fenced campaign, nothing was issued. */
function judgeFence({ asked, sightings }: Testimony): Violation[] {
  const fenced = sightings.flatMap((sighting, index) => {
    const before = sightings[index - 1];
    const isFenced = before?.state === "recovering" && sighting.state === "recovering";
    return isFenced ? [{ from: before.answeredAt, to: sighting.sentAt }] : [];
  });
  return asked.flatMap(({ word, user, coupon, sentAt, answeredAt }) => {
    if (word !== "issued" && word !== "accepted") return [];
    if (!fenced.some(({ from, to }) => sentAt > from && answeredAt < to)) return [];
    const ticket = coupon ? { ticket: coupon.ticket } : {};
    return [{ phase: "hold" as const, user, ...ticket, what: `told "${word}" while the campaign was fenced` }];
  });
}

/** G1: live tickets are of 1…stock, and each is held once, by the one in whose name it is taken. */
function judgeTickets({ stock, ledger }: Evidence): Violation[] {
  const violations: Violation[] = [];
  const live = liveCoupons(ledger);
  const taken = new Map(ledger.tickets.map((row) => [row.ticket, row]));
  const seen = new Map<number, CouponRow>();
  for (const row of live) {
    const { ticket, userId: user } = row;
    const blame = (what: string) => violations.push({ phase: "recovery", user, ticket, what });
    const other = seen.get(ticket);
    const taker = taken.get(ticket);
    if (other) blame(`the ticket is also held by ${other.userId}`);
    else if (!(Number.isInteger(ticket) && ticket >= 1 && ticket <= stock)) blame(`the ticket is not of 1…${stock}`);
    else if (taker?.couponId !== row.couponId || taker.isFree) blame("the ticket is not taken in the holder's name");
    seen.set(ticket, row);
  }
  if (live.length > stock) violations.push({ phase: "recovery", what: `${live.length} live coupons of ${stock}` });
  return violations;
}

/** G2: nobody holds more than `perUser`. */
function judgeUsers({ perUser, ledger }: Evidence): Violation[] {
  const byUser = Map.groupBy(liveCoupons(ledger), ({ userId }) => userId);
  return [...byUser].flatMap(([user, rows]) =>
    rows.length <= perUser
      ? []
      : [
          {
            phase: "recovery" as const,
            user,
            what: `holds ${rows.length} coupons: ${rows.map((row) => row.ticket).join(", ")}`,
          },
        ],
  );
}

/** G3: what was told with 201 is in the ledger, and what was said to be given back stays so. */
function judgePromises(
  { ledger, testimony }: Evidence,
  told: ReadonlyMap<string, Asked & { coupon: ToldCoupon }>,
): { kept: number; revoked: number; violations: Violation[] } {
  const violations: Violation[] = [];
  const byId = Map.groupBy(ledger.coupons, ({ couponId }) => couponId);
  const takers = new Map(ledger.tickets.map((row) => [row.ticket, row]));
  const attempts = Map.groupBy(testimony.givenBack, ({ couponId }) => couponId);
  let kept = 0;
  let revoked = 0;
  for (const [couponId, { user, coupon }] of told) {
    const row = fateOf(couponId, byId.get(couponId) ?? []);
    const blame = (what: string) => violations.push({ phase: "recovery", user, ticket: coupon.ticket, what });
    if (coupon.userId !== user) blame(`told "issued" in the name of ${coupon.userId}`);
    if (!row) {
      const taker = takers.get(coupon.ticket);
      blame(`told "issued", and the ledger does not have it${taker ? `; the ticket is ${taker.userId}'s` : ""}`);
    } else if (row.userId !== user || row.ticket !== coupon.ticket) {
      blame(`told "issued", and the ledger has it as ticket ${row.ticket} of ${row.userId}`);
    } else if (LIVE.has(row.state) && !row.isFormer) kept++;
    else if (row.state === "cancelled" && attempts.has(couponId)) kept++;
    else if (row.state === "revoked" && row.reason) revoked++;
    else blame(`told "issued", and the ledger has it ${row.state}${row.isFormer ? ", as a former one" : ""}`);
  }
  for (const [couponId, tries] of attempts) {
    const denied = tries.find(
      ({ word, sentAt }) => word === "unknown" && sentAt > (told.get(couponId)?.answeredAt ?? sentAt),
    );
    if (denied)
      violations.push({ phase: "recovery", user: denied.user, what: 'told "unknown" of a coupon after "issued"' });
    const done = tries.find(({ word }) => word === "cancelled");
    const state = fateOf(couponId, byId.get(couponId) ?? [])?.state;
    if (!done || state === "cancelled") continue;
    violations.push({
      phase: "recovery",
      user: done.user,
      what: `told "cancelled", and the coupon is ${state ?? "unknown"}`,
    });
  }
  return { kept, revoked, violations };
}

/** G4: what is not held is still to be had, and no ticket is taken without a holder. */
function judgeStock({ stock, ledger, remaining }: Evidence): { lost: number; violations: Violation[] } {
  const violations: Violation[] = [];
  const live = liveCoupons(ledger);
  const left = stock - live.length;
  const blame = (what: string, ticket?: number) =>
    violations.push({ phase: "recovery", ...(ticket === undefined ? {} : { ticket }), what });
  if (remaining === undefined) blame("the campaign document could not be read");
  else if (remaining !== left) blame(`${remaining} remain, and ${stock} − ${live.length} held is ${left}`);
  const holders = new Set(live.map(({ couponId }) => couponId));
  const orphans = ledger.tickets.filter(({ isFree, couponId }) => !isFree && !holders.has(couponId));
  for (const { ticket, userId } of orphans) blame(`taken by ${userId}, who does not hold it`, ticket);
  return { lost: Math.max(Math.abs(left - (remaining ?? left)), orphans.length), violations };
}

/** What a user who holds a coupon is not told when they ask again. */
const REFUSALS: ReadonlySet<string> = new Set(["sold-out", "limit-reached"]);

/** G5: whoever was told a coupon with 201 is told the same one again, under the same key, until they give it back. */
function judgeReplays({ testimony: { asked, givenBack }, ledger }: Evidence): Violation[] {
  const violations: Violation[] = [];
  const revoked = new Set(ledger.coupons.flatMap(({ state, couponId }) => (state === "revoked" ? [couponId] : [])));
  const cancels = Map.groupBy(givenBack, ({ couponId }) => couponId);
  const threads = Map.groupBy(asked, ({ user, key }) => JSON.stringify([user, key ?? null]));
  for (const answers of threads.values()) {
    for (const first of answers) {
      const { user, word, coupon } = first;
      if (word !== "issued" || !coupon || revoked.has(coupon.couponId)) continue;
      const stray = answers.find((later) => strays(first, later, cancels.get(coupon.couponId) ?? []));
      if (!stray) continue;
      const other = stray.coupon ? `"${stray.word}" with ticket ${stray.coupon.ticket}` : `"${stray.word}"`;
      violations.push({ phase: "recovery", user, ticket: coupon.ticket, what: `told ${other} after "issued"` });
    }
  }
  return violations;
}

/** Whether a later answer breaks the promise of an earlier one. */
function strays(first: Asked, later: Asked, cancels: readonly GivenBack[]): boolean {
  if (later.sentAt <= first.answeredAt || later.coupon?.couponId === first.coupon?.couponId) return false;
  if (!later.coupon && !REFUSALS.has(later.word)) return false;
  return !cancels.some(({ sentAt }) => sentAt < later.answeredAt);
}
