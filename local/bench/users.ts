import { createHash } from "node:crypto";

/** Kinds of user ids. Each gives another id for each number below 900,000,000, in no order that a store could profit from. */
export const users = {
  /** Nine digits, such as 548230117. */
  numeric: (index: number) => String(100_000_000 + ((index * 611_953) % 900_000_000)),
  /** A UUID in lower case, as most identity providers give it. */
  uuid: (index: number) => {
    const hex = createHash("md5").update(`uuid-${index}`).digest("hex");
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
  },
  /** Thirty characters with a prefix, as services that sell sign-in give it. */
  prefixed: (index: number) => `auth0|${createHash("md5").update(`prefixed-${index}`).digest("hex").slice(0, 24)}`,
} as const;

/** So many ids of a kind, from one number on. */
export function idsOf(kind: keyof typeof users, count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, index) => users[kind](from + index));
}
