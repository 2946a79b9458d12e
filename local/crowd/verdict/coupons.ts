import { type Evidence, isThroughLoss, type Judged, stintsOf, type Violation } from "./evidence.ts";

/**
 * A coupon takes a valid pass of one's own, and nothing else does; and a valid pass does. Whoever was given one with it hears that
 * answer again after the pass has ended. A pass of before a loss is void: the room says so, and gives what was left of it anew.
 */
export function judgePasses({ calls, holders, losses, rules }: Evidence): Judged {
  const violations: Violation[] = [];
  const insideFrom = new Map<string, number>();
  for (const { user, told } of [...stintsOf(calls).values()].flat()) {
    const first = told.find(({ ticket }) => ticket.state === "admitted");
    if (first) insideFrom.set(user, first.sentAt);
  }
  const givenFrom = new Map<string, number>();
  for (const { user, coupon, shown, answeredAt } of calls) {
    if (coupon && shown === "pass") givenFrom.set(user, Math.min(answeredAt, givenFrom.get(user) ?? answeredAt));
  }
  let refused = 0;
  let served = 0;
  for (const { user, shown, status, word, sentAt, answeredAt } of calls) {
    // What was not decided says nothing of the pass.
    if (shown === undefined || status === 0 || status === 429 || status >= 500) continue;
    const isRefused = word === "pass-required";
    const isReplay = word === "replayed" && (givenFrom.get(user) ?? Number.POSITIVE_INFINITY) <= sentAt;
    if (shown === "expired-pass" && isReplay) served++;
    else if (shown !== "pass") {
      if (isRefused) refused++;
      else violations.push({ user, what: `was told "${word}" on ${NAMES[shown]}` });
    } else if (!isRefused) served++;
    else {
      const from = insideFrom.get(user);
      const isVoid = from !== undefined && isThroughLoss(losses, from, answeredAt);
      if (from !== undefined && !isVoid && answeredAt < from + rules.passMs && sentAt >= from) {
        violations.push({ user, what: "was refused with a valid pass" });
      }
    }
  }
  for (const { userId, ticket } of holders) {
    if (!insideFrom.has(userId))
      violations.push({ user: userId, what: `holds ticket ${ticket}, and was never inside` });
  }
  return { violations, note: `${served} with a pass, ${refused} refused with none or another` };
}

const NAMES = {
  "no-pass": "no pass",
  "expired-pass": "an expired pass",
  "strangers-pass": "a stranger's pass",
  "damaged-pass": "a damaged pass",
  "ticket-as-pass": "a ticket in place of a pass",
} as const;

/** No more coupons than the stock: of those that clients were told of, and of those in the ledger. */
export function judgeStock({ calls, holders, rules }: Evidence): Judged {
  const { stock } = rules;
  const violations: Violation[] = [];
  const told = new Map<number, string>();
  for (const { user, coupon } of calls) {
    if (!coupon) continue;
    const { ticket } = coupon;
    const other = told.get(ticket);
    if (ticket < 1 || ticket > stock) violations.push({ user, what: `was told of ticket ${ticket} of ${stock}` });
    if (other !== undefined && other !== user)
      violations.push({ user, what: `was told of ticket ${ticket}, as was ${other}` });
    told.set(ticket, user);
  }
  if (told.size > stock) violations.push({ what: `${told.size} coupons were told of` });
  if (holders.length > stock) violations.push({ what: `the ledger has ${holders.length} coupons` });
  return { violations, note: `${told.size} told, ${holders.length} in the ledger, of ${stock}` };
}

/** No answer but documented ones, and every run of the schedule ended well. */
export function judgeAnswers({ calls, schedules }: Evidence): Judged {
  const violations: Violation[] = calls.flatMap(({ user, flaw }) => (flaw === undefined ? [] : [{ user, what: flaw }]));
  for (const what of schedules.failures) violations.push({ what });
  return { violations, note: `${calls.length} answers, ${schedules.runs} runs of the schedule` };
}
