// What a part counts. VUs share nothing, but a counter adds up what all of them say.
import { Counter, Gauge } from "k6/metrics";

/** k6 knows letters, digits and underscores. */
export const metricOf = (part, name) => `${part}_${name}`.replace(/-/g, "_");

export const counterOf = (part, name) => new Counter(metricOf(part, name));
export const gaugeOf = (part, name) => new Gauge(metricOf(part, name));

/**
 * What must not happen: the metric, the condition that it must meet, and what it would mean. About `integrity`, or about the
 * `load`, which was then not the one that was asked for.
 */
export const rule = (metric, condition, meaning, about = "integrity") => ({ metric, condition, meaning, about });

/**
 * Something that is counted by those who ask and held against what is found afterwards. Who got no final answer may or may not
 * have it, so there are two bounds and not one equation: what must be there, and what may be.
 *
 * @param lost What it means if less is found than must be there.
 * @param stray What it means if more is found than may be.
 */
export function boundsOf(part, name, { lost, stray }) {
  const [least, most] = [counterOf(part, `${name}_least`), counterOf(part, `${name}_most`)];
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
    },
    rules: [
      rule(metricOf(part, `${name}_least`), "count<=0", lost),
      rule(metricOf(part, `${name}_most`), "count>=0", stray),
    ],
  };
}
