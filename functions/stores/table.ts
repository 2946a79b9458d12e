import { openTable } from "../../core/doors/dynamodb.ts";
import { settings } from "./settings.ts";
import { timed } from "./timed.ts";

/** The ledger's table. */
export const table = timed("ledger", openTable(settings.ledger()));
