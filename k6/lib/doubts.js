// What could not be judged. A store that is away, or slow, is no promise broken: the run fails, and accuses nobody.
import { check, sleep } from "k6";
import { Counter } from "k6/metrics";
import { SETTLE_SECONDS } from "./settings.js";

/** Every part's together. */
export const DOUBTS = "doubts";
const doubts = new Counter(DOUBTS);

/** A check that fails is told by its name, which is all that is left of it in the end. */
const PREFIX = "not judged: ";
export const isDoubt = (check) => check.startsWith(PREFIX);
export const doubtOf = (check) => check.slice(PREFIX.length);

/** Says what could not be judged, and why. For teardown. */
export function doubt(part, what) {
  doubts.add(1);
  check(undefined, { [`${PREFIX}${part}: ${what}`]: () => false }, { kind: "judged" });
}

/**
 * Asks until there is an answer, as long as the run waits for anything: what is read in the end is asked for again, as people
 * are told to who meet a 503. For teardown.
 *
 * @param ask gives undefined where there was no answer
 * @param isEnough whether this answer will do; any will, if absent
 * @returns the last answer, enough or not; undefined where there was none
 */
export function insist(ask, isEnough = () => true) {
  const deadline = Date.now() + SETTLE_SECONDS * 1_000;
  let last = ask();
  while ((last === undefined || !isEnough(last)) && Date.now() < deadline) {
    sleep(0.3);
    last = ask() ?? last;
  }
  return last;
}

/**
 * Reads about many, and again about those of whom there was no answer.
 *
 * @param read gives for each of some a document, or undefined
 * @param isEnough whether this document will do; any will, if absent
 * @returns for each of them the last document that was read
 */
export function insistOnAll(some, read, isEnough = () => true) {
  const found = some.map(() => undefined);
  const isOpen = (index) => found[index] === undefined || !isEnough(found[index]);
  insist(
    () => {
      const open = [...found.keys()].filter(isOpen);
      const documents = read(open.map((index) => some[index]));
      for (const [place, index] of open.entries()) found[index] = documents[place] ?? found[index];
      return found;
    },
    () => ![...found.keys()].some(isOpen),
  );
  return found;
}
