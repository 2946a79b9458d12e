import type { Config } from "./session.ts";

/** Where an operator can sign in, as far as the page must know before anybody does. The signing in itself is oidc.ts. */

/** What of the config a sign-in needs. */
export interface Issuer {
  readonly issuer: string;
  readonly clientId: string;
  readonly scope: string;
}

const SCOPE = "openid operator";

/** @returns undefined where the console has no client at an issuer */
export function issuerOf({ issuer, clientId, scope = SCOPE }: Config): Issuer | undefined {
  return issuer === undefined || clientId === undefined ? undefined : { issuer, clientId, scope };
}

/** Whether the page's address carries an issuer's answer. */
export function isReturn(): boolean {
  const query = new URLSearchParams(location.search);
  return query.has("state") && (query.has("code") || query.has("error"));
}

/**
 * Why somebody could not be signed in.
 * - `refused`: the issuer says no, or the person did
 * - `foreign`: the answer does not belong to a sign-in that began in this tab
 * - `unreachable`: the issuer did not answer, or does not let this page ask it
 * - `unfit`: it answered with something that is no OIDC, or not what was asked for
 * - `forgetful`: the browser keeps nothing for this page, so that no answer could be told from a foreign one
 */
export type FaultKind = "refused" | "foreign" | "unreachable" | "unfit" | "forgetful";

export class SignInFault extends Error {
  readonly kind: FaultKind;

  constructor(kind: FaultKind, detail: string, cause?: unknown) {
    super(detail, { cause });
    this.name = "SignInFault";
    this.kind = kind;
  }
}
