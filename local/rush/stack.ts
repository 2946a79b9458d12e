import { fileURLToPath } from "node:url";
import { answers, type Lease, leaseStack, NoStack, stackFileOf, type Terms } from "../lease.ts";
import { readStackFile, type StackFile } from "../stack-file.ts";
import type { Options } from "./options.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** What a rush needs to know of a stack. */
export interface Stack {
  readonly api: string;
  readonly dynamodb: string;
  readonly table: string;
}

/** A reason not to hold the rush that its user can mend. */
export class NoRush extends Error {}

/**
 * Finds the stack that the options mean. Only where they name none, and none is running, one is started.
 *
 * @throws {NoStack} When there is none to be had.
 */
export async function obtainStack(
  options: Pick<Options, "api" | "stack">,
  how: Pick<Terms, "say" | "interrupted">,
): Promise<Lease> {
  const terms = { ...how, root: ROOT, env: process.env };
  if (options.api === undefined && options.stack === undefined) return leaseStack(terms);
  const path = options.stack ?? stackFileOf(terms);
  const file = readStackFile(path);
  if (!file) throw new NoStack(`${path} describes no running stack.`);
  const api = options.api ?? file.api;
  if (!(await answers(api, terms.interrupted))) throw new NoStack(`${api} does not answer.`);
  return { stack: { ...file, api }, stop: async () => {} };
}

/** @throws {NoRush} When the stack is too old to say where its ledger is. */
export function stackOf({ api, dynamodb, tables }: StackFile): Stack {
  const table = tables.Ledger;
  if (table === undefined) throw new NoRush("The stack file names no ledger.");
  return { api, dynamodb, table };
}
