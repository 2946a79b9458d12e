import { coupons } from "../core/coupons/ledger.ts";
import { limits } from "../core/limits.ts";
import { listCoupons } from "./contract/coupons.ts";
import { endpoint } from "./http/endpoint.ts";
import { afterOf, couponView, cursorOf } from "./http/views.ts";
import { table } from "./stores/table.ts";

export const handler = endpoint(listCoupons, async ({ query, caller }) => {
  const page = { limit: query.limit ?? limits.pageRowsDefault, after: afterOf(query.cursor) };
  const { items, after } = await coupons.ofUser({ table }, caller.userId, page);
  return { word: "listed", body: { items: items.map(couponView), ...cursorOf(after) } };
});
