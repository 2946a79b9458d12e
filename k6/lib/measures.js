// What a part counts. VUs share nothing, but a counter adds up what all of them say.
import { Counter, Gauge } from "k6/metrics";

/** k6 knows letters, digits and underscores. */
export const metricOf = (part, name) => `${part}_${name}`.replace(/-/g, "_");

export const counterOf = (part, name) => new Counter(metricOf(part, name));
export const gaugeOf = (part, name) => new Gauge(metricOf(part, name));

/**
 * What must not happen: the metric, the condition that it must meet, and what it would mean. About `integrity`; or about the
 * `load`, which was then not the one that was asked for; or about what could be `judged`, and was then not.
 *
 * @param needs `[metric, condition]` of each thing without which nothing can be said here
 */
export const rule = (metric, condition, meaning, about = "integrity", needs = []) => ({
  ...{ metric, condition, meaning, about, needs },
});

/**
 * Something that is counted by those who ask and held against what is found afterwards. Who got no final answer may or may not
 * have it, so there are two bounds and not one equation: what must be there, and what may be. While nothing was found, as where
 * it could not be read, nothing is said.
 *
 * @param lost What it means if less is found than must be there.
 * @param stray What it means if more is found than may be.
 */
export function boundsOf(part, name, { lost, stray }) {
  const [least, most, found] = ["least", "most", "found"].map((it) => counterOf(part, `${name}_${it}`));
  const needs = [[metricOf(part, `${name}_found`), "count>0"]];
  return {
    /** Before it is asked for, so that one who is cut off has asked. What is taken away is below zero. */
    mayBe: (count = 1) => (count > 0 ? most : least).add(count),
    /** Once it is known. */
    is: (count = 1) => (count > 0 ? least : most).add(count),
    isNot: (count = 1) => most.add(-count),
    /** In the end: so many are there. */
    found(count) {
      least.add(-count);
      most.add(-count);
      found.add(1);
    },
    rules: [
      rule(metricOf(part, `${name}_least`), "count<=0", lost, "integrity", needs),
      rule(metricOf(part, `${name}_most`), "count>=0", stray, "integrity", needs),
    ],
  };
}

/** Bits of a mark: sums of a thousand million marks are still exact. */
const MARK_BITS = 23;

/**
 * A number that stands for some words, and for no others as far as anyone can help it. Sums of marks are equal where the words
 * are, in whatever order: equal numbers of other ones do not pass.
 */
export function markOf(...words) {
  let hash = 0x81_1c_9d_c5;
  for (const letter of words.join("\n")) hash = Math.imul(hash ^ letter.charCodeAt(0), 0x01_00_01_93);
  hash = Math.imul(hash ^ (hash >>> 16), 0x7f_eb_35_2d);
  hash = Math.imul(hash ^ (hash >>> 15), 0x84_6c_a6_8b);
  return ((hash ^ (hash >>> 16)) >>> (32 - MARK_BITS)) + 2 ** MARK_BITS;
}
/** No mark is above this. */
const MARK_MOST = 2 ** (MARK_BITS + 1);

/**
 * Which ones there are, not only how many: the sum of their marks within bounds. One that is told of to nobody and one that is
 * told of and not there do not make up for each other.
 *
 * @param unequal What it means if those that are told of are not those that are found.
 */
export function marksOf(part, name, unequal) {
  const bounds = boundsOf(part, name, { lost: unequal, stray: unequal });
  return {
    rules: bounds.rules,
    /** Somebody asks, and it could be any. */
    mayBe: () => bounds.mayBe(MARK_MOST),
    isNot: () => bounds.isNot(MARK_MOST),
    /** Of one that could have been any it is known which. */
    is(mark) {
      bounds.is(mark);
      bounds.isNot(MARK_MOST - mark);
    },
    /** One that is known is about to be taken away, and then it is. */
    mayGo: (mark) => bounds.mayBe(-mark),
    isGone: (mark) => bounds.is(-mark),
    found: (sum) => bounds.found(sum),
  };
}
