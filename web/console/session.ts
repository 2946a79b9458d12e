import { signal } from "@preact/signals";
import { type Ask, ask, Problem } from "./api.ts";
import { refreshAll } from "./poll.ts";
import { forget, keep, kept } from "./remembered.ts";

/** Who uses the console: an operator, whose token goes along with each question; and whom they try the shop as. */

/** Where the console runs; `config.json` beside it says so. */
export interface Config {
  /** On the laptop's stack, which mints tokens for whoever asks and has buttons that break it. */
  readonly local: boolean;
  /** The OIDC issuer whose tokens the API takes. */
  readonly issuer?: string;
  /** The console's own client there: public, authorization code with PKCE. Without one, a token is pasted. */
  readonly clientId?: string;
  readonly scope?: string;
}

export const config = signal<Config | undefined>(undefined);
/** Why there is no config: the page is of no use then. */
export const configTrouble = signal<unknown>(undefined);
/** The operator's token; undefined while nobody is signed in. */
export const token = signal<string | undefined>(undefined);
/** Whether somebody was signed in here, and the API takes that token no more. */
export const hasEnded = signal(false);

export interface Shopper {
  readonly name: string;
  readonly token: string;
}

/** Undefined while nobody has said who they are. Outlives the view, so that whoever looks elsewhere comes back as themselves. */
export const shopper = signal<Shopper | undefined>(undefined);

/** The names under which the token and places in lines (parts/line.ts) are kept. */
const TOKEN = "token";
const LINES = "line.";

export async function open(): Promise<void> {
  try {
    const found = await ask<Config>("GET", "./config.json");
    token.value = found.local ? await mint("console", "operator") : kept(TOKEN);
    config.value = found;
    configTrouble.value = undefined;
  } catch (error) {
    configTrouble.value = error;
  }
}

/** Takes an operator's token for as long as the tab is open; where the browser keeps nothing, until the page is loaded anew. */
export function signIn(given: string): void {
  keep(TOKEN, given);
  token.value = given;
  if (hasEnded.value) refreshAll();
  hasEnded.value = false;
}

/** Leaves nothing of the person in the tab: neither as an operator nor as a shopper. */
export function signOut(): void {
  end();
  shopper.value = undefined;
  forget(LINES);
}

function end(): void {
  forget(TOKEN);
  token.value = undefined;
}

/** A token of the laptop's own issuer. Only its stack has this route. */
export async function mint(subject: string, scope?: string): Promise<string> {
  const body = { subjects: [subject], ...(scope === undefined ? {} : { scope }) };
  const { tokens } = await ask<{ tokens: Record<string, string> }>("POST", "/_local/tokens", { body });
  return tokens[subject] ?? "";
}

/** Asks as the operator. A token that is no longer taken is replaced on the laptop, and ends the session elsewhere. */
export async function askAsOperator<T>(method: Parameters<typeof ask>[0], path: string, asked: Ask = {}): Promise<T> {
  const shown = token.value;
  // A view that is kept while somebody signs in again.
  if (shown === undefined && !config.value?.local) throw new Problem(401, {}, null);
  try {
    return await ask<T>(method, path, { ...asked, token: shown });
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== "unauthorized") throw error;
    if (!config.value?.local) {
      // A late answer to a token of before says nothing of the one that was signed in with since.
      if (shown !== undefined && token.value === shown) {
        end();
        hasEnded.value = true;
      }
      throw error;
    }
    // The stack was started anew, with another key.
    token.value = await mint("console", "operator");
    return ask<T>(method, path, { ...asked, token: token.value });
  }
}
