import { openTable } from "../../core/doors/dynamodb.ts";
import { settings } from "./settings.ts";

/** The ledger's table. */
export const table = openTable(settings.ledger());
