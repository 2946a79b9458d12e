import { deployed } from "./deployed.ts";
import { table } from "./settings.ts";

/**
 * The ledger, which has the last word: on demand, so that an opening needs no plan (a new table takes 4,000 writes a second at
 * once), restorable to any second of the last 35 days, encrypted. Items with a `ttl` go by themselves.
 */
export const ledger = new sst.aws.Dynamo("Ledger", {
  fields: { [table.hashKey]: "string", [table.rangeKey]: "string" },
  primaryIndex: { hashKey: table.hashKey, rangeKey: table.rangeKey },
  ttl: table.ttl,
  deletionProtection: deployed.sizes.keepsLedger,
});
