import { type Answer, isUnclear, type ToldCoupon } from "./answer.ts";

/** A ticket item of the ledger. */
export interface TicketRow {
  readonly ticket: number;
  readonly userId: string;
  readonly nth: number;
  readonly couponId: string;
  /** Whether the item stands under the key that its content belongs to: only then is the key's uniqueness the ticket's. */
  readonly keyFits: boolean;
}

/** A coupon item of the ledger. */
export interface CouponRow extends TicketRow {
  readonly state: string;
  readonly confirmedAt: number;
}

export interface LedgerRows {
  readonly tickets: readonly TicketRow[];
  readonly coupons: readonly CouponRow[];
}

/** The campaign document after all has settled; `remaining` is undefined when it could not be read. */
export interface CampaignFacts {
  readonly stock: number;
  readonly perUser: number;
  readonly remaining: number | undefined;
}

export interface Evidence {
  readonly campaign: CampaignFacts;
  readonly ledger: LedgerRows;
  readonly answers: readonly Answer[];
}

export interface Violation {
  readonly user?: string;
  readonly ticket?: number;
  readonly what: string;
}

export interface Finding {
  readonly id: "G1" | "G2" | "G3" | "G4" | "G5" | "API";
  readonly title: string;
  readonly holds: boolean;
  readonly violations: readonly Violation[];
  /** What was looked at, in figures. */
  readonly note: string;
}

/** Says of each guarantee whether it held. Nothing but its argument decides, and the order of rows and answers does not. */
export function judge(evidence: Evidence): Finding[] {
  const finding = (id: Finding["id"], title: string, { violations, note }: Judged): Finding => ({
    id,
    title,
    holds: violations.length === 0,
    violations,
    note,
  });
  return [
    finding("G1", "never oversold", judgeTickets(evidence)),
    finding("G2", "never twice", judgeUsers(evidence)),
    finding("G3", "told is kept", judgeTold(evidence)),
    finding("G4", "no stock lost", judgeStock(evidence)),
    finding("G5", "a replay gets the first answer", judgeReplays(evidence)),
    finding("API", "no answer but documented ones", judgeAnswers(evidence)),
  ];
}

interface Judged {
  readonly violations: Violation[];
  readonly note: string;
}

/** Coupons that count: a cancelled or revoked one has given its ticket back. */
export function holdersOf(ledger: LedgerRows): CouponRow[] {
  return ledger.coupons.filter(({ state }) => state !== "cancelled" && state !== "revoked");
}

/** Tickets of 1…stock that somebody holds. */
export function heldTickets(ledger: LedgerRows, stock: number): Set<number> {
  const held = new Set<number>();
  for (const { ticket } of holdersOf(ledger)) if (isWithin(ticket, stock)) held.add(ticket);
  return held;
}

function isWithin(number: number, most: number): boolean {
  return Number.isInteger(number) && number >= 1 && number <= most;
}

/** G1: tickets are of 1…stock, each is held once, and each holder's ticket is really taken in their name. */
function judgeTickets({ campaign: { stock }, ledger }: Evidence): Judged {
  const violations: Violation[] = [];
  const blame = ({ userId, ticket }: TicketRow, what: string) => violations.push({ user: userId, ticket, what });
  const takers = new Map(ledger.tickets.map((row) => [row.ticket, row.couponId]));
  for (const row of ledger.tickets) {
    if (!row.keyFits) blame(row, "its ticket item stands under the key of another ticket");
    if (!isWithin(row.ticket, stock)) blame(row, `the ledger has taken a ticket that is not of 1…${stock}`);
  }
  const holders = holdersOf(ledger);
  const seen = new Map<number, CouponRow>();
  for (const row of holders) {
    const other = seen.get(row.ticket);
    if (other) blame(row, `the ticket is also held by ${other.userId}`);
    else if (!isWithin(row.ticket, stock)) blame(row, `holds a ticket that is not of 1…${stock}`);
    else if (takers.get(row.ticket) !== row.couponId) blame(row, "holds a ticket that is not taken in their name");
    seen.set(row.ticket, row);
  }
  if (holders.length > stock) violations.push({ what: `${holders.length} coupons of a stock of ${stock}` });
  return { violations, note: `${holders.length} of ${stock} tickets held` };
}

