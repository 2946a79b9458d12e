// What a run is asked for by its environment.

/** A number of the environment; without it the script's own. */
export const numberOf = (name, usual) => Number(__ENV[name] || usual);

export const RATE = numberOf("RATE", 200);
export const DURATION = __ENV.DURATION || "10s";
export const SECONDS = secondsOf(DURATION);

function secondsOf(duration) {
  const unit = { ms: 0.001, s: 1, m: 60, h: 3_600 };
  const parts = [...duration.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  if (parts.map(([part]) => part).join("") !== duration || !duration)
    throw new Error(`DURATION=${duration} is not like 10s`);
  return parts.reduce((sum, [, amount, name]) => sum + Number(amount) * unit[name], 0);
}

/**
 * So long the run waits in the end, for each thing: until what is on its way is in the ledger, and what is away is back. What SQS
 * did not take is sent again by a schedule of once a minute.
 */
export const SETTLE_SECONDS = numberOf("SETTLE", 150);

/** A new name for what a run creates: two runs against one stack do not meet. */
export const newName = (part) => `${part}-${Date.now().toString(36)}`;

/**
 * Spread evenly over 0…1, and the same for the same number. What a share of the people does is dealt out by it, so that every
 * run has the same ones.
 */
export const spreadOf = (nth) => ((nth + 0.5) * 0.618_033_988_749_895) % 1;

/**
 * VUs that are as many people as come in so long; where that are few, for two seconds of them, so that a moment in which nothing
 * is answered drops nobody.
 */
export const vusFor = ({ rate, patientSeconds }) =>
  Math.ceil(Math.max(VUS_LEAST, Math.min(VUS_SPARE, rate * 2), rate * patientSeconds));
const [VUS_LEAST, VUS_SPARE] = [10, 300];

/**
 * Arrivals at a steady rate, whether or not those before have been served (an open model). VUs are added while it runs, slowly:
 * people are dropped meanwhile, so there should be enough from the start.
 *
 * @param rate People a second; may be a fraction.
 * @param patientSeconds How long one of them takes, as far as VUs are there from the start. There may be four times as many.
 */
export function arrivals({ rate, seconds, startSeconds = 0, patientSeconds, gracefulSeconds = 60 }) {
  const vus = vusFor({ rate, patientSeconds });
  return {
    executor: "constant-arrival-rate",
    ...{ rate: Math.max(1, Math.round(rate * 10)), timeUnit: "10s", duration: `${Math.ceil(seconds * 1_000)}ms` },
    startTime: `${Math.round(startSeconds * 1_000)}ms`,
    ...{ preAllocatedVUs: vus, maxVUs: 4 * vus + 20, gracefulStop: `${gracefulSeconds}s` },
  };
}
