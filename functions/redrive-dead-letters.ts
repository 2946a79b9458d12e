import { redriveLetters } from "../core/coupons/triage.ts";
import { redriveDeadLetters } from "./contract/operations.ts";
import { endpoint } from "./http/endpoint.ts";
import { base } from "./stores/base.ts";
import { confirmations } from "./stores/confirmations.ts";
import { table } from "./stores/table.ts";

const ctx = { ...base, table, confirmations };

export const handler = endpoint(redriveDeadLetters, async ({ body }) => ({
  word: "redriven",
  body: await redriveLetters(ctx, body?.letterIds),
}));
