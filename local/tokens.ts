import {
  createLocalJWKSet,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JSONWebKeySet,
  type JWK,
  jwtVerify,
  SignJWT,
} from "jose";

/**
 * The stack's own token issuer, and API Gateway's JWT authorizer for it: signature, issuer, audience, expiry. Ed25519 where
 * API Gateway wants RSA: a rush mints ten thousand tokens at once, and an RSA signature takes twenty times as long.
 */

const ISSUER = "urn:firstcome:local";
const AUDIENCE = "firstcome";
const LIFETIME_SECONDS = 12 * 3_600;
/** Verified tokens that are remembered: a rush has one token a user, and each user may ask several times. */
const REMEMBERED = 50_000;

export type Claims = Readonly<Record<string, unknown>>;

export interface Tokens {
  /** A token for a subject, with scopes separated by spaces. */
  mint(subject: string, scope?: string): Promise<string>;
  /** The claims of a valid token, else undefined. */
  verify(token: string): Promise<Claims | undefined>;
}

/** Makes a signing key as text, to be kept or thrown away with the stack's data. */
export async function generateSigningKey(): Promise<string> {
  const { privateKey } = await generateKeyPair("EdDSA", { extractable: true });
  return JSON.stringify({ ...(await exportJWK(privateKey)), kid: "local-1", alg: "EdDSA" });
}

export async function tokens(signingKey: string): Promise<Tokens> {
  const privateJwk = JSON.parse(signingKey) as JWK;
  const { d: _, ...publicJwk } = privateJwk;
  const privateKey = await importJWK(privateJwk, "EdDSA");
  const keySet: JSONWebKeySet = { keys: [publicJwk] };
  const publicKeys = createLocalJWKSet(keySet);
  const remembered = new Map<string, Claims>();

  return {
    mint: (subject, scope) =>
      new SignJWT(scope === undefined ? {} : { scope })
        .setProtectedHeader({ alg: "EdDSA", kid: "local-1", typ: "JWT" })
        .setSubject(subject)
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setIssuedAt()
        .setExpirationTime(`${LIFETIME_SECONDS}s`)
        .sign(privateKey),

    async verify(token) {
      const known = remembered.get(token);
      if (known && Number(known.exp) * 1_000 > Date.now()) return known;
      try {
        const { payload } = await jwtVerify(token, publicKeys, {
          issuer: ISSUER,
          audience: AUDIENCE,
          algorithms: ["EdDSA"],
          requiredClaims: ["exp"],
        });
        remembered.set(token, payload);
        const [eldest] = remembered.keys();
        if (remembered.size > REMEMBERED && eldest !== undefined) remembered.delete(eldest);
        return payload;
      } catch {
        return undefined;
      }
    },
  };
}
