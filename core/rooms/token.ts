import { createHmac, timingSafeEqual } from "node:crypto";
import type { SigningKey } from "../context.ts";
import { limits } from "../limits.ts";

/**
 * What a room signs: JSON Web Tokens (RFC 7519) with HMAC-SHA-256 and the key's id in the header, so that keys can be changed
 * while tokens live. Two kinds, told apart by `typ` (RFC 8725, 3.11): a pass opens campaigns; a ticket proves a place.
 */

/** A pass, as it was signed. */
export interface Pass {
  readonly roomId: string;
  readonly userId: string;
  readonly number: number;
  /** Of the room when it was signed; a room that was lost has a later one. */
  readonly epoch: number;
  /** Of the room when it was signed; the operator's revocation raises it. */
  readonly series: number;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** A place in the line, as it was shown. */
export interface Ticket {
  readonly roomId: string;
  readonly userId: string;
  readonly number: number;
  /**
   * Whether the place is drawn from the number. The place itself is not in the token: before the opening nobody may know it, or
   * somebody would draw until it is a good one.
   */
  readonly isDrawn: boolean;
  /** People before this one when it was signed; below zero while places were not drawn. */
  readonly ahead: number;
  readonly epoch: number;
  /** When the next poll is due at the latest, in milliseconds since 1970: who polls later shows a later ticket. */
  readonly dueAt: number;
}

/** Why a token is not taken. For logs: whoever sent it hears only that it is not valid. */
export type TokenFault =
  | "malformed"
  | "wrong-type"
  | "unknown-key"
  | "bad-signature"
  | "wrong-room"
  | "wrong-user"
  | "expired";

type Kind = "pass" | "ticket";
const TYPES: Readonly<Record<Kind, string>> = { pass: "waiting-room-pass+jwt", ticket: "waiting-room-ticket+jwt" };

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
const mac = (secret: string, text: string) => createHmac("sha256", secret).update(text).digest();

function sign(keys: readonly SigningKey[], kind: Kind, claims: object): string {
  const [key] = keys;
  if (!key) throw new Error("no key to sign with");
  const text = `${encode({ alg: "HS256", typ: TYPES[kind], kid: key.id })}.${encode(claims)}`;
  return `${text}.${mac(key.secret, text).toString("base64url")}`;
}

function parse(part: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** The claims of a token that one of the keys has signed. The algorithm is ours, whatever the header says. */
function verify(
  keys: readonly SigningKey[],
  kind: Kind,
  token: string,
  holder: { roomId: string; userId: string },
): { claims: Readonly<Record<string, unknown>> } | { fault: TokenFault } {
  if (token.length > limits.passLength) return { fault: "malformed" };
  const [head = "", body = "", signature = "", ...more] = token.split(".");
  const header = parse(head);
  if (!header || more.length > 0 || header.alg !== "HS256") return { fault: "malformed" };
  if (header.typ !== TYPES[kind]) return { fault: "wrong-type" };
  const key = keys.find(({ id }) => id === header.kid);
  if (!key) return { fault: "unknown-key" };
  const given = Buffer.from(signature, "base64url");
  const right = mac(key.secret, `${head}.${body}`);
  if (given.length !== right.length || !timingSafeEqual(given, right)) return { fault: "bad-signature" };
  const claims = parse(body);
  if (!claims) return { fault: "malformed" };
  if (claims.aud !== holder.roomId) return { fault: "wrong-room" };
  if (claims.sub !== holder.userId) return { fault: "wrong-user" };
  return { claims };
}

export function signPass(keys: readonly SigningKey[], pass: Pass): string {
  const { roomId, userId, number, epoch, series, expiresAt } = pass;
  return sign(keys, "pass", { sub: userId, aud: roomId, num: number, epo: epoch, ser: series, exp: expiresAt / 1_000 });
}

/** Reads a pass for a room and a user. Epoch and series are the caller's to compare: only the room knows them. */
export function readPass(
  keys: readonly SigningKey[],
  token: string,
  holder: { roomId: string; userId: string },
  nowMs: number,
): { pass: Pass } | { fault: TokenFault } {
  const read = verify(keys, "pass", token, holder);
  if ("fault" in read) return read;
  const { num, epo, ser, exp } = read.claims;
  const expiresAt = Math.round(Number(exp) * 1_000);
  // Not `<=`: what cannot be read as a number is expired as well.
  if (!(expiresAt > nowMs)) return { fault: "expired" };
  return { pass: { ...holder, number: Number(num), epoch: Number(epo), series: Number(ser), expiresAt } };
}

export function signTicket(keys: readonly SigningKey[], ticket: Ticket): string {
  const { roomId, userId, number, isDrawn, ahead, epoch, dueAt } = ticket;
  const claims = { num: number, drw: isDrawn ? 1 : 0, ahd: ahead, epo: epoch, due: dueAt };
  return sign(keys, "ticket", { sub: userId, aud: roomId, ...claims });
}

/** Reads a ticket for a room and a user. */
export function readTicket(
  keys: readonly SigningKey[],
  token: string,
  holder: { roomId: string; userId: string },
): { ticket: Ticket } | { fault: TokenFault } {
  const read = verify(keys, "ticket", token, holder);
  if ("fault" in read) return read;
  const { num, drw, ahd, epo, due } = read.claims;
  const place = { number: Number(num), isDrawn: drw === 1, ahead: Number(ahd) };
  return { ticket: { ...holder, ...place, epoch: Number(epo), dueAt: Number(due) } };
}

/** A key shorter than this could be guessed: HS256 wants at least as many bits as its hash (RFC 7518, 3.2). */
const SECRET_CHARACTERS_LEAST = 43;

/**
 * Reads signing keys from a secret's text: `id:secret`, separated by commas; the first signs, all verify. To change keys without
 * downtime add the new one behind the old, deploy, put it first, deploy, and leave the old one out when the last pass has expired.
 * Throws on keys that are missing, too short or named twice: a function must not start with them.
 */
export function readKeys(text: string): SigningKey[] {
  const keys = text.split(",").map((entry) => {
    const [, id = "", secret = ""] = /^\s*([\w-]{1,40}):([\w+/=-]+)\s*$/.exec(entry) ?? [];
    if (secret.length < SECRET_CHARACTERS_LEAST)
      throw new Error(
        `room keys must be "id:secret" with secrets of ${SECRET_CHARACTERS_LEAST} characters (256 bits in base64) or more`,
      );
    return { id, secret };
  });
  if (new Set(keys.map(({ id }) => id)).size < keys.length) throw new Error("two room keys have one id");
  return keys;
}
