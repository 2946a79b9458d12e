// Every VU signs in its own users, a batch at a time, and keeps their tokens to itself. Tokens returned by setup() would be
// copied into each VU at its first iteration: 22,000 of them and 200 VUs took 1.6 GB, at the very moment of the opening.
import exec from "k6/execution";
import { mintTokens } from "./api.js";

/** A batch that a VU fetches in mid-burst because its own has run out. Small, since a user is waiting. */
const LATE_BATCH = 20;

/** Subjects in one request; with names as long as ours that is an eighth of the largest body the API takes. */
const BATCH_MOST = 1_000;

const tokens = [];
let signedIn = 0;

/** The name of a VU's nth user, from 1, so that anyone can find the first ones again. */
export const userName = (prefix, vu, nth) => `${prefix}.${vu}.${nth}`;

/** Signs in this VU's next users. */
export function signIn(prefix, count) {
  for (let left = count; left > 0; left -= BATCH_MOST) {
    const names = Array.from({ length: Math.min(left, BATCH_MOST) }, (_, index) =>
      userName(prefix, exec.vu.idInTest, signedIn + index + 1),
    );
    tokens.push(...mintTokens(names));
    signedIn += names.length;
  }
}

/** The token of a user who has not been here before. */
export function nextToken(prefix) {
  if (tokens.length === 0) signIn(prefix, LATE_BATCH);
  return tokens.shift();
}