/** G2: no user above `perUser`, and (user, nth) once. */
function judgeUsers({ campaign: { perUser }, ledger }: Evidence): Judged {
  const violations: Violation[] = [];
  const byUser = Map.groupBy(holdersOf(ledger), ({ userId }) => userId);
  for (const [user, rows] of byUser) {
    const nths = new Set(rows.map(({ nth }) => nth));
    const [first] = rows;
    const ticket = first?.ticket ?? 0;
    if (rows.length > perUser) {
      violations.push({ user, ticket, what: `holds ${rows.length} coupons: tickets ${listTickets(rows)}` });
    } else if (nths.size < rows.length) {
      violations.push({ user, ticket, what: `holds one nth twice: tickets ${listTickets(rows)}` });
    } else if (rows.some(({ nth }) => !isWithin(nth, perUser))) {
      violations.push({ user, ticket, what: `holds a coupon whose nth is not of 1…${perUser}` });
    } else if (rows.some(({ keyFits }) => !keyFits)) {
      violations.push({ user, ticket, what: "their coupon item stands under the key of another" });
    }
  }
  return { violations, note: `${byUser.size} users, at most ${perUser} each` };
}

function listTickets(rows: readonly CouponRow[]): string {
  return rows.map(({ ticket }) => ticket).join(", ");
}

/** All that was answered to one user under one key. This crowd never mixes asking with and without a key. */
interface Thread {
  readonly user: string;
  readonly answers: Answer[];
}

function threadsOf(answers: readonly Answer[]): Thread[] {
  const threads = new Map<string, Thread>();
  for (const answer of answers) {
    const id = JSON.stringify([answer.user, answer.key ?? null]);
    const thread = threads.get(id);
    if (thread) thread.answers.push(answer);
    else threads.set(id, { user: answer.user, answers: [answer] });
  }
  return [...threads.values()];
}

/** A coupon that a user may count on, and the word that it was promised with. */
export interface Promised {
  readonly user: string;
  readonly word: string;
  readonly coupon: ToldCoupon;
}

/**
 * The coupons that clients were told of. A replay counts only where the first answer was lost on its way: elsewhere it is
 * G5 that says what a replay must be.
 */
export function promisedCoupons(answers: readonly Answer[]): Promised[] {
  const promised = new Map<string, Promised>();
  for (const { user, answers: told } of threadsOf(answers)) {
    const withCoupon = told.filter(({ coupon }) => coupon !== undefined);
    const firsts = withCoupon.filter(({ word }) => word !== "replayed");
    for (const { word, coupon } of firsts.length > 0 ? firsts : withCoupon) {
      if (coupon === undefined) continue;
      const id = JSON.stringify([user, coupon.couponId, coupon.ticket]);
      if (promised.get(id)?.word !== "issued") promised.set(id, { user, word, coupon });
    }
  }
  return [...promised.values()];
}

/** G3: what was told with 201 is in the ledger; after settling, so is what was told otherwise. */
function judgeTold({ ledger, answers }: Evidence): Judged {
  const violations: Violation[] = [];
  const kept = new Map(ledger.coupons.map((row) => [row.couponId, row]));
  const takers = new Map([...ledger.coupons, ...ledger.tickets].map((row) => [row.ticket, row]));
  const told = new Map<string, { all: number; kept: number }>([["issued", { all: 0, kept: 0 }]]);
  for (const { user, word, coupon } of promisedCoupons(answers)) {
    const { ticket, couponId } = coupon;
    const row = kept.get(couponId);
    const isKept = row?.ticket === ticket && row.userId === user && coupon.userId === user;
    const count = told.get(word) ?? { all: 0, kept: 0 };
    told.set(word, { all: count.all + 1, kept: count.kept + (isKept ? 1 : 0) });
    if (isKept) continue;
    const promise = coupon.userId === user ? `told "${word}"` : `told "${word}" in the name of ${coupon.userId}`;
    violations.push({ user, ticket, what: `${promise}; the ledger ${entryOf(couponId, row, takers.get(ticket))}` });
  }
  const note = [...told].map(([word, count]) => `${word}: ${count.kept} of ${count.all} in the ledger`).join("; ");
  const revoked = ledger.coupons.filter(({ state }) => state === "revoked").length;
  return { violations, note: revoked === 0 ? note : `${note}; revoked: ${revoked}` };
}

