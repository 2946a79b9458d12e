import { type Ask, ask, hear, Problem } from "../api.ts";
import { remember } from "../remembered.ts";
import { config, mint, type Shopper, shopper } from "../session.ts";

/** Who tries the shop: somebody of a name on the laptop, whoever a token is of elsewhere. Not the operator of the console. */

export { type Shopper, shopper };

/** The name under which the last name is remembered. */
export const NAME = "shopper";

/** Becomes somebody of the laptop's own issuer, which believes any name. */
export async function becomeNamed(name: string): Promise<void> {
  shopper.value = { name, token: await mint(name) };
  remember(NAME, name);
}

/** Becomes the one whom a token names. */
export function becomeBearer(given: string): void {
  const token = given.trim().replace(/^Bearer\s+/i, "");
  shopper.value = { name: subjectOf(token), token };
}

/** Whom a token says it is of, for people to read; only the API checks it. */
function subjectOf(token: string): string {
  try {
    const payload = token.split(".")[1]?.replaceAll("-", "+").replaceAll("_", "/") ?? "";
    const bytes = Uint8Array.from(atob(payload), (char) => char.charCodeAt(0));
    const { sub } = JSON.parse(new TextDecoder().decode(bytes)) as { sub?: unknown };
    return typeof sub === "string" ? sub : "?";
  } catch {
    return "?";
  }
}

/** Asks as the shopper, with the status of the answer. */
export function hearAsShopper<T>(method: Parameters<typeof ask>[0], path: string, asked: Ask = {}) {
  return renewed((token) => hear<T>(method, path, { ...asked, token }));
}

/** Asks as the shopper. */
export function askAsShopper<T>(method: Parameters<typeof ask>[0], path: string, asked: Ask = {}): Promise<T> {
  return renewed((token) => ask<T>(method, path, { ...asked, token }));
}

/** On the laptop a stack that was started anew takes no token of before: then a new one is minted, once. */
async function renewed<T>(call: (token: string | undefined) => Promise<T>): Promise<T> {
  const before = shopper.value;
  try {
    return await call(before?.token);
  } catch (error) {
    const isOld = error instanceof Problem && error.code === "unauthorized";
    if (!isOld || !before || !config.value?.local) throw error;
    await becomeNamed(before.name);
    return call(shopper.value?.token);
  }
}
