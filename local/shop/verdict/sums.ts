import { SUMMED, type Summed } from "../boards.ts";
import type { Recount, Sums } from "../recount.ts";
import type { Judged, Seen, Violation } from "./evidence.ts";

export const NAMES = ["views", "likes", "carts", "units", "amount"] as const;
export const NOTHING: Sums = { views: 0, likes: 0, carts: 0, units: 0, amount: 0 };

/** Each product's sums in a window, and the sums of all, are those of the recount: equal integers. */
export function judgeSums(window: Summed, seen: Seen, recount: Recount): Judged {
  const place = SUMMED.indexOf(window);
  const expected = recount.window(window, seen.from);
  const violations: Violation[] = [];
  const products = new Set([...expected.keys(), ...seen.records.keys()]);
  for (const product of products) {
    const what = difference(seen.records.get(product)?.windows[place] ?? NOTHING, expected.get(product) ?? NOTHING);
    if (what) violations.push({ product, what });
  }
  const total = { ...NOTHING };
  for (const sums of expected.values()) for (const name of NAMES) total[name] += sums[name];
  const what = difference(seen.totals[place] ?? NOTHING, total);
  if (what) violations.push({ what: `in all ${what}` });
  return { violations, compared: products.size };
}

function difference(found: Sums, wanted: Sums): string | undefined {
  const parts = NAMES.filter((name) => found[name] !== wanted[name]).map(
    (name) => `${found[name]} ${name}, the recount has ${wanted[name]}`,
  );
  return parts.length > 0 ? parts.join("; ") : undefined;
}

/**
 * Views of actors, looked at alone: products that bots viewed have no more views than the cap allows, and no view of anybody else was
 * taken for one too many.
 * @param ofBots the products that bots viewed
 */
export function judgeCap(seen: Seen, recount: Recount, ofBots: ReadonlySet<string>): { bots: Judged; others: Judged } {
  const expected = recount.window("7d", seen.from);
  const bots: Violation[] = [];
  const others: Violation[] = [];
  let viewed = 0;
  for (const [product, { views: wanted }] of expected) {
    const found = seen.records.get(product)?.windows[2]?.views ?? 0;
    const isOfBot = ofBots.has(product);
    if (isOfBot) viewed++;
    if (isOfBot && found > wanted) {
      bots.push({ product, what: `${found - wanted} views more than the cap lets through` });
    }
    if (found < wanted) others.push({ product, what: `${wanted - found} views too few` });
  }
  return {
    bots: { violations: bots, compared: viewed },
    others: { violations: others, compared: expected.size },
  };
}