function entryOf(couponId: string, row: CouponRow | undefined, taker: TicketRow | undefined): string {
  if (row) return `has the coupon as ticket ${row.ticket} of ${row.userId}`;
  if (!taker) return "does not have it";
  return taker.couponId === couponId ? "has taken the ticket only" : `has the ticket as ${taker.userId}'s`;
}

/** G4: what is not held is still to be had, and nothing is left over while users went away empty-handed. */
function judgeStock({ campaign: { stock, perUser, remaining }, ledger, answers }: Evidence): Judged {
  const violations: Violation[] = [];
  const held = heldTickets(ledger, stock);
  const left = stock - held.size;
  if (remaining === undefined) violations.push({ what: "the campaign document could not be read" });
  else if (remaining !== left) {
    violations.push({ what: `remaining is ${remaining}, and ${stock} − ${held.size} held is ${left}` });
  }

  const coupons = new Set(ledger.coupons.map(({ couponId }) => couponId));
  for (const { ticket, userId, couponId } of ledger.tickets) {
    if (!coupons.has(couponId))
      violations.push({ user: userId, ticket, what: "the ticket is taken and nobody holds it" });
  }

  const demand = demandOf(answers, perUser);
  const disappointed = answers.some(({ word }) => word === "sold-out");
  if (left > 0 && (demand >= stock || disappointed)) {
    const why = demand >= stock ? `${demand} were wanted` : `users were told "sold-out"`;
    let ticket = 1;
    while (held.has(ticket)) ticket++;
    violations.push({ ticket, what: `the first of ${left} that nobody holds, although ${why}` });
  }
  return { violations, note: `${remaining ?? "?"} remaining, ${held.size} held, ${demand} wanted` };
}

/** Coupons that users wanted and were decided upon: who gave up before that has left no claim. */
function demandOf(answers: readonly Answer[], perUser: number): number {
  const wishes = new Map<string, number>();
  for (const { user, answers: told } of threadsOf(answers)) {
    const isDecided = told.some(({ word, coupon }) => coupon || word === "sold-out" || word === "limit-reached");
    if (isDecided) wishes.set(user, (wishes.get(user) ?? 0) + 1);
  }
  return [...wishes.values()].reduce((sum, wish) => sum + Math.min(wish, perUser), 0);
}

/** G5: one user and key, one coupon, told as new once, and never refused again. */
function judgeReplays({ answers }: Evidence): Judged {
  const violations: Violation[] = [];
  let replays = 0;
  for (const { user, answers: told } of threadsOf(answers)) {
    const withCoupon = told.flatMap((answer) => (answer.coupon ? [{ ...answer, coupon: answer.coupon }] : []));
    const [first] = withCoupon;
    if (!first) continue;
    replays += withCoupon.filter(({ word }) => word === "replayed").length;
    const blame = (what: string) => violations.push({ user, ticket: first.coupon.ticket, what });

    const identities = new Set(withCoupon.map(({ coupon }) => identityOf(coupon)));
    if (identities.size > 1) blame(`told of different coupons: ${[...identities].join(" and ")}`);

    const firsts = withCoupon.filter(({ word }) => word !== "replayed").length;
    if (firsts > 1) blame(`told ${firsts} times that the coupon is new`);
    // A first answer can only be missing if it was lost on its way.
    if (firsts === 0 && !told.some(isUnclear)) blame("told of a replay, and never of a first");

    const knownAt = Math.min(...withCoupon.map(({ answeredAt }) => answeredAt));
    const refused = told.find(({ word, sentAt }) => REFUSES.has(word) && sentAt > knownAt);
    if (refused) blame(`told "${refused.word}" after the coupon`);
  }
  return { violations, note: `${replays} replays` };
}

const REFUSES = new Set(["sold-out", "limit-reached", "not-open", "closed", "unknown"]);

function identityOf({ couponId, ticket, nth, issuedAt }: ToldCoupon): string {
  return `${couponId} (ticket ${ticket}, nth ${nth}, ${issuedAt})`;
}

function judgeAnswers({ answers }: Evidence): Judged {
  const violations = answers.flatMap(({ user, flaw }) => (flaw === undefined ? [] : [{ user, what: flaw }]));
  return { violations, note: `${answers.length} answers` };
}
