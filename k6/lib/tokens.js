// Every VU signs in its own users, a batch at a time, and keeps their tokens to itself. Tokens returned by setup() would be
// copied into each VU at its first iteration: 22,000 of them and 200 VUs took 1.6 GB, at the very moment of the opening.
import { b64decode } from "k6/encoding";
import exec from "k6/execution";
import { mintTokens, parse } from "./api.js";

/** A batch that a VU fetches in mid-run because its own has run out. Small, since a user is waiting, and other VUs do the same. */
const LATE_BATCH = 5;

/** Users signed in ahead, beyond an even share for each VU: who is idle next is for k6 to say. */
const SPARE = 1.2;
/** The laptop's stack mints a thousand tokens in 0.2 s (two cores); with other work beside it may be three times that. */
const MINTED_PER_SECOND = 2_000;

/** Subjects in one request; with names as long as ours that is an eighth of the largest body the API takes. */
const BATCH_MOST = 1_000;

/** By the prefix of the users' names: tokens that wait to be taken, and how many were ever signed in. */
const known = {};
const knownOf = (prefix) => {
  known[prefix] = known[prefix] ?? { tokens: [], signedIn: 0, pool: [], taken: 0 };
  return known[prefix];
};

/** The name of a VU's nth user, from 1, so that anyone can find the first ones again. */
export const userName = (prefix, vu, nth) => `${prefix}.${vu}.${nth}`;

/** Whose token this is. */
export const subjectOf = (token) => parse(b64decode(token.split(".")[1], "rawurl", "s"))?.sub;

/** How long it takes to sign so many users in, before they come. */
export const signInSeconds = (users) => 1 + Math.ceil(users / MINTED_PER_SECOND);

/**
 * The users of a part, signed in before they come by the VUs that are going to be them. A VU that is not done by then signs its
 * users in one small batch at a time.
 *
 * @param verb the name under which the script exports `arrive`
 * @param vus those that the users' scenario has from the start. They run both: the first ends, grace included, before the second
 *   begins.
 */
export function crowdOf({ verb, users, vus, seconds = signInSeconds(users) }) {
  return {
    scenario: {
      ...{ executor: "per-vu-iterations", exec: verb, vus, iterations: 1 },
      ...{ maxDuration: `${seconds}s`, gracefulStop: "0s" },
    },
    arrive: (prefix) => signIn(prefix, Math.ceil((users / vus) * SPARE)),
  };
}

/** Signs in this VU's next users. */
function signIn(prefix, count) {
  const its = knownOf(prefix);
  for (let left = count; left > 0; left -= BATCH_MOST) {
    const names = Array.from({ length: Math.min(left, BATCH_MOST) }, (_, index) =>
      userName(prefix, exec.vu.idInTest, its.signedIn + index + 1),
    );
    its.tokens.push(...mintTokens(names));
    its.signedIn += names.length;
  }
}

/** The token of a user who has not been here before. */
export function nextToken(prefix) {
  const its = knownOf(prefix);
  if (its.tokens.length === 0) signIn(prefix, LATE_BATCH);
  return its.tokens.shift();
}

/** One of so many users of this VU, who come again and again in turn. `memory` is what the VU keeps of this one. */
export function nextOfPool(prefix, size) {
  const its = knownOf(prefix);
  const place = its.taken++ % size;
  if (place === its.pool.length) its.pool.push({ token: nextToken(prefix), memory: {} });
  return its.pool[place];
}
